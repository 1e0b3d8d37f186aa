"""Bringing one archive into the cache: resumed, retried, and verified before it gets its name.

Nothing that fails a size or digest is ever found under a final name. A download that is killed leaves its part file,
which the next run completes; two processes that want the same archive share one download.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from codex_release.base.digests import Digest, FileDigest, hash_file
from codex_release.base.errors import DownloadError, system_errors_as
from codex_release.base.http import MOST_FILE, HttpError, Web
from codex_release.base.patience import TransientError
from codex_release.base.programs import printed
from codex_release.sources import Archive, LocalFile, Program, WebFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import httpx

    from codex_release.fetching.cache import Cache

__all__ = ["StoredArchive", "download"]

_PROGRESS = 1 << 20
"""So many bytes more than any earlier try had start the count of failures anew; a trickle does not."""


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
        CacheError: if the cache cannot take it.
    """
    if isinstance(archive.origin, LocalFile):
        return _local(archive, archive.origin.path, expected)
    _agree(archive, expected)
    wanted = _wanted(archive, expected)
    name = f"{archive.source}-{archive.name}"
    with cache.exclusive(
        name, on_wait=lambda: web.progress.note(f"{archive.name}: another download of it is running, waiting for it")
    ):
        if stored := _cached(archive, cache, web, expected):
            return stored
        with (
            cache.partial(f"{name}-{wanted[0][0].hex[:12] if wanted else 'any'}") as path,
            cache.usable(f"{archive.name} cannot be kept"),
        ):
            part = _Part(path, archive.digests)
            found = _fetch_verified(archive, part, web, expected)
            kept = cache.adopt_archive(part.path, found.sha256)
            for digest in archive.digests:
                if digest.algorithm != "sha256":
                    cache.set_alias(str(digest), found.sha256)
        return StoredArchive(kept, archive.name, archive.source, found)


def _local(archive: Archive, path: Path, expected: FileDigest | None) -> StoredArchive:
    part = _Part(path, archive.digests)
    with system_errors_as(DownloadError, f"{path} cannot be read"):
        path.stat()  # a part may be missing, this may not
        part.open()
    return StoredArchive(path, archive.name, archive.source, _verified(archive, part, expected))


def _agree(archive: Archive, expected: FileDigest | None) -> None:
    """Refuse, before a byte moves, what the source itself describes otherwise than the lock does."""
    if expected is None:
        return
    theirs = [digest.hex for digest in archive.digests if digest.algorithm == "sha256"]
    for what, said, locked in (
        ("sha256", theirs[0] if theirs else None, expected.sha256),
        ("size", archive.size, expected.size),
    ):
        if said is not None and said != locked:
            raise DownloadError(
                f"{archive.name} has {what} {said} says {archive.source}, the lock says {locked}",
                remedy="ask another source with --source",
            )


def _cached(archive: Archive, cache: Cache, web: Web, expected: FileDigest | None) -> StoredArchive | None:
    """The archive from the cache, its bytes proved again; an entry that was damaged since is dropped."""
    for digest in [Digest("sha256", expected.sha256)] if expected else archive.digests:
        path = cache.find_published(digest)
        if path is None:
            continue
        entry = _Part(path, archive.digests)
        with cache.usable(f"{archive.name} cannot be read"):
            entry.open()
        if entry.hex("sha256") != path.name:
            web.progress.note(f"{archive.name}: a damaged cache entry is dropped, {path}")
            cache.drop(path)
        elif entry.hex(digest.algorithm) == digest.hex:
            return StoredArchive(path, archive.name, archive.source, _verified(archive, entry, expected))
    return None


def _fetch_verified(archive: Archive, part: _Part, web: Web, expected: FileDigest | None) -> FileDigest:
    """Fill the part file until it is what it must be.

    A resumed download that comes out wrong is begun anew: the part may stem from other bytes under that name. A
    broken connection leaves the part, to be resumed by the next run.
    """
    wanted = _wanted(archive, expected)
    size = expected.size if expected else archive.size
    while True:
        is_whole = part.open() > 0 and bool(wanted) and part.matches(wanted)
        if not (is_whole or (wanted and isinstance(archive.origin, WebFile))):
            part.discard()  # without a digest nothing would tell that its bytes are those of another release
        resumed = part.size > 0
        try:
            if not is_whole:
                _fill(archive, part, web, size)
            return _verified(archive, part, expected)
        except HttpError:
            raise
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

    def __init__(self, path: Path, digests: Sequence[Digest]) -> None:
        self.path = path
        self.size = 0
        self._algorithms = sorted({"sha256", *(digest.algorithm for digest in digests)})
        self._hashes: dict[str, Any] = {}

    def open(self) -> int:
        """Take stock of what is there; the number of bytes."""
        try:
            self.size, hashes = hash_file(self.path, self._algorithms)
        except FileNotFoundError:
            self.size, hashes = 0, [hashlib.new(algorithm) for algorithm in self._algorithms]
        self._hashes = dict(zip(self._algorithms, hashes, strict=True))
        return self.size

    def append(self, chunks: Iterable[bytes], sink: Callable[[int], None]) -> None:
        """Write chunks at the end; the length of each is told to `sink`."""
        with self.path.open("ab") as file:
            for chunk in chunks:
                file.write(chunk)
                for each in self._hashes.values():
                    each.update(chunk)
                self.size += len(chunk)
                sink(len(chunk))

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


def _fill(archive: Archive, part: _Part, web: Web, size: int | None) -> None:
    origin = archive.origin
    silence_s = web.policy.connect_timeout_s + web.policy.read_timeout_s
    with web.progress.transfer(f"{archive.name} from {archive.source}", size, done=part.size) as advance:

        def count(length: int) -> None:
            advance(length)
            if part.size > (MOST_FILE if size is None else size):
                most = f"{MOST_FILE} bytes" if size is None else f"the {size} bytes it should have"
                raise DownloadError(
                    f"{archive.source} serves more than {most} of {archive.name}",
                    remedy="ask another source with --source",
                )

        if isinstance(origin, Program):
            with contextlib.closing(printed(origin.argv, silence_s=silence_s)) as chunks:
                part.append(chunks, count)
        elif isinstance(origin, WebFile):
            reception = _Reception(origin, part, web, count, size)
            web.retrying(origin.url, reception.attempt)


class _Reception:
    """One download over all its tries; it remembers how far the best of them came."""

    def __init__(self, origin: WebFile, part: _Part, web: Web, count: Callable[[int], None], size: int | None) -> None:
        self._origin = origin
        self._part = part
        self._web = web
        self._count = count
        self._size = size
        self._furthest = part.size

    def attempt(self) -> None:
        """One try: ask for what is missing and append it.

        Raises:
            TransientError: if the connection breaks, stalls, or ends too early.
            HttpError: if the server refuses.
            DownloadError: if there is more than there should be.
        """
        if self._size is not None and self._part.size > self._size:
            self._begin_anew()
        if self._part.size == self._size:
            return
        try:
            self._receive()
        except TransientError as error:
            raise TransientError(str(error), wait_s=error.wait_s, progressed=self._progressed()) from error
        if self._size is not None and self._part.size < self._size:
            raise TransientError(f"ended after {self._part.size} of {self._size} bytes", progressed=self._progressed())

    def _receive(self) -> None:
        begin = self._part.size
        ranged = {"Range": f"bytes={begin}-"} if begin else {}
        with self._web.stream(self._origin.url, {**self._origin.headers, **ranged}) as response:
            if begin and _is_all(response, begin):
                return
            if begin and not _continues(response, begin, self._size):
                self._begin_anew()
                if response.status_code != HTTPStatus.OK:
                    raise TransientError("the server does not serve the missing range, starting anew")
            self._part.append(self._web.watched(response.iter_raw()), self._count)

    def _begin_anew(self) -> None:
        size = self._part.size
        self._part.discard()
        self._count(-size)

    def _progressed(self) -> bool:
        """Whether this try came much further than any before; only then the count of failures begins anew.

        Measured from the best try, not from the last one: a server that always breaks off at the same place, and
        ignores the range, would otherwise be asked for ever.
        """
        if self._part.size - self._furthest < _PROGRESS:
            return False
        self._furthest = self._part.size
        return True


def _is_all(response: httpx.Response, begin: int) -> bool:
    """Whether an answer says that there is nothing from `begin` on (RFC 9110, 416 with the length of the whole)."""
    unsatisfiable = response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    return unsatisfiable and response.headers.get("content-range") == f"bytes */{begin}"


def _continues(response: httpx.Response, begin: int, size: int | None) -> bool:
    """Whether an answer is the rest of the file from `begin` on (RFC 9110, 206 with a matching Content-Range)."""
    ranged = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("content-range", ""))
    if response.status_code != HTTPStatus.PARTIAL_CONTENT or ranged is None:
        return False
    return int(ranged[1]) == begin and (size is None or ranged[2] in {"*", str(size)})
