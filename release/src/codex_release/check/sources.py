"""What a distribution may hold beside its payload: the files of a checkout, and the metadata that its project leads to.

A wheel can carry code that nobody asked for: a ``.pth`` file that runs at every start, a script that hides a program, a
dependency, an entry point. So what is not known to belong there is a problem, whatever it is.
"""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from codex_release.base.digests import FileDigest, file_digest
from codex_release.base.table import Table, read_toml
from codex_release.facts.workspace import package_files
from codex_release.wheels.wheel_file import WheelFile, read_entry_points

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from email.message import Message
    from pathlib import Path

    from codex_release.facts.lock import Lock
    from codex_release.facts.targets import Catalog
    from codex_release.facts.workspace import Workspace

__all__ = ["Measure", "Project", "form_problems", "project_problems"]

_METADATA = ("METADATA", "RECORD", "WHEEL", "entry_points.txt")
"""What each wheel's metadata directory has beside its license; a runtime's has a bill of materials too."""

_ONCE = ("Wheel-Version", "Root-Is-Purelib")
"""What WHEEL must say once: who reads it twice may believe the other line."""


@dataclass(frozen=True)
class Project:
    """A project of a checkout, as far as it decides what is in its wheel.

    Attributes:
        files: its package's own files, by their names in the wheel.
        dependencies: what it requires, as metadata states it.
        extras: the normalized names of its extras.
        requires_python: which Pythons it is for.
        entry_points: by group and name.
        build_system: its ``[build-system]``, which an sdist of it must have.
        licenses: the texts of the licenses that its wheels may have, by the names that they have there.
    """

    files: Mapping[str, FileDigest]
    dependencies: frozenset[str]
    extras: frozenset[str]
    requires_python: str
    entry_points: Mapping[str, Mapping[str, str]]
    build_system: Mapping[str, object]
    licenses: Mapping[str, FileDigest]

    @classmethod
    def read(cls, directory: Path, licenses: Mapping[str, Path]) -> Project:
        """Read a project directory, which has a ``pyproject.toml``, and its package below ``src``.

        Args:
            directory: where it is.
            licenses: the texts of the licenses that its wheels may have, by the names that they have there.

        Raises:
            WorkspaceError: if it is none.
        """
        data = read_toml(directory / "pyproject.toml")
        project = data.table("project")
        try:
            required = list(map(Requirement, project.texts("dependencies") if "dependencies" in project else ()))
            for extra, texts in _arrays(project, "optional-dependencies"):
                for each in map(Requirement, texts):
                    own = f"({each.marker}) and " if each.marker else ""
                    each.marker = Marker(f"{own}extra == '{extra}'")
                    required.append(each)
        except InvalidRequirement as error:
            project.refuse("", f"has a dependency that is none: {error}")
        groups = {"console_scripts": project.mapping("scripts")} if "scripts" in project else {}
        if "entry-points" in project:
            groups |= {group: project.table("entry-points").mapping(group) for group in project.table("entry-points")}
        return cls(
            files={name: file_digest(path) for name, path in package_files(directory).items()},
            dependencies=frozenset(map(str, required)),
            extras=frozenset(canonicalize_name(extra) for extra, _ in _arrays(project, "optional-dependencies")),
            requires_python=project.text("requires-python"),
            entry_points=groups,
            build_system={key: data.table("build-system").get(key) for key in data.table("build-system")},
            licenses={name: file_digest(path) for name, path in licenses.items()},
        )

    def differing(self, contents: Mapping[str, FileDigest]) -> list[str]:
        """Where a package's own files are not those of the checkout; `contents` are by their names in a wheel."""
        missing = [f"{name} is missing" for name in self.files if name not in contents]
        other = [name for name, digest in self.files.items() if name in contents and contents[name] != digest]
        return [*missing, *(f"{name} is not what it is in the checkout" for name in other)]

    def metadata_problems(self, metadata: Message, pinned: str) -> list[str]:
        """Where metadata asks for something else than the project does, but for the distribution that staging pins."""
        problems = []
        try:
            required = map(Requirement, metadata.get_all("Requires-Dist", []))
            stated = {str(each) for each in required if canonicalize_name(each.name) != pinned}
        except InvalidRequirement as error:
            return [f"a dependency cannot be understood: {error}"]
        for word, requirements in (("requires", stated - self.dependencies), ("lacks", self.dependencies - stated)):
            problems += [f"its metadata {word} {each}, unlike the checkout's project" for each in sorted(requirements)]
        extras = frozenset(map(canonicalize_name, metadata.get_all("Provides-Extra", [])))
        if extras != self.extras:
            named, wanted = ", ".join(sorted(extras)) or "none", ", ".join(sorted(self.extras)) or "none"
            problems.append(f"its metadata provides the extras {named}, the checkout's project {wanted}")
        if (python := metadata.get("Requires-Python")) != self.requires_python:
            problems.append(f"its metadata is for Python {python}, the checkout's project for {self.requires_python}")
        return problems

    def entry_point_problems(self, text: str) -> list[str]:
        """Where entry points are not the project's own."""
        try:
            stated = read_entry_points(text)
        except configparser.Error as error:
            return [f"entry_points.txt cannot be read: {error}"]
        return [] if stated == self.entry_points else ["entry_points.txt is not what the checkout's project leads to"]


@dataclass(frozen=True)
class Measure:
    """What files are held against.

    Attributes:
        catalog: the data file.
        lock: what payloads and pins must be; `None` to judge the files by themselves.
        environ: what a locked runtime sees of this process's environment when it is run, where that can be; `None` runs
            nothing.
        workspace: the checkout that their own files and metadata must come from; `None` if they may be of another.
    """

    catalog: Catalog
    lock: Lock | None
    environ: Mapping[str, str] | None
    workspace: Workspace | None

    def project(self, name: str) -> Project | None:
        """The checkout's project of a distribution; None if there is no checkout."""
        if self.workspace is None:
            return None
        licenses = {"LICENSE": self.workspace.license}
        if name != self.catalog.distribution:
            return Project.read(self.workspace.sdk, licenses)
        licenses |= {f"LICENSE.{work.name}": self.workspace.license_of(work.name) for work in self.catalog.works}
        return Project.read(self.workspace.runtime_template, licenses)


def project_problems(
    wheel: WheelFile, measure: Measure, contents: Mapping[str, FileDigest], texts: Iterable[str], *others: str
) -> list[str]:
    """What a wheel has that does not belong there, and where it is not what the checkout's project leads to.

    Args:
        wheel: the wheel.
        measure: what it is held against; without a checkout, what lies in a package passes.
        contents: what each file of the wheel is.
        texts: the names of the files with the texts of its licenses, all of which it must have.
        others: what it has beside those, the project's own files and `_METADATA`.
    """
    project = measure.project(wheel.distribution)
    licenses = {f"{wheel.dist_info}licenses/{name}": name for name in texts}
    known = {*others, *licenses, *(wheel.dist_info + name for name in _METADATA), *(project.files if project else ())}
    missing = [f"{name} is missing" for name in licenses if name not in contents]
    unknown = [name for name in wheel.names if name not in known]
    if project is None:
        # What is neither in a package nor metadata would go anywhere: to the top level, or by .data to scripts.
        return [*missing, *(f"{name} does not belong there" for name in unknown if not _is_packaged(name))]
    found = [*missing, *(f"{name} does not belong there" for name in unknown)]
    found += [
        f"{path} is not what it is in the checkout"
        for path, name in licenses.items()
        if path in contents and contents[path] != project.licenses.get(name)
    ]
    entry_points = wheel.read(f"{wheel.dist_info}entry_points.txt").decode("utf-8", "replace")
    return [
        *found,
        *project.differing(contents),
        *project.metadata_problems(wheel.metadata, measure.catalog.distribution),
        *project.entry_point_problems(entry_points),
    ]


def form_problems(wheel: WheelFile) -> list[str]:
    """Where a wheel is of another form than ours: a later format, a build number, for some Pythons only."""
    problems = []
    if (version := wheel.wheel.get("Wheel-Version")) != "1.0":
        problems.append(f"WHEEL is of version {version}, not 1.0")
    if wheel.build or wheel.wheel.get("Build"):
        problems.append("it has a build number, and installers would prefer it to the same wheel without")
    problems += [f"WHEEL says {name} more than once" for name in _ONCE if len(wheel.wheel.get_all(name, [])) > 1]
    odd = sorted({f"{tag.interpreter}-{tag.abi}" for tag in wheel.tags} - {"py3-none"})
    return problems + [f"it is for {each}, not for py3-none" for each in odd]


def _arrays(table: Table, key: str) -> list[tuple[str, tuple[str, ...]]]:
    """The arrays of texts in a table that may be missing, with their keys."""
    return [(name, table.table(key).texts(name)) for name in table.table(key)] if key in table else []


def _is_packaged(name: str) -> bool:
    top, _, below = name.partition("/")
    return bool(below) and "." not in top
