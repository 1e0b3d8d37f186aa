"""Many prompts at once, for asyncio: as many tasks as may run at a time, and what came of each as it comes."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any

from codex_app_server.errors import AppServerError, TransportClosedError
from codex_app_server.retry import is_retryable_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from codex_app_server.aio.codex import AsyncCodex
    from codex_app_server.mapping.outcomes import MapOutcome
    from codex_app_server.mapping.plan import Job, Plan

__all__ = ["mapped"]


async def mapped(codex: AsyncCodex, plan: Plan) -> AsyncIterator[MapOutcome[Any]]:
    """What came of each prompt. To leave the loop early, however that comes, interrupts what is being done."""
    outcomes: asyncio.Queue[MapOutcome[Any] | None] = asyncio.Queue(plan.concurrency)

    async def work() -> None:
        while (job := plan.next()) is not None:
            await outcomes.put(job.outcome if job.outcome.is_reused else await _done(codex, plan, job))

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
        await asyncio.wait([working])
        plan.close()


async def _done(codex: AsyncCodex, plan: Plan, job: Job) -> MapOutcome[Any]:
    """Run a prompt until it succeeds, or fails for good."""
    delays = plan.delays()
    for attempt in count(1):
        try:
            thread = await codex.thread_start(**plan.thread)
            return plan.succeeded(job, await thread.run(job.outcome.prompt, **plan.run), attempt)
        except TransportClosedError:
            raise
        except (AppServerError, TimeoutError) as error:
            delay = next(delays, None) if is_retryable_error(error) else None
            if delay is None:
                return plan.failed(job, error, attempt)
            await asyncio.sleep(delay)
    raise AssertionError
