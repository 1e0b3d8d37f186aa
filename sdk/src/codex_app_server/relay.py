"""Waking many threads: each wakes the next.

A thread that wakes needs the interpreter's lock. Where many are woken at once they fight for it, which takes longer
than what they woke for. So only the first is woken, and whoever runs wakes the one behind it before anything else.

Nothing here is for several threads at once; the driver sees to that.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queue import SimpleQueue

__all__ = ["Relay"]


class Relay:
    """Threads that are to be woken, each by the queue that it waits for."""

    __slots__ = ("_called", "_next")

    def __init__(self) -> None:
        self._called: SimpleQueue[None] | None = None
        self._next: deque[SimpleQueue[None]] = deque()

    @property
    def is_running(self) -> bool:
        """Whether somebody was called who does not run yet."""
        return self._called is not None

    def add(self, waiter: SimpleQueue[None]) -> None:
        """Have a thread woken, after those before it."""
        if self._called is None:
            self._call(waiter)
        else:
            self._next.append(waiter)

    def left(self, waiter: SimpleQueue[None]) -> None:
        """This thread waits no longer, whether it was called or not; if it was, the next one is."""
        if waiter is self._called:
            self._called = None
            if self._next:
                self._call(self._next.popleft())
        elif waiter in self._next:
            self._next.remove(waiter)

    def _call(self, waiter: SimpleQueue[None]) -> None:
        self._called = waiter
        waiter.put(None)
