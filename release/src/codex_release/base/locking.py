"""Locks on files: one holds it, whatever other processes and threads do, and the system frees it if that one dies.

A file system that has no such locks is refused. What stands in for them elsewhere, a file that is there or not, stays
when its maker is killed, and everybody would wait for a process that is gone.
"""

from __future__ import annotations

import contextlib
import errno
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from filelock import BaseFileLock

__all__ = ["acquire", "held", "lock_file"]


@contextlib.contextmanager
def held(path: Path, *, waits: bool = True, on_wait: Callable[[], None] = lambda: None) -> Iterator[bool]:
    """A block that holds the lock of a file, and leaves no file behind; the system frees that of a process that dies.

    Args:
        path: the file, in a directory that is there.
        waits: for whoever holds it, however long.
        on_wait: called once if that is somebody else.

    Yields:
        whether it is held, as it always is by who waits.

    Raises:
        OSError: if it cannot be made, or its file system has no locks.
    """
    lock = lock_file(path)
    is_held = acquire(lock, waits=False)
    if not is_held and waits:
        on_wait()
        is_held = acquire(lock, waits=True)
    try:
        yield is_held
    finally:
        if is_held:
            if sys.platform != "win32":  # there, releasing it deletes it
                with contextlib.suppress(OSError):  # one that stays is taken again
                    path.unlink()  # while it is held: who waits sees that it is gone, and begins anew
            lock.release()


def lock_file(path: Path, *, stays: bool = False) -> BaseFileLock:
    """The lock of a file, not held yet.

    Args:
        path: the file, which is made with the first who holds it.
        stays: on Windows too it is there after its release; elsewhere it always is.
    """
    from filelock import FileLock  # for who finds nothing to do, it takes long to load

    return FileLock(path, thread_local=False, fallback_to_soft=False, preserve_lock_file=stays)


def acquire(lock: BaseFileLock, *, waits: bool) -> bool:
    """Hold a lock.

    Args:
        lock: what `lock_file` gives.
        waits: for whoever holds it, however long.

    Returns:
        whether it is held now, as it always is by who waits.

    Raises:
        OSError: if it cannot be made, or its file system has no locks.
    """
    from filelock import Timeout

    try:
        lock.acquire(timeout=-1 if waits else 0)
    except Timeout:
        return False
    except OSError as error:
        no_locks = "its file system has no locks that end with their process"
        why = no_locks if error.errno == errno.ENOSYS else error.strerror
        raise OSError(error.errno, why, lock.lock_file) from error
    return True
