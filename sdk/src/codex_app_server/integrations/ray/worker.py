"""What runs in each actor: a pool of runtimes, and prompts that run once however often they come."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from codex_app_server.errors import AppServerError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from codex_app_server.config import AppServerConfig
    from codex_app_server.inputs import RunInput

    Answer: TypeAlias = "dict[str, Any] | Exception"

__all__ = ["Worker"]

_KEPT = 256
"""How many results an actor remembers, for prompts that come again because the answer was lost."""


class Worker:
    """What runs in each actor.

    Args:
        config: how its runtimes are started.
        pool: options of its pool.
    """

    def __init__(self, config: AppServerConfig | None, pool: Mapping[str, Any]) -> None:
        from codex_app_server.aio.pool import AsyncCodexPool

        self._pool = AsyncCodexPool(config, **pool)
        self._runs: OrderedDict[str, asyncio.Task[Answer]] = OrderedDict()
        self._waiting: dict[str, int] = {}

    async def run(self, key: str, prompt: RunInput, thread: dict[str, Any], run: dict[str, Any]) -> Answer:
        """Run a prompt; one that comes again while it runs, or soon after that, runs once.

        Returns:
            the result, as `TurnResult.to_dict`; or why there is none.
        """
        running = self._runs.get(key)
        if running is None:
            running = self._runs[key] = asyncio.ensure_future(self._run(prompt, thread, run))
        self._waiting[key] = self._waiting.get(key, 0) + 1
        try:
            return await asyncio.shield(running)
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]
                if not running.done() or running.cancelled() or isinstance(running.result(), Exception):
                    running.cancel()  # nobody wants it any more; and a failure may become a success
                    self._runs.pop(key, None)
            while len(self._runs) > _KEPT + len(self._waiting):
                self._runs.popitem(last=False)

    async def close(self) -> None:
        """Stop all runtimes."""
        await self._pool.close()

    async def _run(self, prompt: RunInput, thread: dict[str, Any], run: dict[str, Any]) -> Answer:
        from codex_app_server.aio.mapping import Pooled

        options = self._pool._options  # noqa: SLF001 - its own
        plan = options.plan_of_one(prompt, retries=0, output_type=None, thread=thread, run=None)
        plan.run = run
        try:
            runner = Pooled(self._pool._leasing, None, **options.after_crash)  # noqa: SLF001 - its own
            result = await runner.run(plan, plan.job(prompt))
        except (AppServerError, TimeoutError) as error:
            return error
        return result.to_dict()
