"""A bounded pool of daemon threads, for what may take a person an hour.

One thread, the owner, gives it jobs. A thread is made when there is more to do than there are threads, up to a limit;
beyond that jobs wait. `close` gives up what waits and lets idle threads end; it takes no lock, so it may be called from
a signal handler, from a finalizer, and while `put` runs.

The threads hold the queue and nothing else: a client that nobody closes can be collected.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import TypeAlias

    _Job: TypeAlias = Callable[[], object]
    Outcome: TypeAlias = "tuple[_T | None, BaseException | None]"

__all__ = ["LIMIT", "Workers"]

_T = TypeVar("_T")

LIMIT = 64
"""How many threads there are at most."""


class Workers:
    """The pool.

    Args:
        name: of its threads.
        limit: how many there may be.
    """

    def __init__(self, name: str, limit: int = LIMIT) -> None:
        self._name = name
        self._limit = limit
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._done: deque[None] = deque()  # one for each job that has ended and that `put` has not seen yet
        self._closed: list[bool] = []
        self._threads = 0
        self._open_jobs = 0

    def put(self, job: _Job) -> bool:
        """Have something done; for the owner alone. Never blocks, never raises.

        Args:
            job: what to do, in the context of who calls this; what it raises is lost.

        Returns:
            False if there is no thread for it and none can be started, or the pool is closed: it is not done then.
        """
        if self._closed:
            return False
        while self._done:
            self._done.popleft()
            self._open_jobs -= 1
        if self._open_jobs >= self._threads and self._threads < self._limit:
            worker = threading.Thread(
                target=_work, args=(self._jobs, self._done, self._closed), name=self._name, daemon=True
            )
            try:
                worker.start()
            except (RuntimeError, MemoryError):  # the system has no more threads, or the interpreter is ending
                return False
            self._threads += 1
        self._open_jobs += 1
        self._jobs.put(partial(copy_context().run, job))
        return True

    def call(self, job: Callable[[], _T]) -> asyncio.Future[Outcome[_T]] | None:
        """Have something done without holding up the running event loop, whose thread is the owner.

        Returns:
            What the job returned, or what it raised. As a value: a future takes no `StopIteration`, and
            `CancelledError` would cancel it. None if there is no thread for it.
        """
        from asyncio import get_running_loop

        loop = get_running_loop()
        outcome: asyncio.Future[Outcome[_T]] = loop.create_future()

        def settle(value: _T | None, error: BaseException | None) -> None:
            if not outcome.done():
                outcome.set_result((value, error))

        def run() -> None:
            if outcome.cancelled():  # nobody wants it any more
                return
            value: _T | None = None
            raised: BaseException | None = None
            try:
                value = job()
            except BaseException as error:
                raised = error
            with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
                loop.call_soon_threadsafe(settle, value, raised)

        return outcome if self.put(run) else None

    def close(self) -> None:
        """Give up what waits; threads end as soon as they are idle. May be called again, and from anywhere."""
        self._closed.append(True)
        self._jobs.put(None)


def _work(jobs: SimpleQueue[_Job | None], done: deque[None], closed: list[bool]) -> None:
    """What each thread does."""
    while True:
        job = jobs.get()
        if job is None or closed:
            jobs.put(None)  # for the next one
            return
        with contextlib.suppress(BaseException):
            job()
        del job  # it may hold a client
        done.append(None)
