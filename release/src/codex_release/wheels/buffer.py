"""Room for the bytes of one file in memory, given back to the system the moment it is closed.

Anonymous maps, not `bytearray`: a heap keeps what it was given, and files of 300 MB one after another would pile up.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import sys

__all__ = ["Buffer", "return_freed_memory"]

_M_MMAP_THRESHOLD = -3  # malloc.h
_OWN_MAP = 4 << 20

_HUGE_PAGE = 2 << 20

_UNKNOWN = 16 << 20
"""The room a file of unknown size begins with, in bytes."""


def return_freed_memory() -> None:
    """Have glibc give back what is freed in large pieces, as other systems do.

    Of itself it learns from the first large piece that comes back to keep up to 64 MB for each thread (mallopt(3),
    M_MMAP_THRESHOLD): 100 MB over all, while compressed files come and go.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # musl has no such habit, and no such function
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _OWN_MAP)


class Buffer:
    """A file in memory: written from front to back, then read anywhere.

    Args:
        capacity: how many bytes it can hold; without it, it grows. A page takes memory only once it is written to, so
            room that nobody fills costs nothing.
    """

    def __init__(self, capacity: int | None) -> None:
        self._map = _room(_UNKNOWN if capacity is None else capacity)
        self._at = 0
        self.size = 0
        self._grows = capacity is None
        self._used = 0

    def write(self, chunk: bytes, /) -> None:
        """Append.

        Raises:
            ValueError: if that is more than the capacity that was given.
        """
        end = self.size + len(chunk)
        if end > len(self._map):
            if not self._grows:
                raise ValueError(f"there are more bytes than the {len(self._map)} that were announced")
            larger = _room(max(2 * len(self._map), end))
            larger[: self.size] = self._map[: self.size]
            self._map.close()
            self._map = larger
        # Not by a slice, which would hold the GIL while the system clears the pages, and everybody would wait for that.
        ctypes.memmove((ctypes.c_char * len(chunk)).from_buffer(self._map, self.size), chunk, len(chunk))
        self.size = end

    def seek(self, offset: int, /) -> None:
        """Read from there on."""
        self._at = offset

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes."""
        data = self._map[self._at : min(self._at + size, self.size)]
        self._at += len(data)
        return data

    @property
    def capacity(self) -> int:
        """How many bytes there is room for."""
        return len(self._map)

    @property
    def memory(self) -> int:
        """How many bytes of memory it takes: as much as was ever in it."""
        return max(self._used, self.size)

    def view(self) -> memoryview:
        """All that was written, without a copy; to be released before `close`."""
        return memoryview(self._map)[: self.size]

    def clear(self) -> None:
        """Make ready for another file, of at most `capacity` bytes."""
        self._used = self.memory
        self.size = self._at = 0

    def trim(self, size: int) -> None:
        """Give back what memory a file of `size` bytes will not need, where the system can take a part of it."""
        kept = -(-size // _HUGE_PAGE) * _HUGE_PAGE
        if kept < self._used and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED, kept, len(self._map) - kept)
            self._used = kept

    def close(self) -> None:
        """Give the memory back."""
        self._map.close()


def _room(size: int) -> mmap.mmap:
    # Private where the system knows the word: what is shared with children would be kept as a file in memory.
    if hasattr(mmap, "MAP_PRIVATE"):
        room = mmap.mmap(-1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    else:
        room = mmap.mmap(-1, max(size, 1))
    if hasattr(mmap, "MADV_HUGEPAGE"):
        room.madvise(mmap.MADV_HUGEPAGE)  # 2 MB at a time: a file of 300 MB costs 150 page faults, not 75 000
    return room
