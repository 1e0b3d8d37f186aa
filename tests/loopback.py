"""A web server on 127.0.0.1 that does what a test wants, faults included, and remembers what it was asked.

An *app* is a function from a `Request` to a `Reply`: what the server says when all is well. *Faults* stand beside it:
functions from the reply it would give to the one it gives, each used for one request::

    with Loopback(Files({"/archive": data})) as server:
        server.fail("/archive", status(500), cut_at(0.6))
        ...
        assert [exchange.request.headers.get("range") for exchange in server.exchanges] == [None, None, "bytes=…-"]

Leaving the block ends every connection and every thread, so nothing outlives a test.
"""

from __future__ import annotations

import http.server
import json
import re
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

__all__ = [
    "App",
    "Exchange",
    "Fault",
    "Files",
    "Loopback",
    "Reply",
    "Request",
    "cut_at",
    "file_reply",
    "held_at",
    "instead",
    "json_reply",
    "silent",
    "status",
    "trickling",
    "well",
]

_PIECE = 1 << 16
_STOP_S = 10.0


@dataclass(frozen=True)
class Request:
    """What a client asked.

    Attributes:
        path: the path as it was sent, without the query.
        query: what follows the question mark.
        headers: by lower-case name.
    """

    path: str
    query: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """What the server says, and how.

    Attributes:
        status: the HTTP status.
        body: the bytes after the headers.
        headers: beside ``Content-Length``.
        announced: the ``Content-Length``, if it is not the body's; negative for none, then the end of the connection
            ends the body.
        cut_after: how many bytes of the body are sent before the connection is closed; `None` for all.
        hold: waited for after `hold_after` bytes of the body.
        hold_after: see `hold`.
        piece: how many bytes are sent at a time.
        pause_s: the time between two pieces, in seconds.
        is_silent: whether nothing at all is sent until the server stops.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    announced: int | None = None
    cut_after: int | None = None
    hold: threading.Event | None = None
    hold_after: int = 0
    piece: int = _PIECE
    pause_s: float = 0.0
    is_silent: bool = False


App = Callable[[Request], Reply]
Fault = Callable[[Reply], Reply]


@dataclass
class Exchange:
    """A request and what came of it.

    Attributes:
        request: what was asked.
        status: the status that was sent, 0 for none.
        sent: how many bytes of the body were handed to the connection, at most one piece more than went through.
    """

    request: Request
    status: int = 0
    sent: int = 0


def json_reply(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON document."""
    kind = {"Content-Type": "application/json; charset=utf-8"}
    return Reply(status, json.dumps(value).encode(), {**kind, **(headers or {})})


def file_reply(request: Request, data: bytes) -> Reply:
    """A file, or the part of it that a ``Range: bytes=N-`` or ``bytes=N-M`` asks for (RFC 9110)."""
    kind = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
    ranged = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if ranged is None:
        return Reply(200, data, kind)
    begin = int(ranged[1])
    if begin >= len(data):
        return Reply(416, b"", {**kind, "Content-Range": f"bytes */{len(data)}"})
    end = min(int(ranged[2]) + 1, len(data)) if ranged[2] else len(data)
    return Reply(206, data[begin:end], {**kind, "Content-Range": f"bytes {begin}-{end - 1}/{len(data)}"})


@dataclass
class Files:
    """An app: files by their paths.

    Attributes:
        files: what is served.
        ranges: whether ranges are honoured; if not, every answer is the whole file.
    """

    files: dict[str, bytes]
    ranges: bool = True

    def __call__(self, request: Request) -> Reply:
        data = self.files.get(request.path)
        if data is None:
            return Reply(404, b"no such file")
        return file_reply(request, data) if self.ranges else Reply(200, data)


def well(reply: Reply) -> Reply:
    """No fault: lets one request through, so that the next fault meets the one after it."""
    return reply


def instead(reply: Reply) -> Fault:
    """Another reply."""
    return lambda _: reply


def status(code: int, headers: Mapping[str, str] | None = None) -> Fault:
    """An error status."""
    return instead(Reply(code, HTTPStatus(code).phrase.encode(), headers or {}))


def cut_at(share: float) -> Fault:
    """The connection is closed when this share of the body was sent."""
    return lambda reply: replace(reply, cut_after=int(len(reply.body) * share))


def held_at(share: float, hold: threading.Event) -> Fault:
    """The body stops after this share of it, until the event is set."""
    return lambda reply: replace(reply, hold=hold, hold_after=int(len(reply.body) * share))


def trickling(piece: int, pause_s: float) -> Fault:
    """So few bytes at a time, with pauses between them."""
    return lambda reply: replace(reply, piece=piece, pause_s=pause_s)


def silent(reply: Reply) -> Reply:
    """Not a byte."""
    return replace(reply, is_silent=True)


class Loopback:
    """The server; a context manager.

    Args:
        app: what it says.
        tls: the context for HTTPS; plain HTTP if not given.
    """

    def __init__(self, app: App, *, tls: ssl.SSLContext | None = None) -> None:
        self.app = app
        self.exchanges: list[Exchange] = []
        self._scheme = "https" if tls else "http"
        self._faults: list[tuple[str, deque[Fault]]] = []
        self._guard = threading.Lock()
        self._server = _Server(self, tls)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="loopback")

    def __enter__(self) -> Loopback:  # noqa: PYI034 - there are no subclasses
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def host(self) -> str:
        """The host and the port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """The root, without a slash at the end."""
        return f"{self._scheme}://{self.host}"

    @property
    def requests(self) -> list[Request]:
        """What was asked so far."""
        return [exchange.request for exchange in self.exchanges]

    @property
    def ranges(self) -> list[str | None]:
        """The ``Range`` of each request so far."""
        return [request.headers.get("range") for request in self.requests]

    @property
    def sent(self) -> int:
        """How many bytes of good answers' bodies were sent so far."""
        return sum(exchange.sent for exchange in self.exchanges if exchange.status in {200, 206})

    def asked(self, path: str) -> list[Exchange]:
        """The exchanges about one path."""
        return [exchange for exchange in self.exchanges if exchange.request.path == path]

    def fail(self, path: str, *faults: Fault) -> None:
        """Use each fault for one request whose path contains `path`; then all is well again."""
        with self._guard:
            self._faults.append((path, deque(faults)))

    def stop(self) -> None:
        """End every connection and thread.

        Raises:
            AssertionError: if the app failed.
        """
        self._server.stop()
        self._thread.join(_STOP_S)
        assert not self._thread.is_alive(), "the server does not stop"
        assert not self._server.problems, f"the server's app failed: {self._server.problems}"

    def answer(self, request: Request) -> tuple[Exchange, Reply]:
        """Note a request and find the reply to it."""
        exchange = Exchange(request)
        with self._guard:
            self.exchanges.append(exchange)
            fault = next((faults.popleft() for path, faults in self._faults if faults and path in request.path), well)
        return exchange, fault(self.app(request))


class _Server(http.server.ThreadingHTTPServer):
    """Threads that are joined at the end, and connections that can all be ended."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, owner: Loopback, tls: ssl.SSLContext | None) -> None:
        self.owner = owner
        self.problems: list[BaseException] = []
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)
        self._tls = tls

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self._tls is None:
            super().finish_request(request, client_address)
            return
        # On the connection's own thread: a client that does not trust us must not hold up the others.
        with self._tls.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        problem = sys.exc_info()[1]
        if problem is not None and not isinstance(problem, OSError):  # clients may leave at any time
            self.problems.append(problem)

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has just ended by itself
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else what is short waits until what was sent before it has been received

    def do_GET(self) -> None:
        server = cast("_Server", self.server)
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        exchange, reply = server.owner.answer(Request(path, query, headers))
        if reply.is_silent:
            server.stopping.wait()
            self.close_connection = True
            return
        exchange.status = reply.status
        self.send_response(reply.status)
        length = len(reply.body) if reply.announced is None else reply.announced
        headers = {"Content-Length": str(length), **reply.headers} if length >= 0 else {"Connection": "close"}
        for name, value in {**headers, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self._send(reply, exchange, server.stopping)
        if reply.cut_after is not None or length != len(reply.body):
            self.close_connection = True

    def do_HEAD(self) -> None:
        self.do_GET()

    def _send(self, reply: Reply, exchange: Exchange, stopping: threading.Event) -> None:
        body = reply.body[: reply.cut_after]
        while exchange.sent < len(body) and not stopping.is_set():
            end = exchange.sent + reply.piece
            if reply.hold is not None and not reply.hold.is_set():
                if exchange.sent >= reply.hold_after:
                    _wait_for_either(reply.hold, stopping)
                    continue
                end = min(end, reply.hold_after)
            piece = body[exchange.sent : end]
            exchange.sent += len(piece)  # first, so that no client can know more than we do
            self.wfile.write(piece)
            if reply.pause_s:
                stopping.wait(reply.pause_s)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name for it
        pass


def _wait_for_either(one: threading.Event, other: threading.Event) -> None:
    while not one.wait(0.02):
        if other.is_set():
            return
