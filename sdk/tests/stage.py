"""A client for asyncio that many tests of a file play with, one after another: a runtime starts once."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from until import until_it_holds

from codex_app_server import AsyncCodex
from codex_app_server.testing import ModelServer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    import pytest

    from codex_app_server.testing import Answer, ModelRequest, ToolMode

__all__ = ["MUCH_S", "Stage", "set_up", "status_of_the_next_turn"]

MUCH_S = 20.0
"""More than a busy machine takes to begin a turn, in seconds."""


@dataclass
class Stage:
    """A runtime in an event loop, and a model that says what is scripted.

    Attributes:
        server: the model.
        codex: the client.
        loop: where both are played with.
    """

    server: ModelServer
    codex: AsyncCodex
    loop: asyncio.AbstractEventLoop

    def play(self, scene: Coroutine[Any, Any, None], *answers: Answer | Callable[[ModelRequest], Answer]) -> None:
        """Play a scene, in which the model says this and nothing else."""
        self.server.add(*answers)
        try:
            self.loop.run_until_complete(asyncio.wait_for(scene, 60))
            self.server.assert_used_up()
        finally:
            self.server._answers.clear()  # so that the next one is not told what this one has left

    def taking_much(self, answer: Answer, patch: pytest.MonkeyPatch) -> Callable[[ModelRequest], Answer]:
        """An answer that takes `MUCH_S` on a clock that leaps, once somebody waits for what the turn says.

        So a time runs out in the midst of the turn, and never before it, however busy the machine is.
        """

        async def waited_for() -> None:
            streams = self.codex._driver._connection.streams
            await until_it_holds(lambda: any(log.waiting for log in streams.logs() if log.topic.kind == "turn"))

        def leaping(_: ModelRequest) -> Answer:
            asyncio.run_coroutine_threadsafe(waited_for(), self.loop).result(60)
            clock = time.monotonic
            patch.setattr(time, "monotonic", lambda: clock() + MUCH_S)
            return answer

        return leaping


@contextmanager
def set_up(codex_binary: Path, mode: ToolMode = "direct") -> Iterator[Stage]:
    """For as long as a block takes."""
    loop = asyncio.new_event_loop()
    with ModelServer(mode=mode) as server:
        codex = AsyncCodex(server.config(codex_bin=codex_binary, experimental_api=True))
        try:
            yield Stage(server, codex, loop)
        finally:
            loop.run_until_complete(codex.close())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()


async def status_of_the_next_turn(subscription: Any) -> str:
    """How the turn ends that ends first, of those that a subscription tells."""
    async for event in subscription:
        if event.method == "turn/completed":
            subscription.close()
            return str(event.params["turn"]["status"])
    raise AssertionError
