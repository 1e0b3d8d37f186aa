"""Calling tools beside the threads of the program: in an event loop of their own, from the first call on.

Async tools run in that loop, so they may share what belongs to a loop, for as long as the client lives; plain ones get
threads of a bounded pool.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as NotInTime
from typing import TYPE_CHECKING

from codex_app_server.questions import without_thread
from codex_app_server.tools.executor import FINISH_S, THREADS, Executor
from codex_app_server.tools.toolbox import Toolbox, parent_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from weakref import WeakMethod

    from codex_app_server.handlers import Handlers
    from codex_app_server.protocol.messages import JsonValue, ServerRequest
    from codex_app_server.telemetry import Tracing

__all__ = ["ToolCaller"]


class ToolCaller:
    """Has tools called.

    Args:
        send: takes an answer, from any thread.
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
        call: WeakMethod[Callable[[str, dict[str, JsonValue]], JsonValue]],
        tracing: Tracing | None = None,
    ) -> None:
        self.toolbox = Toolbox()
        self._send = send
        self._executor = Executor(self.toolbox, send, handlers, self._parent, tracing)
        self._call = call
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def ask(self, request: ServerRequest) -> None:
        """Have a tool called; for the one thread that reads. Never blocks, never raises."""
        if self._is_closed:
            return
        try:
            loop = self._loop or self._start()
            loop.call_soon_threadsafe(self._executor.ask, request)
        except Exception:  # the system has no more threads or descriptors, or all is over
            self._send(without_thread(request))

    def turns_ended(self, turn_ids: list[str]) -> None:
        """Some turns are over; for the one thread that reads."""
        self._do(self._executor.turns_ended, turn_ids)

    def finish(self) -> None:
        """Wait some seconds for calls that are to finish; in a tool itself, for none."""
        loop, thread, here = self._loop, self._thread, threading.current_thread()
        if loop is None or thread is None or not thread.is_alive() or here is thread or here.name == THREADS:
            return
        finishing = self._executor.finish()
        try:
            asyncio.run_coroutine_threadsafe(finishing, loop).result(FINISH_S + 1)
        except RuntimeError:  # it is over already
            finishing.close()
        except (CancelledError, NotInTime):
            if not thread.is_alive():
                finishing.close()  # the loop ended before it came to it

    def close(self) -> None:
        """End all calls. May be called again, and from anywhere; never blocks and takes no lock."""
        self._is_closed = True
        self._do(_end, self._executor)

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        serving = (loop, self._executor)
        thread = threading.Thread(target=_serve, args=serving, name="codex-app-server tools", daemon=True)
        try:
            thread.start()
        except BaseException:
            loop.close()
            raise
        self._loop, self._thread = loop, thread
        if self._is_closed:  # meanwhile, when there was no loop to end
            self.close()
        return loop

    def _do(self, what: Callable[..., object], *args: object) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(what, *args)

    def _parent(self, thread_id: str) -> str | None:
        call = self._call()
        return None if call is None else parent_in(call("thread/read", {"threadId": thread_id}))


def _serve(loop: asyncio.AbstractEventLoop, executor: Executor) -> None:
    """What the thread does; it knows nothing of the client."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(executor.ended())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _end(executor: Executor) -> None:
    if not executor.is_closed:  # else the loop may just wait for what was cancelled
        try:
            executor.close()
        finally:
            asyncio.get_running_loop().stop()
