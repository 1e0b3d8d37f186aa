"""One WebSocket connection to an app-server, without any I/O: bytes in, messages out, and the other way round.

The package ``websockets`` does the handshake, control frames, fragments and whatever is odd; the masses are cut apart
by `protocol.frames`. One text message is one JSON object. Nothing is compressed, there is no Origin, and what a message
says is never logged here, the token least of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_app_server._log import logger
from codex_app_server.errors import ConnectError
from codex_app_server.extras import lacking
from codex_app_server.protocol.frames import FrameSplitter

try:
    from websockets.client import ClientProtocol
    from websockets.exceptions import InvalidStatus
    from websockets.frames import Close, Frame, Opcode
    from websockets.protocol import State
    from websockets.uri import parse_uri
except ImportError as error:
    raise lacking("ws", error) from error

if TYPE_CHECKING:
    from codex_app_server.remote.address import Address

__all__ = ["WebSocket", "closing", "framed", "ping"]

_MOST_HEAD = 64 << 10
_END_OF_HEAD = b"\r\n\r\n"
_SHOWN = 200
_REFUSED = {401, 403}


def framed(line: bytes) -> bytes:
    """A message as it goes over the wire."""
    return Frame(Opcode.TEXT, line).serialize(mask=True)


def closing() -> bytes:
    """The word that this side is about to hang up."""
    return Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=True)


def ping() -> bytes:
    """The question whether anybody is there."""
    return Frame(Opcode.PING, b"").serialize(mask=True)


class WebSocket:
    """The client's side of a connection.

    Args:
        address: of whom.
        token: what to show, if anything.
        longest: how long a message may be, in bytes.

    Attributes:
        is_open: whether the server has taken this client in.
    """

    def __init__(self, address: Address, token: str | None, longest: int) -> None:
        self._address = address
        quiet = logger().getChild("websocket")
        quiet.disabled = True  # it would log headers, with the token
        self._protocol = ClientProtocol(parse_uri(address.websocket_url), max_size=longest, logger=quiet)
        request = self._protocol.connect()
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        self._protocol.send_request(request)
        self._splitter = FrameSplitter(self._odd, longest)
        self._head = b""
        self._parts: list[bytes] = []
        self.is_open = False

    def receive(self, data: bytes) -> list[bytes]:
        """The messages that are complete with what came.

        Raises:
            ConnectError: if the server did not take this client in.
            LineTooLongError: if a message is too long.
        """
        if self.is_open:
            return self._splitter.feed(data)
        self._head += data
        head, end, rest = self._head.partition(_END_OF_HEAD)
        if not end and len(head) < _MOST_HEAD:
            return []
        self._protocol.receive_data(head + end)
        self._check()
        if self._protocol.state is State.OPEN:
            self.is_open = True
            return self._splitter.feed(rest)
        self._head = b""
        self._protocol.receive_data(rest)
        self._check()
        return []

    def end(self) -> str:
        """The bytes ended: a clause that says why, as far as the server said it.

        Raises:
            ConnectError: if it never took this client in.
        """
        self._protocol.receive_eof()
        self._check()
        if (said := self._protocol.close_rcvd) is not None:
            return f"it was closed by the server ({said})"
        if (wrong := self._protocol.parser_exc) is not None and not isinstance(wrong, EOFError):
            return f"it was closed, because what the server sent breaks the rules of WebSocket: {wrong}"
        return "the server closed it, and did not say why"

    def outgoing(self) -> bytes:
        """What has to be sent now, besides messages."""
        return b"".join(self._protocol.data_to_send())

    @property
    def is_ending(self) -> bool:
        """Whether nothing more will come, for one side said so, or broke the rules."""
        return self._protocol.state is not State.OPEN and self.is_open

    def _odd(self, frame: bytes) -> list[bytes]:
        """Have a frame read that is no whole text: a control frame, or a part of a message."""
        self._protocol.receive_data(frame)
        messages: list[bytes] = []
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._parts.append(bytes(event.data))
                if event.fin:
                    messages.append(b"".join(self._parts))
                    self._parts = []
        return messages

    def _check(self) -> None:
        error = self._protocol.handshake_exc
        if error is None:
            return
        if not isinstance(error, InvalidStatus):
            raise ConnectError(
                f"cannot connect to {self._address.url}: no app-server answers there: {error}"
            ) from error
        status = error.response.status_code
        said = bytes(error.response.body or b"")[:_SHOWN].decode(errors="replace").strip()
        advice = "; see `AppServerConfig.token`" if status in _REFUSED else ""
        raise ConnectError(
            f"{self._address.url} refuses this client: {said or 'it does not say why'} (HTTP status {status}){advice}",
            status=status,
        )
