"""The reader thread owns what was received: it alone reads, advances the protocol core, and hands out.

Reading goes on while anybody waits for anything. Where nobody does, what is kept unread is small, beyond its
`allowance` the runtime has to wait; a consumer that is slower than the model has it at its own pace.

Where more than a `FEW` wait, a switch between threads for every event would cost the most. Then what comes without a
pause is gathered first, and its consumers are woken in a `Relay`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from codex_app_server.driving import CALM_S, FEW, GATHERED, GATHERING_S, Reading
from codex_app_server.protocol.allowance import PATIENCE
from codex_app_server.sync.transport import StdioTransport
from codex_app_server.sync.waiting import Relay, Sleeper, new_sleeper, sleep, wake

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codex_app_server.config import AppServerConfig
    from codex_app_server.ending import Ending
    from codex_app_server.protocol.log import Log
    from codex_app_server.sync.questions import Questions
    from codex_app_server.sync.remote import RemoteTransport
    from codex_app_server.sync.tools import ToolCaller

__all__ = ["Reader"]

_NUDGE_S = 0.02
"""How long consumers that are to be woken may take to wake each other, in seconds, before the reader wakes one."""


class Reader(Reading):
    """The owner of what was received. It knows nothing of who uses the client, so that an unused one can be collected.

    Args:
        config: how the client is used.
    """

    transport: StdioTransport | RemoteTransport
    questions: Questions | None = None
    tools: ToolCaller | None = None

    def __init__(self, config: AppServerConfig) -> None:
        super().__init__(config)
        self.transport = self._transport_of(config)
        self.relay = Relay()
        self._gathers_until = 0.0
        self._nudge_at = 0.0
        self._is_leaving = False
        self._relief = new_sleeper()

    def _transport_of(self, config: AppServerConfig) -> StdioTransport | RemoteTransport:
        if config.url is None:
            return StdioTransport(
                config, receive=self.receive, finish=self.finish, leaving=self.leaving, ended=self.end
            )
        from codex_app_server.sync.remote import RemoteTransport

        return RemoteTransport(config, receive=self.receive, finish=self.finish, leaving=self.leaving, ended=self.end)

    def receive(self, data: bytes) -> float:
        """Take in what came, or nothing.

        Returns:
            how long to wait for more, in seconds, before this is called again with nothing; 0 is as long as it takes.
        """
        connection = self.connection
        connection.receive(data)
        self._new_bytes += len(data)
        if self.relay.is_running and time.monotonic() >= self._nudge_at:
            self._pass_on()  # the one who should have may have been interrupted
        if data and len(self.sleepers) > FEW and connection.may_wait(GATHERED):
            if self.relay.is_running:
                return GATHERING_S  # they are still at what was handed out last
            now = time.monotonic()
            self._gathers_until = self._gathers_until or now + GATHERING_S
            if self._gathers_until > now:
                return self._gathers_until - now
        self._gathers_until = 0.0
        self._hand_out()
        if self._unread + self._new_bytes >= self._allowance.limit and not self._is_awaited():
            self._hold_up()
        return _NUDGE_S if self.relay.is_running else 0

    def leaving(self) -> None:
        """The runtime is gone: what it wrote last is read whoever wants it."""
        self._is_leaving = True
        self.relieve()

    def end(self, ending: Ending) -> None:
        """Nobody is answered any more."""
        super().end(ending)
        self.relieve()

    def relieve(self) -> None:
        """Somebody waits: let the reader see that it may go on."""
        wake(self._relief)

    def _stir(self, logs: Iterable[Log]) -> None:
        ready: list[Sleeper] = []
        for log in logs:
            while log.waiting:
                try:
                    ready.append(log.waiting.popleft())
                except IndexError:
                    break
        is_running = self.relay.is_running
        if is_running or len(ready) > FEW:
            self.relay.add(ready)
            if not is_running:
                self._pass_on()
        else:
            for sleeper in ready:
                wake(sleeper)

    def _wake(self, waiter: Sleeper) -> None:
        wake(waiter)

    def _new_questions(self) -> Questions:
        from codex_app_server.sync.questions import Questions

        return Questions(self)

    def _pass_on(self) -> None:
        self._nudge_at = time.monotonic() + _NUDGE_S
        self.relay.pass_on()

    def _hold_up(self) -> None:
        """Let the runtime wait while much is unread, and nobody waits for what it may say."""
        self._count()
        while self._unread >= self._allowance.limit and not self._is_over():
            self._relief = new_sleeper()
            self.is_held_up = True
            if self._is_awaited() or self._is_over():  # once more, now that it can be woken
                break
            if not sleep(self._relief, CALM_S if self._allowance.is_final else PATIENCE):
                self._allowance.patience_is_over()
            self._count()
        self.is_held_up = False

    def _is_over(self) -> bool:
        return self.ending is not None or self._is_leaving
