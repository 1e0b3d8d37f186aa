"""The client for threads: calls go out from any number of them, one reader brings the answers back.

Every waiting call has a queue of its own, into which exactly one thing is put: its answer, or the end of the
connection. What an answer means, and which call it belongs to, is decided in `protocol`; how bytes travel, in
`transport`.
"""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from codex_app_server._log import logger
from codex_app_server.config import AppServerConfig
from codex_app_server.errors import JsonRpcError, RequestTimeoutError, StartupTimeoutError, TransportClosedError
from codex_app_server.protocol.connection import Connection, refusal
from codex_app_server.protocol.handshake import InitializeResult, initialize_params
from codex_app_server.protocol.messages import ErrorResponse, Junk, Response, ServerRequest, encode_notification
from codex_app_server.runtime import launch_command, launch_environment
from codex_app_server.transport.stdio import Ending, StdioTransport

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType
    from typing import TypeAlias

    from typing_extensions import Self

    from codex_app_server.protocol.messages import JsonValue, Message

    _Waiter: TypeAlias = SimpleQueue[Response | ErrorResponse | Ending]

__all__ = ["AppServerClient"]


class AppServerClient:
    """A running Codex app-server, and the calls to it.

    The constructor starts the runtime and does the handshake; `close`, or the end of a ``with`` block, stops it. All
    methods may be called from any thread, and by many at once.

    Args:
        config: how to start it; without it, the installed runtime with its own settings.

    Raises:
        RuntimeNotFoundError: if there is no runtime.
        RuntimeStartError: if it cannot be started.
        StartupTimeoutError: if it does not answer ``initialize`` in time.
        TransportClosedError: if it ends before it answers.
        JsonRpcError: if it refuses the handshake.
    """

    def __init__(self, config: AppServerConfig | None = None) -> None:
        self._config = config or AppServerConfig()
        self._lock = threading.Lock()  # guards the three below
        self._connection = Connection()
        self._waiting: dict[int | str, _Waiter] = {}
        self._ending: Ending | None = None
        self._transport = StdioTransport(
            launch_command(self._config),
            cwd=self._config.cwd,
            env=launch_environment(self._config),
            receive=self._receive,
            ended=self._ended,
        )
        try:
            self._transport.start()
            self._metadata = self._initialize()
        except BaseException:
            self.close()
            raise

    @property
    def metadata(self) -> InitializeResult:
        """What the runtime said of itself in the handshake."""
        return self._metadata

    def request(self, method: str, params: Mapping[str, object] | None = None) -> JsonValue:
        """Call a protocol method by its name, and wait for the result.

        Args:
            method: e.g. ``model/list``.
            params: its parameters, of JSON values; with None none are sent, which most methods do not take: where
                all of them are optional, that is ``{}``.

        Raises:
            JsonRpcError: if the runtime answers with an error.
            RequestTimeoutError: if `AppServerConfig.request_timeout_s` passes; it is a `TimeoutError` too.
            TransportClosedError: if the runtime ends, or the client is or gets closed.
            TypeError, ValueError: if JSON cannot say `params`; nothing is sent then.
        """
        return self._call(method, params, self._config.request_timeout_s)

    def close(self) -> None:
        """End every waiting call with `TransportClosedError`, and stop the runtime.

        May be called again, and from any thread. Returns when the process is gone; this takes about 10 ms, or some
        seconds if it has to be forced.
        """
        self._end(Ending("the client was closed"))
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _initialize(self) -> InitializeResult:
        config = self._config
        params = initialize_params(
            name=config.client_name,
            title=config.client_title,
            version=config.client_version or _package_version(),
            experimental_api=config.experimental_api,
        )
        try:
            answer = self._call("initialize", params, config.startup_timeout_s)
        except RequestTimeoutError:
            raise StartupTimeoutError(
                f"the runtime did not answer initialize within {config.startup_timeout_s:g} s",
                stderr_tail=self._transport.stderr_tail,
            ) from None
        self._transport.send(encode_notification("initialized"))
        return InitializeResult.from_answer(answer, client_name=config.client_name)

    def _call(self, method: str, params: Mapping[str, object] | None, timeout: float | None) -> JsonValue:
        waiter: _Waiter = SimpleQueue()
        with self._lock:
            if self._ending is not None:
                raise _closed(f"{method} was not sent", self._ending) from self._ending.failure
            request_id, data = self._connection.request(method, params)
            self._waiting[request_id] = waiter
        try:
            self._transport.send(data)
            outcome = waiter.get(timeout=timeout)
        except BaseException as error:  # its time is up, or Ctrl-C: either way nobody will look into the queue again
            with self._lock:
                self._connection.forget(request_id)
                self._waiting.pop(request_id, None)
            if isinstance(error, Empty):
                raise RequestTimeoutError(f"{method} got no answer within {timeout:g} s") from None
            raise
        if isinstance(outcome, Response):
            return outcome.result
        if isinstance(outcome, ErrorResponse):
            raise JsonRpcError(outcome.code, outcome.message, outcome.data, method=method)
        raise _closed(f"{method} got no answer", outcome) from outcome.failure

    # What follows runs in the transport's threads (`_end` also in that of a caller of `close`).

    def _receive(self, data: bytes) -> None:
        with self._lock:
            messages = self._connection.receive(data)
        self._dispatch(messages)

    def _ended(self, ending: Ending) -> None:
        try:
            with self._lock:
                messages = self._connection.end()
            self._dispatch(messages)
        finally:
            self._end(ending)

    def _end(self, ending: Ending) -> None:
        with self._lock:
            self._ending = self._ending or ending
            waiters = list(self._waiting.values())
            self._waiting.clear()
        for waiter in waiters:
            waiter.put(ending)

    def _dispatch(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if isinstance(message, Response | ErrorResponse):
                with self._lock:
                    waiter = self._waiting.pop(message.id, None)
                if waiter is not None:
                    waiter.put(message)
            elif isinstance(message, ServerRequest):
                logger().warning("the runtime asked for %s, which this client does not handle: refused", message.method)
                self._transport.send(refusal(message))
            elif isinstance(message, Junk):
                logger().warning(
                    "passed over a line of the runtime's output, %s: %r", message.reason, message.line[:200]
                )


def _closed(what: str, ending: Ending) -> TransportClosedError:
    # A new one for every call: an exception that several threads raise collects the tracebacks of all.
    return TransportClosedError(f"{what}: {ending.reason}", exit_code=ending.exit_code, stderr_tail=ending.stderr_tail)


def _package_version() -> str:
    # Imported while the runtime boots, which takes longer.
    from codex_app_server._version import __version__

    return __version__
