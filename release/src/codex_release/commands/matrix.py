"""``matrix``: what CI builds, where, and what cibuildwheel calls it, from targets.toml.

With ``--runtime-version`` it is the first word of a release: a version that the lock does not pin for every platform
is refused before any machine begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_release.commands.answer import Answer
from codex_release.commands.options import add_version

if TYPE_CHECKING:
    import argparse

    from codex_release.fetching.context import Context


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_version(parser)


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """List the targets; the JSON is a GitHub Actions matrix.

    Raises:
        LockError: if a version was named that the lock does not pin for every target.
    """
    targets = context.catalog.targets
    if arguments.version:
        for target in targets:
            context.lock.require(context.version(arguments.version), target)
    entries = [
        {
            "target": target.triple,
            "runner": target.runner,
            "platform": target.cibuildwheel_platform,
            "archs": target.cibuildwheel_arch,
        }
        for target in targets
    ]
    return Answer(tuple(entries[0]), [tuple(entry.values()) for entry in entries], {"include": entries})
