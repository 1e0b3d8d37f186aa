"""One conversation with a runtime: which bytes to send, and what the received ones mean.

The rules:

- The client numbers its requests from 1; an answer belongs to the open request with its id, and there is one answer.
- An answer without an open request, and a line that is no message, are events too (`Junk`): the driver logs them, and
  the conversation goes on.
- A request of the server must be answered, or the runtime waits forever. Whoever cannot handle one sends `refusal`,
  which grants nothing.
- What is received is kept as bytes (`inbox`) until somebody wants it and lets the conversation `advance`; events of
  turns then go to `streams`.

A `Connection` is not for several threads at once; the driver sees to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from codex_app_server.protocol.inbox import Inbox
from codex_app_server.protocol.messages import (
    METHOD_NOT_FOUND,
    ErrorResponse,
    Junk,
    Notification,
    Response,
    encode_error,
    encode_request,
    parse,
)
from codex_app_server.protocol.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_app_server.protocol.messages import Message, RequestId, ServerRequest
    from codex_app_server.protocol.streams import Stream

__all__ = ["Connection", "Progress", "refusal"]


class Progress(NamedTuple):
    """What came of a step.

    Attributes:
        messages: everything but the events of turns, in order; an answer closes its open request.
        ready: streams that were `wanted` and have something now; they are not wanted any more.
    """

    messages: list[Message]
    ready: list[Stream]


class Connection:
    """The client's side of one conversation.

    Args:
        max_buffered_events: how many events of one turn are kept for its consumer.
    """

    def __init__(self, max_buffered_events: int) -> None:
        self._inbox = Inbox()
        self._last_id = 0
        self._open: dict[RequestId, bool] = {}
        self.streams = Streams(max_buffered_events)

    @property
    def unread_bytes(self) -> int:
        """How much was received that no step has come to."""
        return self._inbox.size

    @property
    def is_urgent(self) -> bool:
        """Whether there may be an answer or a question of the server in it."""
        return self._inbox.urgent

    def request(
        self, method: str, params: Mapping[str, object] | None, *, announces_turn: bool = False
    ) -> tuple[int, bytes]:
        """Open a request: its id, and the bytes to send.

        Args:
            method: the protocol's name.
            params: its parameters.
            announces_turn: whether its answer names a turn that begins; that turn's stream is open from then on.

        Raises:
            TypeError, ValueError: if JSON cannot say `params` (see `encode_request`); nothing is open then.
        """
        data = encode_request(self._last_id + 1, method, params)
        self._last_id += 1
        self._open[self._last_id] = announces_turn
        if announces_turn:
            self.streams.expect()
        return self._last_id, data

    def forget(self, request_id: int) -> None:
        """Nobody waits for this request any more."""
        if self._open.pop(request_id, False):
            self.streams.announced(None)

    def receive(self, data: bytes) -> None:
        """Take in what arrived."""
        self._inbox.feed(data)

    def end(self) -> None:
        """The bytes ended; a last line may lack its end."""
        self._inbox.end()

    def advance(self, count: int | None = None) -> Progress:
        """Read the next lines, so many at most, or all of them."""
        progress = Progress([], [])
        for line in self._inbox.take(len(self._inbox) if count is None else count):
            message = parse(line)
            if type(message) is Notification:
                stream = self.streams.deliver(message)
                if stream is None:
                    progress.messages.append(message)
                elif stream.wanted:
                    stream.wanted = False
                    progress.ready.append(stream)
            elif line and not line.isspace():
                progress.messages.append(self._match(line, message))
        return progress

    def _match(self, line: bytes, message: Message) -> Message:
        """An answer, with the request that it belongs to closed; anything else as it is."""
        if isinstance(message, Response | ErrorResponse):
            announces_turn = self._open.pop(message.id, None)
            if announces_turn is None:
                return Junk(line, "it answers no open request")
            if announces_turn:
                self.streams.announced(message.result if isinstance(message, Response) else None)
        return message


def refusal(request: ServerRequest) -> bytes:
    """The answer to a server's request that nobody handles: an error, so that nothing counts as granted."""
    return encode_error(request.id, METHOD_NOT_FOUND, f"unsupported: this client does not handle {request.method}")
