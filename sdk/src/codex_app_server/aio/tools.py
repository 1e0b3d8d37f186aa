"""The twin of `sync.tools` for asyncio: tools are called in the client's own loop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from codex_app_server.tools.executor import Executor
from codex_app_server.tools.toolbox import Toolbox, parent_in

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any
    from weakref import WeakMethod

    from codex_app_server.handlers import Handlers
    from codex_app_server.protocol.messages import JsonValue, ServerRequest
    from codex_app_server.telemetry import Tracing

__all__ = ["ToolCaller"]


class ToolCaller:
    """Has tools called.

    Args:
        send: takes an answer, on the loop.
        handlers: gives those who may answer for threads without tools.
        call: the driver's way to call a protocol method; held weakly, so that an unused client can be collected.
        tracing: what telemetry is told, if there is any.

    Attributes:
        toolbox: which thread has which tools.
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        handlers: Callable[[], Handlers],
        call: WeakMethod[Callable[[str, dict[str, JsonValue]], Coroutine[Any, Any, JsonValue]]],
        tracing: Tracing | None = None,
    ) -> None:
        self.toolbox = Toolbox()
        self._call = call
        self._executor = Executor(self.toolbox, send, handlers, self._parent, tracing)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    def ask(self, request: ServerRequest) -> None:
        """Have a tool called; on the loop. Never blocks."""
        if self._is_closed:
            return
        self._loop = asyncio.get_running_loop()
        self._executor.ask(request)

    def turns_ended(self, turn_ids: list[str]) -> None:
        """Some turns are over; on the loop."""
        self._executor.turns_ended(turn_ids)

    async def finish(self) -> None:
        """Wait some seconds for calls that are to finish; elsewhere than on the loop, for none."""
        if self._loop is asyncio.get_running_loop():
            await self._executor.finish()

    def close(self) -> None:
        """End all calls. May be called again, from a signal handler, and from another thread; never blocks."""
        self._is_closed = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and its tasks are gone
                self._loop.call_soon_threadsafe(self._executor.close)

    async def _parent(self, thread_id: str) -> str | None:
        call = self._call()
        return None if call is None else parent_in(await call("thread/read", {"threadId": thread_id}))
