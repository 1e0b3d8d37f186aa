"""Tasks that wait, and are woken: the twin of `sync.waiting`, where a loop does most of it."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

from codex_app_server.preloading import release_imports

__all__ = ["Sleeper", "guard", "new_sleeper", "running_loop", "sleep", "wake"]

Sleeper: TypeAlias = "asyncio.Future[None]"
"""One task that waits, once."""


def running_loop() -> asyncio.AbstractEventLoop:
    """The loop that this task is in.

    Raises:
        RuntimeError: if there is none of asyncio's.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "this client needs a running asyncio event loop; under trio, use Codex in a thread (trio.to_thread)"
        ) from None


def new_sleeper() -> Sleeper:
    """Somebody who is going to wait."""
    return running_loop().create_future()


def wake(sleeper: Sleeper) -> None:
    """Let a task go on; also before it sleeps."""
    if not sleeper.done():
        sleeper.set_result(None)


async def sleep(sleeper: Sleeper, timeout: float | None) -> bool:
    """Wait to be woken; whether that happened within so many seconds."""
    release_imports()
    if timeout is None:
        await sleeper
        return True
    done, _ = await asyncio.wait([sleeper], timeout=timeout)  # not `wait_for`, after which it could not sleep again
    return bool(done)


def guard() -> AbstractContextManager[object]:
    """What keeps others out of a block; in a loop nobody comes between where nothing is awaited."""
    return nullcontext()
