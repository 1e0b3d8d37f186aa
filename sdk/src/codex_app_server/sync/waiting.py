"""Threads that wait, and are woken: without a lock that anybody could hold while foreign code runs.

A thread may be interrupted between any two steps, by Ctrl-C, by a signal handler or a finalizer that calls the client
itself. So everything here is made of what does its work in one step, and who waits has a lock of his own, which is
taken until he is woken. A `SimpleQueue` would not do: until Python 3.12, where the time is up by the moment it looks
again, it waits for ever.

Once the interpreter is ending, which has a finalizer run that late, its other threads are gone, and nobody is woken any
more: nothing is waited for then.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from contextlib import AbstractContextManager, suppress
from typing import TypeAlias

from codex_app_server.preloading import release_imports

__all__ = ["Latch", "Relay", "Sleeper", "ends_within", "guard", "new_sleeper", "sleep", "wake"]

Sleeper: TypeAlias = "threading.Lock"
"""One thread that waits, once."""

_SLICE_S = 0.1
"""How long a wait goes on at a time where Ctrl-C cannot end it, in seconds."""


def new_sleeper() -> Sleeper:
    """Somebody who is going to wait."""
    made = threading.Lock()
    made.acquire()
    return made


def guard() -> AbstractContextManager[object]:
    """What keeps other threads out of a block that is over at once, but not a signal handler in the midst of it."""
    return threading.RLock()


def wake(sleeper: Sleeper) -> None:
    """Let a thread go on; from anywhere, also before it sleeps."""
    with suppress(RuntimeError):  # woken already
        sleeper.release()


def sleep(sleeper: Sleeper, timeout: float | None) -> bool:
    """Wait to be woken; whether that happened within so many seconds."""
    release_imports()
    if sys.is_finalizing():
        return sleeper.acquire(blocking=False)
    if os.name == "nt":
        return _slept_in_slices(sleeper, timeout)
    return sleeper.acquire(timeout=-1 if timeout is None else max(0.0, timeout))


def _slept_in_slices(sleeper: Sleeper, timeout: float | None) -> bool:
    """The same where Ctrl-C does not end a wait, but is noticed between two: on Windows."""
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        left = _SLICE_S if end is None else max(0.0, min(_SLICE_S, end - time.monotonic()))
        if sleeper.acquire(timeout=left):
            return True
        if end is not None and time.monotonic() >= end:
            return False


def ends_within(thread: threading.Thread, timeout: float) -> bool:
    """Wait for a thread, so many seconds; whether it has ended, or never began."""
    if thread.ident is not None and not sys.is_finalizing():
        thread.join(timeout)
    return not thread.is_alive()


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
        sleeper = new_sleeper()
        self._sleepers.append(sleeper)
        try:
            # Only now: what happens between the two wakes the sleeper before it sleeps.
            return self.is_set or sleep(sleeper, timeout) or self.is_set
        finally:
            with suppress(ValueError):
                self._sleepers.remove(sleeper)


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
