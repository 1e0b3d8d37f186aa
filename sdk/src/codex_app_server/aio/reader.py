"""The event loop owns what was received: bytes are read and handed out as they arrive, some milliseconds at a time.

Where nobody waits, what is kept unread is small, and the runtime has to wait. Where more than a `FEW` wait, what comes
without a pause is gathered first.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from codex_app_server.aio.transport import AsyncStdioTransport
from codex_app_server.aio.waiting import Sleeper, wake
from codex_app_server.driving import CALM_S, FEW, GATHERED, GATHERING_S, Reading
from codex_app_server.protocol.allowance import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codex_app_server.aio.questions import Questions
    from codex_app_server.aio.remote import AsyncRemoteTransport
    from codex_app_server.aio.tools import ToolCaller
    from codex_app_server.config import AppServerConfig
    from codex_app_server.ending import Ending
    from codex_app_server.protocol.log import Log

__all__ = ["AsyncReader"]


class AsyncReader(Reading):
    """The owner of what was received. It knows nothing of who uses the client, so that an unused one can be collected.

    Args:
        config: how the client is used.
    """

    transport: AsyncStdioTransport | AsyncRemoteTransport
    questions: Questions | None = None
    tools: ToolCaller | None = None

    def __init__(self, config: AppServerConfig) -> None:
        super().__init__(config)
        self.transport = self._transport_of(config)
        self._gathering: asyncio.TimerHandle | None = None
        self._nap: asyncio.TimerHandle | None = None

    def _transport_of(self, config: AppServerConfig) -> AsyncStdioTransport | AsyncRemoteTransport:
        if config.url is None:
            return AsyncStdioTransport(config, receive=self.receive, finish=self.finish, ended=self.end)
        from codex_app_server.aio.remote import AsyncRemoteTransport

        return AsyncRemoteTransport(config, receive=self.receive, finish=self.finish, ended=self.end)

    def receive(self, data: bytes) -> None:
        """Take in what came."""
        connection = self.connection
        connection.receive(data)
        self._new_bytes += len(data)
        if len(self.sleepers) > FEW and connection.may_wait(GATHERED):
            if self._gathering is None:
                self._gathering = asyncio.get_running_loop().call_later(
                    GATHERING_S, self.transport.attempt, self._hand_out
                )
        else:
            self._hand_out()
        if self._unread + self._new_bytes >= self._allowance.limit and not self._is_awaited():
            self.mind_the_allowance()

    def end(self, ending: Ending) -> None:
        """Nobody is answered any more."""
        super().end(ending)
        for timer in (self._gathering, self._nap):
            if timer is not None:
                timer.cancel()

    def mind_the_allowance(self) -> None:
        """Have the runtime wait while much is unread, and nobody waits for what it may say; else let it go on."""
        if self.ending is not None:
            return
        self._count()
        self.is_held_up = self._unread >= self._allowance.limit and not self._is_awaited()
        if not self.is_held_up:
            self.transport.resume()
            return
        self.transport.pause()
        if self._nap is None:
            patience = CALM_S if self._allowance.is_final else PATIENCE
            self._nap = asyncio.get_running_loop().call_later(patience, self._patience_is_over)

    def _patience_is_over(self) -> None:
        self._nap = None
        if self.is_held_up:
            self._count()
            self._allowance.patience_is_over()
            self.mind_the_allowance()

    def _hand_out(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        super()._hand_out()

    def _stir(self, logs: Iterable[Log]) -> None:
        for log in logs:
            while log.waiting:
                wake(log.waiting.popleft())

    def _wake(self, waiter: Sleeper) -> None:
        wake(waiter)

    def _new_questions(self) -> Questions:
        from codex_app_server.aio.questions import Questions

        return Questions(self)
