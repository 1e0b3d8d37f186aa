"""An embedded model server: real turns of the real runtime, with no account and no network.

It listens on 127.0.0.1 in threads of its own, gives scripted answers in order, and keeps the requests it got. A script
that is wrong is its author's mistake, not the model's: the turn fails with the author's error, which is also raised
where the ``with`` block ends.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import traceback
from collections import deque
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codex_app_server.config import AppServerConfig
from codex_app_server.testing import code_mode
from codex_app_server.testing.answers import Failure, Pause, Text, checked, events_of
from codex_app_server.testing.requests import ModelRequest
from codex_app_server.timeouts import seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import TypeAlias

    from typing_extensions import Self

    from codex_app_server.testing.answers import Answer
    from codex_app_server.testing.code_mode import ToolMode

    Script: TypeAlias = Answer | Callable[[ModelRequest], Answer]

__all__ = ["ModelServer", "said"]

_CONFIG = """\
model = "{model}"
model_provider = "embedded"
[model_providers.embedded]
name = "embedded"
base_url = "{url}/v1"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
[analytics]
enabled = false
[skills.bundled]
enabled = false  # written into each home
[features]
plugins = false  # looked for at GitHub
shell_snapshot = false  # of a login shell, in each thread
"""

_DONE = Text("Done.")

_MISTAKE = 400
"""The status that the runtime does not try again, and whose message it passes on."""


class ModelServer:
    """A model that says what a test wants.

        with ModelServer(Text("Hello.")) as model, Codex(model.config()) as codex:
            ...

    Args:
        *answers: the answers, one for each request, in order. Each is an answer, or a function that is called with the
            request and returns one.
        default: the answer to every request after these.
        mode: how the runtime of `config` gives tools to the model: ``"direct"``, each by itself, or ``"code"``, as
            functions of one tool that runs JavaScript, as it does for most models of its catalogue. You script the
            same answers for both; a test may run in each of `TOOL_MODES`.

    Raises:
        ValueError: if there is no such mode.
        TypeError: if something is no answer. If a function raises, or returns something that is no answer, that is
            raised at the end of the ``with`` block.
    """

    def __init__(self, *answers: Script, default: Script = _DONE, mode: ToolMode = "direct") -> None:
        if mode not in code_mode.MODELS:
            raise ValueError(f"mode must be one of {', '.join(code_mode.TOOL_MODES)}, not {mode!r}")
        self._model = code_mode.MODELS[mode]
        self._answers: deque[Script] = deque(map(_checked, answers))
        self._default = _checked(default)
        self._mistake: BaseException | None = None
        self._requests: list[ModelRequest] = []
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._homes: list[Path] = []
        self._process_id = os.getpid()
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="codex model server", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The address where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def requests(self) -> list[ModelRequest]:
        """All requests so far, oldest first."""
        with self._changed:
            return list(self._requests)

    @property
    def last(self) -> ModelRequest:
        """The last request.

        Raises:
            AssertionError: if there was no request yet.
        """
        requests = self.requests
        if not requests:
            raise AssertionError("the model was not asked anything")
        return requests[-1]

    def assert_used_up(self) -> None:
        """Check that every scripted answer was asked for.

        Raises:
            AssertionError: if some were not; the message says which.
        """
        with self._changed:
            left = list(self._answers)
        if left:
            asked = len(self.requests)
            raise AssertionError(f"after {asked} requests of the runtime these answers were not asked for: {left}")

    def add(self, *answers: Script) -> None:
        """Add answers, behind those that are left; raises what the constructor does."""
        more = [_checked(answer) for answer in answers]
        with self._changed:
            self._answers.extend(more)

    def wait_for_requests(self, count: int, timeout_s: float = 10.0) -> list[ModelRequest]:
        """Wait until there were `count` requests, and return all requests so far.

        Raises:
            TimeoutError: if that does not happen within `timeout_s` seconds.
            ValueError, TypeError: if `timeout_s` is no number of seconds from 0 on.
        """
        timeout_s = seconds(timeout_s, "timeout_s")
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._requests) >= count, timeout_s):
                raise TimeoutError(f"there were {len(self._requests)} requests within {timeout_s:g} s, not {count}")
            return list(self._requests)

    def config(self, *, env: Mapping[str, str | None] | None = None, **options: Any) -> AppServerConfig:
        """A configuration whose runtime has an empty home of its own and asks this model.

        Each call makes a new home. Nothing of your own home reaches a turn: no settings, skills, agents or
        ``AGENTS.md``, and no profile of the shell. The skills that Codex brings along are left out too. No other host
        is asked for anything, so there are no plugins, unless ``features`` says otherwise.

        Args:
            env: more variables for the runtime; None removes one.
            **options: other fields of `AppServerConfig`. An ``api_key`` is sent to nobody, unless there is a
                ``base_url``.

        Raises:
            RuntimeError: if the server is closed: a turn would wait for it in vain, and nobody would delete the home.
        """
        if self._stopping.is_set():
            raise RuntimeError("the ModelServer is closed: ask for a configuration within its `with` block")
        if options.get("api_key") is not None and options.get("base_url") is None:
            # A key is one for OpenAI, who would be asked.
            options["config"] = {"model_provider": "embedded", **(options.get("config") or {})}
        home = _new_home()
        self._homes.append(home)
        (home / "config.toml").write_text(_CONFIG.format(url=self.url, model=self._model), encoding="utf-8")
        person = dict.fromkeys(("HOME", "USERPROFILE"), str(home))
        own = {"CODEX_HOME": str(home), **_without_proxy({**os.environ, **(env or {})})}
        return AppServerConfig(env={**person, **(env or {}), **own}, **options)

    def close(self) -> None:
        """Stop, close all connections, and delete the homes that were made; may be called again.

        In a forked child, where the server does not run, it does nothing.
        """
        if os.getpid() != self._process_id:
            return
        self._stopping.set()
        if not sys.is_finalizing():  # then its threads are gone, and nobody would answer
            self._server.shutdown()
            self._server.hang_up()
            self._server.server_close()
            self._thread.join()
        for home in self._homes:
            shutil.rmtree(home, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        if self._mistake is not None and (error is None or isinstance(error, Exception)):
            raise self._mistake  # what else went wrong came of it, and is its context

    def _answer(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Failure | list[bytes | Pause]:
        """Keep a request; what to say, all of it, so that nothing can go wrong on the way."""
        request = ModelRequest(body, headers)
        with self._changed:
            self._requests.append(request)
            number = len(self._requests)
            script = self._answers.popleft() if self._answers else self._default
            self._changed.notify_all()
        try:
            return self._reply(request, script, f"resp_{number}")
        except BaseException as mistake:  # also those with which a test ends itself
            self._mistake = self._mistake or mistake
            what = "".join(traceback.format_exception_only(type(mistake), mistake)).strip()
            return Failure(_MISTAKE, f"the script of the ModelServer is wrong: {what}")

    def _reply(self, request: ModelRequest, script: Script, response_id: str) -> Failure | list[bytes | Pause]:
        """What to say by a script."""
        answer = checked(script(request) if callable(script) else script)
        if isinstance(answer, Failure):
            return answer
        return [*map(said, events_of(answer, response_id, code_mode.offered(request.body)))]

    def _pause(self, seconds: float) -> None:
        self._stopping.wait(seconds)


def _new_home() -> Path:
    """An empty directory."""
    return Path(tempfile.mkdtemp(prefix="codex-home-"))


def _without_proxy(environment: Mapping[str, str | None]) -> dict[str, str]:
    """The variables that keep a proxy from being asked for what is on this machine, in both spellings."""
    return {name: ",".join(filter(None, [environment.get(name), "127.0.0.1"])) for name in ("NO_PROXY", "no_proxy")}


def _checked(script: Script) -> Script:
    return script if callable(script) else checked(script)


def said(event: dict[str, object] | Pause) -> bytes | Pause:
    """An event as it goes over the wire."""
    if isinstance(event, Pause):
        return event
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # of the usual 5, many turns that begin at once would have to wait for a second try

    def __init__(self, model: ModelServer) -> None:
        self._connected: set[socket.socket] = set()
        self._serving: list[threading.Thread] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        self.model = model

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin to serve somebody, who is remembered.

        In a thread that keeps no interpreter from ending, if nobody closes the server. The base class would not wait
        for such a thread in `server_close`.
        """
        self._connected.add(request)
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        self._serving = [each for each in self._serving if each.is_alive()]
        self._serving.append(thread)
        thread.start()

    def server_close(self) -> None:
        """Wait for those who are being served, too."""
        super().server_close()
        for each in self._serving:
            each.join()

    def shutdown_request(self, request: Any) -> None:
        """Somebody was served."""
        self._connected.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Have done with whoever is still there."""
        for connection in list(self._connected):
            with suppress(OSError):  # it has hung up itself
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A runtime that hangs up in the middle is no error here."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.0"  # the end of the answer is the end of the connection
    disable_nagle_algorithm = True  # else what is short waits until what was sent before it has been received
    timeout = 30

    def do_GET(self) -> None:
        if self._is_for_us():
            self._send(200, {"data": [], "models": []})

    def do_POST(self) -> None:
        if not self._is_for_us():
            return
        try:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        except ValueError as error:
            self._send(400, {"error": {"message": f"the request cannot be read: {error}"}})
            return
        if not self.path.endswith("/responses"):
            self._send(404, {"error": {"message": f"{self.path} is not served here"}})
            return
        headers = {name.lower(): text for name, text in self.headers.items()}
        answer = self.server.model._answer(body, headers)  # noqa: SLF001 - the two are one thing
        if isinstance(answer, Failure):
            said = {"message": answer.message, "code": answer.code, "type": answer.code}
            self._send(answer.status, {"error": said}, answer.headers)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for each in answer:
            if isinstance(each, Pause):
                self.server.model._pause(each.seconds)  # noqa: SLF001
            else:
                self.wfile.write(each)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """Say nothing."""

    def _is_for_us(self) -> bool:
        """Whether it was this machine that was asked for; else a page in a browser may be behind it, and is refused."""
        port = self.server.server_port
        if self.headers.get("Host") in {f"127.0.0.1:{port}", f"localhost:{port}"}:
            return True
        self._send(403, {"error": {"message": "the header Host names another machine"}})
        return False

    def _send(self, status: int, value: object, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)
