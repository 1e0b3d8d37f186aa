"""``lock``: pin a release, or check that the sources still serve exactly what is pinned."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING

from codex_release.errors import LockError, ReleaseError, UsageError
from codex_release.lock import Lock, LockedArchive, LockedTarget, compare_files
from codex_release.progress import megabytes
from codex_release.report import Report
from codex_release.signatures import ABSENT, UNCHECKED, VERIFIED, Signature, Signer, verify_bundle

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Mapping, Sequence

    from codex_release.context import Context
    from codex_release.digests import FileDigest
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
    fresh = observed(version, context)
    if arguments.check:
        _compare(context.lock, fresh, context)
    else:
        if context.lock_file.is_file():
            fresh = fresh.merged(context.lock)
        fresh.write(context.lock_file)
    rows = []
    for triple, locked in fresh.targets.items():
        sources = ", ".join(sorted(locked.archives)) or "directory"
        size = sum(digest.size for digest in locked.files.values())
        signature = locked.signature.state if locked.signature else ""
        rows.append((triple, sources, f"{len(locked.files)} files", megabytes(size), signature))
    verb = "holds" if arguments.check else "written"
    data = {
        "version": version.codex,
        "lock": str(context.lock_file),
        "targets": {triple: sorted(locked.archives) for triple, locked in fresh.targets.items()},
        "signatures": {triple: asdict(each.signature) for triple, each in fresh.targets.items() if each.signature},
    }
    _note_unchecked(fresh, context)
    return Report(
        ("target", "sources", "files", "size", "signature"), rows, data, title=f"{context.lock_file.name} {verb}"
    )


def observed(version: ReleaseVersion, context: Context) -> Lock:
    """What the sources serve now, as a lock.

    Raises:
        LockError: if a target is served by nobody, or two sources disagree.
    """
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
    return LockedTarget(
        archives, reference.all_files, _signed(version, target, reference.all_files, list(served), context)
    )


def _signed(
    version: ReleaseVersion,
    target: Target,
    files: Mapping[str, FileDigest],
    served: Collection[str],
    context: Context,
) -> Signature:
    """What can be said of the entrypoint's signature, by the first source that served the runtime and has one.

    Raises:
        SignatureError: if it does not hold.
    """
    path = target.fill(context.catalog.layout.entrypoint)
    for source in context.sources:
        if source.name in served and (bundle := source.bundle(version, target)):
            return verify_bundle(bundle, path, files[path], Signer.of(context.catalog.github, version))
    return Signature(ABSENT)


def _note_unchecked(lock: Lock, context: Context) -> None:
    found = sum(each.signature is not None and each.signature.state == UNCHECKED for each in lock.targets.values())
    if found:
        context.progress.note(
            f"{found} signatures were not verified: the extra is not installed (pip install 'codex-release[sigstore]')"
        )


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
    _compare(context.lock, Lock(version, fresh), context)


def _compare(lock: Lock, fresh: Lock, context: Context) -> None:
    """Hold what is served now against the lock; a lock that says nothing of signatures holds as well.

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
        if pinned.signature and pinned.signature.state == VERIFIED and now.signature != pinned.signature:
            context.progress.note(
                f"{triple}: the signature that was verified when it was locked was not verified now "
                f"({now.signature.state if now.signature else 'not asked for'})"
            )
        for source, archive in now.archives.items():
            if source in pinned.archives and pinned.archives[source] != archive:
                raise LockError(
                    f"{source} now serves {archive.name} with sha256 {archive.digest.sha256}, "
                    f"the lock says {pinned.archives[source].digest.sha256}"
                )
