"""The twin of `sync.aside` for asyncio: work beside the program is a task of the loop.

Async functions that look on are called there too, plain ones in a thread, so that they do not hold up the loop.
"""

from __future__ import annotations

import asyncio
from inspect import isawaitable
from itertools import groupby
from typing import TYPE_CHECKING, Any

from codex_app_server._log import log_error
from codex_app_server.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from codex_app_server.observers import Call

__all__ = ["Aside", "Caller"]

_going: set[asyncio.Task[None]] = set()
"""The loop itself holds tasks weakly."""


class Aside:
    """Work that has been begun; it must end by itself.

    Args:
        work: what is done; what it raises is logged.
        name: for the log.
        is_short: as for threads; a task can always be begun.
    """

    def __init__(
        self,
        work: Callable[[], Coroutine[Any, Any, None]],
        name: str,
        *,
        is_short: bool = False,  # noqa: ARG002 - the twin has it
    ) -> None:
        self._task = asyncio.create_task(self._do(work, name))
        _going.add(self._task)
        self._task.add_done_callback(_going.discard)

    async def wait(self, timeout: float) -> bool:
        """Wait for the end; whether it came within so many seconds."""
        if self._task is asyncio.current_task():
            return False
        done, _ = await asyncio.wait([self._task], timeout=timeout)
        return bool(done)

    async def _do(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        try:
            await work()
        except Exception as error:
            log_error(error, f"{name} failed")


class Caller:
    """Calls functions that look on, one after another; what one raises is logged."""

    def __init__(self) -> None:
        self._workers: Workers | None = None

    async def call(self, calls: Iterable[Call]) -> None:
        """Call some: async ones here, plain ones in a thread, those in a row at once."""
        for is_async, group in groupby(calls, lambda each: each.is_async):
            if is_async:
                for each in group:
                    await _call(each)
            else:
                for each, given in await self._in_thread(list(group)):
                    await _call(each, given)

    def close(self) -> None:
        """There is nothing more to call."""
        if self._workers is not None:
            self._workers.close()

    async def _in_thread(self, calls: list[Call]) -> list[tuple[Call, Any]]:
        """Call plain functions; what they gave to wait for, which functions in disguise do."""
        if self._workers is None:
            self._workers = Workers("codex-app-server observer", 1)
        given: list[tuple[Call, Any]] = []

        def run() -> None:
            for each in calls:
                try:
                    said = each.function(each.argument)
                    if isawaitable(said):
                        given.append((each, said))
                except BaseException as error:
                    log_error(error, f"the observer {each.name} failed")

        if (called := self._workers.call(run)) is not None:
            await called
        return given


async def _call(call: Call, given: Any = None) -> None:
    try:
        said: Any = call.function(call.argument) if given is None else given
        await said
    except Exception as error:
        log_error(error, f"the observer {call.name} failed")
    except BaseException as error:
        if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            raise
        log_error(error, f"the observer {call.name} failed")
