"""The twin of `consulting` for asyncio: beside the other tasks of the loop.

A plain function gets a thread of its own, for a pool could be full of others.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from inspect import isawaitable, iscoroutinefunction
from typing import TYPE_CHECKING, Any

from codex_app_server.questions import answer, decline, handler_of, question
from codex_app_server.sync.consulting import failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.handlers import Handlers
    from codex_app_server.protocol.messages import ServerRequest

__all__ = ["consult"]


def consult(request: ServerRequest, handlers: Handlers, send: Callable[[bytes], None]) -> asyncio.Task[None] | None:
    """Have a question answered beside the other tasks of the running loop, or decline it if there is no handler.

    Args:
        request: the question.
        handlers: who may answer it.
        send: takes the answer, on the loop.

    Returns:
        the task, to be held and perhaps cancelled; None if it is done already.
    """
    handler = handler_of(request, handlers)
    if handler is None:
        send(decline(request))
        return None

    async def run() -> None:
        try:
            asked = question(request)
            given = handler(asked) if _is_async(handler) else await _in_thread(handler, asked)
            if isawaitable(given):
                given = await given
            data = answer(request, given)
        except asyncio.CancelledError:  # the client is being closed
            raise
        except BaseException:
            data = failed(request)
        send(data)

    return asyncio.get_running_loop().create_task(run())


def _is_async(handler: Callable[[Any], object]) -> bool:
    return iscoroutinefunction(handler) or iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004


def _in_thread(handler: Callable[[Any], object], asked: object) -> asyncio.Future[object]:
    """Call a plain function without holding up the loop."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[object] = loop.create_future()

    def settle(set_it: Callable[[Any], None], value: object) -> None:
        if not outcome.done():
            set_it(value)

    def run() -> None:
        value: object
        report: Callable[[Any], None] = outcome.set_result
        try:
            value = handler(asked)
        except BaseException as error:
            report, value = outcome.set_exception, error
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
            loop.call_soon_threadsafe(settle, report, value)

    threading.Thread(target=run, name="codex-app-server handler", daemon=True).start()
    return outcome
