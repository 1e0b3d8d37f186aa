"""Many prompts at once, for threads: as many as may run at a time, and what came of each as it comes."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from itertools import count
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from codex_app_server.driving import closed
from codex_app_server.errors import AppServerError, TransportClosedError
from codex_app_server.retry import is_retryable_error
from codex_app_server.sync.waiting import Latch, Sleeper, sleep, wake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codex_app_server.mapping.outcomes import MapOutcome
    from codex_app_server.mapping.plan import Job, Plan
    from codex_app_server.sync.codex import Codex
    from codex_app_server.sync.turn import Turn

__all__ = ["mapped"]

_GRACE_S = 5.0
"""How long is waited for threads that were stopped, in seconds: one may stand in the caller's own iterator for ever."""


def mapped(codex: Codex, plan: Plan) -> Iterator[MapOutcome[Any]]:
    """What came of each prompt. To leave the loop early, however that comes, interrupts what is being done."""
    plan.open()
    crew = _Crew(codex, plan)
    try:
        crew.start()
        while (outcome := crew.outcome()) is not None:
            yield from plan.ready(outcome)
    finally:
        crew.stop()
        plan.close()


class _StoppedError(Exception):
    """The loop was left while a turn began."""


class _Crew:
    """The threads that work, and those who take from them."""

    def __init__(self, codex: Codex, plan: Plan) -> None:
        self._codex = codex
        self._plan = plan
        self._next = threading.Lock()  # the caller's iterator knows nothing of threads; he does not wait for it himself
        self._outcomes: SimpleQueue[MapOutcome[Any]] = SimpleQueue()
        self._has_news: Sleeper = SimpleQueue()
        self._room = threading.Semaphore(plan.concurrency)
        self._stopped = Latch()
        self._error: BaseException | None = None
        self._turns: dict[threading.Thread, Turn] = {}
        self._threads = [
            threading.Thread(target=self._work, name=f"codex-app-server map {number}", daemon=True)
            for number in range(plan.concurrency)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def outcome(self) -> MapOutcome[Any] | None:
        """The next outcome; None if there is no more. Raises what ended a thread."""
        while True:
            is_over = not any(thread.is_alive() for thread in self._threads)
            with suppress(Empty):
                outcome = self._outcomes.get_nowait()
                self._room.release()
                return outcome
            if self._error is not None:
                raise self._error
            if is_over:
                return None
            if (ending := self._codex._driver.reading.ending) is not None:  # noqa: SLF001 - its own
                raise closed("the prompts were not all run", ending) from ending.failure
            sleep(self._has_news, 0.5)

    def stop(self) -> None:
        """End what is being done, and wait some seconds for that."""
        self._stopped.set()
        for _ in self._threads:
            self._room.release()
        for thread in self._threads:
            turn = self._turns.get(thread)
            if thread.is_alive() and turn is not None:
                self._codex._driver.stop(turn._log, turn.thread_id)  # noqa: SLF001 - nobody waits for a runtime that hangs
        end = time.monotonic() + _GRACE_S
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, end - time.monotonic()))

    def _work(self) -> None:
        try:
            while not self._stopped.is_set:
                with self._next:
                    job = None if self._stopped.wait(0) else self._plan.next()
                if job is None:
                    return
                outcome = job.outcome if job.outcome.is_reused else self._done(job)
                self._room.acquire()
                self._outcomes.put(outcome)
                wake(self._has_news)
        except BaseException as error:
            if not self._stopped.is_set:
                self._error = self._error or error
        finally:
            wake(self._has_news)

    def _done(self, job: Job) -> MapOutcome[Any]:
        """Run a prompt until it succeeds, or fails for good."""
        plan = self._plan
        delays = plan.delays()
        for attempt in count(1):
            try:
                thread = self._codex.thread_start(**plan.thread)
                thread._on_turn = self._began  # noqa: SLF001 - its own
                return plan.succeeded(job, thread.run(job.outcome.prompt, **plan.run), attempt)
            except TransportClosedError:
                raise
            except (AppServerError, TimeoutError) as error:
                delay = next(delays, None) if is_retryable_error(error) else None
                if self._stopped.is_set:
                    raise
                if delay is None:
                    return plan.failed(job, error, attempt)
                if self._stopped.wait(delay):
                    raise
        raise AssertionError

    def _began(self, turn: Turn) -> None:
        self._turns[threading.current_thread()] = turn
        if self._stopped.is_set:
            raise _StoppedError
