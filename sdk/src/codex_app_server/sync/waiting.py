"""Threads that wait for something to be put into a queue of their own.

Where many are to be woken, each wakes the next. A thread that wakes needs the interpreter's lock; where many are woken
at once they fight for it, which takes longer than what they woke for.

A `Relay` is not for several threads at once; the driver sees to that.
"""

from __future__ import annotations

import os
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import TypeVar

__all__ = ["Relay", "next_in"]

_T = TypeVar("_T")

_SLICE_S = 0.1
"""How long a wait goes on at a time where Ctrl-C cannot end it, in seconds."""


def next_in(queue: SimpleQueue[_T], timeout: float | None) -> _T:
    """The next thing in a queue; `Empty` after so many seconds."""
    return _next_in_slices(queue, timeout) if os.name == "nt" else queue.get(timeout=timeout)


def _next_in_slices(queue: SimpleQueue[_T], timeout: float | None) -> _T:
    """The same where Ctrl-C does not end a wait, but is noticed between two of them: on Windows."""
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        left = _SLICE_S if end is None else max(0, min(_SLICE_S, end - time.monotonic()))
        try:
            return queue.get(timeout=left)
        except Empty:
            if end is not None and time.monotonic() >= end:
                raise


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
