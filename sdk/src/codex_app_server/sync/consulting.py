"""Asking the program, in threads of their own: a person may think about a question for an hour, and nothing waits.

What is asked and answered is decided in `questions`. Whatever goes wrong declines and is logged: a handler that raises,
`SystemExit` and `StopIteration` included, and a system that has no more threads.
"""

from __future__ import annotations

import contextlib
from inspect import isawaitable
from typing import TYPE_CHECKING

from codex_app_server.questions import answer, decline, failed, handler_of, question, without_thread
from codex_app_server.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from codex_app_server.handlers import Handlers
    from codex_app_server.protocol.messages import ServerRequest

__all__ = ["Consulting"]


class Consulting:
    """Has the runtime's questions answered, each in a thread of a bounded pool.

    Args:
        handlers: gives those who may answer; looked at for each question.
        send: takes an answer, whenever there is one, from any thread.
    """

    def __init__(self, handlers: Callable[[], Handlers], send: Callable[[bytes], None]) -> None:
        self._handlers = handlers
        self._send = send
        self._workers = Workers("codex-app-server handler")

    def ask(self, request: ServerRequest) -> None:
        """Have a question answered, or decline it; for the one thread that reads. Never blocks, never raises."""
        send = self._send
        try:
            handler = handler_of(request, self._handlers())
            if handler is None:
                send(decline(request))
            elif not self._workers.put(lambda: _consult(request, handler, send)):
                send(without_thread(request))
        except Exception as error:
            send(failed(request, error))

    def close(self) -> None:
        """Give up the questions that wait; whose handler runs already, its answer finds nobody.

        Never blocks and takes no lock. May be called again, and from anywhere.
        """
        self._workers.close()


def _consult(request: ServerRequest, handler: Callable[[Any], object], send: Callable[[bytes], None]) -> None:
    try:
        given = handler(question(request))
        if isawaitable(given):
            given = _awaited(given)
        data = answer(request, given)
    except BaseException as error:
        data = failed(request, error)
    with contextlib.suppress(Exception):  # the connection is over
        send(data)


def _awaited(given: Awaitable[object]) -> object:
    """The result of an async handler, in an event loop of its own."""
    import asyncio

    async def wait() -> object:
        return await given

    return asyncio.run(wait())
