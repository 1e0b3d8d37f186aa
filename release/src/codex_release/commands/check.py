"""``check``: everything that is promised about finished wheels and sdists, offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.errors import UsageError
from codex_release.check import check_files, check_set, distributions_in
from codex_release.commands.answer import Answer

if TYPE_CHECKING:
    import argparse

    from codex_release.fetching.context import Context


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="files, or a directory with a whole release"
    )
    parser.add_argument("--unlocked", action="store_true", help="judge the files by themselves, not by the lock")


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """Check every file, and each directory as a complete release.

    Raises:
        UsageError: if a path does not exist.
    """
    lock = None if arguments.unlocked else context.lock
    problems: dict[str, list[str]] = {}
    for path in arguments.paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist")
        files = distributions_in(path) if path.is_dir() else [path]
        verdicts = check_files(files, context.catalog, lock, jobs=context.jobs)
        problems |= {str(verdict.path): list(verdict.problems) for verdict in verdicts}
        if path.is_dir():
            problems[str(path)] = check_set(verdicts, context.catalog)
    rows = [(path, problem) for path, found in problems.items() for problem in found or ["passes"]]
    return Answer(("path", "verdict"), rows, problems, title="Check", ok=not any(problems.values()))
