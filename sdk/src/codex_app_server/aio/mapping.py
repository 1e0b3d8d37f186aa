"""Many prompts at once, for asyncio: as many tasks as may run at a time, and what came of each as it comes."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from codex_app_server.aio.opening import AsyncStarting
from codex_app_server.errors import AppServerError, RuntimeLostError, RuntimeStartError, TransportClosedError
from codex_app_server.retry import is_retryable_error
from codex_app_server.timeouts import end_after, left_until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from codex_app_server.aio.codex import AsyncCodex
    from codex_app_server.aio.leasing import Leasing
    from codex_app_server.mapping.outcomes import MapOutcome
    from codex_app_server.mapping.plan import Job, Plan
    from codex_app_server.results import RunResult

__all__ = ["OneClient", "Pooled", "Runner", "done", "mapped"]


class Runner(Protocol):
    """Who runs prompts."""

    async def run(self, plan: Plan, job: Job) -> RunResult[Any]:
        """Run a prompt once."""


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
        result: RunResult[Any] = await thread.run(job.outcome.prompt, **options)
        return result


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
                result: RunResult[Any] = await thread.run(job.outcome.prompt, **options)
                return result
            except TransportClosedError as error:
                if self._leasing.is_closed:
                    raise
                lost = error
            finally:
                self._leasing.give_back(place)
            if not may_go_on:
                raise RuntimeLostError(lost.args[0], exit_code=lost.exit_code, stderr_tail=lost.stderr_tail) from lost
        raise AssertionError


async def mapped(runner: Runner, plan: Plan) -> AsyncGenerator[MapOutcome[Any], None]:
    """What came of each prompt. To leave the loop early, however that comes, interrupts what is being done."""
    outcomes: asyncio.Queue[MapOutcome[Any] | None] = asyncio.Queue(plan.concurrency)

    async def work() -> None:
        while (job := plan.next()) is not None:
            await outcomes.put(job.outcome if job.outcome.is_reused else await done(runner, plan, job))

    async def work_together() -> None:
        workers = [asyncio.ensure_future(work()) for _ in range(plan.concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.wait(workers)
            if not loop_is_left:
                await outcomes.put(None)

    loop_is_left = False
    plan.open()
    working = asyncio.ensure_future(work_together())
    try:
        while (outcome := await outcomes.get()) is not None:
            for ready in plan.ready(outcome):
                yield ready
        await working
    finally:
        loop_is_left = True
        working.cancel()
        working.add_done_callback(lambda task: task.cancelled() or task.exception())  # asked for by nobody else then
        try:
            await asyncio.wait([working])
        finally:
            plan.close()


async def done(runner: Runner, plan: Plan, job: Job) -> MapOutcome[Any]:
    """Run a prompt until it succeeds, or fails for good."""
    delays = plan.delays()
    for attempt in count(1):
        try:
            return plan.succeeded(job, await runner.run(plan, job), attempt)
        except RuntimeLostError as error:
            return plan.failed(job, error, attempt)
        except (TransportClosedError, RuntimeStartError):
            raise
        except (AppServerError, TimeoutError) as error:
            delay = next(delays, None) if is_retryable_error(error) else None
            if delay is None:
                return plan.failed(job, error, attempt)
            await asyncio.sleep(delay)
    raise AssertionError
