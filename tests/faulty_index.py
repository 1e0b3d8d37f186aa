"""A proxy on 127.0.0.1 before a real package index that makes faults on demand, and keeps a diary of what went through.

Uploads are told apart by the name of the file that they carry. Each *fault* is used for one upload, in the order they
were given::

    with FaultyIndex("http://127.0.0.1:3141") as proxy:
        proxy.fail("win_amd64", status(503), reset_halfway)
        proxy.freeze(requests=3)  # listings stay as they are now, for three more looks
        ...
        assert [each.file for each in proxy.stored] == [...]

Leaving the block ends every connection and every thread.
"""

from __future__ import annotations

import contextlib
import http.server
import re
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import httpx

if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "Entry",
    "Fault",
    "FaultyIndex",
    "Upload",
    "hang",
    "killed_after",
    "killed_before",
    "killed_halfway",
    "lost_acknowledgement",
    "reset_halfway",
    "status",
]

_TIMEOUT_S = 30.0
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-encoding", "content-length", "date", "server", "host"}
_FILE_NAME = re.compile(rb'name="content"; filename="([^"]+)"')


@dataclass(frozen=True)
class Entry:
    """A line of the diary.

    Attributes:
        file: the file that an upload carried.
        status: what the index answered, 0 for nothing.
        fault: the name of the fault that was made, empty for none.
    """

    file: str
    status: int
    fault: str = ""


@dataclass
class Upload:
    """An upload on its way.

    Attributes:
        file: the name of the file.
        body: all of the request.
        handler: the connection that it came over.
    """

    proxy: FaultyIndex
    file: str
    body: bytes
    handler: _Handler

    def passed_on(self) -> httpx.Response:
        """The index's answer to all of it."""
        return self.proxy.client.post(self.handler.path, content=self.body, headers=self.handler.kept_headers())

    def half_passed_on(self) -> None:
        """The index gets half of it, and then the end of the connection."""
        url = urlsplit(str(self.proxy.client.base_url))
        with socket.create_connection((url.hostname or "", url.port or 0), timeout=_TIMEOUT_S) as connection:
            headers = {**self.handler.kept_headers(), "Host": url.netloc, "Content-Length": str(len(self.body))}
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            start = self.body.index(b'name="content"')
            half = self.body[: (start + len(self.body)) // 2]
            connection.sendall(f"POST {self.handler.path} HTTP/1.1\r\n{head}\r\n".encode() + half)
            connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                while connection.recv(1 << 16):  # until the index has had enough of it
                    pass

    def answered(self, status: int, body: bytes = b"no") -> None:
        """The uploader gets this."""
        self.handler.reply(status, body, {"Content-Type": "text/plain"})

    def broken(self) -> None:
        """The uploader gets a reset connection."""
        connection = self.handler.connection
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.handler.close_connection = True
        self.handler.is_broken = True


Fault = Callable[[Upload], int]
"""What becomes of an upload; the status that the index itself answered, 0 if it was not asked to the end."""


def status(code: int) -> Fault:
    """The index is not asked; the uploader gets an error."""

    def answer(upload: Upload) -> int:
        upload.answered(code)
        return 0

    answer.__name__ = f"status {code}"
    return answer


def hang(upload: Upload) -> int:
    """Nobody answers."""
    upload.proxy.is_hanging.set()
    upload.proxy.stopping.wait()
    upload.broken()
    return 0


def reset_halfway(upload: Upload) -> int:
    """The connection breaks when the index has half of it."""
    upload.half_passed_on()
    upload.broken()
    return 0


def lost_acknowledgement(upload: Upload) -> int:
    """The index stores it, and the connection breaks before the uploader knows."""
    answer = upload.passed_on()
    upload.broken()
    return answer.status_code


def killed_before(upload: Upload) -> int:
    """The uploader is killed before the index gets anything."""
    upload.proxy.kill()
    return 0


def killed_halfway(upload: Upload) -> int:
    """The uploader is killed when the index has half of it."""
    upload.half_passed_on()
    upload.proxy.kill()
    return 0


def killed_after(upload: Upload) -> int:
    """The uploader is killed when the index has stored it, before it knows."""
    answer = upload.passed_on()
    upload.proxy.kill()
    return answer.status_code


@dataclass
class FaultyIndex:
    """The proxy; a context manager.

    Attributes:
        upstream: the root of the index's server, without a slash at the end.
        observe: called after each stored upload, on the thread that stored it.
        kill: what the faults that kill the uploader call.
        diary: every upload.
        looks: for every other request its path, its status, and how many uploads had been before.
    """

    upstream: str
    observe: Callable[[], None] = lambda: None
    kill: Callable[[], None] = lambda: None
    diary: list[Entry] = field(default_factory=list)
    looks: list[tuple[str, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stopping = threading.Event()
        self.is_hanging = threading.Event()
        self.client = httpx.Client(base_url=self.upstream, timeout=_TIMEOUT_S, trust_env=False)
        self._faults: list[tuple[str, deque[Fault]]] = []
        self._frozen: dict[str, httpx.Response] = {}
        self._frozen_looks = 0
        self._look_answers: deque[httpx.Response] = deque()
        self._guard = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="faulty index")

    def __enter__(self) -> FaultyIndex:  # noqa: PYI034 - there are no subclasses
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_TIMEOUT_S)
        self.client.close()
        assert not self._thread.is_alive(), "the proxy does not stop"
        assert not self._server.problems, f"the proxy failed: {self._server.problems}"

    @property
    def url(self) -> str:
        """The root, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def stored(self) -> list[str]:
        """The files that the index took, in the order of their uploads."""
        return [entry.file for entry in self.diary if entry.status == 200]

    @property
    def faults_made(self) -> list[str]:
        """The names of the faults that were made, in their order."""
        return [entry.fault for entry in self.diary if entry.fault]

    def fail(self, name: str, *faults: Fault) -> None:
        """Use each fault for one upload of a file whose name contains `name`; then all is well again."""
        with self._guard:
            self._faults.append((name, deque(faults)))

    def forget_faults(self) -> None:
        """All is well from now on."""
        with self._guard:
            self._faults.clear()
            self._look_answers.clear()

    def freeze(self, requests: int) -> None:
        """Serve every page, from its next look on, as it is then, for so many requests altogether."""
        with self._guard:
            self._frozen, self._frozen_looks = {}, requests

    def fail_looks(self, *statuses: int) -> None:
        """Answer the next requests for pages and files with these errors."""
        self.answer_looks(*(httpx.Response(each, content=b"not now") for each in statuses))

    def answer_looks(self, *answers: httpx.Response) -> None:
        """Answer the next requests for pages and files with these."""
        with self._guard:
            self._look_answers.extend(answers)

    def fault(self, name: str) -> Fault | None:
        """The fault to make of an upload."""
        with self._guard:
            return next((faults.popleft() for part, faults in self._faults if faults and part in name), None)

    def page(self, path: str, headers: dict[str, str]) -> httpx.Response:
        """What the index answers to anything but an upload, or what it answered a while ago."""
        with self._guard:
            if self._look_answers:
                return self._look_answers.popleft()
            if self._frozen_looks == 0 or "simple/" not in path:
                return self.client.get(path, headers=headers)
            self._frozen_looks -= 1
            key = f"{path} {headers.get('Accept')}"
            if key not in self._frozen:
                self._frozen[key] = self.client.get(path, headers=headers)
            return self._frozen[key]


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, owner: FaultyIndex) -> None:
        self.owner = owner
        self.problems: list[BaseException] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        problem = sys.exc_info()[1]
        if problem is not None and not isinstance(problem, OSError):  # uploaders may die at any time
            self.problems.append(problem)

    def shutdown_request(self, request: Any) -> None:
        try:
            super().shutdown_request(request)
        except OSError:
            request.close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # a connection for each request: none is left open
    disable_nagle_algorithm = True
    is_broken = False

    @property
    def proxy(self) -> FaultyIndex:
        return cast("_Server", self.server).owner

    def do_GET(self) -> None:
        answer = self.proxy.page(self.path, self.kept_headers())
        self.proxy.looks.append((self.path, answer.status_code, len(self.proxy.diary)))
        self.reply(answer.status_code, answer.content, dict(answer.headers))

    def do_HEAD(self) -> None:
        answer = self.proxy.client.head(self.path, headers=self.kept_headers())
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP - {"content-length"}:
                self.send_header(name, value)
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        found = _FILE_NAME.search(body)
        upload = Upload(self.proxy, found[1].decode() if found else "", body, self)
        fault = self.proxy.fault(upload.file)
        if fault is None:
            answer = upload.passed_on()
            stored = answer.status_code
            # Noted and observed before the uploader knows: what it does next is the next state.
            self._note(upload.file, stored, "")
            self.reply(answer.status_code, answer.content, dict(answer.headers))
        else:
            stored = fault(upload)
            self._note(upload.file, stored, fault.__name__)

    def _note(self, file: str, stored: int, fault: str) -> None:
        self.proxy.diary.append(Entry(file, stored, fault))
        if stored == 200:
            self.proxy.observe()

    def kept_headers(self) -> dict[str, str]:
        return {name: value for name, value in self.headers.items() if name.lower() not in _HOP}

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def finish(self) -> None:
        if self.is_broken:
            self.rfile.close()
            self.connection.close()
            return
        super().finish()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
