"""One conversation with a runtime: which bytes to send, and what the received ones mean.

The rules:

- The client numbers its requests from 1; an answer belongs to the open request with its id, and there is one answer.
- An answer without an open request, and a line that is no message, are events too (`Junk`): the driver logs them, and
  the conversation goes on.
- A request of the server must be answered, or the runtime waits forever. Whoever cannot handle one sends `refusal`,
  which grants nothing.

A `Connection` is not for several threads at once; the driver sees to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_app_server.protocol.framing import LineSplitter
from codex_app_server.protocol.messages import (
    METHOD_NOT_FOUND,
    ErrorResponse,
    Junk,
    Response,
    encode_error,
    encode_request,
    parse,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codex_app_server.protocol.messages import Message, RequestId, ServerRequest

__all__ = ["Connection", "refusal"]


class Connection:
    """The client's side of one conversation."""

    def __init__(self) -> None:
        self._lines = LineSplitter()
        self._last_id = 0
        self._open: set[RequestId] = set()

    def request(self, method: str, params: Mapping[str, object] | None) -> tuple[int, bytes]:
        """Open a request: its id, and the bytes to send.

        Raises:
            TypeError, ValueError: if JSON cannot say `params` (see `encode_request`); nothing is open then.
        """
        data = encode_request(self._last_id + 1, method, params)
        self._last_id += 1
        self._open.add(self._last_id)
        return self._last_id, data

    def forget(self, request_id: int) -> None:
        """Nobody waits for this request any more."""
        self._open.discard(request_id)

    def receive(self, data: bytes) -> list[Message]:
        """What arrived with `data`, in its order; every `Response` and `ErrorResponse` closes an open request."""
        return self._read(self._lines.feed(data))

    def end(self) -> list[Message]:
        """What was left when the bytes ended: a last line may lack its end."""
        return self._read(self._lines.end())

    def _read(self, lines: Iterable[bytes]) -> list[Message]:
        return [self._match(line, parse(line)) for line in lines if line and not line.isspace()]

    def _match(self, line: bytes, message: Message) -> Message:
        if isinstance(message, Response | ErrorResponse):
            if message.id not in self._open:
                return Junk(line, "it answers no open request")
            self._open.remove(message.id)
        return message


def refusal(request: ServerRequest) -> bytes:
    """The answer to a server's request that nobody handles: an error, so that nothing counts as granted."""
    return encode_error(request.id, METHOD_NOT_FOUND, f"unsupported: this client does not handle {request.method}")
