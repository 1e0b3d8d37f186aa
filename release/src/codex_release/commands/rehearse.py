"""``rehearse``: the whole release on this machine, against a package index of its own: from the lock to a turn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.words import counted
from codex_release.commands.answer import Answer
from codex_release.commands.options import add_sdk_version, add_targets, leave_report
from codex_release.rehearse.rehearsal import rehearse

if TYPE_CHECKING:
    import argparse

    from codex_release.fetching.context import Context


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_targets(parser)
    add_sdk_version(parser)
    parser.add_argument("--out", type=Path, default=Path("dist"), metavar="DIR", help="where the files go (dist)")


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """Rehearse.

    Raises:
        UsageError: if a target is none.
        LockError: if there is no lock.
    """
    targets = context.targets(arguments.target, everything=arguments.all)
    found = rehearse(context, targets, arguments.out, arguments.sdk_version)
    version = context.lock.version
    leave_report(context, arguments.out, lambda store: store.record_rehearse(version, found))
    rows = [(each.name, each.outcome, f"{each.seconds:.1f}", each.detail) for each in found.steps]
    rows.append(("all of it", found.outcome, f"{found.seconds:.1f}", counted(len(targets), "platform")))
    return Answer(
        ("step", "outcome", "seconds", "seen"),
        rows,
        found.data(),
        title=f"Rehearsal of Codex {found.version}",
        ok=not found.problem,
        problem=found.problem,
    )
