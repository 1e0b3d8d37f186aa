"""The driver for asyncio: the twin of `driver`, with the same names and the same decisions, without a thread.

Bytes arrive on the event loop and are kept until somebody waits for what they may say; a consumer that is behind finds
them and reads them itself. Beyond its `allowance` the runtime has to wait. Where more than a `FEW` wait, what comes
without a pause is gathered first, as there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from codex_app_server._log import log_skipped
from codex_app_server.aio.transport import AsyncStdioTransport
from codex_app_server.config import AppServerConfig
from codex_app_server.ending import Ending
from codex_app_server.errors import (
    AppServerError,
    RequestTimeoutError,
    StartupTimeoutError,
    rpc_error,
)
from codex_app_server.handlers import Handlers
from codex_app_server.protocol.allowance import PATIENCE
from codex_app_server.protocol.connection import Connection
from codex_app_server.protocol.handshake import InitializeResult, initialize_params
from codex_app_server.protocol.messages import ErrorResponse, Junk, Response, ServerRequest, encode_notification
from codex_app_server.protocol.streams import read_events
from codex_app_server.runtime import launch_command, launch_environment
from codex_app_server.sync.driver import FEW, GATHERING_S, SLICE, closed, overflow, package_version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from codex_app_server.protocol.connection import Progress
    from codex_app_server.protocol.messages import JsonValue, Notification
    from codex_app_server.protocol.streams import Stream, Topic

    _Outcome: TypeAlias = Response | ErrorResponse | Ending

__all__ = ["AsyncDriver"]

YIELD_AFTER = 4
"""How many slices are read in a row before other tasks get their turn: half a millisecond, about."""


class AsyncDriver:
    """A running Codex app-server, for one event loop.

    It starts with `start`, or with the first call; `close` stops it. A task that waits may be cancelled: the rest goes
    on.

    Args:
        config: how to start it; without it, the installed runtime with its own settings.
    """

    def __init__(self, config: AppServerConfig | None = None) -> None:
        self._config = config or AppServerConfig()
        self.handlers = self._config.handlers or Handlers()
        self._consulting: set[asyncio.Task[None]] = set()
        self._connection = Connection(self._config.max_buffered_events)
        self._waiting: dict[int | str, asyncio.Future[_Outcome]] = {}
        self._takers: dict[Stream, asyncio.Future[None]] = {}
        self._ending: Ending | None = None
        self._slices = 0
        self._reading: asyncio.Handle | None = None
        self._nap: asyncio.TimerHandle | None = None
        self._transport = AsyncStdioTransport(receive=self._receive, ended=self._ended)
        self._metadata: InitializeResult | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def metadata(self) -> InitializeResult:
        """What the runtime said of itself in the handshake.

        Raises:
            RuntimeError: if the client was not started.
        """
        if self._metadata is None:
            raise RuntimeError("the client was not started: use `async with`, or await `start()`")
        return self._metadata

    async def start(self) -> None:
        """Start the runtime and do the handshake, unless that was done; tasks that come meanwhile wait for the same.

        Raises:
            RuntimeNotFoundError: if there is no runtime.
            RuntimeStartError: if it cannot be started.
            StartupTimeoutError: if it does not answer ``initialize`` in time.
            TransportClosedError: if it ends before it answers, or the client was closed.
            JsonRpcError: if it refuses the handshake.
        """
        if self._metadata is not None:
            return
        if self._ending is not None:
            raise closed("the runtime was not started", self._ending)
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        # A task that is cancelled while it waits must not take the start away from the others.
        await asyncio.shield(self._starting)

    @property
    def config(self) -> AppServerConfig:
        """How it was started."""
        return self._config

    @property
    def skipped_lines(self) -> int:
        """How many lines of the runtime's output made no sense."""
        return self._connection.skipped_lines

    async def call(self, method: str, params: Mapping[str, object] | None = None) -> JsonValue:
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
        await self.start()
        return (await self._call(method, params, self._config.request_timeout_s)).result

    async def start_turn(
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
        await self.start()
        limit = self._config.request_timeout_s if timeout is None else timeout
        response = await self._call(method, params, limit, announces_turn=True)
        if response.stream is None:
            raise AppServerError(f"the answer to {method} names no turn")
        return response.result, response.stream

    def interrupt(self, thread_id: str, turn_id: str) -> None:
        """Have a turn stopped, without waiting for anything."""
        if self._ending is None:
            self._transport.send(self._connection.interrupt(thread_id, turn_id))

    def listen(self, topic: Topic) -> Stream:
        """What is said about something from now on, for `take`."""
        return self._connection.streams.listen(topic)

    async def take(self, stream: Stream, timeout: float | None = None) -> deque[Notification]:
        """The next events of a stream, one at least; none when all were taken.

        Args:
            stream: of `start_turn` or `listen`; one task at a time may wait for it.
            timeout: how long to wait, in seconds; None is without limit.

        Raises:
            EventOverflowError: if events are missing because nobody took them in time.
            TransportClosedError: if the connection ended before the stream did.
            TimeoutError: if the time is up.
        """
        connection = self._connection
        while True:
            if taken := stream.take(SLICE):
                if events := self._read(taken):
                    return events
                continue
            if stream.has_overflowed:
                raise overflow(stream, self._config.max_buffered_events)
            if stream.is_complete:
                return deque()
            if connection.unread_bytes and len(self._takers) <= FEW:
                self._dispatch(connection.advance(SLICE))
                if not connection.is_full:
                    self._transport.resume()
                self._slices += 1
                if self._slices % YIELD_AFTER == 0:
                    # A consumer that always finds something would keep the loop to itself.
                    await asyncio.sleep(0)
                continue
            if self._ending is not None and not connection.unread_bytes:
                raise closed(f"{stream.topic} did not end", self._ending) from self._ending.failure
            await self._something_in(stream, timeout)

    def drop(self, stream: Stream) -> None:
        """Nobody will take this stream's events any more; who waits for one gets the end."""
        self._connection.streams.close(stream)
        self._wake(stream)

    async def close(self) -> None:
        """End every waiting call with `TransportClosedError`, and stop the runtime; may be called again."""
        self._end(Ending("the client was closed"))
        for task in self._consulting:
            task.cancel()
        await self._transport.close()

    async def _start(self) -> None:
        config = self._config
        try:
            await self._transport.start(launch_command(config), cwd=config.cwd, env=launch_environment(config))
            self._metadata = await self._initialize()
        except BaseException:
            await self.close()
            raise

    async def _initialize(self) -> InitializeResult:
        config = self._config
        params = initialize_params(
            name=config.client_name,
            title=config.client_title,
            version=config.client_version or package_version(),
            experimental_api=config.experimental_api,
        )
        try:
            answer = (await self._call("initialize", params, config.startup_timeout_s)).result
        except RequestTimeoutError:
            raise StartupTimeoutError(
                f"the runtime did not answer initialize within {config.startup_timeout_s:g} s",
                stderr_tail=self._transport.stderr_tail,
            ) from None
        self._transport.send(encode_notification("initialized"))
        return InitializeResult.from_answer(answer, client_name=config.client_name)

    async def _call(
        self, method: str, params: Mapping[str, object] | None, timeout: float | None, *, announces_turn: bool = False
    ) -> Response:
        if self._ending is not None:
            raise closed(f"{method} was not sent", self._ending) from self._ending.failure
        request_id, data = self._connection.request(method, params, announces_turn=announces_turn)
        answer = self._waiting[request_id] = asyncio.get_running_loop().create_future()
        try:
            self._transport.send(data)
            outcome = await asyncio.wait_for(answer, timeout)
        except BaseException as error:
            self._connection.abandon(request_id)
            self._waiting.pop(request_id, None)
            if isinstance(error, TimeoutError | asyncio.TimeoutError):
                raise RequestTimeoutError(f"{method} got no answer within {timeout:g} s") from None
            raise
        if isinstance(outcome, Response):
            return outcome
        if isinstance(outcome, ErrorResponse):
            raise rpc_error(outcome.code, outcome.message, outcome.data, method=method)
        raise closed(f"{method} got no answer", outcome) from outcome.failure

    async def _something_in(self, stream: Stream, timeout: float | None) -> None:
        """Wait until a stream has something, or the connection ended."""
        taker = self._takers[stream] = asyncio.get_running_loop().create_future()
        stream.wanted = True
        if self._connection.unread_bytes:
            self._read_soon()
        try:
            if timeout is None:
                await taker
            else:
                await asyncio.wait_for(taker, timeout)
        except (TimeoutError, asyncio.TimeoutError):
            raise TimeoutError(f"nothing happened in {stream.topic} within {timeout:g} s") from None
        finally:
            stream.wanted = False
            self._takers.pop(stream, None)

    def _read(self, taken: deque[Notification | bytes]) -> deque[Notification]:
        events, odd = read_events(taken)
        self._connection.skipped_lines += len(odd)
        for junk in odd:
            log_skipped(junk.reason, junk.line)
        return events

    def _wake(self, stream: Stream) -> None:
        taker = self._takers.pop(stream, None)  # it waits no longer, though its task runs later
        if taker is not None and not taker.done():
            taker.set_result(None)

    # What follows is called by the transport.

    def _receive(self, data: bytes) -> None:
        connection = self._connection
        connection.receive(data)
        if connection.is_urgent:
            self._dispatch(connection.advance())
        elif connection.is_full or (self._reading is None and len(self._takers) <= FEW):
            self._read_on()
        else:
            self._read_soon()
        self._mind_the_allowance()

    def _mind_the_allowance(self) -> None:
        """Have the runtime wait if enough is kept, for a while or until something is read; else let it go on."""
        if not self._connection.is_full:
            self._transport.resume()
            return
        self._transport.pause()
        if self._nap is None and not self._connection.allowance.is_final:
            self._nap = asyncio.get_running_loop().call_later(PATIENCE, self._patience_is_over)

    def _patience_is_over(self) -> None:
        self._nap = None
        if self._ending is None:
            if self._connection.is_full:
                self._connection.allowance.patience_is_over()
            self._mind_the_allowance()

    def _read_on(self) -> None:
        """Read as long as somebody waits, in slices; whoever got something meanwhile reads the next one itself."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        connection = self._connection
        if self._takers and connection.unread_bytes:
            self._dispatch(connection.advance(SLICE if len(self._takers) <= FEW else None))
            if connection.unread_bytes:
                self._read_soon()
        self._mind_the_allowance()

    def _read_soon(self) -> None:
        """Read when other tasks have had their turn; where many wait, when there is something for most of them."""
        if self._reading is None:
            loop = asyncio.get_running_loop()
            are_few = len(self._takers) <= FEW
            self._reading = loop.call_soon(self._read_on) if are_few else loop.call_later(GATHERING_S, self._read_on)

    def _ended(self, ending: Ending) -> None:
        try:
            self._connection.end()
            self._dispatch(self._connection.advance())
        finally:
            self._end(ending)

    def _end(self, ending: Ending) -> None:
        self._ending = self._ending or ending
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_result(ending)
        for taker in self._takers.values():
            if not taker.done():
                taker.set_result(None)
        self._waiting.clear()

    def _dispatch(self, progress: Progress) -> None:
        for data in progress.replies:
            self._transport.send(data)
        for message in progress.messages:
            if isinstance(message, Response | ErrorResponse):
                answer = self._waiting.pop(message.id, None)
                if answer is not None and not answer.done():
                    answer.set_result(message)
            elif isinstance(message, ServerRequest):
                self._ask(message)
            elif isinstance(message, Junk):
                log_skipped(message.reason, message.line)
        for stream in progress.ready:
            self._wake(stream)

    def _ask(self, request: ServerRequest) -> None:
        from codex_app_server.aio.consulting import consult

        task = consult(request, self.handlers, self._transport.send)
        if task is not None:
            self._consulting.add(task)  # the loop itself holds tasks weakly
            task.add_done_callback(self._consulting.discard)
