"""Threads that wait, and are woken: without a lock that anybody could hold while foreign code runs.

A thread may be interrupted between any two steps, by Ctrl-C, by a signal handler or a finalizer that calls the client
itself. So everything here is made of queues whose every operation is one step, and who waits has a queue of its own.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from contextlib import AbstractContextManager, suppress
from queue import Empty, SimpleQueue
from typing import TypeAlias

from codex_app_server.preloading import release_imports

__all__ = ["Latch", "Relay", "Sleeper", "guard", "sleep", "sleeper", "wake"]

Sleeper: TypeAlias = "SimpleQueue[None]"
"""One thread that waits, once."""

_SLICE_S = 0.1
"""How long a wait goes on at a time where Ctrl-C cannot end it, in seconds."""


def sleeper() -> Sleeper:
    """Somebody who is going to wait."""
    return SimpleQueue()


def guard() -> AbstractContextManager[object]:
    """What keeps other threads out of a block that is over at once, but not a signal handler in the midst of it."""
    return threading.RLock()


def wake(sleeper: Sleeper) -> None:
    """Let a thread go on; from anywhere, also before it sleeps."""
    sleeper.put(None)


def sleep(sleeper: Sleeper, timeout: float | None) -> bool:
    """Wait to be woken; whether that happened within so many seconds."""
    release_imports()
    try:
        if os.name == "nt":
            _sleep_in_slices(sleeper, timeout)
        else:
            sleeper.get(timeout=timeout)
    except Empty:
        return False
    return True


def _sleep_in_slices(sleeper: Sleeper, timeout: float | None) -> None:
    """Wait where Ctrl-C does not end it, but is noticed between two waits: on Windows."""
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        left = _SLICE_S if end is None else max(0, min(_SLICE_S, end - time.monotonic()))
        try:
            return sleeper.get(timeout=left)
        except Empty:
            if end is not None and time.monotonic() >= end:
                raise


class Latch:
    """Something that happens once, for any number of threads to wait for."""

    __slots__ = ("_sleepers", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        self._sleepers: deque[Sleeper] = deque()

    def set(self) -> None:
        """It happened."""
        self.is_set = True
        with suppress(IndexError):
            while True:
                wake(self._sleepers.popleft())

    def wait(self, timeout: float | None) -> bool:
        """Wait for it; whether it happened within so many seconds."""
        sleeper: Sleeper = SimpleQueue()
        self._sleepers.append(sleeper)
        # Only now: what happens between the two wakes the sleeper before it sleeps.
        return self.is_set or sleep(sleeper, timeout) or self.is_set


class Relay:
    """Threads that are to be woken, one after another: each that wakes passes it on to the next.

    A thread that wakes needs the interpreter's lock; where many are woken at once they fight for it, which takes longer
    than what they woke for. If one of them is interrupted and does not pass on, whoever reads goes on with the next.
    """

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next: deque[Sleeper] = deque()

    @property
    def is_running(self) -> bool:
        """Whether somebody is still to be woken."""
        return bool(self._next)

    def add(self, sleepers: list[Sleeper]) -> None:
        """Have these woken too."""
        self._next.extend(sleepers)

    def pass_on(self) -> None:
        """Wake the next one."""
        if self._next:
            with suppress(IndexError):
                wake(self._next.popleft())
