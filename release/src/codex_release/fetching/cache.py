"""The content-addressed cache: archives by their sha256, runtime trees by the digest of what is in them.

Layout below its root::

    archives/<sha256>      an archive, byte for byte as it was served
    trees/<key>/           an extracted runtime tree
    partial/<name>         a download that was broken off, to be resumed
    aliases/<name>         a text file that gives one address for another, e.g. of a sha512
    locks/<name>.lock      held while a process fills an address, so that the others wait

Several processes may use it at once. An entry appears under its address whole or not at all, and vanishes the same
way; what a process is filling is nobody else's to delete. Names that begin with a dot are on their way in or out.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import secrets
import stat
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_release.base.atomic import remove_tree, replace, write_text
from codex_release.base.errors import CacheError, system_errors_as
from codex_release.base.locking import held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from codex_release.base.digests import Digest

__all__ = ["Cache", "CacheEntry"]

_KINDS = ("archives", "trees", "partial")
_ADDRESS = re.compile(r"[0-9a-f]{64}")
_WRITING_S = 3600.0
"""A dotted file of this age is not being written any more, it was left behind."""


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
    """A cache directory; it is made when something is first put in.

    Every method raises `CacheError` if the file system does not let it work.
    """

    root: Path

    def archive(self, sha256: str) -> Path:
        """Where the archive of this digest lies, or would."""
        return self.root / "archives" / sha256

    def tree(self, key: str) -> Path:
        """Where the tree of this key lies, or would."""
        return self.root / "trees" / key

    @contextlib.contextmanager
    def partial(self, name: str) -> Iterator[Path]:
        """Where a download goes until it is whole; nobody else touches it while the block runs."""
        path = self._directory("partial") / _safe(name)
        with self.exclusive(path.name):
            if path.is_symlink():
                self.drop(path)  # nothing here ever makes one: it would be written through
            yield path

    def find_archive(self, sha256: str) -> Path | None:
        """The archive of this digest, if it is here; this counts as use."""
        path = self.archive(sha256)
        return path if _is(stat.S_ISREG, path) and _is_used(path) else None

    def find_published(self, digest: Digest) -> Path | None:
        """The archive that has this digest, of whatever algorithm, if it is here; this counts as use."""
        sha256 = digest.hex if digest.algorithm == "sha256" else self.alias(str(digest))
        return self.find_archive(sha256) if sha256 else None

    def find_tree(self, key: str) -> Path | None:
        """The tree of this key, if it is here; this counts as use."""
        path = self.tree(key)
        return path if _is(stat.S_ISDIR, path) and _is_used(path) else None

    def adopt_archive(self, part: Path, sha256: str) -> Path:
        """Give a whole download its address; if there is such an archive already, that one may stay."""
        path = self._directory("archives") / sha256
        with self.usable(f"{part} cannot become {path}"):
            _make_way(path, stat.S_ISREG)
            try:
                replace(part, path)
            except PermissionError:
                if not _is(stat.S_ISREG, path):  # else it is there and being read, which hinders the rename on Windows
                    raise
                part.unlink()
        return path

    @contextlib.contextmanager
    def scratch_tree(self) -> Iterator[Path]:
        """A new empty directory to fill; it vanishes at the end of the block unless `adopt_tree` gave it an address."""
        scratch = self._directory("trees") / f".{secrets.token_hex(8)}"
        with self.exclusive(scratch.name):
            with self.usable(f"{scratch} cannot be made"):
                scratch.mkdir(mode=0o700)
            try:
                yield scratch
            finally:
                remove_tree(scratch)

    def adopt_tree(self, scratch: Path, key: str) -> Path:
        """Give a filled scratch directory its address; if there is such a tree already, that one stays."""
        path = self.tree(key)
        with self.usable(f"{scratch} cannot become {path}"):
            scratch.chmod(0o755)
            _make_way(path, stat.S_ISDIR)
            try:
                if not _is(stat.S_ISDIR, path):
                    replace(scratch, path)
            except OSError:
                if not _is(stat.S_ISDIR, path):  # else somebody was faster, with the same content
                    raise
        return path

    def drop(self, path: Path) -> None:
        """Delete one entry."""
        with self.usable(f"{path} cannot be deleted"):
            _delete(path)

    def alias(self, name: str) -> str | None:
        """The address noted under a name."""
        return _address(self.root / "aliases" / _safe(name))

    def set_alias(self, name: str, address: str) -> None:
        """Note an address under a name."""
        path = self._directory("aliases") / _safe(name)
        with self.usable(f"{name} cannot be noted"):
            _make_way(path, stat.S_ISREG)
            write_text(path, address)

    @contextlib.contextmanager
    def exclusive(self, name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the lock of a name; one process (and one thread) works, the others wait and then find its result.

        The operating system frees the lock of a process that dies.

        Args:
            name: what is going to be filled.
            on_wait: called once if somebody else holds it.
        """
        with self._held(self._lock(name), on_wait=on_wait):
            yield

    def entries(self) -> list[CacheEntry]:
        """Everything in the cache, oldest use first."""
        found = []
        for kind in _KINDS:
            for path in self._listed(kind):
                if not path.name.startswith("."):
                    with contextlib.suppress(FileNotFoundError):
                        found.append(CacheEntry(kind, path, _size(path), path.lstat().st_mtime))
        return sorted(found, key=lambda entry: entry.used)

    def prune(self, *, unused_for_s: float) -> list[CacheEntry]:
        """Delete what nobody used for so many seconds, and what killed processes left; returns what went."""
        return self._sweep(time.time() - unused_for_s)

    def clear(self) -> list[CacheEntry]:
        """Delete everything that no running process is filling; returns what went."""
        return self._sweep(math.inf)

    def usable(self, otherwise: str) -> contextlib.AbstractContextManager[None]:
        """Turn a failure of the file system inside a block into a `CacheError` that says what to do.

        Args:
            otherwise: what does not come about if it fails.
        """
        remedy = "make room there and let it be written by you alone, or name another directory in CODEX_RELEASE_CACHE"
        return system_errors_as(CacheError, f"{otherwise} in the cache {self.root}", remedy)

    def _sweep(self, limit: float) -> list[CacheEntry]:
        """Delete what was last used before a point in time, and what killed processes left."""
        gone = [entry for entry in self.entries() if entry.used < limit and self._remove(entry.path, limit)]
        # What killed processes left: scratch directories and files, aliases that lead nowhere, locks.
        left = min(limit, time.time() - _WRITING_S)
        for kind in (*_KINDS, "aliases"):
            for path in self._listed(kind):
                if path.name.startswith("."):
                    # Whoever fills a scratch directory holds its lock, so one that can be locked was left behind.
                    self._remove(path, math.inf if kind == "trees" else left)
        for path in self._listed("aliases"):
            address = _address(path)
            if not path.name.startswith(".") and not (address and _is(stat.S_ISREG, self.archive(address))):
                self.drop(path)
        for path in self._listed("locks"):
            with self.usable(f"{path} cannot be deleted"):
                _make_way(path, stat.S_ISREG)
            with contextlib.suppress(CacheError), self._held(path, waits=False):
                pass  # it goes at the end of the block, unless a process holds it
        return gone

    def _remove(self, path: Path, limit: float) -> bool:
        """Delete something, unless a process is filling it or used it since it was listed."""
        with self._held(self._lock(path.name), waits=False) as is_held:
            try:
                if not is_held or path.lstat().st_mtime >= limit:
                    return False
                self.drop(path)
            except FileNotFoundError:
                return False
            except CacheError as error:
                # Windows does not delete what a process has open: it is in use.
                if sys.platform == "win32" and isinstance(error.__cause__, PermissionError):
                    return False
                raise
        return True

    def _lock(self, name: str) -> Path:
        return self._directory("locks") / f"{_safe(name)}.lock"

    @contextlib.contextmanager
    def _held(self, lock: Path, *, waits: bool = True, on_wait: Callable[[], None] = lambda: None) -> Iterator[bool]:
        """As `locking.held`."""
        if lock.is_symlink():
            self.drop(lock)
        with contextlib.ExitStack() as stack:
            with self.usable(f"{lock} cannot be locked"):
                is_held = stack.enter_context(held(lock, waits=waits, on_wait=on_wait))
            yield is_held

    def _directory(self, kind: str) -> Path:
        """One of the directories below the root, made if it is not there.

        Raises:
            CacheError: if it cannot be made, is a link, or may be written by others: what they put there, a link most
                of all, would be written through or taken for ours.
        """
        directory = self.root / kind
        with self.usable(f"the directory {kind} cannot be made"):
            self.root.mkdir(mode=0o755, parents=True, exist_ok=True)
            directory.mkdir(mode=0o755, exist_ok=True)
            for each in (self.root, directory):
                _require_ours(each, may_be_link=each == self.root)
        return directory

    def _listed(self, kind: str) -> list[Path]:
        directory = self.root / kind
        with self.usable(f"the directory {kind} cannot be read"):
            return list(directory.iterdir()) if directory.is_dir() else []


def _require_ours(directory: Path, *, may_be_link: bool) -> None:
    """Refuse a directory that another user could have prepared; on Windows its access list says who may."""
    about = directory.stat() if may_be_link else directory.lstat()  # the root may be a link: somebody named it
    if stat.S_ISLNK(about.st_mode):
        raise OSError(f"{directory} is a symbolic link")
    if sys.platform == "win32":
        return
    if about.st_uid not in {os.geteuid(), 0}:
        raise OSError(f"{directory} belongs to another user (uid {about.st_uid})")
    others = stat.S_IWOTH if _is_private(about.st_gid) else stat.S_IWGRP | stat.S_IWOTH
    if about.st_mode & others:
        raise OSError(f"{directory} may be written by other users (mode {stat.S_IMODE(about.st_mode):04o})")


def _is_private(group: int) -> bool:
    """Whether nobody but this user is in a group, as many systems make one for every user."""
    try:
        import grp
        import pwd

        user, about = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(group)
    except (ImportError, KeyError):
        return False
    return about.gr_name == user and set(about.gr_mem) <= {user}


def _safe(name: str) -> str:
    """A name as a file name that every file system takes."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)


def _address(alias: Path) -> str | None:
    """What an alias says, unless it is damaged."""
    try:
        text = alias.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return text if _ADDRESS.fullmatch(text) else None


def _is_used(path: Path) -> bool:
    """Note that an entry is used now; `False` if it has just been deleted. One that belongs to others serves, too."""
    try:
        os.utime(path)  # not touch(): that would make an empty file where the entry vanished
    except FileNotFoundError:
        return False
    except OSError:
        pass
    return True


def _is(kind: Callable[[int], bool], path: Path) -> bool:
    """Whether something of this kind is there; a link is a link, wherever it leads."""
    try:
        return kind(path.lstat().st_mode)
    except OSError:
        return False


def _make_way(path: Path, kind: Callable[[int], bool]) -> None:
    """Delete what is at an address and of another kind than belongs there, a link most of all: none is made here."""
    with contextlib.suppress(FileNotFoundError):
        found = path.lstat().st_mode
        if stat.S_ISDIR(found) and not kind(found):
            _delete(path)
        elif not kind(found):
            path.unlink()  # which leaves a tree alone that another process has put there since


def _size(path: Path) -> int:
    if _is(stat.S_ISDIR, path):
        return sum(each.lstat().st_size for each in path.rglob("*") if _is(stat.S_ISREG, each))
    return path.lstat().st_size


def _delete(path: Path) -> None:
    """Delete a file, a link or a directory; a directory leaves its address at once, however long its files take."""
    if _is(stat.S_ISDIR, path):
        doomed = path.with_name(f".{secrets.token_hex(8)}")
        with contextlib.suppress(FileNotFoundError):
            path.replace(doomed)
        remove_tree(doomed)
    else:
        path.unlink(missing_ok=True)
