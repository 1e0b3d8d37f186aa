"""Locks on files: held by one, and only where the system frees those of a process that dies."""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING

import pytest

from codex_release.base.errors import CacheError
from codex_release.base.locking import acquire, lock_file
from codex_release.base.scratch import scratch_directory
from codex_release.base.switch import exclusive
from codex_release.fetching.cache import Cache

if TYPE_CHECKING:
    from pathlib import Path


def test_one_holds_it_and_the_file_stays_if_it_is_to(tmp_path: Path) -> None:
    one, other = (lock_file(tmp_path / "lock", stays=True) for _ in range(2))
    assert acquire(one, waits=False)
    assert not acquire(other, waits=False)
    one.release()
    assert (tmp_path / "lock").is_file()
    assert acquire(other, waits=True)
    other.release()


@pytest.mark.skipif(sys.platform == "win32", reason="every file system has locks there")
def test_a_file_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file that is there or not would stand in for them, which no killed process takes away."""

    def missing(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", missing)
    why = "its file system has no locks that end with their process"
    with pytest.raises(OSError, match=why), exclusive(tmp_path, "test"):
        pass
    with pytest.raises(OSError, match=why), scratch_directory(tmp_path):
        pass
    cache, refused = Cache(tmp_path / "cache"), rf"one\.lock cannot be locked in the cache .*: .*{why}.*; make room"
    with pytest.raises(CacheError, match=refused), cache.exclusive("one"):
        pass
