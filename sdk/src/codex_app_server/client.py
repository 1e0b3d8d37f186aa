"""The client for threads: calls go out from any number of them, one reader brings in what the runtime says.

Every waiting call has a queue of its own, into which exactly one thing is put: its answer, or the end of the
connection. What an answer or an event means, and whose it is, is decided in `protocol`; how bytes travel, in
`transport`.

Who reads: the reader thread takes in bytes, and reads them only where somebody waits for what they may say. A consumer
that is busy finds bytes when it comes back, and reads them itself. So a stream costs no switch between threads, and
what nobody reads yet stays small: beyond `READ_AHEAD` bytes the runtime has to wait.
"""

from __future__ import annotations

import threading
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from codex_app_server._log import logger
from codex_app_server.config import AppServerConfig
from codex_app_server.errors import (
    AppServerError,
    JsonRpcError,
    RequestTimeoutError,
    StartupTimeoutError,
    TransportClosedError,
    TurnOverflowError,
)
from codex_app_server.protocol.connection import Connection, refusal
from codex_app_server.protocol.handshake import InitializeResult, initialize_params
from codex_app_server.protocol.messages import ErrorResponse, Junk, Response, ServerRequest, encode_notification
from codex_app_server.protocol.streams import turn_of
from codex_app_server.runtime import launch_command, launch_environment
from codex_app_server.transport.ending import Ending
from codex_app_server.transport.stdio import StdioTransport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType
    from typing import TypeAlias

    from typing_extensions import Self

    from codex_app_server.protocol.connection import Progress
    from codex_app_server.protocol.messages import JsonValue, Notification
    from codex_app_server.protocol.streams import Stream

    _Waiter: TypeAlias = SimpleQueue[Response | ErrorResponse | Ending]

__all__ = ["READ_AHEAD", "SLICE", "AppServerClient", "closed", "overflow", "package_version"]

READ_AHEAD = 4 << 20
"""How many bytes are kept that nobody wants to read yet."""

SLICE = 64
"""How many lines a consumer reads at a time: few enough for the garbage collector not to stir."""


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
        self._lock = threading.Lock()  # guards the four below
        self._connection = Connection(self._config.max_buffered_events)
        self._waiting: dict[int | str, _Waiter] = {}
        self._takers: dict[Stream, SimpleQueue[None]] = {}
        self._ending: Ending | None = None
        self._wanted = threading.Condition(self._lock)  # that the reader may go on
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

    def start_turn(self, method: str, params: Mapping[str, object] | None = None) -> tuple[JsonValue, Stream]:
        """Call a protocol method that begins a turn, and keep what happens in it.

        Args:
            method: ``turn/start``, or another one whose answer names a turn.
            params: its parameters.

        Returns:
            the answer, and the stream of the turn, for `take`.

        Raises:
            AppServerError: as `request`; also if the answer names no turn.
        """
        result = self._call(method, params, self._config.request_timeout_s, announces_turn=True)
        turn_id = turn_of(result)
        with self._lock:
            stream = self._connection.streams.of(turn_id) if turn_id is not None else None
        if stream is None:
            raise AppServerError(f"the answer to {method} names no turn")
        return result, stream

    def take(self, stream: Stream, timeout: float | None = None) -> deque[Notification]:
        """The next events of a turn, one at least; none when all were taken.

        Args:
            stream: of `start_turn`; one thread at a time may wait for it.
            timeout: how long to wait, in seconds; None is without limit.

        Raises:
            TurnOverflowError: if events are missing because nobody took them in time.
            TransportClosedError: if the connection ended before the turn did.
            TimeoutError: if the time is up.
        """
        while True:
            with self._lock:
                if stream.events or stream.is_complete or stream.has_overflowed or self._ending:
                    return self._taken(stream)
                if not self._connection.unread_bytes:
                    stream.wanted = True
                    taker = self._takers[stream] = SimpleQueue()
                    progress = None
                else:
                    progress = self._connection.advance(SLICE)
                    self._wanted.notify()
            if progress is not None:
                self._dispatch(progress)
                continue
            try:
                taker.get(timeout=timeout)
            except Empty:
                raise TimeoutError(f"nothing happened in turn {stream.turn_id} within {timeout:g} s") from None
            finally:
                with self._lock:
                    stream.wanted = False
                    self._takers.pop(stream, None)

    def events(self, stream: Stream) -> Iterator[Notification]:
        """The events of a turn to its end, ``turn/completed`` included; raises as `take`."""
        while batch := self.take(stream):
            yield from batch

    def drop(self, stream: Stream) -> None:
        """Nobody will take this stream's events any more."""
        with self._lock:
            self._connection.streams.close(stream)

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
            version=config.client_version or package_version(),
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

    def _call(
        self, method: str, params: Mapping[str, object] | None, timeout: float | None, *, announces_turn: bool = False
    ) -> JsonValue:
        waiter: _Waiter = SimpleQueue()
        with self._lock:
            if self._ending is not None:
                raise closed(f"{method} was not sent", self._ending) from self._ending.failure
            request_id, data = self._connection.request(method, params, announces_turn=announces_turn)
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
        raise closed(f"{method} got no answer", outcome) from outcome.failure

    def _taken(self, stream: Stream) -> deque[Notification]:
        """What a stream has; its end or its failure if it has nothing more."""
        if stream.events:
            return stream.take()
        if stream.has_overflowed:
            raise overflow(stream, self._config.max_buffered_events)
        if not stream.is_complete and self._ending is not None:
            raise closed(f"turn {stream.turn_id} did not end", self._ending) from self._ending.failure
        return deque()

    # What follows runs in the transport's threads, `_dispatch` and `_end` also in those of callers.

    def _receive(self, data: bytes) -> None:
        connection = self._connection
        with self._lock:
            connection.receive(data)
            self._wanted.wait_for(self._may_go_on)
            if self._ending or not (connection.is_urgent or self._takers):
                return
            progress = connection.advance()
        self._dispatch(progress)

    def _may_go_on(self) -> bool:
        connection = self._connection
        return bool(
            connection.unread_bytes < READ_AHEAD or connection.is_urgent or self._takers or self._ending is not None
        )

    def _ended(self, ending: Ending) -> None:
        try:
            with self._lock:
                self._connection.end()
                progress = self._connection.advance()
            self._dispatch(progress)
        finally:
            self._end(ending)

    def _end(self, ending: Ending) -> None:
        with self._lock:
            self._ending = self._ending or ending
            waiters = list(self._waiting.values())
            takers = list(self._takers.values())
            self._waiting.clear()
            self._wanted.notify_all()
        for waiter in waiters:
            waiter.put(ending)
        for taker in takers:
            taker.put(None)

    def _dispatch(self, progress: Progress) -> None:
        for stream in progress.ready:
            if taker := self._takers.get(stream):
                taker.put(None)
        for message in progress.messages:
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


def closed(what: str, ending: Ending) -> TransportClosedError:
    """The error that the connection is over."""
    # A new one for every call: an exception that several threads raise collects the tracebacks of all.
    return TransportClosedError(f"{what}: {ending.reason}", exit_code=ending.exit_code, stderr_tail=ending.stderr_tail)


def overflow(stream: Stream, limit: int) -> TurnOverflowError:
    """The error that a stream has lost events."""
    return TurnOverflowError(f"more than {limit} events of turn {stream.turn_id} waited to be read")


def package_version() -> str:
    """The version of this package, for the handshake."""
    # Imported while the runtime boots, which takes longer.
    from codex_app_server._version import __version__

    return __version__
