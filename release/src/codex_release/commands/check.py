"""``check``: everything that is promised about finished wheels and sdists, offline; what can run here is run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.errors import UsageError, first_of
from codex_release.base.words import by_number, counted
from codex_release.check.release import check_files, check_set, distributions_in
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
    rows: list[tuple[str, str, str]] = []
    data: dict[str, dict[str, object]] = {}
    told: dict[str, list[str]] = {}
    for path in arguments.paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist")
        files = distributions_in(path) if path.is_dir() else [path]
        verdicts = check_files(
            files,
            context.catalog,
            lock,
            jobs=context.jobs,
            environ=context.settings.environ,
            workspace=context.workspace,
        )
        found = [(str(each.path), list(each.problems), each.run) for each in verdicts]
        if path.is_dir():
            found.append((str(path), check_set(verdicts, context.catalog), None))
        for name, problems, ran in found:
            rows += [(name, problem, "") for problem in problems] or [(name, "passes", str(ran or ""))]
            told[name] = problems
            data[name] = {"problems": problems, "run": asdict(ran) if ran else None}
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
