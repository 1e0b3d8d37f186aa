"""Reading archives: gzipped tar, zip, zstd and lone executables, as one stream of entries.

The format is told by the first bytes, never by the name. Every entry passes the rules of `entries` before a byte of
it is written, into a directory that was empty before; modes, owners and times of the archive are not taken over.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import stat
import struct
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, cast

from codex_release.digests import CHUNK, FileDigest
from codex_release.entries import EntryRules, Limits
from codex_release.errors import ArchiveError
from codex_release.headers import looks_executable

try:
    from isal import igzip, igzip_threaded, isal_zlib

    _ISAL_ERRORS: tuple[type[Exception], ...] = (isal_zlib.error,)
except ImportError:  # Windows on ARM has no wheel of it
    igzip = igzip_threaded = None
    _ISAL_ERRORS = ()
try:
    import zstandard

    _ZSTD_ERRORS: tuple[type[Exception], ...] = (zstandard.ZstdError,)
except ImportError:  # Python 3.10 for Windows on ARM has no wheel of it
    zstandard = None  # type: ignore[assignment]
    _ZSTD_ERRORS = ()

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["unpack"]

_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,  # gzip.BadGzipFile is one
    EOFError,
    ValueError,  # numbers and text in headers
    OverflowError,
    NotImplementedError,  # a compression method zipfile does not know
    RuntimeError,  # an encrypted zip
    *_ISAL_ERRORS,
    *_ZSTD_ERRORS,
)


@dataclass(frozen=True)
class _Entry:
    """One entry as its format describes it; a size of -1 is unknown, `open` gives the bytes."""

    name: str
    kind: str
    size: int
    open: Callable[[], IO[bytes] | _Counted]


def unpack(
    path: Path,
    name: str,
    into: Path,
    place: Callable[[str], str | None],
    *,
    skip: Callable[[str], bool] = lambda _: False,
    limits: Limits | None = None,
    threads: bool = False,
) -> dict[str, FileDigest]:
    """Extract an archive.

    Args:
        path: the archive.
        name: its name at its source; a lone executable takes its name in the tree from it.
        into: an existing empty directory.
        place: for an entry's path, its path in the tree, or `None` to drop it.
        skip: for a path in the tree, whether its bytes are only read and hashed, not written.
        limits: how much the archive may hold.
        threads: decompress on a thread of its own: faster for one archive, no gain for many at once.

    Returns:
        what each file of the tree is, the skipped ones included.

    Raises:
        ArchiveError: if it is damaged or breaks a rule; `into` may then hold a part of it.
    """
    rules = EntryRules(name, path.stat().st_size, limits)
    tree_rules = EntryRules(f"the tree of {name}", path.stat().st_size, limits)
    found: dict[str, FileDigest] = {}
    try:
        with contextlib.ExitStack() as stack:
            for entry in _entries(path, name, stack, rules, threads=threads):
                admitted = rules.admit(entry.name, entry.kind, entry.size)
                target = place(admitted) if entry.kind == "file" else None
                if target is None:
                    continue
                target = tree_rules.admit(target, "file", entry.size)
                found[target] = _copy(entry, None if skip(target) else into / target)
    except ArchiveError:
        raise
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise ArchiveError(f"{name} cannot be extracted to {into}: {error}") from error  # e.g. a full disk
        raise ArchiveError(f"{name} is damaged: {str(error) or type(error).__name__}") from error
    return found


def _copy(entry: _Entry, destination: Path | None) -> FileDigest:
    """Read an entry to its end, and write it if there is a destination."""
    sha256, size = hashlib.sha256(), 0
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(entry.open())
        sink = None
        if destination is not None:
            destination.parent.mkdir(parents=True, exist_ok=True)
            sink = stack.enter_context(destination.open("xb", buffering=0))
        while chunk := source.read(CHUNK):
            size += len(chunk)
            sha256.update(chunk)
            if sink:
                sink.write(chunk)
    if size != entry.size and entry.size >= 0:
        raise ArchiveError(f"the entry {entry.name!r} has {size} bytes, its header says {entry.size}")
    return FileDigest(size, sha256.hexdigest())


def _entries(
    path: Path, name: str, stack: contextlib.ExitStack, rules: EntryRules, *, threads: bool
) -> Iterator[_Entry]:
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(b"\x1f\x8b"):
        return _tar_entries(stack.enter_context(_open_gzip(path, threads=threads)), rules)
    if head.startswith(b"PK"):
        return _zip_entries(stack.enter_context(zipfile.ZipFile(path)), rules)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return _lone_entry(name.removesuffix(".zst"), -1, lambda: _Counted(_open_zstd(path), rules))
    if looks_executable(head):
        return _lone_entry(name, path.stat().st_size, lambda: _Counted(path.open("rb"), rules))
    raise ArchiveError(f"{name} is neither a gzipped tar, a zip, a zstd file nor an executable")


def _tar_entries(stream: IO[bytes], rules: EntryRules) -> Iterator[_Entry]:
    counted = _Counted(stream, rules)
    with tarfile.open(fileobj=cast("IO[bytes]", counted), mode="r|", bufsize=CHUNK, errorlevel=2) as tar:
        for member in tar:
            yield _Entry(member.name, _tar_kind(member), member.size, partial(_open_member, tar, member))
    # tarfile stops at its end mark: read on, for the checksum at the end of the gzip stream, and for what may follow.
    while counted.read(CHUNK):
        pass


def _open_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(member)
    if file is None:
        raise ArchiveError(f"the entry {member.name!r} has no bytes")
    return file


def _tar_kind(member: tarfile.TarInfo) -> str:
    if member.isdir():
        return "directory"
    if member.issparse():
        return "a sparse file"
    if member.isreg():
        return "file"
    kinds = {tarfile.SYMTYPE: "a symbolic link", tarfile.LNKTYPE: "a hard link", tarfile.FIFOTYPE: "a named pipe"}
    kinds |= {tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device"}
    return kinds.get(member.type, f"an entry of unknown type {member.type!r}")


def _zip_entries(archive: zipfile.ZipFile, rules: EntryRules) -> Iterator[_Entry]:
    for info in archive.infolist():
        # orig_filename: zipfile cuts a name at a NUL and turns backslashes on Windows; the rules want to see them.
        opened = partial(_open_zipped, archive, info, rules)
        yield _Entry(info.orig_filename, _zip_kind(info), info.file_size, opened)


def _open_zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo, rules: EntryRules) -> _Counted:
    return _Counted(archive.open(info), rules)


def _zip_kind(info: zipfile.ZipInfo) -> str:
    if info.orig_filename.endswith("/"):
        return "directory"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind in {0, stat.S_IFREG}:
        return "file"
    return {stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a named pipe"}.get(kind, "a device or other special file")


def _lone_entry(name: str, size: int, open_it: Callable[[], _Counted]) -> Iterator[_Entry]:
    yield _Entry(name, "file", size, open_it)


def _open_gzip(path: Path, *, threads: bool) -> IO[bytes]:
    if igzip is None:
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if threads:
        return cast("IO[bytes]", igzip_threaded.open(path, "rb", threads=1))
    return cast("IO[bytes]", igzip.open(path, "rb"))


def _open_zstd(path: Path) -> IO[bytes]:
    if zstandard is None:
        raise ArchiveError(
            "zstd archives cannot be read here: the package zstandard is not installed",
            remedy="use the .tar.gz or .zip archive of the release",
        )
    return cast("IO[bytes]", zstandard.open(path, "rb"))


class _Counted:
    """A stream whose every byte counts against the limits, tar headers included: a bomb may hide in those."""

    def __init__(self, stream: IO[bytes], rules: EntryRules) -> None:
        self._stream = stream
        self._rules = rules

    def __enter__(self) -> _Counted:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(size)
        self._rules.grow(len(chunk))
        return chunk
