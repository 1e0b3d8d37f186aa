"""The runtime tree: a Codex runtime as files on this machine, always in the upstream package layout.

Whatever shape an archive has (package, npm tarball, old layout, lone executable), its tree looks the same and says
of every file what it is. A tree holds no mode bits worth reading: a file's role decides them when it is used.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING

from codex_release.base.digests import CHUNK, FileDigest, digested, file_digest
from codex_release.base.errors import ArchiveError, system_errors_as
from codex_release.base.table import read_json
from codex_release.facts.targets import Layout, Target, matches
from codex_release.runtime.archive import Sink, Writer, stream
from codex_release.runtime.entries import EntryRules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from codex_release.facts.versions import ReleaseVersion

__all__ = ["Expected", "RuntimeTree", "copy_tree", "read_tree", "stream_tree", "tree_key"]

_DESCRIPTOR_BYTES = 64 << 10
"""The largest descriptor that is read; real ones have about 200 bytes."""
_PIECE = 16 << 20
"""How many bytes are copied at a time."""
_CANNOT_COPY_RANGES = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}
"""What kernels and file systems answer that do not know ``copy_file_range``, or not between these two files."""


@dataclass(frozen=True)
class RuntimeTree:
    """A runtime on disk.

    Attributes:
        root: its top directory.
        files: what each file below it is, by POSIX path.
    """

    root: Path
    files: Mapping[str, FileDigest]

    def without(self, left_out: frozenset[str]) -> RuntimeTree:
        """The same tree without some of its files."""
        return replace(self, files={path: digest for path, digest in self.files.items() if path not in left_out})


@dataclass(frozen=True)
class Expected:
    """What a tree has to be.

    Attributes:
        layout: what any tree looks like.
        target: what its executables are for.
        version: what release it is of.
    """

    layout: Layout
    target: Target
    version: ReleaseVersion

    @property
    def entrypoint(self) -> str:
        """The path of its main executable."""
        return self.target.fill(self.layout.entrypoint)

    def place(self, path: str) -> str | None:
        """From an archive's path to the tree's; `None` for what does not belong to the runtime."""
        for prefix in map(self.target.fill, self.layout.prefixes):
            if path.startswith(prefix):
                path = path[len(prefix) :]
                break
        else:
            if matches(path, self.layout.ignored):
                return None
        renames = {self.target.fill(old): self.target.fill(new) for old, new in self.layout.renames.items()}
        return renames.get(path, path)

    def require(self, files: Mapping[str, FileDigest], read_descriptor: Callable[[], bytes], name: str) -> None:
        """Refuse a tree that is something else, by its own description.

        Args:
            files: what each file of it is.
            read_descriptor: gives what its descriptor holds.
            name: what an error calls it.

        Raises:
            ArchiveError: if it is no runtime of this target and version.
        """
        descriptor = self.layout.descriptor
        if self.entrypoint not in files:
            raise ArchiveError(f"{name} is no Codex runtime for {self.target.triple}: it has no {self.entrypoint}")
        if descriptor not in files:
            raise ArchiveError(f"{name} is no package directory: it has no {descriptor}")
        if files[descriptor].size > _DESCRIPTOR_BYTES:
            raise ArchiveError(f"{descriptor} of {name} has more than {_DESCRIPTOR_BYTES} bytes")
        described = read_json(read_descriptor(), f"{descriptor} of {name}", ArchiveError)
        for what, value in (("target", self.target.triple), ("version", self.version.codex)):
            if (claimed := described.text(what)) != value:
                raise ArchiveError(f"{name} is of {what} {claimed!r}, not {value!r}")


def stream_tree(
    archive: Path, name: str, sink: Sink, expected: Expected, *, alone: bool = True
) -> dict[str, FileDigest]:
    """Read an archive as a tree, whatever its own layout is.

    Args:
        archive: the archive file.
        name: its name at its source.
        sink: where the tree's files go; excluded ones do not.
        expected: what the tree has to be.
        alone: see `archive.stream`.

    Returns:
        what each file is, those included that the layout excludes from trees.

    Raises:
        ArchiveError: if it cannot be read, or is no runtime of that target and version.
    """
    layout = expected.layout
    watched = _Watched(sink, layout.descriptor)
    files = stream(archive, name, watched, expected.place, skip=layout.is_excluded, alone=alone)
    if layout.descriptor not in files and expected.entrypoint in files:
        files[layout.descriptor] = _describe(watched, files, expected, name)
    expected.require(files, lambda: bytes(watched.content), name)
    return dict(sorted(files.items()))


def read_tree(root: Path, expected: Expected) -> RuntimeTree:
    """Take a package directory as a tree, hashing every file that is not excluded.

    Raises:
        ArchiveError: if it holds links or special files, or is no runtime of that target and version.
    """
    rules = EntryRules(str(root), 1 << 40)
    files = {}
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root).as_posix()
        kind = "a link" if path.is_symlink() else "directory" if path.is_dir() else "file"
        if not path.is_file() and kind == "file":
            kind = "a special file"
        rules.admit(relative, kind, 0)
        if kind == "file" and not expected.layout.is_excluded(relative):
            with system_errors_as(ArchiveError, f"{path} cannot be read"):
                files[relative] = file_digest(path)
    expected.require(files, (root / expected.layout.descriptor).read_bytes, str(root))
    return RuntimeTree(root, files)


def copy_tree(tree: RuntimeTree, destination: Path, layout: Layout) -> dict[str, FileDigest]:
    """Copy a tree's files, as fast as the file system can, with the modes of their roles.

    Never links: an edit of the copy must not reach the original.

    Returns:
        what each file of the copy is, read back while the rest is being copied.
    """
    digests = {}
    for path in tree.files:
        copy = destination / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        digests[path] = _copy_file(tree.root / path, copy)
        copy.chmod(layout.mode(path))
    return digests


def _copy_file(source: Path, copy: Path) -> FileDigest:
    """Copy a file's bytes piece by piece, and hash those of the copy behind it, on another core."""
    sha256, size = hashlib.sha256(), 0
    with source.open("rb") as reading, copy.open("wb") as writing, ThreadPoolExecutor(1) as pool:
        hashing: list[Future[None]] = []

        def read_back(start: int, end: int) -> None:
            with copy.open("rb", buffering=0) as written:
                written.seek(start)
                while start < end and (chunk := written.read(min(CHUNK, end - start))):
                    sha256.update(chunk)
                    start += len(chunk)

        while count := _copy_piece(reading, writing):
            hashing.append(pool.submit(read_back, size, size + count))
            size += count
        for each in hashing:
            each.result()
    return FileDigest(size, sha256.hexdigest())


def _copy_piece(reading: IO[bytes], writing: IO[bytes]) -> int:
    """Copy the next piece of a file; how many bytes it has.

    Where the file system can share blocks until one side changes (reflink), it does.
    """
    if hasattr(os, "copy_file_range"):
        try:
            if count := os.copy_file_range(reading.fileno(), writing.fileno(), _PIECE):
                return count
        except OSError as error:
            if error.errno not in _CANNOT_COPY_RANGES:
                raise
    # Both files are where their descriptors are; nothing of them is in Python's buffers.
    chunk = os.read(reading.fileno(), _PIECE)
    written = 0
    while written < len(chunk):
        written += os.write(writing.fileno(), memoryview(chunk)[written:])
    return len(chunk)


def tree_key(files: Mapping[str, FileDigest]) -> str:
    """The address of a tree in the cache: the digest of what is in it."""
    lines = "".join(f"{digest.sha256} {digest.size} {path}\n" for path, digest in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


class _Watched:
    """A sink that keeps a copy of one small file."""

    def __init__(self, sink: Sink, path: str) -> None:
        self._sink = sink
        self._path = path
        self.content = bytearray()

    @contextlib.contextmanager
    def create(self, path: str, size: int | None) -> Iterator[Writer]:
        """Begin a file."""
        with self._sink.create(path, size) as writer:
            self._writer = writer
            yield self if path == self._path else writer

    def write(self, chunk: bytes, /) -> None:
        """Append to the one that is kept, as much as a descriptor may have."""
        self._writer.write(chunk)
        self.content.extend(chunk[: _DESCRIPTOR_BYTES - len(self.content)])


def _describe(sink: Sink, files: Mapping[str, FileDigest], expected: Expected, name: str) -> FileDigest:
    """Give a tree of before the package layout the descriptor it lacks."""
    descriptor = expected.layout.descriptor
    described = {
        "layoutVersion": 1,
        "version": expected.version.codex,
        "target": expected.target.triple,
        "variant": "codex",
        "entrypoint": expected.entrypoint,
        "resourcesDir": "codex-resources",
        "pathDir": expected.layout.path_dir,
    }
    rules = EntryRules(f"the tree of {name}", 1)
    for path in (*files, descriptor):  # no other file may be in its place, or differ only in case
        rules.admit(path, "file", 0)
    content = json.dumps(described, indent=2).encode()
    with sink.create(descriptor, len(content)) as writer:
        writer.write(content)
    return digested([content])
