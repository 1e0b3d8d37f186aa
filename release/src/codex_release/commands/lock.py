"""``lock``: pin a release, or check that the sources still serve exactly what is pinned."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from codex_release.errors import LockError, ReleaseError, UsageError
from codex_release.lock import Lock, LockedArchive, LockedTarget, compare_files
from codex_release.progress import megabytes
from codex_release.report import Report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from codex_release.context import Context
    from codex_release.fetch import Fetched
    from codex_release.sources import Source
    from codex_release.targets import Target
    from codex_release.versions import ReleaseVersion

HELP = "write the lock for a version, or check it"
_PUBLISHERS = ("github", "npm")
"""Whose archives are recorded: a directory is where a copy lies, not who publishes it."""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("version", nargs="?", metavar="VERSION", help="the release to pin; with --check the locked one")
    parser.add_argument("--check", action="store_true", help="fetch and compare, write nothing")


def run(arguments: argparse.Namespace, context: Context) -> Report:
    """Fetch every target from every source that answers, and write or compare the lock.

    Raises:
        ReleaseError: if a target is served by nobody, two sources disagree, or the lock does not hold.
    """
    if not arguments.version and not arguments.check:
        raise UsageError("which version should be locked?", remedy="name one, e.g.: codex-release lock 0.169.0")
    version = context.version(arguments.version)
    fresh = _observed(version, context)
    if arguments.check:
        _compare(context.lock, fresh)
    else:
        if context.lock_file.is_file():
            fresh = fresh.merged(context.lock)
        fresh.write(context.lock_file)
    rows = []
    for triple, locked in fresh.targets.items():
        sources = ", ".join(sorted(locked.archives)) or "directory"
        size = sum(digest.size for digest in locked.files.values())
        rows.append((triple, sources, f"{len(locked.files)} files", megabytes(size)))
    verb = "holds" if arguments.check else "written"
    data = {
        "version": version.codex,
        "lock": str(context.lock_file),
        "targets": {triple: sorted(locked.archives) for triple, locked in fresh.targets.items()},
    }
    return Report(("target", "sources", "files", "size"), rows, data, title=f"{context.lock_file.name} {verb}")


def _observed(version: ReleaseVersion, context: Context) -> Lock:
    """What the sources serve now, as a lock."""
    with ThreadPoolExecutor(context.jobs) as pool:
        locked = list(pool.map(lambda target: _observe(version, target, context), context.catalog.targets))
    return Lock(version, dict(zip(context.catalog.triples, locked, strict=True)))


def _observe(version: ReleaseVersion, target: Target, context: Context) -> LockedTarget:
    """One target from every source; all that answer must agree about every file."""
    served: dict[str, Fetched] = {}
    failures = []
    for source in context.sources:
        try:
            served[source.name] = _fetch(source, version, target, context)
        except ReleaseError as error:
            failures.append(f"{source.name}: {error}")
            context.progress.note(f"{target.triple}: {failures[-1]}")
    if not served:
        raise LockError(f"no source serves {version} for {target.triple}: {' | '.join(failures)}")
    (first, reference), *others = served.items()
    for name, fetched in others:
        compare_files(reference.all_files, fetched.all_files, expected_by=first, found_in=f"{name}'s {target.triple}")
    archives = {
        name: LockedArchive(fetched.archive.name, fetched.archive.digest)
        for name, fetched in served.items()
        if fetched.archive is not None and name in _PUBLISHERS
    }
    return LockedTarget(archives, reference.all_files)


def _fetch(source: Source, version: ReleaseVersion, target: Target, context: Context) -> Fetched:
    archive = source.find(version, target)
    if not archive.digests:
        context.progress.note(f"{source.name} publishes no digest for {archive.name}; it is pinned as it is served now")
    return context.fetcher.served(archive, version, target)


def check_lock(context: Context, targets: Sequence[Target]) -> None:
    """Hold what the sources serve now for some targets against the lock.

    Raises:
        LockError: naming the target and the first difference.
    """
    version = context.lock.version
    with ThreadPoolExecutor(context.jobs) as pool:
        served = list(pool.map(lambda target: _observe(version, target, context), targets))
    fresh = dict(zip((target.triple for target in targets), served, strict=True))
    _compare(context.lock, Lock(version, fresh))


def _compare(lock: Lock, fresh: Lock) -> None:
    """Hold what is served now against the lock.

    Raises:
        LockError: naming the target and the first difference.
    """
    if lock.version != fresh.version:
        raise LockError(f"the lock knows {lock.version}, not {fresh.version}")
    for triple, now in fresh.targets.items():
        pinned = lock.targets.get(triple)
        if pinned is None:
            raise LockError(f"the lock has no {triple}")
        compare_files(pinned.files, now.files, expected_by="the lock", found_in=triple)
        for source, archive in now.archives.items():
            if source in pinned.archives and pinned.archives[source] != archive:
                raise LockError(
                    f"{source} now serves {archive.name} with sha256 {archive.digest.sha256}, "
                    f"the lock says {pinned.archives[source].digest.sha256}"
                )
