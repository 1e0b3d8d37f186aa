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
    from codex_app_server.protocol.messages import ServerRequest

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
        self.open: dict[int | str, ServerRequest] = {}

    def ask(self, request: ServerRequest) -> None:
        """Have a question answered, or decline it; for the one thread that reads. Never blocks, never raises."""
        if self._is_closed:
            return
        send, handlers, approving, open_ = self._send, self._reading.handlers, self._reading.approving, self.open
        try:
            if request.method == TOOL_CALL and self._reading.tools is not None:
                self._reading.tools.ask(request)
                return
            if (steps := consult(request, handlers, approving)) is None:
                send(decline(request))
                return
            open_[request.id] = request
            if not self._workers.put(lambda: _consult(request, steps, send, open_)):
                open_.pop(request.id, None)
                send(without_thread(request))
        except Exception as error:
            send(failed(request, error))

    def close(self) -> None:
        """Give up the questions that wait; whose handler runs already, its answer finds nobody.

        Never blocks and takes no lock. May be called again, and from anywhere.
        """
        self._is_closed = True
        self._workers.close()
        if self._reading.tools is not None:
            self._reading.tools.close()


def _consult(
    request: ServerRequest, steps: Steps, send: Callable[[bytes], None], open_: dict[int | str, ServerRequest]
) -> None:
    try:
        data = _answer(steps)
    except BaseException as error:
        data = failed(request, error)
    open_.pop(request.id, None)
    with contextlib.suppress(Exception):  # the connection is over
        send(data)


def _answer(steps: Steps) -> bytes:
    """Call the functions one after another."""
    given: object = None
    raised: BaseException | None = None
    is_begun = False
    while True:
        try:
            function, asked = steps.send((given, raised)) if is_begun else next(steps)
        except StopIteration as end:
            data: bytes = end.value
            return data
        is_begun, given, raised = True, None, None
        try:
            given = function(asked)
            if isawaitable(given):
                given = _awaited(given)
        except BaseException as error:
            raised = error


def _awaited(given: Awaitable[object]) -> object:
    """The result of an async handler, in an event loop of its own."""
    import asyncio

    async def wait() -> object:
        return await given

    return asyncio.run(wait())
