"""Compressing many files on all cores, within a memory budget.

libdeflate wants a whole file and its result in memory, and gives the same bytes for any number of threads; it
releases the GIL. So threads take files, the largest first. Nobody gets room for a file before it fits into memory
beside those that are on their way, and before there are fewer of them than threads: that many keep all cores busy.
"""

from __future__ import annotations

import bisect
import threading
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import deflate

from codex_release.base.machine import free_memory
from codex_release.wheels.buffer import Buffer, return_freed_memory
from codex_release.wheels.zipwriter import DEFLATED, STORED, Compressed

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Deflater", "compress"]

LEVEL, LARGE_LEVEL = 6, 5
"""libdeflate's levels for most files and for large ones.

On Codex's executables 6 is 0.7 % smaller than zlib's 6 in under a third of its time, 9 gains another 0.7 % in thrice as
long. Nearly all of the time goes into two executables: with 5 for them every wheel is made 15 % faster, and no wheel is
larger than zlib would make it but that of Windows on x86-64, by 0.02 % (0.171.0, zlib 1.2.13; `dev.py bench` holds all
of them below 0.1 %).
"""

LARGE = 64 << 20
"""Files from this size on, in bytes, are compressed with `LARGE_LEVEL`."""

_MOST = 1_020_000_000
"""The most memory that is taken, in bytes: all of a build stays below 1 GiB with it, which `dev.py bench` holds."""

_OUTPUT_SHARE = 0.38
"""The large executables compress to 0.34-0.40 of their size: what to set aside for the result."""

_SPARED = 32 << 20
"""Buffers for files of so many bytes or more are used again: to have new memory cleared takes as long as hashing it."""

_ROOMS = (128 << 20, 512 << 20)
"""What such buffers have room for, in bytes: few sizes, so that one that is free mostly fits the next file."""


def compress(data: bytes | memoryview, *, store: bool = False) -> Compressed:
    """One entry's bytes, deflated where that makes them smaller."""
    crc32 = deflate.crc32(data)
    size = len(data)
    if not store:
        deflated = deflate.deflate_compress(data, LEVEL if size < LARGE else LARGE_LEVEL)
        if len(deflated) < size:
            return Compressed(DEFLATED, crc32, size, deflated)
    return Compressed(STORED, crc32, size, bytes(data))


@dataclass(eq=False)
class _Task:
    """One file to compress."""

    buffer: Buffer
    store: bool
    future: Future[Compressed] = field(default_factory=Future)


class Deflater:
    """A pool of threads that compress files.

    Args:
        threads: how many.
        budget: how many bytes files and their results may take together; a larger single file still passes. If not
            given, half of the memory that is free, and no more than keeps all cores busy.
    """

    def __init__(self, threads: int, budget: int | None = None) -> None:
        return_freed_memory()
        self._budget = _affordable() if budget is None else budget
        self._used = 0  # by buffers and results, in bytes
        self._claims: dict[Buffer, int] = {}  # of files on their way: their buffer, and what to expect of the result
        self._spare: list[Buffer] = []
        self._waiting: list[_Task] = []
        self._asking: list[tuple[int, int]] = []  # for room: their turn, and their size
        self._changed = threading.Condition()
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, name=f"deflate-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def buffer(self, size: int | None, turn: int = 0) -> Buffer:
        """Room for one file, once it is its turn; ends with `submit` or `discard`.

        Args:
            size: of the file in bytes, if it is known.
            turn: of those that there is room for, who has the lowest goes first.

        Raises:
            CancelledError: if the pool is closed before.
        """
        asked = (turn, size or 0)
        with self._changed:
            self._asking.append(asked)
            self._changed.wait_for(lambda: self._closing or self._is_next(*asked))
            self._asking.remove(asked)
            self._changed.notify_all()  # those that let this one pass
            if self._closing:
                raise CancelledError
            buffer = self._spared(size or 0) or Buffer(size and _room_for(size))
            self._claim(buffer, size or 0)
            return buffer

    def submit(self, buffer: Buffer, *, store: bool = False) -> Future[Compressed]:
        """Have a filled buffer compressed, the largest of those that wait first.

        The result takes memory until it is given to `release`.

        Raises:
            CancelledError: if the pool is closed: no thread may be left that would take it.
        """
        task = _Task(buffer, store)
        with self._changed:
            if self._closing:
                self.discard(buffer)
                raise CancelledError
            self._claim(buffer, buffer.size)  # which may not have been known before
            bisect.insort(self._waiting, task, key=lambda each: -each.buffer.size)
            self._changed.notify_all()
        return task.future

    def discard(self, buffer: Buffer) -> None:
        """Give a buffer back that was not submitted."""
        self._finish(buffer, kept=0)

    def release(self, result: Future[Compressed]) -> None:
        """Give back the memory of a result, be it finished or not; nobody asks for it any more."""
        if not result.cancel():
            result.add_done_callback(self._forget)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the threads; what was not begun is cancelled."""
        with self._changed:
            self._closing = True
            for task in self._waiting:
                task.future.cancel()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        for buffer in self._spare:
            buffer.close()

    def _work(self) -> None:
        while self._compress_next():
            pass

    def _compress_next(self) -> bool:
        """Do one task, and keep nothing of it: a result that a waiting thread remembers is memory nobody counts."""
        task = self._next()
        if task is None:
            return False
        if not task.future.set_running_or_notify_cancel():
            self._finish(task.buffer, kept=0)
            return True
        try:
            with task.buffer.view() as data:
                entry = compress(data, store=task.store)
        except BaseException as error:
            self._finish(task.buffer, kept=0)
            task.future.set_exception(error)
        else:
            self._finish(task.buffer, kept=len(entry.data))
            task.future.set_result(entry)
        return True

    def _next(self) -> _Task | None:
        """The largest waiting task; `None` when the pool closes and none waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._waiting)
            return self._waiting.pop(0) if self._waiting else None

    def _is_next(self, turn: int, size: int) -> bool:
        """Whether a file may come, and none whose turn it is before."""
        return self._has_room(size) and not any(
            before < turn and self._has_room(other) for before, other in self._asking
        )

    def _has_room(self, size: int) -> bool:
        """Whether one more file may come; if none is on its way, nothing would become free by waiting."""
        used = self._used - sum(each.memory for each in self._spare)  # those can be given up
        fits = used + _needed(size) <= self._budget and len(self._claims) < len(self._threads)
        return fits or not self._claims

    def _spared(self, size: int) -> Buffer | None:
        """A spare buffer for a large file, the smallest that will do; others go while there is no room for them."""
        fitting = [each for each in self._spare if each.capacity >= size >= _SPARED]
        found = min(fitting, key=lambda each: (each.capacity, abs(each.memory - size)), default=None)
        if found:
            self._spare.remove(found)
            self._used -= found.memory
            found.trim(size)
        while self._spare and self._used + _needed(size, found) > self._budget:
            buffer = self._spare.pop(0)
            self._used -= buffer.memory
            buffer.close()
        return found

    def _claim(self, buffer: Buffer, size: int) -> None:
        """Set memory aside for a buffer and what its `size` bytes will compress to."""
        claim = _needed(size, buffer)
        self._used += claim - self._claims.get(buffer, 0)
        self._claims[buffer] = claim

    def _finish(self, buffer: Buffer, *, kept: int) -> None:
        """Nobody needs a buffer's bytes any more; so much memory is kept for their result."""
        with self._changed:
            self._used += kept - self._claims.pop(buffer)
            if buffer.capacity >= _SPARED and not self._closing:
                buffer.clear()
                self._spare.append(buffer)
                self._used += buffer.memory
            else:
                buffer.close()
            self._changed.notify_all()

    def _forget(self, result: Future[Compressed]) -> None:
        if result.exception() is None:
            with self._changed:
                self._used -= len(result.result().data)
                self._changed.notify_all()


def _affordable() -> int:
    """How many bytes may be taken on this machine, as it is now."""
    free = free_memory()
    return _MOST if free is None else min(_MOST, free // 2)


def _needed(size: int, buffer: Buffer | None = None) -> int:
    """The memory that a file and its result take, in a buffer that may have held a larger one."""
    return max(size, buffer.memory if buffer else 0) + int(size * _OUTPUT_SHARE)


def _room_for(size: int) -> int:
    """The capacity of a new buffer for a file of `size` bytes."""
    return next((room for room in _ROOMS if _SPARED <= size <= room), size)
