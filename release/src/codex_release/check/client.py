"""Whether the client's wheel and sdist are what they promise, above all: pinned to exactly one runtime."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from codex_release.base.digests import FileDigest, digested
from codex_release.base.errors import ArchiveError, CheckError, WorkspaceError, system_errors_as
from codex_release.base.table import read_toml
from codex_release.check.contents import (
    metadata_problems,
    name_problems,
    read_contents,
    record_problems,
    size_problems,
)
from codex_release.check.sources import Measure, Project, project_problems
from codex_release.runtime.archive import DirectorySink, stream
from codex_release.wheels.stage import sdk_texts
from codex_release.wheels.wheel_file import WheelFile, read_headers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message

    from packaging.version import Version


__all__ = ["check_client_sdist", "check_client_wheel"]

_SDIST = ("LICENSE", "PKG-INFO", "README.md", "pyproject.toml", ".gitignore")
"""What the client's sdist has beside its sources."""
_LICENSES = ("LICENSE",)
"""The names of the files with its license's text."""


def check_client_wheel(wheel: WheelFile, measure: Measure) -> tuple[list[str], str | None]:
    """The problems of the client's wheel beside those of any, and the runtime version it is pinned to."""
    contents, damaged = read_contents(wheel)
    problems = damaged + record_problems(wheel, contents)
    problems += metadata_problems(wheel.metadata, measure.catalog.license, _LICENSES)
    problems += project_problems(wheel, measure, contents, _LICENSES)
    if wheel.wheel.get("Root-Is-Purelib") != "true":
        problems.append("WHEEL does not say Root-Is-Purelib: true, though it is for any platform")
    if {tag.platform for tag in wheel.tags} != {"any"}:
        problems.append("it is not for any platform")
    return _with_pin(problems, wheel.metadata, measure)


def check_client_sdist(path: Path, name: str, version: Version, measure: Measure) -> tuple[list[str], str | None]:
    """The problems of the client's sdist, and the runtime version it is pinned to.

    Args:
        path: the sdist.
        name: the project that its name says.
        version: likewise.
        measure: what it is held against.

    Raises:
        CheckError: if the checkout's project cannot be read.
        StageError: if it cannot be staged.
    """
    catalog, workspace = measure.catalog, measure.workspace
    problems, project = size_problems(path, name, catalog), measure.project(name)
    with tempfile.TemporaryDirectory(prefix="codex-check-") as scratch:
        try:
            found = stream(path, path.name, DirectorySink(Path(scratch)), str)
        except ArchiveError as error:
            return [*problems, str(error)], None
        top = path.name.removesuffix(".tar.gz")
        problems += [f"{name} lies outside of {top}/" for name in found if not name.startswith(f"{top}/")]
        if f"{top}/PKG-INFO" not in found:
            return [*problems, f"it has no {top}/PKG-INFO"], None
        metadata = read_headers((Path(scratch) / top / "PKG-INFO").read_bytes())
        problems += name_problems("PKG-INFO", metadata, name, version)
        problems += metadata_problems(metadata, catalog.license, _LICENSES)
        if project is not None:
            problems += _sdist_problems(Path(scratch) / top, found, project)
            problems += project.metadata_problems(metadata, catalog.distribution)
    problems, pinned = _with_pin(problems, metadata, measure)
    if workspace is not None and pinned is not None:
        # What is built from it follows from these, whatever PKG-INFO says.
        with system_errors_as(CheckError, f"{workspace.sdk} cannot be read", "let it be read"):
            texts = sdk_texts(pinned, str(version), catalog, workspace)
        problems += [
            f"{text} is not what the checkout's project leads to"
            for text, content in texts.items()
            if found.get(f"{top}/{text}") != digested([content])
        ]
    return problems, pinned


def _sdist_problems(directory: Path, found: Mapping[str, FileDigest], project: Project) -> list[str]:
    """Where an unpacked sdist is not what the checkout's project leads to."""
    source = f"{directory.name}/src/"
    contents = {name[len(source) :]: digest for name, digest in found.items() if name.startswith(source)}
    known = {f"{directory.name}/{name}" for name in _SDIST}
    problems = [f"{name} does not belong there" for name in found if name not in known and not name.startswith(source)]
    problems += [f"src/{name} does not belong there" for name in contents if name not in project.files]
    problems += project.differing(contents)
    try:
        build_system = read_toml(directory / "pyproject.toml").get("build-system")
    except WorkspaceError as error:
        return [*problems, str(error)]
    if build_system != project.build_system:
        problems.append("its build system is not that of the checkout's project")
    return problems


def _with_pin(problems: list[str], metadata: Message, measure: Measure) -> tuple[list[str], str | None]:
    """The problems with those of the pin, and the runtime version (PEP 440) that it names, exactly and always."""
    try:
        requirements = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    except InvalidRequirement as error:
        return [*problems, f"a dependency cannot be understood: {error}"], None
    project, lock = measure.catalog.distribution, measure.lock
    pins = [each for each in requirements if canonicalize_name(each.name) == project]
    specifiers = list(pins[0].specifier) if len(pins) == 1 else []
    odd = len(specifiers) != 1 or specifiers[0].operator != "==" or "*" in specifiers[0].version
    if odd or pins[0].marker or pins[0].extras:
        found = ", ".join(map(str, pins)) or "nothing"
        return [*problems, f"it must depend on {project}==VERSION and nothing else of it, found: {found}"], None
    pinned = specifiers[0].version
    if lock is not None and pinned != lock.version.pep440:
        problems = [*problems, f"it is pinned to {project}=={pinned}, the lock knows {lock.version.pep440}"]
    return problems, pinned
