"""Many prompts at once, for asyncio: as many tasks as may run at a time, and what came of each as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from codex_app_server.aio.opening import AsyncStarting
from codex_app_server.aio.waiting import running_loop
from codex_app_server.driving import closed
from codex_app_server.errors import AppServerError, RuntimeLostError, RuntimeStartError, TransportClosedError
from codex_app_server.retry import is_retryable_error
from codex_app_server.timeouts import end_after, left_until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    from codex_app_server.aio.codex import AsyncCodex
    from codex_app_server.aio.leasing import Leasing
    from codex_app_server.inputs import RunInput
    from codex_app_server.mapping.outcomes import MapOutcome
    from codex_app_server.mapping.plan import Job, Plan
    from codex_app_server.results import RunResult

__all__ = ["OneClient", "Pooled", "Runner", "done", "mapped"]

_LOOK_S = 0.5
"""How often is looked whether prompts can be run at all, in seconds, while the next one is waited for."""


class Runner(Protocol):
    """Who runs prompts."""

    async def run(self, plan: Plan, job: Job) -> RunResult[Any]:
        """Run a prompt once."""

    def check(self) -> None:
        """Raise if no more prompts can be run: somebody may wait in the caller's iterator, and not notice."""


class OneClient:
    """Runs prompts on one client, each in a thread of its own.

    Args:
        codex: the client.
    """

    def __init__(self, codex: AsyncCodex) -> None:
        self._codex = codex

    async def run(self, plan: Plan, job: Job) -> RunResult[Any]:
        """Run a prompt once."""
        end = end_after(plan.timeout)
        thread = await AsyncStarting(self._codex._driver, left_until(end)).thread_start(**plan.thread)  # noqa: SLF001 - its own
        options = plan.run if end is None else {**plan.run, "timeout": left_until(end)}
        return await thread._run_only(job.outcome.prompt, **options)  # noqa: SLF001 - its own

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

    async def run(self, plan: Plan, job: Job) -> RunResult[Any]:
        """Run a prompt, and again if its runtime ends.

        Raises:
            RuntimeLostError: if that ends too often.
        """
        for attempt in count():
            place = await self._leasing.take(self._tenant, left_until(self._end), is_patient=self._is_patient)
            may_go_on = attempt < self._restarts
            try:
                end = end_after(plan.timeout) if self._end is None else self._end
                thread = await AsyncStarting(place.codex._driver, left_until(end)).thread_start(**plan.thread)  # noqa: SLF001 - its own
                may_go_on = may_go_on and self._again
                options = plan.run if end is None else {**plan.run, "timeout": left_until(end)}
                return await thread._run_only(job.outcome.prompt, **options)  # noqa: SLF001 - its own
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


def mapped(runner: Runner, plan: Plan) -> AsyncGenerator[MapOutcome[Any], None]:
    """What came of each prompt. To leave the loop early, however that comes, interrupts what is being done.

    Raises:
        TypeError: if the prompts cannot be iterated over.
    """
    prompts = plan.prompts
    return _outcomes(runner, plan, aiter(prompts) if isinstance(prompts, AsyncIterable) else _each(iter(prompts)))


async def _outcomes(
    runner: Runner, plan: Plan, prompts: AsyncIterator[RunInput]
) -> AsyncGenerator[MapOutcome[Any], None]:
    running_loop()  # without one, the tasks would be made in a loop that nobody runs
    plan.open()
    crew = _Crew(runner, plan, prompts)
    try:
        while (outcome := await crew.outcome()) is not None:
            for ready in plan.ready(outcome):
                crew.told()
                yield ready
    finally:
        try:
            await crew.stop()
        finally:
            plan.close()


class _Crew:
    """The tasks that work, and one that takes the prompts for them.

    That is one task, from the first prompt to `aclose`: a generator may have begun a timeout or a task group, which
    belong to the task that began them.
    """

    def __init__(self, runner: Runner, plan: Plan, prompts: AsyncIterator[RunInput]) -> None:
        self._runner = runner
        self._plan = plan
        self._prompts = prompts
        self._is_asked = False  # for the next prompt
        self._is_over = False
        self._room = asyncio.Semaphore(plan.ahead)
        self._wanted = asyncio.Semaphore(0)
        self._jobs: asyncio.Queue[Job | None] = asyncio.Queue()
        self._outcomes: asyncio.Queue[MapOutcome[Any] | None] = asyncio.Queue()
        self._feeding = asyncio.ensure_future(self._feed())
        works = [self._look(), *(self._work() for _ in range(plan.concurrency))]
        self._tasks = [self._feeding, *map(asyncio.ensure_future, works)]
        self._working = asyncio.gather(*self._tasks)
        self._working.add_done_callback(self._over)

    async def outcome(self) -> MapOutcome[Any] | None:
        """The next outcome; None if there is no more. Raises what ended a task."""
        if (outcome := await self._outcomes.get()) is None:
            await self._working
        return outcome

    def told(self) -> None:
        """An outcome is told: there is room for one prompt more."""
        self._room.release()

    async def stop(self) -> None:
        """End what is being done, and close the prompts.

        Raises what they raise then. What they raised before is for whoever asks for more outcomes.
        """
        closes_now = not self._feeding.done()
        self._cancel()
        await asyncio.wait(self._tasks)
        if closes_now and not self._feeding.cancelled() and (error := self._feeding.exception()) is not None:
            raise error

    async def _feed(self) -> None:
        try:
            while not self._is_over:  # a generator may keep a cancellation to itself
                await self._wanted.acquire()
                try:
                    self._is_asked = True
                    prompt = await anext(self._prompts)
                except StopAsyncIteration:
                    break
                finally:
                    self._is_asked = False
                self._jobs.put_nowait(self._plan.job(prompt))
        finally:
            if (close := getattr(self._prompts, "aclose", None)) is not None:
                await close()
        for _ in range(self._plan.concurrency):
            self._jobs.put_nowait(None)

    async def _look(self) -> None:
        """Notice that no more prompts can be run, while the next one is waited for."""
        while not self._feeding.done():
            await asyncio.wait([self._feeding], timeout=_LOOK_S)
            if self._is_asked:
                self._runner.check()

    async def _work(self) -> None:
        while True:
            await self._room.acquire()
            self._wanted.release()
            if (job := await self._jobs.get()) is None:
                self._room.release()  # the others have to see that, too
                return
            outcome = job.outcome if job.outcome.is_reused else await done(self._runner, self._plan, job)
            self._outcomes.put_nowait(outcome)

    def _over(self, working: asyncio.Future[list[None]]) -> None:
        if not working.cancelled():
            working.exception()  # asked for by nobody else, if the loop is left
        self._cancel()
        self._outcomes.put_nowait(None)

    def _cancel(self) -> None:
        if self._is_over:  # to be cancelled once more would cut off what is awaited on the way out
            return
        self._is_over = True
        for task in self._tasks:
            task.cancel()


async def _each(prompts: Iterator[RunInput]) -> AsyncGenerator[RunInput, None]:
    for prompt in prompts:
        yield prompt


async def done(runner: Runner, plan: Plan, job: Job) -> MapOutcome[Any]:
    """Run a prompt until it succeeds, or fails for good."""
    delays = plan.delays()
    for attempt in count(1):
        try:
            result = await runner.run(plan, job)
        except (RuntimeLostError, ValueError) as error:  # what cannot be said, as text that is no Unicode, is not sent
            return plan.failed(job, error, attempt)
        except (TransportClosedError, RuntimeStartError):
            raise
        except (AppServerError, TimeoutError) as error:
            delay = next(delays, None) if is_retryable_error(error) else None
            if delay is None:
                return plan.failed(job, error, attempt)
            await asyncio.sleep(delay)
        else:
            return plan.succeeded(job, result, attempt)  # what the journal raises is no failure of the prompt
    raise AssertionError
