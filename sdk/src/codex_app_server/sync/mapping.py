"""Many prompts at once, for threads: as many as may run at a time, and what came of each as it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterable, Iterable
from contextlib import suppress
from functools import partial
from itertools import count
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from codex_app_server.driving import closed
from codex_app_server.errors import AppServerError, RuntimeLostError, RuntimeStartError, TransportClosedError
from codex_app_server.retry import is_retryable_error
from codex_app_server.sync.opening import Starting
from codex_app_server.sync.waiting import Latch, ends_within, new_sleeper, sleep, wake
from codex_app_server.timeouts import end_after, left_until

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import TypeAlias

    from codex_app_server.inputs import RunInput
    from codex_app_server.mapping.outcomes import MapOutcome
    from codex_app_server.mapping.plan import Job, Plan
    from codex_app_server.results import RunResult
    from codex_app_server.sync.codex import Codex
    from codex_app_server.sync.leasing import Leasing
    from codex_app_server.sync.turn import Turn

    Stop: TypeAlias = Callable[[], object]

__all__ = ["OneClient", "Pooled", "Runner", "done", "mapped", "told"]

_GRACE_S = 5.0
"""How long is waited for threads whose turn was stopped, in seconds: a runtime may hang."""


class Runner(Protocol):
    """Who runs prompts."""

    def run(self, plan: Plan, job: Job, began: Callable[[Stop], object]) -> RunResult[Any]:
        """Run a prompt once.

        Args:
            plan: what is to be done.
            job: which prompt.
            began: is told how to stop what goes on now, whenever that is something else; it raises if that comes too
                late.
        """

    def check(self) -> None:
        """Raise if no more prompts can be run: somebody may stand in the caller's iterator, and not notice."""


class OneClient:
    """Runs prompts on one client, each in a thread of its own.

    Args:
        codex: the client.
    """

    def __init__(self, codex: Codex) -> None:
        self._codex = codex

    def run(self, plan: Plan, job: Job, began: Callable[[Stop], object]) -> RunResult[Any]:
        """Run a prompt once."""
        end = end_after(plan.timeout)
        thread = Starting(self._codex._driver, left_until(end)).thread_start(**plan.thread)  # noqa: SLF001 - its own
        began(_nothing)
        thread._on_turn = told(began)  # noqa: SLF001 - its own
        options = plan.run if end is None else {**plan.run, "timeout": left_until(end)}
        return thread._run_only(job.outcome.prompt, **options)  # noqa: SLF001 - its own

    def check(self) -> None:
        """Raise if the connection is over."""
        if (ending := self._codex._driver.reading.ending) is not None:  # noqa: SLF001 - its own
            raise closed("the prompts were not all run", ending) from ending.failure


class Pooled:
    """Runs prompts on a pool.

    Args:
        leasing: of the pool.
        tenant: whose runtime it has to be.
        again: whether a turn whose runtime ended is run again; one that was not begun is in any case.
        restarts: how often, at most.
        timeout: how long all of it may take, the wait for a place too, in seconds.
        is_patient: whether it waits for a place however many do already.
    """

    def __init__(
        self,
        leasing: Leasing,
        tenant: str | None,
        *,
        again: bool,
        restarts: int,
        timeout: float | None = None,
        is_patient: bool = False,
    ) -> None:
        self._leasing = leasing
        self._tenant = tenant
        self._again = again
        self._restarts = restarts
        self._is_patient = is_patient
        self._end = end_after(timeout)

    def run(self, plan: Plan, job: Job, began: Callable[[Stop], object]) -> RunResult[Any]:
        """Run a prompt, and again if its runtime ends.

        Raises:
            RuntimeLostError: if that ends too often.
        """
        for attempt in count():
            left = left_until(self._end)
            place = self._leasing.take(
                self._tenant, left, is_patient=self._is_patient, waits=lambda sleeper: began(partial(wake, sleeper))
            )
            may_go_on = attempt < self._restarts
            try:
                began(_nothing)
                end = end_after(plan.timeout) if self._end is None else self._end
                thread = Starting(place.codex._driver, left_until(end)).thread_start(**plan.thread)  # noqa: SLF001 - its own
                began(_nothing)
                thread._on_turn = told(began)  # noqa: SLF001 - its own
                may_go_on = may_go_on and self._again
                options = plan.run if end is None else {**plan.run, "timeout": left_until(end)}
                return thread._run_only(job.outcome.prompt, **options)  # noqa: SLF001 - its own
            except TransportClosedError as error:
                if self._leasing.is_closed:
                    raise
                lost = error
            finally:
                self._leasing.give_back(place)
            if not may_go_on:
                raise RuntimeLostError(lost.args[0], exit_code=lost.exit_code, stderr_tail=lost.stderr_tail) from lost
        raise AssertionError

    def check(self) -> None:
        """Raise if the pool is closed."""
        self._leasing.check_open()


def _nothing() -> None:
    """What is to be stopped where nothing waits."""


def told(began: Callable[[Stop], object]) -> Callable[[Turn], object]:
    """What is told of a turn as it begins, of a function that is told how to stop it."""

    def stop(turn: Turn) -> None:
        turn._driver.stop(turn._log, turn.thread_id)  # noqa: SLF001 - nobody waits for a runtime that hangs

    return lambda turn: began(lambda: stop(turn))


def mapped(runner: Runner, plan: Plan) -> Generator[MapOutcome[Any], None, None]:
    """What came of each prompt. To leave the loop early, however that comes, interrupts what is being done.

    Raises:
        TypeError: if the prompts cannot be iterated over.
    """
    prompts = plan.prompts
    if isinstance(prompts, AsyncIterable) and not isinstance(prompts, Iterable):
        raise TypeError("prompts is an async iterable, which the `map` of an async client takes, as `AsyncCodex.map`")
    return _outcomes(runner, plan, iter(prompts))


def _outcomes(runner: Runner, plan: Plan, prompts: Iterator[RunInput]) -> Generator[MapOutcome[Any], None, None]:
    plan.open()
    crew = _Crew(runner, plan, prompts)
    try:
        crew.start()
        while (outcome := crew.outcome()) is not None:
            for ready in plan.ready(outcome):
                crew.told()
                yield ready
    finally:
        try:
            crew.stop()
        finally:
            plan.close()


class _StoppedError(Exception):
    """The loop was left while a turn began."""


class _Crew:
    """The threads that work, and those who take from them."""

    def __init__(self, runner: Runner, plan: Plan, prompts: Iterator[RunInput]) -> None:
        self._runner = runner
        self._plan = plan
        self._prompts = prompts
        self._next = threading.Lock()  # the caller's iterator knows nothing of threads; he does not wait for it himself
        self._outcomes: SimpleQueue[MapOutcome[Any]] = SimpleQueue()
        self._has_news = new_sleeper()
        self._room = threading.Semaphore(plan.ahead)
        self._stopped = Latch()
        self._error: BaseException | None = None
        self._stops: dict[threading.Thread, Stop] = {}
        self._at_work: set[threading.Thread] = set()
        self._left: list[threading.Thread] = []
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
            is_over = len(self._left) == len(self._threads)
            with suppress(Empty):
                return self._outcomes.get_nowait()
            if self._error is not None:
                raise self._error
            if is_over:
                return None
            self._runner.check()
            sleep(self._has_news, 0.5)

    def told(self) -> None:
        """An outcome is told: there is room for one prompt more."""
        self._room.release()

    def stop(self) -> None:
        """End what is being done, and wait some seconds for that, but not for who stands in the caller's iterator."""
        self._stopped.set()
        for _ in self._threads:
            self._room.release()
        for thread in self._threads:
            stop = self._stops.get(thread)
            if thread.is_alive() and stop is not None:
                stop()
        end = time.monotonic() + _GRACE_S
        for thread in self._at_work - {threading.current_thread()}:  # where nobody closed it, anybody may collect it
            ends_within(thread, max(0.0, end - time.monotonic()))

    def _work(self) -> None:
        try:
            while True:
                self._room.acquire()
                with self._next:
                    job = None if self._stopped.is_set else self._job()
                self._at_work.add(threading.current_thread())
                if job is None or self._stopped.is_set:
                    self._room.release()  # the others have to see that, too
                    return
                self._outcomes.put(job.outcome if job.outcome.is_reused else self._done(job))
                wake(self._has_news)
                self._at_work.discard(threading.current_thread())
        except BaseException as error:
            if not self._stopped.is_set:
                self._error = self._error or error
        finally:
            self._left.append(threading.current_thread())
            wake(self._has_news)

    def _job(self) -> Job | None:
        """What to do of the next prompt; None if there is no more."""
        for prompt in self._prompts:
            return self._plan.job(prompt)
        return None

    def _done(self, job: Job) -> MapOutcome[Any]:
        return done(self._runner, self._plan, job, self._began, self._stopped)

    def _began(self, stop: Stop) -> None:
        self._stops[threading.current_thread()] = stop
        if self._stopped.is_set:
            raise _StoppedError


def done(
    runner: Runner, plan: Plan, job: Job, began: Callable[[Stop], object] = bool, stopped: Latch | None = None
) -> MapOutcome[Any]:
    """Run a prompt until it succeeds, or fails for good; once it is stopped, raise what came of that."""
    stopped = stopped or Latch()
    delays = plan.delays()
    for attempt in count(1):
        try:
            result = runner.run(plan, job, began)
        except (RuntimeLostError, ValueError) as error:  # what cannot be said, as text that is no Unicode, is not sent
            return plan.failed(job, error, attempt)
        except (TransportClosedError, RuntimeStartError):
            raise
        except (AppServerError, TimeoutError) as error:
            delay = next(delays, None) if is_retryable_error(error) else None
            if stopped.is_set:
                raise
            if delay is None:
                return plan.failed(job, error, attempt)
            if stopped.wait(delay):
                raise
        else:
            return plan.succeeded(job, result, attempt)  # what the journal raises is no failure of the prompt
    raise AssertionError
