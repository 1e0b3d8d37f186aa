"""The content-addressed cache: archives by their sha256, runtime trees by the digest of what is in them.

Layout below its root::

    archives/<sha256>      an archive, byte for byte as it was served
    trees/<key>/           an extracted runtime tree
    partial/<name>         a download that was broken off, to be resumed
    aliases/<name>         a text file that gives one address for another, e.g. of a sha512
    locks/<name>.lock      held while a process fills an address, so that the others wait

Several processes may use it at once. An entry appears under its address whole or not at all.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from codex_release.atomic import remove_tree, replace, write_text
from codex_release.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codex_release.digests import Digest

__all__ = ["Cache", "CacheEntry"]

_KINDS = ("archives", "trees", "partial")


@dataclass(frozen=True)
class CacheEntry:
    """One thing in the cache, for listings.

    Attributes:
        kind: ``archives``, ``trees`` or ``partial``.
        path: where it lies.
        size: bytes on disk, all files together.
        used: when it was last used, in seconds since the epoch.
    """

    kind: str
    path: Path
    size: int
    used: float


@dataclass(frozen=True)
class Cache:
    """A cache directory; it is made when something is first put in."""

    root: Path

    def archive(self, sha256: str) -> Path:
        """Where the archive of this digest lies, or would."""
        return self.root / "archives" / sha256

    def tree(self, key: str) -> Path:
        """Where the tree of this key lies, or would."""
        return self.root / "trees" / key

    def partial(self, name: str) -> Path:
        """Where a download goes until it is whole."""
        path = self.root / "partial" / _safe(name)
        self._make(path.parent)
        return path

    def find_archive(self, sha256: str) -> Path | None:
        """The archive of this digest, if it is here; this counts as use."""
        path = self.archive(sha256)
        return _used(path) if path.is_file() else None

    def find_published(self, digest: Digest) -> Path | None:
        """The archive that has this digest, of whatever algorithm, if it is here; this counts as use."""
        sha256 = digest.hex if digest.algorithm == "sha256" else self.alias(str(digest))
        return self.find_archive(sha256) if sha256 else None

    def find_tree(self, key: str) -> Path | None:
        """The tree of this key, if it is here; this counts as use."""
        path = self.tree(key)
        return _used(path) if path.is_dir() else None

    @contextlib.contextmanager
    def scratch_tree(self) -> Iterator[Path]:
        """A new empty directory to fill; it vanishes at the end of the block unless `adopt_tree` gave it an address."""
        directory = self.root / "trees"
        self._make(directory)
        scratch = Path(tempfile.mkdtemp(prefix=".", dir=directory))
        try:
            yield scratch
        finally:
            remove_tree(scratch)

    def adopt_tree(self, scratch: Path, key: str) -> Path:
        """Give a filled scratch directory its address; if there is such a tree already, that one stays."""
        path = self.tree(key)
        scratch.chmod(0o755)
        try:
            if not path.is_dir():
                replace(scratch, path)
        except OSError:
            if not path.is_dir():  # else somebody was faster, with the same content
                raise
        return path

    def drop(self, path: Path) -> None:
        """Delete one entry."""
        _delete(path)

    def alias(self, name: str) -> str | None:
        """The address noted under a name."""
        try:
            return (self.root / "aliases" / _safe(name)).read_text(encoding="ascii")
        except FileNotFoundError:
            return None

    def set_alias(self, name: str, address: str) -> None:
        """Note an address under a name."""
        write_text(self.root / "aliases" / _safe(name), address)

    @contextlib.contextmanager
    def exclusive(self, name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the lock of a name; one process (and one thread) works, the others wait and then find its result.

        Args:
            name: what is going to be filled.
            on_wait: called once if somebody else holds it.
        """
        lock = self._lock(name)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_wait()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def entries(self) -> list[CacheEntry]:
        """Everything in the cache, oldest use first."""
        found = []
        for kind in _KINDS:
            directory = self.root / kind
            for path in directory.iterdir() if directory.is_dir() else ():
                if path.name.startswith("."):
                    continue  # a scratch file of a process at work, or of one that was killed
                with contextlib.suppress(FileNotFoundError):
                    found.append(CacheEntry(kind, path, _size(path), path.stat().st_mtime))
        return sorted(found, key=lambda entry: entry.used)

    def prune(self, *, unused_for_s: float) -> list[CacheEntry]:
        """Delete what nobody used for so many seconds, and what killed processes left; returns what went."""
        limit = time.time() - unused_for_s
        gone = [entry for entry in self.entries() if entry.used < limit and self._remove(entry)]
        for kind in (*_KINDS, "aliases"):
            directory = self.root / kind
            for path in directory.glob(".*") if directory.is_dir() else ():
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < limit:
                        _delete(path)
        return gone

    def clear(self) -> list[CacheEntry]:
        """Delete everything that no running process is filling; returns what went."""
        gone = self.prune(unused_for_s=-1)
        remove_tree(self.root / "aliases")
        return gone

    def _remove(self, entry: CacheEntry) -> bool:
        lock = self._lock(entry.path.name)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        try:
            _delete(entry.path)
        finally:
            lock.release()
        return True

    def _lock(self, name: str) -> FileLock:
        path = self.root / "locks" / f"{_safe(name)}.lock"
        self._make(path.parent)
        return FileLock(path, thread_local=False)

    def _make(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CacheError(
                f"the cache directory {directory} cannot be made: {error}",
                remedy="name a writable one in CODEX_RELEASE_CACHE",
            ) from error


def _safe(name: str) -> str:
    """A name as a file name that every file system takes."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)


def _used(path: Path) -> Path:
    """Note that an entry was used now; a cache that is read-only still serves."""
    with contextlib.suppress(OSError):
        path.touch()
    return path


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    return path.stat().st_size


def _delete(path: Path) -> None:
    if path.is_dir():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)
