"""Asking the program, in a thread of its own: a person may think about a question for an hour, and nothing waits.

What is asked and answered is decided in `answering`. A handler that fails declines.
"""

from __future__ import annotations

import threading
from inspect import isawaitable
from typing import TYPE_CHECKING

from codex_app_server._log import logger
from codex_app_server.questions import answer, decline, handler_of, question

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from codex_app_server.handlers import Handlers
    from codex_app_server.protocol.messages import ServerRequest

__all__ = ["consult", "failed"]


def consult(request: ServerRequest, handlers: Handlers, send: Callable[[bytes], None]) -> None:
    """Have a question answered in a thread, or decline it if there is no handler.

    Args:
        request: the question.
        handlers: who may answer it.
        send: takes the answer, whenever there is one, from any thread.
    """
    handler = handler_of(request, handlers)
    if handler is None:
        send(decline(request))
        return

    def run() -> None:
        try:
            given = handler(question(request))
            if isawaitable(given):
                given = _awaited(given)
            data = answer(request, given)
        except BaseException:
            data = failed(request)
        send(data)

    threading.Thread(target=run, name=f"codex-app-server handler of {request.method}", daemon=True).start()


def failed(request: ServerRequest) -> bytes:
    """Log the exception that is being handled, and decline."""
    logger().exception("the handler of %s failed: declined", request.method)
    return decline(request)


def _awaited(given: Awaitable[object]) -> object:
    """The result of an async handler, in an event loop of its own."""
    import asyncio

    async def wait() -> object:
        return await given

    return asyncio.run(wait())
