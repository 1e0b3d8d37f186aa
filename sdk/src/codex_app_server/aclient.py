"""The client for asyncio: the twin of `client`, with the same names and the same decisions, without a thread.

Bytes arrive on the event loop and are kept until somebody waits for what they may say; a consumer that is behind finds
them and reads them itself. Beyond `_READ_AHEAD` bytes the runtime has to wait.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from codex_app_server._log import logger
from codex_app_server.client import READ_AHEAD, SLICE, closed, overflow, package_version
from codex_app_server.config import AppServerConfig
from codex_app_server.errors import (
    AppServerError,
    JsonRpcError,
    RequestTimeoutError,
    StartupTimeoutError,
)
from codex_app_server.protocol.connection import Connection, refusal
from codex_app_server.protocol.handshake import InitializeResult, initialize_params
from codex_app_server.protocol.messages import ErrorResponse, Junk, Response, ServerRequest, encode_notification
from codex_app_server.protocol.streams import turn_of
from codex_app_server.runtime import launch_command, launch_environment
from codex_app_server.transport.aio import AsyncStdioTransport
from codex_app_server.transport.ending import Ending

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import AsyncIterator, Mapping
    from types import TracebackType
    from typing import TypeAlias

    from typing_extensions import Self

    from codex_app_server.protocol.connection import Progress
    from codex_app_server.protocol.messages import JsonValue, Notification
    from codex_app_server.protocol.streams import Stream

    _Outcome: TypeAlias = Response | ErrorResponse | Ending

__all__ = ["AsyncAppServerClient"]


class AsyncAppServerClient:
    """A running Codex app-server, and the calls to it, for one event loop.

    It starts with ``async with``, with `start`, or with the first call; `close` stops it. A task that waits may be
    cancelled: the client goes on.

    Args:
        config: how to start it; without it, the installed runtime with its own settings.
    """

    def __init__(self, config: AppServerConfig | None = None) -> None:
        self._config = config or AppServerConfig()
        self._connection = Connection(self._config.max_buffered_events)
        self._waiting: dict[int | str, asyncio.Future[_Outcome]] = {}
        self._takers: dict[Stream, asyncio.Future[None]] = {}
        self._ending: Ending | None = None
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

    async def request(self, method: str, params: Mapping[str, object] | None = None) -> JsonValue:
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
        await self.start()
        return await self._call(method, params, self._config.request_timeout_s)

    async def start_turn(self, method: str, params: Mapping[str, object] | None = None) -> tuple[JsonValue, Stream]:
        """Call a protocol method that begins a turn, and keep what happens in it.

        Args:
            method: ``turn/start``, or another one whose answer names a turn.
            params: its parameters.

        Returns:
            the answer, and the stream of the turn, for `take`.

        Raises:
            AppServerError: as `request`; also if the answer names no turn.
        """
        await self.start()
        result = await self._call(method, params, self._config.request_timeout_s, announces_turn=True)
        turn_id = turn_of(result)
        stream = self._connection.streams.of(turn_id) if turn_id is not None else None
        if stream is None:
            raise AppServerError(f"the answer to {method} names no turn")
        return result, stream

    async def take(self, stream: Stream, timeout: float | None = None) -> deque[Notification]:
        """The next events of a turn, one at least; none when all were taken.

        Args:
            stream: of `start_turn`; one task at a time may wait for it.
            timeout: how long to wait, in seconds; None is without limit.

        Raises:
            TurnOverflowError: if events are missing because nobody took them in time.
            TransportClosedError: if the connection ended before the turn did.
            TimeoutError: if the time is up.
        """
        while True:
            if stream.events:
                return stream.take()
            if stream.has_overflowed:
                raise overflow(stream, self._config.max_buffered_events)
            if stream.is_complete:
                return stream.take()
            if self._connection.unread_bytes:
                self._dispatch(self._connection.advance(SLICE))
                if self._connection.unread_bytes < READ_AHEAD:
                    self._transport.resume()
                # A consumer that always finds something would keep the loop to itself.
                await asyncio.sleep(0)
                continue
            if self._ending is not None:
                raise closed(f"turn {stream.turn_id} did not end", self._ending) from self._ending.failure
            await self._something_in(stream, timeout)

    async def events(self, stream: Stream) -> AsyncIterator[Notification]:
        """The events of a turn to its end, ``turn/completed`` included; raises as `take`."""
        while batch := await self.take(stream):
            for event in batch:
                yield event

    def drop(self, stream: Stream) -> None:
        """Nobody will take this stream's events any more."""
        self._connection.streams.close(stream)

    async def close(self) -> None:
        """End every waiting call with `TransportClosedError`, and stop the runtime; may be called again."""
        self._end(Ending("the client was closed"))
        await self._transport.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

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
            answer = await self._call("initialize", params, config.startup_timeout_s)
        except RequestTimeoutError:
            raise StartupTimeoutError(
                f"the runtime did not answer initialize within {config.startup_timeout_s:g} s",
                stderr_tail=self._transport.stderr_tail,
            ) from None
        self._transport.send(encode_notification("initialized"))
        return InitializeResult.from_answer(answer, client_name=config.client_name)

    async def _call(
        self, method: str, params: Mapping[str, object] | None, timeout: float | None, *, announces_turn: bool = False
    ) -> JsonValue:
        if self._ending is not None:
            raise closed(f"{method} was not sent", self._ending) from self._ending.failure
        request_id, data = self._connection.request(method, params, announces_turn=announces_turn)
        answer = self._waiting[request_id] = asyncio.get_running_loop().create_future()
        try:
            self._transport.send(data)
            outcome = await asyncio.wait_for(answer, timeout)
        except BaseException as error:
            self._connection.forget(request_id)
            self._waiting.pop(request_id, None)
            if isinstance(error, TimeoutError | asyncio.TimeoutError):
                raise RequestTimeoutError(f"{method} got no answer within {timeout:g} s") from None
            raise
        if isinstance(outcome, Response):
            return outcome.result
        if isinstance(outcome, ErrorResponse):
            raise JsonRpcError(outcome.code, outcome.message, outcome.data, method=method)
        raise closed(f"{method} got no answer", outcome) from outcome.failure

    async def _something_in(self, stream: Stream, timeout: float | None) -> None:
        """Wait until a stream has something, or the connection ended."""
        taker = self._takers[stream] = asyncio.get_running_loop().create_future()
        stream.wanted = True
        try:
            if timeout is None:
                await taker
            else:
                await asyncio.wait_for(taker, timeout)
        except (TimeoutError, asyncio.TimeoutError):
            raise TimeoutError(f"nothing happened in turn {stream.turn_id} within {timeout:g} s") from None
        finally:
            stream.wanted = False
            self._takers.pop(stream, None)

    # What follows is called by the transport.

    def _receive(self, data: bytes) -> None:
        connection = self._connection
        connection.receive(data)
        if connection.is_urgent or self._takers:
            self._dispatch(connection.advance())
        elif connection.unread_bytes >= READ_AHEAD:
            self._transport.pause()

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
        for stream in progress.ready:
            taker = self._takers.get(stream)
            if taker is not None and not taker.done():
                taker.set_result(None)
        for message in progress.messages:
            if isinstance(message, Response | ErrorResponse):
                answer = self._waiting.pop(message.id, None)
                if answer is not None and not answer.done():
                    answer.set_result(message)
            elif isinstance(message, ServerRequest):
                logger().warning("the runtime asked for %s, which this client does not handle: refused", message.method)
                self._transport.send(refusal(message))
            elif isinstance(message, Junk):
                logger().warning(
                    "passed over a line of the runtime's output, %s: %r", message.reason, message.line[:200]
                )
