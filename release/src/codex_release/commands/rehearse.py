"""``rehearse``: Do a whole release on this machine: build, check, publish to a local index, install, run a turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_release.base.words import counted
from codex_release.commands.answer import Answer
from codex_release.commands.options import add, leave_report
from codex_release.rehearse.rehearsal import rehearse

if TYPE_CHECKING:
    import argparse

    from codex_release.context import Context


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add(parser, "--target", "--all", "--sdk-version", "--out")


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
