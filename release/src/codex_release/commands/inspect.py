"""``inspect``: what the executables of a package directory, an archive or a lone file are, and the tags they earn."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.errors import InspectError, UsageError
from codex_release.headers import Executable, looks_executable, read_executable
from codex_release.inspect import infer_target
from codex_release.platform_tags import variants, wheel_tag
from codex_release.report import Report

if TYPE_CHECKING:
    import argparse

    from codex_release.context import Context

HELP = "read executables and show what they need"
_MAGIC_BYTES = 64


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("path", type=Path, metavar="PATH", help="an executable, or a package directory")


def run(arguments: argparse.Namespace, context: Context) -> Report:
    """Read the headers.

    Raises:
        InspectError: if a file cannot be read as an executable, or there is none.
        UsageError: if the path does not exist.
    """
    path: Path = arguments.path
    if path.is_file():
        executables = {path.name: read_executable(path)}
    elif path.is_dir():
        executables = {
            file.relative_to(path).as_posix(): read_executable(file)
            for file in sorted(path.rglob("*"))
            if file.is_file() and _begins_as_executable(file)
        }
    else:
        raise UsageError(f"{path} does not exist")
    if not executables:
        raise InspectError(f"{path} holds no executable")
    tags = _tags(path, executables, context)
    rows = [
        (
            name,
            found.format,
            "+".join(found.machines),
            _linking(found),
            _dotted(found.glibc),
            _dotted(found.minos),
            "yes" if found.signed else "no",
        )
        for name, found in executables.items()
    ]
    rows += [("tag", tag, "", "", "", "", "") for tag in tags]
    data = {"executables": {name: asdict(found) for name, found in executables.items()}, "tags": tags}
    columns = ("executable", "format", "machine", "linking", "glibc", "minos", "signed")
    return Report(columns, rows, data, title=str(path))


def _tags(path: Path, executables: dict[str, Executable], context: Context) -> list[str]:
    """The tags of the wheels that a directory (or a lone executable) would yield; none if it is no target's."""
    layout = context.catalog.layout
    entrypoint = next(
        (
            path / name
            for name in executables
            if name in {f"bin/codex{target.exe}" for target in context.catalog.targets}
        ),
        path,
    )
    if not entrypoint.is_file():
        return []
    try:
        target = infer_target(entrypoint, context.catalog)
    except InspectError:
        return []
    shipped = {name: found for name, found in executables.items() if not layout.is_excluded(name)}
    return [wheel_tag(variant.platforms) for variant in variants(target, shipped, layout.is_optional)]


def _begins_as_executable(file: Path) -> bool:
    with file.open("rb") as opened:
        return looks_executable(opened.read(_MAGIC_BYTES))


def _linking(found: Executable) -> str:
    if found.static is None:
        return "-"
    return "static" if found.static else found.interpreter or "dynamic"


def _dotted(version: tuple[int, int] | None) -> str:
    return f"{version[0]}.{version[1]}" if version else "-"
