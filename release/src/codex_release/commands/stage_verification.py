"""``stage-verification``: Make directories in which cibuildwheel installs and runs finished runtime wheels.

Each wheel gets a directory, named after its platform tags. Go there and start cibuildwheel. It changes nothing: the
wheel that it puts out has the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.errors import UsageError
from codex_release.commands.answer import Answer
from codex_release.wheels.cibuildwheel_stage import stage_verification

if TYPE_CHECKING:
    import argparse

    from codex_release.context import Context


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "directory",
        type=Path,
        metavar="DIR",
        help="where to make the directories; those of an earlier run are replaced",
    )
    parser.add_argument("wheels", type=Path, nargs="+", metavar="WHEEL", help="a finished runtime wheel")


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """Stage.

    Raises:
        ReleaseError: if a directory is in use, or a file is no runtime wheel.
    """
    wheels: list[Path] = arguments.wheels
    staged = {wheel: arguments.directory / wheel.stem.rpartition("-")[2] for wheel in wheels}
    if len(set(staged.values())) < len(wheels):
        raise UsageError("two of the wheels are for the same platform", remedy="name each wheel once")
    for wheel, directory in staged.items():
        stage_verification(directory, wheel, catalog=context.catalog, workspace=context.workspace)
    data = [{"wheel": str(wheel), "path": str(directory)} for wheel, directory in staged.items()]
    return Answer(("wheel", "path"), [(wheel.name, str(path)) for wheel, path in staged.items()], data)
