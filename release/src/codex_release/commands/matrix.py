"""``matrix``: List the platforms of targets.toml, each with its CI machine and its name in cibuildwheel.

A release begins with ``--sdk-version``, the client's version or its tag: if it does not go with the runtime that the
lock pins, or the lock lacks a platform, it is refused before any machine starts. Each entry then has both versions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_release.commands.answer import Answer
from codex_release.commands.options import add
from codex_release.facts.versions import client_version

if TYPE_CHECKING:
    import argparse

    from codex_release.context import Context


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add(parser, "--runtime-version", "--sdk-version")


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """List the targets; the JSON is a GitHub Actions matrix.

    Raises:
        LockError: if a version was named that the lock does not pin for every target.
        UsageError: if the version of the client does not go with it.
    """
    targets, versions = context.catalog.targets, {}
    if arguments.version or arguments.sdk_version:
        runtime = context.version(arguments.version)
        for target in targets:
            context.lock.require(runtime, target)
        if arguments.sdk_version:
            versions = {"runtime": runtime.codex, "client": client_version(arguments.sdk_version, runtime)}
    entries = [
        {
            "target": target.triple,
            "runner": target.runner,
            "platform": target.cibuildwheel_platform,
            "archs": target.cibuildwheel_arch,
            **versions,
        }
        for target in targets
    ]
    return Answer(tuple(entries[0]), [tuple(entry.values()) for entry in entries], {"include": entries})
