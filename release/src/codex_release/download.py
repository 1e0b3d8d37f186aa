"""Bringing one archive into the cache: resumed, retried, and verified before it gets its name.

Nothing that fails a size or digest is ever found under a final name. A download that is killed leaves its part file,
which the next run completes; two processes that want the same archive share one download.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Any, cast

import httpx

from codex_release.atomic import replace
from codex_release.digests import CHUNK, Digest, FileDigest, hash_file
from codex_release.errors import DownloadError
from codex_release.http import TransientError, Web
from codex_release.sources.base import LocalFile, Program, WebFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from codex_release.cache import Cache
    from codex_release.progress import Transfer
    from codex_release.sources.base import Archive

__all__ = ["StoredArchive", "download"]

_PROGRESS = 1 << 20
"""A try that brought so many bytes starts the count of failures anew; a trickle does not."""


@dataclass(frozen=True)
class StoredArchive:
    """An archive on this machine whose bytes are the expected ones.

    Attributes:
        path: where it lies; its file name need not tell what it is.
        name: the name its source gives it.
        source: the source's name.
        digest: its size and sha256.
    """

    path: Path
    name: str
    source: str
    digest: FileDigest


def download(archive: Archive, cache: Cache, web: Web, *, expected: FileDigest | None = None) -> StoredArchive:
    """Have an archive, from the cache if it is there.

    Args:
        archive: what to bring, and from where.
        cache: where to keep it; a local file stays where it is.
        web: the HTTP client; its progress display is used for every origin.
        expected: what the lock says of it, held against the bytes beside the source's own digests.

    Raises:
        DownloadError: if it cannot be had, or is not what was expected.
    """
    if isinstance(archive.origin, LocalFile):
        return _local(archive, archive.origin.path, expected)
    known = [Digest("sha256", expected.sha256)] if expected else []
    known += archive.digests
    with cache.exclusive(
        f"{archive.source}-{archive.name}",
        on_wait=lambda: web.progress.note(f"{archive.name}: another download of it is running, waiting for it"),
    ):
        for digest in known:
            if path := cache.find_published(digest):
                return StoredArchive(path, archive.name, archive.source, FileDigest(path.stat().st_size, path.name))
        part = _Part(cache.partial(f"{archive.source}-{archive.name}-{known[0].hex[:12] if known else 'any'}"), known)
        found = _fetch_verified(archive, part, web, expected)
        path = cache.archive(found.sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(part.path, path)
        for digest in known:
            if digest.algorithm != "sha256":
                cache.set_alias(str(digest), found.sha256)
        return StoredArchive(path, archive.name, archive.source, found)


def _local(archive: Archive, path: Path, expected: FileDigest | None) -> StoredArchive:
    part = _Part(path, archive.digests)
    try:
        part.open()
    except OSError as error:
        raise DownloadError(f"{path} cannot be read: {error}") from error
    return StoredArchive(path, archive.name, archive.source, _verified(archive, part, expected))


def _fetch_verified(archive: Archive, part: _Part, web: Web, expected: FileDigest | None) -> FileDigest:
    """Fill the part file until it is what it must be.

    A resumed download that comes out wrong is begun anew: the part may stem from other bytes under that name. A
    broken connection leaves the part, to be resumed by the next run.
    """
    wanted = _wanted(archive, expected)
    while True:
        resumed = part.open() > 0
        if not (wanted and part.matches(wanted)):
            _fill(archive, part, web)
        try:
            return _verified(archive, part, expected)
        except DownloadError:
            part.discard()
            if not resumed:
                raise
        web.progress.note(f"{archive.name}: the resumed download is damaged, starting anew")


def _wanted(archive: Archive, expected: FileDigest | None) -> list[tuple[Digest, str]]:
    """Every digest the bytes must have, and who says so."""
    wanted = [(Digest("sha256", expected.sha256), "the lock")] if expected else []
    return wanted + [(digest, archive.source) for digest in archive.digests]


def _verified(archive: Archive, part: _Part, expected: FileDigest | None) -> FileDigest:
    """What the bytes are, once they have proved to be what lock and source say."""
    for size, said_by in ((expected.size if expected else None, "the lock"), (archive.size, archive.source)):
        if size is not None and size != part.size:
            raise DownloadError(f"{archive.name} from {archive.source} has {part.size} bytes, {said_by} says {size}")
    for digest, said_by in _wanted(archive, expected):
        if part.hex(digest.algorithm) != digest.hex:
            raise DownloadError(
                f"{archive.name} from {archive.source} has {digest.algorithm} {part.hex(digest.algorithm)}, "
                f"{said_by} says {digest.hex}",
                remedy="do not use it; ask another source with --source",
            )
    return FileDigest(part.size, part.hex("sha256"))


class _Part:
    """A file that grows, with the digests of what it holds so far."""

    def __init__(self, path: Path, digests: tuple[Digest, ...] | list[Digest]) -> None:
        self.path = path
        self.size = 0
        self._algorithms = sorted({"sha256", *(digest.algorithm for digest in digests)})
        self._hashes: dict[str, Any] = {}

    def open(self) -> int:
        """Take stock of what is there; the number of bytes."""
        if self.path.exists():
            self.size, hashes = hash_file(self.path, self._algorithms)
        else:
            self.size, hashes = 0, [hashlib.new(algorithm) for algorithm in self._algorithms]
        self._hashes = dict(zip(self._algorithms, hashes, strict=True))
        return self.size

    def append(self, chunks: Iterable[bytes], sink: Callable[[bytes], None]) -> None:
        """Write chunks at the end; each is shown to `sink` too."""
        with self.path.open("ab") as file:
            for chunk in chunks:
                file.write(chunk)
                for each in self._hashes.values():
                    each.update(chunk)
                self.size += len(chunk)
                sink(chunk)

    def discard(self) -> None:
        """Begin anew."""
        self.path.unlink(missing_ok=True)
        self.open()

    def hex(self, algorithm: str) -> str:
        """The digest of all bytes so far."""
        value: str = self._hashes[algorithm].hexdigest()
        return value

    def matches(self, wanted: list[tuple[Digest, str]]) -> bool:
        """Whether the bytes so far are the whole file already."""
        return all(self.hex(digest.algorithm) == digest.hex for digest, _ in wanted)


def _fill(archive: Archive, part: _Part, web: Web) -> None:
    origin = archive.origin
    with web.progress.transfer(f"{archive.name} from {archive.source}", archive.size) as transfer:
        transfer.advance(part.size)
        if isinstance(origin, WebFile):
            web.retrying(origin.url, lambda: _receive(origin, part, web, transfer, archive.size))
        elif isinstance(origin, Program):
            transfer.advance(-part.size)
            part.discard()
            _run(origin, part, transfer)


def _receive(origin: WebFile, part: _Part, web: Web, transfer: Transfer, size: int | None) -> None:
    """One try: ask for what is missing and append it.

    Raises:
        TransientError: if the connection breaks, stalls, or ends too early.
    """
    if size is not None and part.size == size:
        return
    begin = part.size
    headers = {**origin.headers, **({"Range": f"bytes={begin}-"} if begin else {})}
    watch = _StallWatch(web)
    try:
        with web.stream(origin.url, headers) as response:
            if begin and not _continues(response, begin):
                transfer.advance(-begin)
                part.discard()
                begin = 0
                if response.status_code != httpx.codes.OK:
                    raise TransientError("the server does not serve the missing range, starting anew")

            def count(chunk: bytes) -> None:
                transfer.advance(len(chunk))
                watch.saw(len(chunk))

            part.append(response.iter_raw(), count)
    except TransientError as error:
        raise TransientError(str(error), wait_s=error.wait_s, progressed=part.size - begin >= _PROGRESS) from error
    if size is not None and part.size < size:
        raise TransientError(f"ended after {part.size} of {size} bytes", progressed=part.size - begin >= _PROGRESS)


def _continues(response: httpx.Response, begin: int) -> bool:
    """Whether an answer is the rest of the file from `begin` on (RFC 9110, 206 with a matching Content-Range)."""
    ranged = response.headers.get("content-range", "")
    return response.status_code == httpx.codes.PARTIAL_CONTENT and ranged.startswith(f"bytes {begin}-")


class _StallWatch:
    """Tells a transfer that only trickles from one that is slow."""

    def __init__(self, web: Web) -> None:
        self._policy = web.policy
        self._monotonic = web.clock.monotonic
        self._since = self._monotonic()
        self._bytes = 0

    def saw(self, count: int) -> None:
        self._bytes += count
        elapsed = self._monotonic() - self._since
        if elapsed < self._policy.stall_window_s:
            return
        if self._bytes < self._policy.stall_rate * elapsed:
            raise TransientError(f"only {self._bytes} bytes in {elapsed:.0f} s")
        self._since, self._bytes = self._monotonic(), 0


def _run(origin: Program, part: _Part, transfer: Transfer) -> None:
    def count(chunk: bytes) -> None:
        transfer.advance(len(chunk))

    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(origin.argv, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL) as process,
    ):
        part.append(iter(partial(cast("IO[bytes]", process.stdout).read, CHUNK), b""), count)
        process.wait()
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace")
    if process.returncode != 0:
        part.discard()
        raise DownloadError(f"{origin.argv[0]} failed with exit code {process.returncode}: {' '.join(said.split())}")
