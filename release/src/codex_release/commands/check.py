"""``check``: Check finished wheels and sdists, offline; run the executables that can run on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.errors import UsageError, first_of
from codex_release.base.words import by_number, counted
from codex_release.check.release import check_files, check_set, distributions_in, is_client_alone
from codex_release.commands.answer import Answer

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from codex_release.context import Context


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="wheels and sdists, or a directory that must be a complete release, or the client alone of a post release",
    )
    parser.add_argument("--unlocked", action="store_true", help="do not compare with the lock, and run nothing")


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """Check every file, and each directory as a complete release.

    Raises:
        UsageError: if a path does not exist.
    """
    catalog = context.catalog
    rows: list[tuple[str, str, str]] = []
    data: dict[str, dict[str, object]] = {}
    told: dict[str, list[str]] = {}

    def tell(path: Path, problems: Sequence[str], passes: str, ran: str = "", **more: object) -> None:
        rows.extend([(str(path), problem, "") for problem in problems] or [(str(path), passes, ran)])
        told[str(path)] = list(problems)
        data[str(path)] = {"problems": told[str(path)], "run": None, **more}

    for path in arguments.paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist")
        files = distributions_in(path) if path.is_dir() else [path]
        verdicts = check_files(files, context, unlocked=arguments.unlocked, runs=True)
        for each in verdicts:
            tell(each.path, each.problems, "passes", str(each.run or ""), run=asdict(each.run) if each.run else None)
        if path.is_dir():
            alone = is_client_alone(verdicts, catalog)
            what = "the client alone, its runtime's wheels are not here" if alone else "a whole release"
            of_set = check_set(verdicts, catalog.only(()) if alone else catalog)
            tell(path, of_set, f"passes: {what}", client_alone=alone)
    problems = [f"{name}: {problem}" for name, each in told.items() for problem in each]
    bad = sum(map(bool, told.values()))
    return Answer(
        ("path", "verdict", "run"),
        rows,
        data,
        title="Check",
        ok=not problems,
        problem=f"{bad} of {counted(len(told), 'path')} {by_number(bad, 'does', 'do')} not pass: {first_of(problems)}; "
        "publish none of it, and build what is wrong once more: codex-release build"
        if problems
        else "",
        problems=problems,
    )
