"""Directories to work in beside what is made, on its file system, so that it only has to be renamed into its place.

Whoever works in one holds a lock beside it, which the operating system frees when a process dies: so what a killed one
left is known, and goes when the next one comes to work there. The lock file goes last, whenever that is: without it,
nothing would tell what is left from somebody's own.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.atomic import remove_tree
from codex_release.base.locking import acquire, lock_file
from codex_release.base.switch import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from filelock import BaseFileLock

__all__ = ["scratch_directory"]

_PREFIX = ".codex-release-"
_OURS = re.compile(re.escape(_PREFIX) + "[a-z0-9_]{8}")
"""The exact form of its name; whatever else has such a name is somebody's own."""
_HELD = ".codex-release-held"
_WORK = "work"
"""Below what bears the name and has the lock file, the directory that is given out."""


@contextlib.contextmanager
def scratch_directory(directory: Path) -> Iterator[Path]:
    """A new empty directory below another one, which is made if it is not there; it goes at the end of the block.

    Raises:
        OSError: if it cannot be made, or its file system has no locks.
    """
    with exclusive(directory, "codex-release-scratch"):  # nobody takes a new one, not held yet, for one left behind
        _sweep(directory)
        place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=directory))
        lock = lock_file(place / _HELD, stays=True)
        acquire(lock, waits=True)
    try:
        (place / _WORK).mkdir(mode=0o700)
        yield place / _WORK
    finally:
        _remove(place, lock)


def _sweep(directory: Path) -> None:
    """Delete the scratch directories that nobody holds, as far as that can be told and done."""
    for place in directory.glob(f"{_PREFIX}*"):
        held = place / _HELD
        if not _OURS.fullmatch(place.name) or place.is_symlink() or not place.is_dir() or held.is_symlink():
            continue
        with contextlib.suppress(OSError):
            if held.is_file() or not any(place.iterdir()):  # a killed one may not have come so far, or farther
                lock = lock_file(held, stays=True)
                if acquire(lock, waits=False):
                    _remove(place, lock)


def _remove(place: Path, lock: BaseFileLock) -> None:
    """Delete what is locked, the lock file after all else: so what a process that is killed here leaves is still known.

    Where something in it is still in use, it all stays, until the next time.
    """
    remove_tree(place / _WORK)
    lock.release()  # Windows deletes no file that is open
    if not (place / _WORK).exists():
        remove_tree(place)
