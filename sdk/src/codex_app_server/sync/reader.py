"""The reader thread owns what was received: it alone reads, advances the protocol core, and hands out.

Reading goes on while anybody waits for anything. Where nobody does, what is kept unread is small, beyond its
`allowance` the runtime has to wait; a consumer that is slower than the model has it at its own pace.

Where more than a `FEW` wait, a switch between threads for every event would cost the most. Then what comes without a
pause is gathered first, and its consumers are woken in a `Relay`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from codex_app_server._log import log_skipped
from codex_app_server.driving import CALM_S, FEW, GATHERED, GATHERING_S, Reading
from codex_app_server.protocol.allowance import PATIENCE
from codex_app_server.sync.transport import StdioTransport
from codex_app_server.sync.waiting import Relay, Sleeper, new_sleeper, sleep, wake

if TYPE_CHECKING:
    from codex_app_server.config import AppServerConfig
    from codex_app_server.ending import Ending
    from codex_app_server.protocol.messages import ServerRequest
    from codex_app_server.sync.calling import Calling
    from codex_app_server.sync.consulting import Consulting
    from codex_app_server.sync.remote import RemoteTransport

__all__ = ["Reader"]

_NUDGE_S = 0.02
"""How long consumers that are to be woken may take to wake each other, in seconds, before the reader wakes one."""


class Reader(Reading):
    """The owner of what was received. It knows nothing of who uses the client, so that an unused one can be collected.

    Args:
        config: how the client is used.
    """

    calling: Calling | None = None

    def __init__(self, config: AppServerConfig) -> None:
        super().__init__(config)
        self.consulting: Consulting | None = None
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

    def finish(self) -> None:
        """There will be no more to take in."""
        self.connection.end()
        self._hand_out()

    def leaving(self) -> None:
        """The runtime is gone: what it wrote last is read whoever wants it."""
        self._is_leaving = True
        self.relieve()

    def end(self, ending: Ending) -> None:
        """Nobody is answered any more."""
        self.ending = self.ending or ending
        if self.tracing is not None:
            self.tracing.on_end(self.ending)
        if self.consulting is not None:
            self.consulting.close()
        for request in self.connection.waiting:
            if request.waiter is not None:
                wake(request.waiter)
        for sleeper in list(self.sleepers):
            wake(sleeper)
        self.relieve()

    def relieve(self) -> None:
        """Somebody waits: let the reader see that it may go on."""
        wake(self._relief)

    def _hand_out(self) -> None:
        progress = self.connection.advance()
        for data in progress.replies:
            self.transport.send(data)
        for request in progress.answered:
            if request.waiter is not None:
                wake(request.waiter)
        for junk in progress.junk:
            log_skipped(junk.reason, junk.line)
        ready: list[Sleeper] = []
        for log in progress.touched:
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
        for question in progress.questions:
            self._ask(question)
        self._turns_ended(progress.ended)

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

    def _turns_ended(self, turn_ids: list[str]) -> None:
        if turn_ids and self.calling is not None:
            self.calling.turns_ended(turn_ids)

    def _ask(self, request: ServerRequest) -> None:
        if self.consulting is None:
            from codex_app_server.sync.consulting import Consulting

            self.consulting = Consulting(
                lambda: self.handlers, self.replying(self.transport.send), lambda: self.calling, lambda: self.approving
            )
            if self.ending is not None:  # it may have come before this was there
                self.consulting.close()
        if self.tracing is None:
            self.consulting.ask(request)
        else:
            self.tracing.on_server_request(request).run(self.consulting.ask, request)
