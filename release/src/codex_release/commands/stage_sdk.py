"""``stage-sdk``: Make a directory that ``python -m build`` turns into a client pinned to exactly one runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_release.commands.answer import Answer
from codex_release.commands.options import add
from codex_release.facts.versions import ReleaseVersion, client_version
from codex_release.wheels.stage import fill_sdk, staging

if TYPE_CHECKING:
    import argparse

    from codex_release.context import Context


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add(parser, "staging_dir")
    add(parser, "--runtime-version", required=True, help="the Codex release")
    add(parser, "--sdk-version")


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """Stage.

    Raises:
        LockError: if the lock does not know the runtime.
        UsageError: if the version of the client does not go with it.
        StageError: if the directory is in use or the metadata cannot be pinned.
    """
    version = ReleaseVersion.parse(arguments.version)
    context.lock.require_version(version)
    own_version = client_version(arguments.sdk_version, version)
    with staging(arguments.staging_dir, "stage-sdk") as stage:
        fill_sdk(stage, version, sdk_version=own_version, catalog=context.catalog, workspace=context.workspace)
    pin = f"{context.catalog.distribution}=={version.pep440}"
    data = {"path": str(arguments.staging_dir), "version": own_version, "pin": pin}
    return Answer(("version", "pin", "path"), [(own_version, pin, str(arguments.staging_dir))], data)
