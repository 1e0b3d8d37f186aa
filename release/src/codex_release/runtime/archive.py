"""Reading archives: gzipped tar, zip, zstd and lone executables, as one stream of entries.

The format is told by the first bytes, never by the name. Every entry passes the rules of `entries` before a byte of
it is written, into a directory that was empty before; modes, owners and times of the archive are not taken over.

An archive is one file with nothing around it: bytes behind its end are refused, for two tools may see two archives in
such a file. Zero bytes, with which tar and gzip fill their last block, are none.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import importlib
import io
import stat
import struct
import zipfile
import zlib
from collections import deque
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Protocol

from codex_release.base.digests import CHUNK, FileDigest
from codex_release.base.errors import ArchiveError, DiskError, system_errors_as
from codex_release.runtime.entries import Entry, EntryRules, Limits
from codex_release.runtime.headers import looks_executable
from codex_release.runtime.tarreader import tar_entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import ModuleType

    from typing_extensions import Self

__all__ = ["DirectorySink", "Sink", "Writer", "isal_zlib", "stream"]


def _optional(module: str) -> ModuleType | None:
    """A library that makes this faster, or reads one format more; `None` where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


# Windows on ARM has no wheel of isal; the standard library's gzip stands in.
igzip, isal_zlib = _optional("isal.igzip"), _optional("isal.isal_zlib")
# The standard library has it from Python 3.14 on, if that was built with it.
zstd = _optional("compression.zstd") or _optional("backports.zstd")

_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,  # gzip.BadGzipFile is one
    EOFError,
    ValueError,  # numbers and text in headers
    OverflowError,
    NotImplementedError,  # what zipfile does not know
    *((isal_zlib.error,) if isal_zlib else ()),
    *((zstd.ZstdError,) if zstd else ()),
)

_ZIP_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ZIP_ENCRYPTED = 0x1
_ZIP_READ = 2 << 20
"""What zipfile may read at once, in bytes: it takes in the whole directory of a zip before anybody can count it."""
_ZIP_END = 22
_CHUNKS_BEHIND = 8
"""How many chunks may wait to be hashed while more are read and written."""
_CACHED = 256 << 10
"""What is inflated, hashed and written by one core in turn, in bytes: its second-level cache still has it each time."""


class Writer(Protocol):
    """What takes the bytes of one file."""

    def write(self, chunk: bytes, /) -> object:
        """Append."""


class Sink(Protocol):
    """Where the files of an archive go."""

    def create(self, path: str, size: int | None) -> AbstractContextManager[Writer]:
        """Begin a file; it is whole at the end of the block, and worthless if that is left by an exception.

        Args:
            path: where it belongs; every rule for names holds.
            size: in bytes, if the archive says it.
        """


@dataclass(frozen=True)
class DirectorySink:
    """A directory on disk as a sink; it was empty before."""

    root: Path

    def create(self, path: str, size: int | None) -> _NewFile:  # noqa: ARG002 - the disk does not ask
        """Begin a file below the root."""
        return _NewFile(self.root / path)


def stream(
    path: Path,
    name: str,
    sink: Sink,
    place: Callable[[str], str | None],
    *,
    skip: Callable[[str], bool] = lambda _: False,
    limits: Limits | None = None,
    alone: bool = True,
) -> dict[str, FileDigest]:
    """Read an archive from front to back.

    Args:
        path: the archive.
        name: its name at its source; a lone executable takes its name in the tree from it.
        sink: where its files go.
        place: for an entry's path, its path in the tree, or `None` to drop it.
        skip: for a path in the tree, whether its bytes are only read and hashed, not given to the sink.
        limits: how much the archive may hold.
        alone: whether cores are free: one more hashes then what this one reads.

    Returns:
        what each file of the tree is, the skipped ones included.

    Raises:
        ArchiveError: if it is damaged or breaks a rule; the sink may then hold a part of it.
        DiskError: if a file of it cannot be written.
    """
    found: dict[str, FileDigest] = {}
    try:
        compressed = path.stat().st_size
        rules = EntryRules(name, compressed, limits)
        tree_rules = EntryRules(f"the tree of {name}", compressed, limits)
        with contextlib.ExitStack() as stack:
            beside = stack.enter_context(ThreadPoolExecutor(1)) if alone else None
            for entry in _entries(path, name, stack, rules):
                admitted = rules.admit(entry.name, entry.kind, entry.size)
                target = place(admitted) if entry.kind == "file" else None
                if target is None:
                    continue
                target = tree_rules.admit(target, "file", entry.size)
                found[target] = _copy(entry, None if skip(target) else partial(sink.create, target, entry.size), beside)
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise ArchiveError(f"{name} cannot be read: {error.strerror or error}") from error
        said = "" if isinstance(error, struct.error) else str(error)  # that speaks of buffers
        raise ArchiveError(
            f"{name} is damaged: {said or 'its headers do not add up, or it ends too early'}",
            remedy="bring it here again, or ask another source with --source",
        ) from error
    return found


def _copy(
    entry: Entry, create: Callable[[], AbstractContextManager[Writer]] | None, beside: Executor | None
) -> FileDigest:
    """Read an entry to its end, and write it if there is a place for it; `beside` may hash it meanwhile, in order."""
    sha256, size = hashlib.sha256(), 0
    hashing: deque[Future[None]] = deque()
    with entry.open() as source, create() if create else contextlib.nullcontext() as writer:
        while chunk := source.read(CHUNK if beside else _CACHED):
            size += len(chunk)
            if beside is None or size < CHUNK:  # all of a small file: to hand it over would take longer
                sha256.update(chunk)
            else:
                hashing.append(beside.submit(sha256.update, chunk))
            if len(hashing) > _CHUNKS_BEHIND:
                hashing.popleft().result()
            if writer:
                writer.write(chunk)
        for each in hashing:
            each.result()
        if entry.size not in (None, size):
            raise ValueError(f"the entry {entry.name!r} has {size} bytes, its header says {entry.size}")
    return FileDigest(size, sha256.hexdigest())


def _entries(path: Path, name: str, stack: contextlib.ExitStack, rules: EntryRules) -> Iterator[Entry]:
    """The entries of an archive, whatever it is; `stack` closes it."""
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(b"\x1f\x8b"):
        # The tar headers count too: a bomb may hide in those.
        return tar_entries(stack.enter_context(_Counted((igzip or gzip).open(path, "rb"), rules)))
    if head.startswith(b"PK"):
        return _zip_entries(stack.enter_context(_ZipFile(path)), name, rules, stack)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        if zstd is None:
            raise ArchiveError(
                "zstd archives cannot be read here: neither this Python's compression.zstd nor the package "
                "backports.zstd is there",
                remedy="use the .tar.gz or .zip archive of the release",
            )
        return iter([Entry(name.removesuffix(".zst"), "file", None, lambda: _Counted(zstd.open(path), rules))])
    if looks_executable(head):
        return iter([Entry(name, "file", path.stat().st_size, lambda: _Counted(path.open("rb"), rules))])
    if not head:
        raise ArchiveError(f"{name} is empty")
    raise ArchiveError(f"{name} is neither a gzipped tar, a zip, a zstd file nor an executable")


def _zip_entries(file: _ZipFile, name: str, rules: EntryRules, stack: contextlib.ExitStack) -> Iterator[Entry]:
    archive = stack.enter_context(zipfile.ZipFile(file))
    file.seek(-_ZIP_END - len(archive.comment), io.SEEK_END)
    if file.read(4) != b"PK\5\6":  # zipfile looks for the end record anywhere in the last 64 KiB
        raise ValueError("there are bytes behind its end")
    # `zipfile` shifts every offset by what lies before the first entry, and says nothing.
    if min((info.header_offset for info in archive.infolist()), default=0) > 0:
        raise ValueError("there are bytes before its first entry")
    for info in archive.infolist():
        # orig_filename: zipfile cuts a name at a NUL and turns backslashes on Windows; the rules want to see them.
        entry = f"{name}: the entry {info.orig_filename!r}"
        if info.flag_bits & _ZIP_ENCRYPTED:
            raise ArchiveError(f"{entry} is encrypted")
        if info.compress_type not in _ZIP_METHODS:
            raise ArchiveError(f"{entry} is compressed by method {info.compress_type}, which is not read here")
        opened = partial(lambda each: _Counted(archive.open(each), rules), info)
        yield Entry(info.orig_filename, _zip_kind(info), info.file_size, opened)


def _zip_kind(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    expected = stat.S_IFDIR if info.orig_filename.endswith("/") else stat.S_IFREG
    if kind in {0, expected}:
        return "directory" if expected == stat.S_IFDIR else "file"
    return {stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a named pipe"}.get(kind, "a device or other special file")


class _Counted:
    """A stream whose every byte counts against the limits."""

    def __init__(self, stream: IO[bytes], rules: EntryRules) -> None:
        self._stream = stream
        self._rules = rules

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def read(self, size: int, /) -> bytes:
        chunk = self._stream.read(size)
        self._rules.grow(len(chunk))
        return chunk


class _NewFile:
    """A file to write; what goes wrong here, a full disk for one, is no fault of the archive."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._blamed():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("xb")  # buffered: a raw file may take a part of what it is given, and not complain

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._blamed():
            self._file.close()

    def write(self, chunk: bytes) -> None:
        with self._blamed():
            self._file.write(chunk)

    def _blamed(self) -> contextlib.AbstractContextManager[None]:
        return system_errors_as(DiskError, f"{self._path} cannot be written", "make room there, and let it be written")


class _ZipFile(io.FileIO):
    """A zip for `zipfile`, which believes the sizes it finds."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _ZIP_READ:
            raise ValueError(f"its directory has {size} bytes, more than {_ZIP_READ}")
        return super().read(size) or b""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_SET and offset < 0:
            raise ValueError("its directory does not fit into it")
        return super().seek(offset, whence)
