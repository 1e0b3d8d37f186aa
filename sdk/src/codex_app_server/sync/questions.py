"""Asking the program, in threads of their own: a person may think about a question for an hour, and nothing waits.

What is asked and answered is decided in `questions`. Whatever goes wrong declines and is logged: a handler that raises,
`SystemExit` and `StopIteration` included, and a system that has no more threads.
"""

from __future__ import annotations

import contextlib
from inspect import isawaitable
from typing import TYPE_CHECKING

from codex_app_server.questions import (
    TOOL_CALL,
    consult,
    decline,
    failed,
    without_thread,
)
from codex_app_server.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from codex_app_server.approvals.deciding import Steps
    from codex_app_server.driving import Reading
    from codex_app_server.protocol.messages import JsonValue, ServerRequest

__all__ = ["Questions"]


class Questions:
    """Has the runtime's questions answered, each in a thread of a bounded pool.

    Args:
        reading: who has received them; looked at for each are its handlers, its rules, and who calls tools.

    Attributes:
        open: the questions that wait for an answer of this program.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._send = reading.replying(reading.transport.send)
        self._workers = Workers("codex-app-server handler")
        self._is_closed = False
        self._asking = _Asking(self._send, reading.answered)
        self.open = self._asking.open

    def ask(self, request: ServerRequest) -> None:
        """Have a question answered, or decline it; for the one thread that reads. Never blocks, never raises."""
        if self._is_closed:
            return
        asking, handlers, approving = self._asking, self._reading.handlers, self._reading.approving
        try:
            if request.method == TOOL_CALL and self._reading.tools is not None:
                self._reading.tools.ask(request)
                return
            if (steps := consult(request, handlers, approving)) is None:
                self._send(decline(request))
                return
            self.open[request.id] = request
            if not self._workers.put(lambda: asking.consult(request, steps)):
                self.open.pop(request.id, None)
                if not self._is_closed:  # just now
                    self._send(without_thread(request))
        except Exception as error:
            self._send(failed(request, error))

    def resolved(self, request_ids: list[JsonValue]) -> None:
        """Cancel what the runtime does not ask any more; a plain function that runs already goes on."""
        for request_id in [each for each in list(self.open) if each in request_ids]:
            self._asking.cancel(request_id)

    def close(self) -> None:
        """Give up the questions that wait; whose handler runs already, its answer finds nobody.

        Never blocks and takes no lock. May be called again, and from anywhere.
        """
        self._is_closed = True
        self._workers.close()
        if self._reading.tools is not None:
            self._reading.tools.close()


class _Asking:
    """What the threads know of the questions: not the client, which can be collected meanwhile.

    Args:
        send: takes an answer.
        answered: is told of a question before it waits for an answer no more.

    Attributes:
        open: the questions that wait for one.
    """

    def __init__(self, send: Callable[[bytes], None], answered: Callable[[ServerRequest], None]) -> None:
        self.open: dict[int | str, ServerRequest] = {}
        self._send = send
        self._answered = answered
        self._cancels: dict[int | str, Callable[[], object]] = {}

    def cancel(self, request_id: int | str) -> None:
        """A question needs no answer any more."""
        request = self.open.get(request_id)
        if request is None or not self._settle(request):  # it has just been answered
            return
        self._reply(decline(request))
        if (cancel := self._cancels.get(request_id)) is not None:
            with contextlib.suppress(RuntimeError):  # the handler's loop is closed just now
                cancel()

    def consult(self, request: ServerRequest, steps: Steps) -> None:
        """Find an answer, and send it."""
        try:
            data = self._answer(request, steps)
        except BaseException as error:
            data = failed(request, error)
        if self._settle(request):
            self._reply(data)

    def _settle(self, request: ServerRequest) -> bool:
        """A question needs no answer any more; False if it had needed none."""
        self._answered(request)
        return self.open.pop(request.id, None) is not None

    def _reply(self, data: bytes) -> None:
        with contextlib.suppress(Exception):  # the connection is over
            self._send(data)

    def _answer(self, request: ServerRequest, steps: Steps) -> bytes:
        """Call the functions one after another, for as long as the answer matters."""
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
                given = function(asked)
                if isawaitable(given):
                    given = self._awaited(given, request.id)
            except BaseException as error:
                raised = error
        return decline(request)

    def _awaited(self, given: Awaitable[object], request_id: int | str) -> object:
        """The result of an async handler, in an event loop of its own."""
        import asyncio

        async def wait() -> object:
            loop, task = asyncio.get_running_loop(), asyncio.ensure_future(given)
            self._cancels[request_id] = lambda: loop.call_soon_threadsafe(task.cancel)
            try:
                if request_id not in self.open:  # just now
                    task.cancel()
                return await task
            finally:
                del self._cancels[request_id]

        return asyncio.run(wait())
