"""The twin of `sync.questions` for asyncio: beside the other tasks of the loop.

A plain function is called in a thread of the same bounded pool, so that it does not hold up the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from codex_app_server.handlers import is_async
from codex_app_server.questions import (
    TOOL_CALL,
    consult,
    decline,
    failed,
    without_thread,
)
from codex_app_server.workers import Workers

if TYPE_CHECKING:
    from codex_app_server.approvals.deciding import Steps
    from codex_app_server.driving import Reading
    from codex_app_server.protocol.messages import JsonValue, ServerRequest

__all__ = ["Questions"]


class Questions:
    """Has the runtime's questions answered, each in a task of the running loop.

    Args:
        reading: who has received them; looked at for each are its handlers, its rules, and who calls tools.

    Attributes:
        open: the questions that wait for an answer of this program.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._send = reading.replying(reading.transport.send)
        self.open: dict[int | str, ServerRequest] = {}
        self._workers = Workers("codex-app-server handler")
        # By what each answers; the loop itself holds tasks weakly.
        self._tasks: dict[asyncio.Task[None], ServerRequest] = {}
        self._cancelled: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False
        self._closer: asyncio.Task[Any] | None = None

    def ask(self, request: ServerRequest) -> None:
        """Have a question answered, or decline it; to be called on the loop. Never blocks, never raises."""
        if self._is_closed:
            return
        try:
            if request.method == TOOL_CALL and self._reading.tools is not None:
                self._reading.tools.ask(request)
                return
            handlers, approving = self._reading.handlers, self._reading.approving
            if (steps := consult(request, handlers, approving)) is None:
                self._send(decline(request))
                return
            self._loop = asyncio.get_running_loop()
            self.open[request.id] = request
            task = self._loop.create_task(self._consult(request, steps))
            self._tasks[task] = request
            task.add_done_callback(self._tasks.pop)
        except Exception as error:
            self._send(failed(request, error))

    def resolved(self, request_ids: list[JsonValue]) -> None:
        """Cancel what the runtime does not ask any more; on the loop. A plain function that runs already goes on."""
        for task, request in self._tasks.items():
            if request.id in request_ids and self._settle(request):
                task.cancel()
                self._send(decline(request))  # at once: a task that has not begun never does

    def close(self) -> None:
        """Cancel what is being asked; a plain function that runs already goes on, and its answer finds nobody.

        Never blocks and takes no lock. May be called again, from a signal handler, from another thread, and from what
        is being asked: that goes on too.
        """
        self._is_closed = True
        self._workers.close()
        if self._reading.tools is not None:
            self._reading.tools.close()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # not in a loop
                self._closer = self._closer or asyncio.current_task()
            with contextlib.suppress(RuntimeError):  # the loop is closed, and its tasks are gone
                self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        for task in self._tasks.keys() - self._cancelled - {self._closer}:  # once each, for they may be cleaning up
            self._cancelled.add(task)
            task.cancel()

    def _settle(self, request: ServerRequest) -> bool:
        """A question needs no answer any more; False if it had needed none."""
        self._reading.answered(request)
        return self.open.pop(request.id, None) is not None

    async def _consult(self, request: ServerRequest, steps: Steps) -> None:
        loop = asyncio.get_running_loop()
        try:
            data = await self._answer(request, steps)
        except BaseException as error:
            # Only `close` ends a question so: whatever else looks like it comes from the handler itself.
            if self._is_closed or not loop.is_running():
                if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
                    raise
                return
            data = failed(request, error)
        if self._settle(request) and not self._is_closed:
            self._send(data)

    async def _answer(self, request: ServerRequest, steps: Steps) -> bytes:
        """Call the functions one after another, for as long as the answer matters: plain ones in a thread."""
        given: object = None
        raised: BaseException | None = None
        is_begun = False
        while request.id in self.open:
            try:
                function, asked = steps.send((given, raised)) if is_begun else next(steps)
            except StopIteration as end:
                data: bytes = end.value
                return data
            is_begun, given, raised = True, None, None
            try:
                if is_async(function):
                    given = function(asked)
                else:
                    called = self._workers.call(partial(function, asked))
                    if called is None:
                        if self._is_closed:  # just now
                            raise asyncio.CancelledError  # noqa: TRY301 - as if it came a moment later
                        return without_thread(request)
                    given, raised = await called
                if isawaitable(given):
                    given = await given
            except BaseException as error:
                if self._is_closed or not asyncio.get_running_loop().is_running():
                    raise
                raised = error
        return decline(request)
