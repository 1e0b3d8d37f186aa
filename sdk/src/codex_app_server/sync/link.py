"""One WebSocket connection for threads, from the handshake to its end: one thread reads, another one writes."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from typing import TYPE_CHECKING

from codex_app_server.ending import PING_S
from codex_app_server.errors import ConnectError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from codex_app_server.remote.address import Address
    from codex_app_server.remote.websocket import WebSocket

__all__ = ["Link"]

_READ_SIZE = 64 * 1024


class Link:
    """A connection, made and taken in.

    Args:
        address: of whom.
        websocket: what is said on it.
        context: how TLS is spoken, if it is.
        timeout: how long that may take, in seconds.
        making: is told of each socket before it connects; who shuts it down ends this.

    Raises:
        ConnectError: if the server is not reached in time, or refuses. What `making` raises comes through.
    """

    def __init__(
        self,
        address: Address,
        websocket: WebSocket,
        context: ssl.SSLContext | None,
        timeout: float,
        making: Callable[[socket.socket], None],
    ) -> None:
        self._websocket = websocket
        self._early: list[bytes] = []
        end = time.monotonic() + timeout
        try:
            self._socket = _connected(address, end, making)
            try:
                self._tls = _Tls(self._socket, context, address.host, end) if address.is_secure else None
                self.write(websocket.outgoing())
                while not websocket.is_open:
                    _limit(self._socket, end)
                    self._early += self._receive()
                self._socket.settimeout(PING_S)
            except BaseException:
                self._socket.close()
                raise
        except TimeoutError:
            raise ConnectError(f"cannot connect to {address.url} within {timeout:g} s") from None
        except EOFError:
            raise ConnectError(f"cannot connect to {address.url}: it hung up in the handshake") from None
        except OSError as error:
            raise ConnectError(f"cannot connect to {address.url}: {error}") from error

    def read(self) -> list[bytes]:
        """Wait for messages: perhaps none. For one thread.

        Raises:
            EOFError: if it is over, with a clause that says why.
            OSError: if it broke.
            LineTooLongError: if a message is too long.
        """
        if early := self._early:
            self._early = []
            return early
        return self._receive()

    def is_readable(self, seconds: float) -> bool:
        """Whether more comes within so many seconds."""
        if not hasattr(select, "poll"):  # on Windows
            return bool(select.select([self._socket], [], [], seconds)[0])
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(seconds * 1_000))

    def outgoing(self) -> bytes:
        """What has to be written now, for what was read asks for it."""
        return self._websocket.outgoing()

    def write(self, data: bytes) -> None:
        """Send, and wait until the system has it. For one thread.

        Raises:
            OSError: if it broke, or the other side takes nothing for `PING_S` seconds.
        """
        rest = memoryview(data if self._tls is None else self._tls.wrapped(data))
        while rest:
            rest = rest[self._socket.send(rest) :]

    def hang_up(self) -> None:
        """End it, for who reads and who writes; from any thread."""
        with contextlib.suppress(OSError):  # it has ended by itself
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the socket, once nobody is at it; in a forked child too."""
        self._socket.close()

    def _receive(self) -> list[bytes]:
        if self._websocket.is_ending or not (data := self._socket.recv(_READ_SIZE)):
            raise EOFError(self._websocket.end())
        if self._tls is not None:
            data = self._tls.unwrapped(data)
        return self._websocket.receive(data) if data else []


class _Tls:
    """TLS for two threads at once, which a socket of the standard library is not made for.

    Args:
        connected: the socket.
        context: how; None is the default.
        host: who must be there.
        end: until when the handshake may take.
    """

    def __init__(self, connected: socket.socket, context: ssl.SSLContext | None, host: str, end: float) -> None:
        import ssl

        context = context or ssl.create_default_context()
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._in, self._out, server_hostname=host)
        self._no_more = (ssl.SSLWantReadError, ssl.SSLZeroReturnError)  # for now, and for ever
        self._lock = threading.Lock()  # for the client's own two threads, and never held while one waits
        while True:
            try:
                self._object.do_handshake()
                break
            except ssl.SSLWantReadError:
                _limit(connected, end)
                connected.sendall(self._out.read())
                if not (data := connected.recv(_READ_SIZE)):
                    raise EOFError from None
                self._in.write(data)
        connected.sendall(self._out.read())

    def unwrapped(self, data: bytes) -> bytes:
        """What came, in the clear."""
        parts = []
        with self._lock:
            self._in.write(data)
            with contextlib.suppress(*self._no_more):
                while part := self._object.read(_READ_SIZE):
                    parts.append(part)
        return b"".join(parts)

    def wrapped(self, data: bytes) -> bytes:
        """What to send, for what has to be said."""
        with self._lock:
            if data:
                self._object.write(data)
            return self._out.read()


def _limit(connected: socket.socket, end: float) -> None:
    """Have each step on a socket end by then.

    Raises:
        TimeoutError: if it is too late for any.
    """
    if (left := end - time.monotonic()) <= 0:
        raise TimeoutError
    connected.settimeout(left)


def _connected(address: Address, end: float, making: Callable[[socket.socket], None]) -> socket.socket:
    """A socket that is connected by then, to the first of the host's addresses that takes it."""
    if address.path:
        return _socket(socket.AF_UNIX, address.path, end, making)
    failed: OSError | None = None
    for family, _, _, _, name in socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM):
        try:
            found = _socket(family, name, end, making)
        except OSError as error:
            failed = error
        else:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return found
    raise failed or OSError("the host has no address")


def _socket(
    family: int, name: str | tuple[object, ...], end: float, making: Callable[[socket.socket], None]
) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        making(made)
        _limit(made, end)
        made.connect(name)
    except BaseException:
        made.close()
        raise
    return made
