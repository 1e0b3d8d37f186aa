"""An embedded model server: real turns of the real runtime, with no account and no network.

It listens on 127.0.0.1 in threads of its own, gives scripted answers in order, and keeps the requests it got.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codex_app_server.config import AppServerConfig
from codex_app_server.testing.answers import Failure, Pause, Text, events_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import TypeAlias

    from typing_extensions import Self

    from codex_app_server.testing.answers import Answer

    Script: TypeAlias = Answer | Callable[["ModelRequest"], Answer]

__all__ = ["ModelRequest", "ModelServer"]

_CONFIG = """\
model = "gpt-5"
model_provider = "embedded"
[model_providers.embedded]
name = "embedded"
base_url = "{url}/v1"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
[analytics]
enabled = false
"""

_DONE = Text("Done.")


@dataclass(frozen=True)
class ModelRequest:
    """What the runtime asked of the model.

    Attributes:
        body: the request, as plain JSON values.
    """

    body: Mapping[str, Any]

    @property
    def texts(self) -> list[str]:
        """The texts of the user in it, oldest first; what the runtime adds of itself is among them."""
        return [
            part["text"]
            for item in self.body.get("input", [])
            if item.get("role") == "user"
            for part in item.get("content", [])
            if "text" in part
        ]

    @property
    def tool_outputs(self) -> dict[str, Any]:
        """What tools gave back, by the id of their call."""
        return {
            item["call_id"]: item.get("output")
            for item in self.body.get("input", [])
            if item.get("type") == "function_call_output"
        }


class ModelServer:
    """A model that says what a test wants.

    Args:
        *answers: what to answer, one a request; each an answer, or a function from the request to one.
        default: what to answer when those are used up.
    """

    def __init__(self, *answers: Script, default: Script = _DONE) -> None:
        self._answers: deque[Script] = deque(answers)
        self._default = default
        self._requests: list[ModelRequest] = []
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._homes: list[Path] = []
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="codex model server", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def requests(self) -> list[ModelRequest]:
        """What it was asked so far, oldest first."""
        with self._changed:
            return list(self._requests)

    def add(self, *answers: Script) -> None:
        """Script more answers."""
        with self._changed:
            self._answers.extend(answers)

    def wait_for_requests(self, count: int, timeout_s: float = 10.0) -> list[ModelRequest]:
        """Wait until it was asked so often.

        Raises:
            TimeoutError: if that does not happen in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._requests) >= count, timeout_s):
                raise TimeoutError(f"there were {len(self._requests)} requests within {timeout_s:g} s, not {count}")
            return list(self._requests)

    def config(self, *, env: Mapping[str, str | None] | None = None, **options: Any) -> AppServerConfig:
        """A configuration whose runtime has an empty home of its own and asks this model.

        Args:
            env: more variables for the runtime; None takes one away.
            **options: other fields of `AppServerConfig`.
        """
        home = Path(tempfile.mkdtemp(prefix="codex-home-"))
        self._homes.append(home)
        (home / "config.toml").write_text(_CONFIG.format(url=self.url), encoding="utf-8")
        own = {"CODEX_HOME": str(home), **_without_proxy({**os.environ, **(env or {})})}
        return AppServerConfig(env={**(env or {}), **own}, **options)

    def close(self) -> None:
        """Stop, and delete the homes that were made; may be called again."""
        self._stopping.set()
        self._server.shutdown()
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

    def _answer(self, body: Mapping[str, Any]) -> tuple[int, Answer]:
        """Keep a request; its number, and what to say."""
        request = ModelRequest(body)
        with self._changed:
            self._requests.append(request)
            number = len(self._requests)
            script = self._answers.popleft() if self._answers else self._default
            self._changed.notify_all()
        return number, script(request) if callable(script) else script

    def _pause(self, seconds: float) -> None:
        self._stopping.wait(seconds)


def _without_proxy(environment: Mapping[str, str | None]) -> dict[str, str]:
    """The variables that keep a proxy from being asked for what is on this machine, in both spellings."""
    return {name: ",".join(filter(None, [environment.get(name), "127.0.0.1"])) for name in ("NO_PROXY", "no_proxy")}


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # `server_close` waits for them
    block_on_close = True

    def __init__(self, model: ModelServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.model = model

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A runtime that hangs up in the middle is no error here."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.0"  # the end of the answer is the end of the connection
    timeout = 30

    def do_GET(self) -> None:
        self._send(200, {"data": [], "models": []})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if not self.path.endswith("/responses"):
            self._send(404, {"error": {"message": f"{self.path} is not served here"}})
            return
        number, answer = self.server.model._answer(body)  # noqa: SLF001 - the two are one thing
        if isinstance(answer, Failure):
            error = {"message": answer.message, "code": answer.code, "type": answer.code}
            self._send(answer.status, {"error": error}, answer.headers)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for event in events_of(answer, f"resp_{number}"):
            if isinstance(event, Pause):
                self.server.model._pause(event.seconds)  # noqa: SLF001
                continue
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """Say nothing."""

    def _send(self, status: int, value: object, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)
