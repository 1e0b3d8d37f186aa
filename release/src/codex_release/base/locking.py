"""Locks on files: one holds it, whatever other processes and threads do, and the system frees it if that one dies.

A file system that has no such locks is refused. What stands in for them elsewhere, a file that is there or not, stays
when its maker is killed, and everybody would wait for a process that is gone.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from filelock import BaseFileLock

__all__ = ["acquire", "lock_file"]


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
