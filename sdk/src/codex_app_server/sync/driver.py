"""The driver for threads: calls go out from any number of them, one reader brings in what the runtime says.

Every waiting call has a queue of its own, into which exactly one thing is put: its answer, or the end of the
connection. What an answer or an event means, and whose it is, is decided in `protocol`; how bytes travel, in
`transport`.

Who reads: the reader thread takes in bytes, and reads them only where somebody waits for what they may say. A consumer
that is busy finds bytes when it comes back, and reads them itself. So a stream costs no switch between threads, and
what nobody reads yet stays small: beyond its `allowance` the runtime has to wait.

Where more than a `FEW` wait, a switch for every event would cost the most. Then the reader gathers what comes without
a pause, reads all of it, and the consumers are woken in a `Relay`; who comes back meanwhile waits for the next round.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from codex_app_server._log import log_skipped
from codex_app_server.config import AppServerConfig
from codex_app_server.ending import Ending
from codex_app_server.errors import (
    AppServerError,
    EventOverflowError,
    RequestTimeoutError,
    StartupTimeoutError,
    TransportClosedError,
    rpc_error,
)
from codex_app_server.handlers import Handlers
from codex_app_server.protocol.allowance import PATIENCE
from codex_app_server.protocol.connection import Connection
from codex_app_server.protocol.handshake import InitializeResult, initialize_params
from codex_app_server.protocol.messages import ErrorResponse, Junk, Response, ServerRequest, encode_notification
from codex_app_server.protocol.streams import read_events
from codex_app_server.runtime import launch_command, launch_environment
from codex_app_server.sync.transport import StdioTransport
from codex_app_server.sync.waiting import Relay, next_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from codex_app_server.protocol.connection import Progress
    from codex_app_server.protocol.messages import JsonValue, Notification
    from codex_app_server.protocol.streams import Stream, Topic

    _Waiter: TypeAlias = SimpleQueue[Response | ErrorResponse | Ending]

__all__ = ["FEW", "GATHERING_S", "SLICE", "Driver", "closed", "overflow", "package_version"]

SLICE = 64
"""How many lines a consumer reads at a time: few enough for the garbage collector not to stir."""

FEW = 8
"""How many consumers may wait for each to be woken by its next event."""

GATHERING_S = 0.005
"""How long is gathered what more wait for, in seconds; the runtime needs a moment to fill the pipe again."""

_GATHERED = 4 << 20
"""How much, in bytes: twenty events of a thousand turns."""


class Driver:
    """A running Codex app-server, for any number of threads at once.

    The constructor starts the runtime and does the handshake; `close` stops it.

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
        self.handlers = self._config.handlers or Handlers()
        self._lock = threading.Lock()  # guards the six below
        self._connection = Connection(self._config.max_buffered_events)
        self._waiting: dict[int | str, _Waiter] = {}
        self._takers: dict[Stream, SimpleQueue[None]] = {}
        self._relay = Relay()
        self._gathering_until = 0.0  # while it is not 0, the reader comes back soon, and reads on
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

    @property
    def config(self) -> AppServerConfig:
        """How it was started."""
        return self._config

    @property
    def skipped_lines(self) -> int:
        """How many lines of the runtime's output made no sense."""
        return self._connection.skipped_lines

    def call(self, method: str, params: Mapping[str, object] | None = None) -> JsonValue:
        """Call a protocol method by its name, and wait for the result.

        Args:
            method: e.g. ``model/list``.
            params: its parameters, of JSON values; with None none are sent.

        Raises:
            JsonRpcError: if the runtime answers with an error.
            RequestTimeoutError: if `AppServerConfig.request_timeout_s` passes; it is a `TimeoutError` too.
            TransportClosedError: if the runtime ends, or the client is or gets closed.
            TypeError, ValueError: if JSON cannot say `params`; nothing is sent then.
        """
        return self._call(method, params, self._config.request_timeout_s).result

    def start_turn(
        self, method: str, params: Mapping[str, object] | None = None, timeout: float | None = None
    ) -> tuple[JsonValue, Stream]:
        """Call a protocol method that begins a turn, and keep what happens in it.

        Args:
            method: ``turn/start``, or another one whose answer names a turn.
            params: its parameters.
            timeout: how long to wait for the answer, in seconds; None is as long as for any call.

        Returns:
            the answer, and the stream of the turn, for `take`. If the call is broken off, the turn is interrupted.

        Raises:
            AppServerError: as `call`; also if the answer names no turn.
        """
        limit = self._config.request_timeout_s if timeout is None else timeout
        response = self._call(method, params, limit, announces_turn=True)
        if response.stream is None:
            raise AppServerError(f"the answer to {method} names no turn")
        return response.result, response.stream

    def interrupt(self, thread_id: str, turn_id: str) -> None:
        """Have a turn stopped, without waiting for anything."""
        with self._lock:
            if self._ending is None:
                self._transport.send(self._connection.interrupt(thread_id, turn_id))

    def listen(self, topic: Topic) -> Stream:
        """What is said about something from now on, for `take`."""
        with self._lock:
            return self._connection.streams.listen(topic)

    def take(self, stream: Stream, timeout: float | None = None) -> deque[Notification]:
        """The next events of a stream, one at least; none when all were taken.

        Args:
            stream: of `start_turn` or `listen`; one thread at a time may wait for it.
            timeout: how long to wait, in seconds; None is without limit.

        Raises:
            EventOverflowError: if events are missing because nobody took them in time.
            TransportClosedError: if the connection ended before the stream did.
            TimeoutError: if the time is up.
        """
        taker: SimpleQueue[None] | None = None
        try:
            while True:
                with self._lock:
                    progress = self._left(stream, taker) if taker is not None else None
                    taker = None
                    taken = stream.take(SLICE)
                    if not taken and progress is None:
                        if self._is_over(stream):
                            return deque()
                        progress = self._read_on()
                        if progress is None:
                            taker = self._takers[stream] = SimpleQueue()
                            stream.wanted = True
                if progress is not None:
                    self._dispatch(progress)
                if taken:
                    if events := self._read(taken):
                        return events
                elif taker is not None:
                    next_in(taker, timeout)
        except Empty:
            raise TimeoutError(f"nothing happened in {stream.topic} within {timeout:g} s") from None
        finally:
            if taker is not None:  # its time is up, or Ctrl-C: whatever it was, the others must not wait for this one
                with self._lock:
                    progress = self._left(stream, taker)
                if progress is not None:
                    self._dispatch(progress)

    def drop(self, stream: Stream) -> None:
        """Nobody will take this stream's events any more; who waits for one gets the end."""
        with self._lock:
            self._connection.streams.close(stream)
            taker = self._takers.get(stream)
        if taker is not None:
            taker.put(None)

    def close(self) -> None:
        """End every waiting call with `TransportClosedError`, and stop the runtime.

        May be called again, and from any thread. Returns when the process is gone; this takes about 10 ms, or some
        seconds if it has to be forced.
        """
        self._end(Ending("the client was closed"))
        self._transport.close()

    def _initialize(self) -> InitializeResult:
        config = self._config
        params = initialize_params(
            name=config.client_name,
            title=config.client_title,
            version=config.client_version or package_version(),
            experimental_api=config.experimental_api,
        )
        try:
            answer = self._call("initialize", params, config.startup_timeout_s).result
        except RequestTimeoutError:
            raise StartupTimeoutError(
                f"the runtime did not answer initialize within {config.startup_timeout_s:g} s",
                stderr_tail=self._transport.stderr_tail,
            ) from None
        self._transport.send(encode_notification("initialized"))
        return InitializeResult.from_answer(answer, client_name=config.client_name)

    def _call(
        self, method: str, params: Mapping[str, object] | None, timeout: float | None, *, announces_turn: bool = False
    ) -> Response:
        waiter: _Waiter = SimpleQueue()
        with self._lock:
            if self._ending is not None:
                raise closed(f"{method} was not sent", self._ending) from self._ending.failure
            request_id, data = self._connection.request(method, params, announces_turn=announces_turn)
            self._waiting[request_id] = waiter
        try:
            self._transport.send(data)
            outcome = next_in(waiter, timeout)
        except BaseException as error:  # its time is up, or Ctrl-C: either way nobody will look into the queue again
            with self._lock:
                self._connection.abandon(request_id)
                self._waiting.pop(request_id, None)
            if isinstance(error, Empty):
                raise RequestTimeoutError(f"{method} got no answer within {timeout:g} s") from None
            raise
        if isinstance(outcome, Response):
            return outcome
        if isinstance(outcome, ErrorResponse):
            raise rpc_error(outcome.code, outcome.message, outcome.data, method=method)
        raise closed(f"{method} got no answer", outcome) from outcome.failure

    def _read_on(self) -> Progress | None:
        """Read the next lines, unless there are none, or somebody else is about to."""
        if not self._connection.unread_bytes or self._relay.is_running or self._gathering_until:
            return None
        self._wanted.notify()
        return self._connection.advance(SLICE if len(self._takers) <= FEW else None)

    def _left(self, stream: Stream, taker: SimpleQueue[None]) -> Progress | None:
        """A consumer waits no longer; if it was the last of its round, the next lines are read for the others."""
        stream.wanted = False
        self._takers.pop(stream, None)
        self._relay.left(taker)
        return self._read_on() if self._takers else None

    def _read(self, taken: deque[Notification | bytes]) -> deque[Notification]:
        events, odd = read_events(taken)
        if odd:
            with self._lock:
                self._connection.skipped_lines += len(odd)
            for junk in odd:
                log_skipped(junk.reason, junk.line)
        return events

    def _is_over(self, stream: Stream) -> bool:
        """Whether a stream that has nothing more came to its end; raises what ended it before its time."""
        if stream.has_overflowed:
            raise overflow(stream, self._config.max_buffered_events)
        if not stream.is_complete and self._ending is not None:
            raise closed(f"{stream.topic} did not end", self._ending) from self._ending.failure
        return stream.is_complete

    # What follows runs in the transport's threads, `_dispatch` and `_end` also in those of callers.

    def _receive(self, data: bytes) -> float:
        connection = self._connection
        with self._lock:
            connection.receive(data)
            while not self._wanted.wait_for(self._may_go_on, None if connection.allowance.is_final else PATIENCE):
                connection.allowance.patience_is_over()
            if not connection.is_urgent:
                if not self._takers or self._relay.is_running:
                    self._gathering_until = 0.0
                    return 0
                if data and (patience := self._patience()) > 0:
                    return patience
            self._gathering_until = 0.0
            if self._ending:
                return 0
            progress = connection.advance()
        self._dispatch(progress)
        return 0

    def _patience(self) -> float:
        """How long to gather what many wait for, in seconds."""
        if len(self._takers) <= FEW or self._connection.unread_bytes >= _GATHERED:
            return 0
        now = time.monotonic()
        self._gathering_until = self._gathering_until or now + GATHERING_S
        return self._gathering_until - now

    def _may_go_on(self) -> bool:
        connection = self._connection
        return bool(
            not connection.is_full
            or connection.is_urgent
            or (self._takers and (not self._relay.is_running or connection.unread_bytes < _GATHERED))
            or self._ending is not None
        )

    def _ended(self, ending: Ending) -> None:
        try:
            with self._lock:
                self._gathering_until = 0.0
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
        for data in progress.replies:
            self._transport.send(data)
        for message in progress.messages:
            if isinstance(message, Response | ErrorResponse):
                with self._lock:
                    waiter = self._waiting.pop(message.id, None)
                if waiter is not None:
                    waiter.put(message)
            elif isinstance(message, ServerRequest):
                self._ask(message)
            elif isinstance(message, Junk):
                log_skipped(message.reason, message.line)
        if progress.ready:
            with self._lock:
                for stream in progress.ready:
                    # Whoever was woken waits no longer, though it may take a while until its thread runs: without
                    # this, the reader would go on for it meanwhile.
                    if taker := self._takers.pop(stream, None):
                        self._relay.add(taker)

    def _ask(self, request: ServerRequest) -> None:
        from codex_app_server.sync.consulting import consult

        consult(request, self.handlers, self._transport.send)


def closed(what: str, ending: Ending) -> TransportClosedError:
    """The error that the connection is over."""
    # A new one for every call: an exception that several threads raise collects the tracebacks of all.
    return TransportClosedError(f"{what}: {ending.reason}", exit_code=ending.exit_code, stderr_tail=ending.stderr_tail)


def overflow(stream: Stream, limit: int) -> EventOverflowError:
    """The error that a stream has lost events."""
    return EventOverflowError(f"more than {limit} events of {stream.topic} waited to be read")


def package_version() -> str:
    """The version of this package, for the handshake."""
    # Imported while the runtime boots, which takes longer.
    from codex_app_server._version import __version__

    return __version__
