"""Whether the client's wheel and sdist are what they promise, above all: pinned to exactly one runtime."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from codex_release.check.contents import (
    entry_problems,
    identity_problems,
    metadata_problems,
    read_contents,
    record_problems,
    size_problems,
)
from codex_release.wheels.wheel_file import read_headers

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

    from codex_release.facts.lock import Lock
    from codex_release.facts.targets import Catalog
    from codex_release.wheels.wheel_file import WheelFile

__all__ = ["check_client_sdist", "check_client_wheel"]


def check_client_wheel(wheel: WheelFile, catalog: Catalog, lock: Lock | None) -> tuple[list[str], str | None]:
    """The problems of the client's wheel, and the runtime version it is pinned to."""
    problems = size_problems(wheel.path, catalog.size_limits[wheel.distribution], wheel.distribution)
    contents, damaged = read_contents(wheel)
    problems += entry_problems(wheel) + damaged + record_problems(wheel, contents) + identity_problems(wheel)
    return _with_pin(problems, wheel.metadata, catalog, lock)


def check_client_sdist(path: Path, project: str, catalog: Catalog, lock: Lock | None) -> tuple[list[str], str | None]:
    """The problems of the client's sdist, and the runtime version it is pinned to."""
    problems = size_problems(path, catalog.size_limits[project], project)
    try:
        with tarfile.open(path, "r:gz") as archive:
            top = path.name.removesuffix(".tar.gz")
            odd = [name for name in archive.getnames() if not name.startswith(f"{top}/")]
            problems += [f"{name} lies outside of {top}/" for name in odd]
            file = archive.extractfile(f"{top}/PKG-INFO")
            metadata = read_headers(file.read() if file else b"")
    except (OSError, tarfile.TarError, KeyError, EOFError) as error:
        return [*problems, f"it cannot be read as an sdist: {error}"], None
    return _with_pin(problems + metadata_problems(metadata), metadata, catalog, lock)


def _with_pin(
    problems: list[str], metadata: Message, catalog: Catalog, lock: Lock | None
) -> tuple[list[str], str | None]:
    """The problems with those of the pin, and the runtime version (PEP 440) that it names, exactly and always."""
    try:
        requirements = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    except InvalidRequirement as error:
        return [*problems, f"a dependency cannot be understood: {error}"], None
    project = catalog.distribution
    pins = [each for each in requirements if canonicalize_name(each.name) == project]
    specifiers = list(pins[0].specifier) if len(pins) == 1 else []
    if len(specifiers) != 1 or specifiers[0].operator != "==" or pins[0].marker or "*" in specifiers[0].version:
        found = ", ".join(map(str, pins)) or "nothing"
        return [*problems, f"it must depend on {project}==VERSION and nothing else of it, found: {found}"], None
    pinned = specifiers[0].version
    if lock is not None and pinned != lock.version.pep440:
        problems = [*problems, f"it is pinned to {project}=={pinned}, the lock knows {lock.version.pep440}"]
    return problems, pinned
