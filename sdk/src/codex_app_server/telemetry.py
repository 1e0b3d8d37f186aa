"""The calls that a client makes to be measured: the interface of `AppServerConfig.telemetry`.

The methods of a `Tracing` are called when something begins or ends, in the middle of the client's work: they must not
block, and must not raise. They get only the events that the client has to parse anyway, so not those of text that is
streamed piece by piece. A client without telemetry does none of this.
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
        """The measurements for a new client, which calls this."""


class Tracing(Protocol):
    """The measurements of one client.

    `on_start`, `on_request` and `on_give_up` are called in the thread or task of the program that makes a call.
    `on_call`, `on_call_error` and the function that `wrap_send` returns are called where a question is answered. All
    others are called where the runtime's messages are read.
    """

    def on_start(self) -> None:
        """The runtime is about to be started."""

    def on_request(self, request: Request) -> None:
        """A request is about to be sent; a trace context that is set as its `trace` is sent with it."""

    def on_response(self, request: Request) -> None:
        """A request has its answer."""

    def on_give_up(self, request: Request) -> None:
        """Nobody waits for a request any more, because of the exception being handled, or because it took too long."""

    def on_event(self, event: Notification, turn_id: str | None) -> None:
        """An event has come; `turn_id` is None if it belongs to no turn."""

    def on_server_request(self, request: ServerRequest) -> Context:
        """The runtime asks a question; returns the context in which the question is answered."""

    def on_call(self, request: ServerRequest) -> None:
        """The function that answers a question is called now, which may be later than the question came."""

    def on_call_error(self, request: ServerRequest, error: BaseException) -> None:
        """The function that answers a question has raised an error."""

    def wrap_send(self, send: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """Returns a function to send answers with in place of `send`, which it calls; so it sees every answer."""

    def on_end(self, ending: Ending) -> None:
        """The connection has ended; this may be called more than once."""
