"""What the sources serve of a release now, as a lock; and whether it is what a lock has pinned.

Archives are read and hashed, and their executables' own signatures judged; nothing of them is kept but what was found.
A wheel holds the bytes that were judged here, so what was found is carried over into it, not looked for again.
"""

from __future__ import annotations

import contextlib
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING

from codex_release.base.errors import (
    DiskError,
    InspectError,
    LockError,
    ReleaseError,
    SignatureError,
    system_errors_as,
)
from codex_release.facts.lock import Lock, LockedArchive, LockedTarget, Runtime, compare_files
from codex_release.facts.signatures import ABSENT, VERIFIED, CodeSignature, Signature
from codex_release.fetching.download import StoredArchive, download
from codex_release.pin.sigstore import verify_bundle
from codex_release.runtime.codesign import examine
from codex_release.runtime.headers import Span

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from codex_release.base.digests import FileDigest
    from codex_release.base.progress import Progress
    from codex_release.context import Context
    from codex_release.facts.targets import CodeSigning, Target
    from codex_release.facts.versions import ReleaseVersion
    from codex_release.runtime.archive import Writer

__all__ = ["hold", "observed"]

_PUBLISHERS = ("github", "npm")
"""Whose archives are recorded: a directory is where a copy lies, not who publishes it."""
_ASK_UPSTREAM = "find out from upstream which bytes are right, and release nothing until then"


def observed(version: ReleaseVersion, targets: Sequence[Target], context: Context) -> Lock:
    """What the sources serve now for some targets, as a lock.

    Raises:
        LockError: if a target is served by nobody, or two sources disagree.
    """
    with ThreadPoolExecutor(context.jobs) as pool:
        locked = list(pool.map(lambda target: _observe(Runtime(version, target), context), targets))
    return Lock(version, dict(zip((target.triple for target in targets), locked, strict=True)))


def _observe(runtime: Runtime, context: Context) -> LockedTarget:
    """One target from every source; all that answer must agree about every file."""
    triple = runtime.target.triple
    served: dict[str, tuple[StoredArchive, dict[str, FileDigest], _Judged]] = {}
    failures = []
    for source in context.sources:
        try:
            archive = source.find(runtime.version, runtime.target)
            if not archive.digests:
                context.progress.note(
                    f"{source.name} publishes no digest for {archive.name}; it is pinned as it is served now"
                )
            sink = _Judged(context.catalog.code_signing)
            stored = download(archive, context.cache, context.web)
            served[source.name] = stored, context.fetcher.read(stored, sink, runtime), sink
        except DiskError:
            raise  # no source can help that
        except ReleaseError as error:
            failures.append(f"{source.name}: {error}")
            context.progress.note(f"{triple}: {failures[-1]}")
    if not served:
        raise LockError(
            f"no source serves {runtime}",
            problems=failures,
            remedy="wait until one does; if archives have other names or another layout now, or Codex is not built for "
            "it any more, say so in release/targets.toml",
        )
    (first, (_, files, judged)), *others = served.items()
    for name, (_, found, _) in others:
        compare_files(files, found, expected_by=first, found_in=f"{name}'s {triple}", remedy=_ASK_UPSTREAM)
    archives = {
        name: LockedArchive(stored.name, stored.digest) for name, (stored, *_) in served.items() if name in _PUBLISHERS
    }
    # Not before: a source whose executables are signed wrongly has not failed, it serves something that nobody may use.
    code_signatures = judged.signatures()
    return LockedTarget(archives, files, _signed(runtime, files, served, context), code_signatures)


class _Judged:
    """A sink that keeps of each file what its own signature proves; on disk there is one file at a time.

    Args:
        trust: who may sign.
    """

    def __init__(self, trust: CodeSigning) -> None:
        self._trust = trust
        self._found: dict[str, CodeSignature] = {}
        self._refusals: list[ReleaseError] = []

    @contextlib.contextmanager
    def create(self, path: str, size: int | None) -> Iterator[Writer]:  # noqa: ARG002 - the disk does not ask
        """Begin a file."""
        with tempfile.TemporaryFile(prefix="codex-lock-") as file:
            yield _Unnamed(file)
            try:
                found = examine(Span(file, path, 0, file.tell()), self._trust)
            except (InspectError, SignatureError) as error:
                self._refusals.append(error)
            else:
                self._found |= {path: found} if found else {}

    def signatures(self) -> Mapping[str, CodeSignature]:
        """What can be said of each executable, by its path."""
        if self._refusals:
            raise self._refusals[0]
        return self._found


class _Unnamed:
    """A temporary file to write; what goes wrong here is no fault of whoever serves what is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, chunk: bytes, /) -> None:
        with system_errors_as(DiskError, f"a file in {tempfile.gettempdir()} cannot be written", "make room there"):
            self._file.write(chunk)


def _signed(runtime: Runtime, files: Mapping[str, FileDigest], served: Collection[str], context: Context) -> Signature:
    """What can be said of the entrypoint's signature, by the first source that served the runtime and has one."""
    path, facts = runtime.target.fill(context.catalog.layout.entrypoint), context.catalog.github
    identity = facts.signer.replace("{tag}", runtime.version.tag)
    for source in context.sources:
        if source.name in served and (bundle := source.bundle(runtime.version, runtime.target)):
            return verify_bundle(bundle, path, files[path], identity, facts.issuer)
    return Signature(ABSENT)


def hold(lock: Lock, fresh: Lock, progress: Progress) -> None:
    """Hold what is served now against the lock; a lock that says nothing of signatures holds as well.

    Raises:
        LockError: naming the target and the first difference.
    """
    lock.require_version(fresh.version)
    for triple, now in fresh.targets.items():
        pinned = lock.targets.get(triple)
        if pinned is None:
            raise LockError(f"the lock has no {triple}")
        compare_files(pinned.files, now.files, expected_by="the lock", found_in=triple, remedy=_ASK_UPSTREAM)
        if pinned.signature and pinned.signature.state == VERIFIED and now.signature != pinned.signature:
            progress.note(
                f"{triple}: the signature that was verified when it was locked was not verified now "
                f"({now.signature.state if now.signature else 'not asked for'})"
            )
        if now.code_signatures and not pinned.code_signatures:
            progress.note(f"{triple}: the lock says nothing of its executables' own signatures; write it anew")
        for path, code in now.code_signatures.items() if pinned.code_signatures else ():
            if pinned.code_signatures.get(path) != code:
                raise LockError(
                    f"{path} of {triple} is {code}, the lock says {pinned.code_signatures.get(path, 'nothing')}",
                    remedy=f"look at who may sign (code_signing in targets.toml), and write the lock anew with: "
                    f"codex-release lock {fresh.version}",
                )
        for source, archive in now.archives.items():
            if source in pinned.archives and pinned.archives[source] != archive:
                raise LockError(
                    f"{source} now serves {archive.name} with sha256 {archive.digest.sha256}, "
                    f"the lock says {pinned.archives[source].digest.sha256}",
                    remedy="it was packed anew, its files are the locked ones; write the lock anew with: "
                    f"codex-release lock {fresh.version}",
                )
