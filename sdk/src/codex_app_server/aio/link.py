"""One WebSocket connection of an event loop, from the handshake to its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from typing import TYPE_CHECKING, cast

from codex_app_server.ending import PING_S
from codex_app_server.errors import ConnectError
from codex_app_server.remote.websocket import closing, framed, ping

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from codex_app_server.remote.address import Address
    from codex_app_server.remote.websocket import WebSocket

__all__ = ["Link"]


class Link(asyncio.Protocol):
    """A connection.

    Args:
        websocket: what is said on it.
        take: gets messages as they come.
        lost: called once, when it is over, with a clause that says why.
    """

    def __init__(self, websocket: WebSocket, take: Callable[[list[bytes]], None], lost: Callable[[str], None]) -> None:
        self._websocket = websocket
        self._take = take
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pinging: asyncio.TimerHandle | None = None
        self._was_heard = True
        self._is_paused = False
        self._reason: str | None = None

    async def open(self, address: Address, context: ssl.SSLContext | None) -> None:
        """Connect, and be taken in.

        Raises:
            ConnectError: if the server refuses.
            OSError: if it is not reached.
        """
        loop = asyncio.get_running_loop()
        if address.path:
            await loop.create_unix_connection(lambda: self, address.path)
        else:
            tls = context or (_context() if address.is_secure else None)
            await loop.create_connection(lambda: self, address.host, address.port, ssl=tls)
        await self._opened
        self._beat()

    def send(self, line: bytes) -> None:
        """Send a message, some time."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(framed(line))

    def pause(self) -> None:
        """Read no more, for a while."""
        self._is_paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    def close(self) -> None:
        """Say that this side hangs up; the other one then does."""
        if self._transport is not None and not self._transport.is_closing():
            self._reason = self._reason or "it was closed"
            self._transport.write(closing())

    def abort(self, reason: str = "it was closed") -> None:
        """Hang up, and say why."""
        if self._transport is not None:
            self._reason = self._reason or reason
            self._transport.abort()

    def forget(self) -> None:
        """Keep nothing of it open, in a forked child, and where its loop is not there any more."""
        inner = self._transport.get_extra_info("socket") if self._transport is not None else None
        if inner is None or inner.fileno() < 0:
            return
        if sys.platform == "win32":  # where nobody forks, and the number of a socket is none of a file
            with contextlib.suppress(OSError):  # it has ended by itself
                inner.shutdown(socket.SHUT_RDWR)
            return
        # The loop may close the descriptor once more: it is replaced.
        with contextlib.suppress(OSError), open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - costs an import
            os.dup2(nothing.fileno(), inner.fileno(), inheritable=False)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a connection: ask to be taken in."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._websocket.outgoing())

    def data_received(self, data: bytes) -> None:
        """Something came."""
        websocket, transport = self._websocket, cast("asyncio.Transport", self._transport)
        self._was_heard = True
        try:
            messages = websocket.receive(data)
        except (ConnectError, ValueError) as error:
            self._fail(error)
            return
        if (data := websocket.outgoing()) and not transport.is_closing():
            transport.write(data)
        if not self._opened.done() and websocket.is_open:
            self._opened.set_result(None)
        if messages:
            self._take(messages)
        if websocket.is_ending:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if self._pinging is not None:
            self._pinging.cancel()
        try:
            reason = self._reason or (str(exc) if exc is not None else self._websocket.end())
        except ConnectError as error:
            reason = str(error)
            if not self._opened.done():
                self._opened.set_exception(error)
        if not self._opened.done():
            self._opened.set_exception(exc or ConnectionError(reason))
        elif not self._opened.cancelled() and self._opened.exception() is None:
            self._lost(reason)

    def _fail(self, error: Exception) -> None:
        self._reason = str(error)
        if not self._opened.done():
            self._opened.set_exception(error)
        cast("asyncio.Transport", self._transport).abort()

    def _beat(self) -> None:
        """See now and then that the other side is there, for a network may be cut without a word."""
        if self._transport is None or self._transport.is_closing():
            return
        if not self._is_paused:
            if not self._was_heard:
                self._reason = f"the server did not answer a ping within {PING_S:g} s"
                self._transport.abort()
                return
            self._was_heard = False
            self._transport.write(ping())
        self._pinging = asyncio.get_running_loop().call_later(PING_S, self._beat)


def _context() -> ssl.SSLContext:
    import ssl

    return ssl.create_default_context()
