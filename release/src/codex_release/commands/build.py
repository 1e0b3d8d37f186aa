"""``build``: Build and check runtime wheels, and the client pinned to them."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from codex_release.base.errors import UsageError
from codex_release.base.words import byte_count
from codex_release.building.builder import BuildRequest, build
from codex_release.commands.answer import Answer
from codex_release.commands.options import add, warn_unlocked
from codex_release.facts.versions import client_version
from codex_release.report.observe import built_file
from codex_release.report.store import ReportStore, read_previous

if TYPE_CHECKING:
    import argparse

    from codex_release.context import Context
    from codex_release.facts.targets import Target


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add(parser, "--target", "--all", "--runtime-version", "--unlocked", "--previous", "--out", "--sdk-version")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--runtime-only", action="store_true", help="build only runtime wheels, not the client")
    part.add_argument("--client-only", action="store_true", help="build only the client, no runtime wheels")
    parser.add_argument(
        "--store", action="store_true", help="do not compress the wheels; for wheels that stay on this machine"
    )


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """Build.

    Raises:
        ReleaseError: if anything does not hold; the output directory is as it was then.
    """
    version = context.version(arguments.version)
    if arguments.unlocked:
        warn_unlocked(context, version)
    previous = read_previous(arguments.previous, context.catalog) if arguments.previous else None
    begun = time.monotonic()
    request = BuildRequest(
        version=version,
        targets=_targets(arguments, context),
        out=arguments.out,
        sdk_version=client_version(arguments.sdk_version, version),
        store=arguments.store,
        unlocked=arguments.unlocked,
        with_client=not arguments.runtime_only,
    )
    built = build(request, context)
    lock = None if arguments.unlocked else context.lock
    store = ReportStore(arguments.out, context.catalog, lock, context.settings.job_summary)
    files = [
        built_file(
            arguments.out / each.artifact.name,
            context.catalog,
            sha256=each.artifact.sha256,
            seconds=each.artifact.seconds,
            reused=each.reused,
        )
        for each in built
    ]
    store.record_build(version, files, seconds=round(time.monotonic() - begun, 2), previous=previous)
    rows = [
        (
            each.artifact.name,
            each.artifact.tag or each.artifact.kind,
            byte_count(each.artifact.size),
            each.artifact.sha256,
            "unchanged" if each.reused else f"{each.artifact.seconds:.1f}",
        )
        for each in built
    ]
    data = [
        {**asdict(each.artifact), "path": str(arguments.out / each.artifact.name), "reused": each.reused}
        for each in built
    ]
    title = f"Codex {version} in {arguments.out}"
    return Answer(("file", "tag", "size", "sha256", "seconds"), rows, data, title=title)


def _targets(arguments: argparse.Namespace, context: Context) -> list[Target]:
    """The platforms to build for."""
    if not arguments.client_only:
        return context.targets(arguments.target, everything=arguments.all)
    if arguments.all or arguments.target:
        raise UsageError("--client-only excludes --all and --target: the client is the same on every platform")
    return []
