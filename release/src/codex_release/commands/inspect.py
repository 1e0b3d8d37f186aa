"""``inspect``: Show what executables are and need, and which wheel tags follow from that."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from codex_release.base.errors import InspectError
from codex_release.commands.answer import Answer
from codex_release.commands.options import readable
from codex_release.runtime.archive import DirectorySink, stream
from codex_release.runtime.headers import Executable, begins_as_executable, read_executable
from codex_release.runtime.tags import dotted, variants, wheel_tag

if TYPE_CHECKING:
    import argparse

    from codex_release.context import Context
    from codex_release.facts.targets import Catalog, Layout, Target

_MAGIC_BYTES = 64
_ARCHIVES = (b"\x1f\x8b", b"PK", b"\x28\xb5\x2f\xfd")
_ENTRYPOINT = re.compile(r"(?:^|/)bin/codex(?:\.exe)?$")


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "path", type=Path, metavar="PATH", help="a package directory, an archive, a wheel or a single executable"
    )


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """Read the headers.

    Raises:
        InspectError: if a file cannot be read as an executable, or there is none.
        ArchiveError: if an archive cannot be extracted.
        UsageError: if the path does not exist, or is a pipe or the like.
    """
    path = readable(arguments.path)
    with tempfile.TemporaryDirectory(prefix="codex-inspect-") as scratch:
        root = _directory(path, Path(scratch))
        executables = _executables(root) if root else {path.name: read_executable(path)}
    if not executables:
        raise InspectError(f"{path} holds no executable")
    target = _target(executables, context.catalog)
    tags = _tags(executables, target, context.catalog.layout) if target else []
    rows = [
        (
            name,
            found.format,
            "+".join(found.machines),
            _linking(found),
            dotted(found.glibc) if found.glibc else "-",
            dotted(found.minos) if found.minos else "-",
            "yes" if found.signed else "no",
        )
        for name, found in executables.items()
    ]
    rows += [("tag", tag, "", "", "", "", "") for tag in tags]
    data = {"executables": {name: asdict(found) for name, found in executables.items()}, "tags": tags}
    columns = ("executable", "format", "machine", "linking", "glibc", "minos", "signed")
    return Answer(columns, rows, data, title=str(path))


def _directory(path: Path, scratch: Path) -> Path | None:
    """The files to look at: the directory itself, what an archive or wheel holds, or `None` for a lone file."""
    if path.is_dir():
        return path
    with path.open("rb") as file:
        head = file.read(_MAGIC_BYTES)
    if not head.startswith(_ARCHIVES):
        return None
    stream(path, path.name, DirectorySink(scratch), lambda name: name)
    return scratch


def _executables(root: Path) -> dict[str, Executable]:
    """Every executable below a directory, by its path in the runtime tree if there is one."""
    paths = sorted(Path(where, name) for where, _, names in os.walk(root, onerror=_unread) for name in names)
    files = {file.relative_to(root).as_posix(): file for file in paths if file.is_file()}
    found = {name: read_executable(file) for name, file in files.items() if begins_as_executable(file)}
    tops = [name.removesuffix(".exe").removesuffix("bin/codex") for name in found if _ENTRYPOINT.search(name)]
    top = tops[0] if len(tops) == 1 else ""
    return {name.removeprefix(top): each for name, each in found.items()}


def _unread(error: OSError) -> NoReturn:
    """What lies in a directory that cannot be read is not nothing."""
    raise InspectError(
        f"{error.filename} cannot be looked into: {error.strerror}", remedy="let it be read, or name what is in it"
    ) from error


def _target(executables: dict[str, Executable], catalog: Catalog) -> Target | None:
    """The target of a runtime, by its entry point; of a lone executable, by itself."""
    for target in catalog.targets:
        entrypoint = target.fill(catalog.layout.entrypoint)
        judged = executables.get(entrypoint) or (next(iter(executables.values())) if len(executables) == 1 else None)
        if judged and judged.format == target.format and target.machine in judged.machines:
            return target
    return None


def _tags(executables: dict[str, Executable], target: Target, layout: Layout) -> list[str]:
    """The tags of the wheels that these would yield."""
    shipped = layout.payload(executables)
    return [wheel_tag(variant.platforms) for variant in variants(target, shipped, layout.is_optional)]


def _linking(found: Executable) -> str:
    if found.static is None:
        return "-"
    return "static" if found.static else found.interpreter or "dynamic"
