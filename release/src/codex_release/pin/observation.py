"""What the sources serve of a release now, as a lock; and whether it is what a lock has pinned.

Archives are read and hashed, and nothing of them is kept but the digests.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from codex_release.base.errors import LockError, ReleaseError
from codex_release.facts.lock import Lock, LockedArchive, LockedTarget, compare_files
from codex_release.facts.signature import ABSENT, VERIFIED, Signature
from codex_release.pin.sigstore import Signer, verify_bundle

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from codex_release.base.digests import FileDigest
    from codex_release.base.progress import Progress
    from codex_release.facts.targets import Target
    from codex_release.facts.versions import ReleaseVersion
    from codex_release.fetching.context import Context
    from codex_release.fetching.download import StoredArchive
    from codex_release.sources import Source

__all__ = ["hold", "observed"]

_PUBLISHERS = ("github", "npm")
"""Whose archives are recorded: a directory is where a copy lies, not who publishes it."""


def observed(version: ReleaseVersion, targets: Sequence[Target], context: Context) -> Lock:
    """What the sources serve now for some targets, as a lock.

    Raises:
        LockError: if a target is served by nobody, or two sources disagree.
    """
    with ThreadPoolExecutor(context.jobs) as pool:
        locked = list(pool.map(lambda target: _observe(version, target, context), targets))
    return Lock(version, dict(zip((target.triple for target in targets), locked, strict=True)))


def _observe(version: ReleaseVersion, target: Target, context: Context) -> LockedTarget:
    """One target from every source; all that answer must agree about every file."""
    served: dict[str, tuple[StoredArchive, dict[str, FileDigest]]] = {}
    failures = []
    for source in context.sources:
        try:
            served[source.name] = _read(source, version, target, context)
        except ReleaseError as error:
            failures.append(f"{source.name}: {error}")
            context.progress.note(f"{target.triple}: {failures[-1]}")
    if not served:
        raise LockError(f"no source serves {version} for {target.triple}", problems=failures)
    (first, (_, files)), *others = served.items()
    for name, (_, found) in others:
        compare_files(files, found, expected_by=first, found_in=f"{name}'s {target.triple}")
    archives = {
        name: LockedArchive(stored.name, stored.digest) for name, (stored, _) in served.items() if name in _PUBLISHERS
    }
    return LockedTarget(archives, files, _signed(version, target, files, list(served), context))


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


def _read(
    source: Source, version: ReleaseVersion, target: Target, context: Context
) -> tuple[StoredArchive, dict[str, FileDigest]]:
    archive = source.find(version, target)
    if not archive.digests:
        context.progress.note(f"{source.name} publishes no digest for {archive.name}; it is pinned as it is served now")
    return context.fetcher.served(archive, version, target)


def hold(lock: Lock, fresh: Lock, progress: Progress) -> None:
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
            progress.note(
                f"{triple}: the signature that was verified when it was locked was not verified now "
                f"({now.signature.state if now.signature else 'not asked for'})"
            )
        for source, archive in now.archives.items():
            if source in pinned.archives and pinned.archives[source] != archive:
                raise LockError(
                    f"{source} now serves {archive.name} with sha256 {archive.digest.sha256}, "
                    f"the lock says {pinned.archives[source].digest.sha256}"
                )
