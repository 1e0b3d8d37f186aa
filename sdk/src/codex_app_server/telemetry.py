"""What a client tells whoever measures it: the seam that `AppServerConfig.telemetry` fills.

A `Tracing` is told of what begins and ends, on the spot, where it happens: it must not block, and not raise. Of events
it sees those that have to be parsed in any case, so what is streamed piece by piece passes by it. A client without
telemetry asks nothing of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from codex_app_server.ending import Ending
    from codex_app_server.protocol.messages import Notification, ServerRequest
    from codex_app_server.protocol.request import Request

__all__ = ["Telemetry", "Tracing"]


class Telemetry(Protocol):
    """Where measurements go, for any number of clients."""

    def tracing(self) -> Tracing:
        """What a new client is to tell."""


class Tracing(Protocol):
    """The measurements of one client.

    `on_start`, `on_request` and `on_give_up` are called where the program calls, the others by whoever reads, but for
    `on_call`, `on_call_error` and what `wrap_send` gives, which are called wherever a question is answered.
    """

    def on_start(self) -> None:
        """The runtime is about to be started."""

    def on_request(self, request: Request) -> None:
        """A request is about to be made; what is set as its `trace` goes along with it."""

    def on_response(self, request: Request) -> None:
        """It has its answer."""

    def on_give_up(self, request: Request) -> None:
        """Nobody waits for it any more, because of the exception that is being handled, or for it took too long."""

    def on_event(self, event: Notification, turn_id: str | None) -> None:
        """There was an event, perhaps of a turn."""

    def on_server_request(self, request: ServerRequest) -> Context:
        """The runtime asks something; in which context it is to be answered."""

    def on_call(self, request: ServerRequest) -> None:
        """The function that it asks for is called only now."""

    def on_call_error(self, request: ServerRequest, error: BaseException) -> None:
        """That function has raised something."""

    def wrap_send(self, send: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """The way of answers, which is to see them."""

    def on_end(self, ending: Ending) -> None:
        """The connection is over; may be said again."""
