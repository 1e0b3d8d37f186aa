"""Staging: directories that plain ``python -m build`` can build.

The runtime's is the template with a version, a tag, a bill of materials and the payload; the client's is its project
with a version and the exact pin on one runtime. TOML is parsed and written as TOML. A staged directory bears a stamp:
the same command may put another one in its place, and never in that of anything else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import tomlkit
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from codex_release.base.errors import StageError, system_errors_as
from codex_release.base.scratch import scratch_directory
from codex_release.base.switch import put_together
from codex_release.runtime.tags import Variant, wheel_tag
from codex_release.runtime.tree import RuntimeTree, copy_tree
from codex_release.wheels.sbom import sbom_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from codex_release.base.digests import FileDigest
    from codex_release.facts.lock import Runtime
    from codex_release.facts.targets import Catalog
    from codex_release.facts.versions import ReleaseVersion
    from codex_release.facts.workspace import Workspace

__all__ = ["SBOM", "fill_runtime", "fill_sdk", "pin_runtime", "sdk_texts", "staging"]

_IGNORED = ("__pycache__", "*.pyc", ".*")
_LICENSES = "licenses"
_TO_DOCUMENT = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)\s]+\.md(?:#[\w-]*)?\)")
"""A link to another document of the repository, which would lead nowhere from the page that an index shows."""
SBOM = "codex-cli-bin.cdx.json"
"""What the bill of materials of a runtime wheel is called."""
_STAMP = ".codex-release-stage"
"""In a staged directory, the file that names the command that made it."""


@contextlib.contextmanager
def staging(directory: Path, command: str) -> Iterator[Path]:
    """A new directory to fill; when the block ends well, it takes its place whole, and vanishes otherwise.

    Args:
        directory: its place: nothing, an empty directory, or one that the same command made, which goes then with all
            that is in it.
        command: what makes it.

    Raises:
        StageError: if something else is there, or something cannot be read or written.
    """
    place = Path(os.path.realpath(directory))  # unlike resolve(), which fails at a loop before Python 3.13
    if place.is_symlink():
        raise StageError(f"{directory} is a link that leads in a circle", remedy="name a new directory")
    # Whose name another stage's cannot begin with: what is left of a broken one goes by that.
    name = f"codex-release-{hashlib.sha256(os.fsencode(place.name)).hexdigest()[:16]}"
    with system_errors_as(StageError, f"{directory} cannot be staged"):
        _refuse_foreign(place, command)
        with scratch_directory(place.parent) as scratch:
            made = scratch / place.name
            made.mkdir()
            yield made
            made.chmod(0o755)
            (made / _STAMP).write_bytes(_stamp(command))
            _refuse_foreign(place, command)
            put_together(place.parent, name, {place.name: made})


def _stamp(command: str) -> bytes:
    return f"{command}\n".encode()


def _refuse_foreign(place: Path, command: str) -> None:
    """Leave alone whatever is there, unless it is an empty directory, or one that the same command made."""
    if not place.exists():
        return
    if place.is_dir():
        stamp = place / _STAMP
        if not any(place.iterdir()) or (stamp.is_file() and stamp.read_bytes() == _stamp(command)):
            return
    raise StageError(
        f"{place} exists, is not empty, and was not made by codex-release {command}", remedy="name a new directory"
    )


def fill_runtime(
    directory: Path,
    files: Mapping[str, FileDigest],
    variant: Variant,
    runtime: Runtime,
    *,
    catalog: Catalog,
    workspace: Workspace,
    root: Path | None = None,
) -> None:
    """Make an empty directory the build directory of one runtime wheel.

    Args:
        directory: of `staging`, or one that nobody else knows of: a failure leaves it half filled.
        files: what the runtime's files are.
        variant: the wheel's tags, and what is left out of it.
        runtime: where they come from, for the bill of materials.
        catalog: the data file.
        workspace: where template and licence are.
        root: the runtime's tree, to be copied in; without it only a tool that adds the payload can use the stage.

    Raises:
        StageError: if something that is copied is no project's metadata.
        OSError: if something cannot be read or written.
    """
    shipped = {path: digest for path, digest in files.items() if path not in variant.left_out}
    target, version = runtime.target, runtime.version
    ignored = shutil.ignore_patterns(*_IGNORED, _LICENSES)
    shutil.copytree(workspace.runtime_template, directory, dirs_exist_ok=True, ignore=ignored)
    shutil.copyfile(workspace.license, directory / "LICENSE")
    works = catalog.works_in(shipped)
    for work in works:
        shutil.copyfile(workspace.license_of(work.name), directory / f"LICENSE.{work.name}")
    project = directory / "pyproject.toml"
    project.write_bytes(_edited_toml(project, version=version.pep440, terms=catalog.license_of(works)))
    (directory / SBOM).write_bytes(sbom_json(runtime, shipped, catalog).encode())
    staged = {
        "version": version.codex,
        "target": target.triple,
        "tag": wheel_tag(variant.platforms),
        "entrypoint": target.fill(catalog.layout.entrypoint),
        "sbom": SBOM,
    }
    (directory / "runtime.json").write_bytes((json.dumps(staged, indent=2) + "\n").encode())
    if root is not None:
        copy_tree(RuntimeTree(root, shipped), directory / "src" / catalog.module, catalog.layout)


def fill_sdk(
    directory: Path, version: ReleaseVersion, *, sdk_version: str, catalog: Catalog, workspace: Workspace
) -> None:
    """Make an empty directory the build directory of the client, pinned to exactly one runtime.

    Args:
        directory: see `fill_runtime`.
        version: the runtime.
        sdk_version: the client's own version (PEP 440).
        catalog: the data file.
        workspace: where the client's project is.

    Raises:
        StageError: if the project's metadata cannot be pinned.
        OSError: if something cannot be read or written.
    """
    for name, content in sdk_texts(version.pep440, sdk_version, catalog, workspace).items():
        (directory / name).write_bytes(content)
    shutil.copytree(workspace.sdk / "src", directory / "src", ignore=shutil.ignore_patterns(*_IGNORED))


def sdk_texts(pinned: str, sdk_version: str, catalog: Catalog, workspace: Workspace) -> dict[str, bytes]:
    """What the client's build directory has beside its sources, and so has its sdist, by name.

    Args:
        pinned: the version of the runtime (PEP 440).
        sdk_version: the client's own version (PEP 440).
        catalog: the data file.
        workspace: where the client's project is.

    Raises:
        StageError: if the project's metadata cannot be pinned.
        OSError: if something cannot be read.
    """
    pin = Requirement(f"{catalog.distribution}=={pinned}")
    readme = (workspace.sdk / "README.md").read_text(encoding="utf-8")
    return {
        "pyproject.toml": _edited_toml(workspace.sdk / "pyproject.toml", version=sdk_version, pin=pin),
        "README.md": _TO_DOCUMENT.sub(r"\1", readme).encode(),
        "LICENSE": workspace.license.read_bytes(),
        # hatchling puts the nearest one into the sdist, of whatever repository is around; so there is one here.
        ".gitignore": b"/dist/\n",
    }


def pin_runtime(dependencies: list[str], pin: Requirement) -> list[str]:
    """The dependencies with exactly one on the pinned distribution, whatever stood there before.

    Raises:
        StageError: if an entry is no requirement (PEP 508).
    """
    kept = []
    for text in dependencies:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise StageError(f"{text!r} is not a requirement: {error}") from error
        if canonicalize_name(requirement.name) != canonicalize_name(pin.name):
            kept.append(text)
    return [*kept, str(pin)]


def _edited_toml(path: Path, *, version: str, pin: Requirement | None = None, terms: str = "") -> bytes:
    """A project's metadata (PEP 621) with version, pin and license terms, and the rest as it is."""
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8"))
        project = document["project"]
        if "version" in project.get("dynamic", []) or "dependencies" in project.get("dynamic", []):
            raise StageError(f"{path.name} has dynamic metadata, which cannot be pinned")
        project["version"] = version
        if terms:
            project["license"] = terms
        if pin is not None:
            before = project.get("dependencies", [])
            project["dependencies"] = pin_runtime([str(each) for each in before], pin)
    except KeyError as error:
        raise StageError(f"{path} is not a project's metadata: it has no [{error.args[0]}]") from error
    except (OSError, ValueError, AttributeError) as error:  # what tomlkit raises is a ValueError
        raise StageError(f"{path} is not a project's metadata: {error}") from error
    return tomlkit.dumps(document).encode()
