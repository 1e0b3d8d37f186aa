"""The driver for asyncio: the twin of `sync.driver`, with the same names and the same decisions, without a thread.

Tasks only take from what the `reader` hands out: an answer from their own request, events through a cursor of their
own.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from codex_app_server.aio.reader import AsyncReader
from codex_app_server.aio.waiting import new_sleeper, running_loop, sleep, wake
from codex_app_server.config import config_of
from codex_app_server.driving import (
    HURRY_S,
    OBSERVING_S,
    BaseDriver,
    closed,
    failure,
    over,
)
from codex_app_server.ending import Ending
from codex_app_server.errors import AppServerError, RequestTimeoutError, TransportClosedError, WaitTimeoutError
from codex_app_server.preloading import release_imports
from codex_app_server.protocol.handshake import InitializeResult
from codex_app_server.protocol.messages import Response, encode_notification
from codex_app_server.protocol.request import Request
from codex_app_server.timeouts import end_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_app_server.aio.remote import AsyncRemoteTransport
    from codex_app_server.aio.tools import ToolCaller
    from codex_app_server.aio.transport import AsyncStdioTransport
    from codex_app_server.aio.watching import AsyncObserving, AsyncTurnWatch
    from codex_app_server.config import AppServerConfig
    from codex_app_server.generated.events import Event
    from codex_app_server.protocol.log import Cursor, Log, Topic
    from codex_app_server.protocol.messages import JsonValue

__all__ = ["AsyncDriver"]

YIELD_S = 0.005
"""How long a consumer that always finds something keeps the loop, in seconds, before other tasks get their turn."""


class AsyncDriver(BaseDriver):
    """A running Codex app-server, for one event loop.

    It starts with `start`, or with the first call; `close` stops it. A task that waits may be cancelled: the rest goes
    on.

    Args:
        config: how to start it; without it, the installed runtime with its own settings.

    Raises:
        TypeError: if `config` is something else.
    """

    _reader: AsyncReader
    _transport: AsyncStdioTransport | AsyncRemoteTransport

    def __init__(self, config: AppServerConfig | None = None) -> None:
        config = config_of(config)
        super().__init__(config, AsyncReader(config))
        self._metadata: InitializeResult | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting: asyncio.Task[None] | None = None
        self._observing: AsyncObserving | None = None
        self._yielded = 0.0

    @property
    def metadata(self) -> InitializeResult:
        """What the runtime said of itself in the handshake.

        Raises:
            RuntimeError: if the client was not started.
        """
        if self._metadata is None:
            raise RuntimeError("the client was not started: use `async with`")
        return self._metadata

    async def start(self) -> None:
        """Start the runtime and do the handshake, unless that was done; tasks that come meanwhile wait for the same.

        Raises:
            RuntimeNotFoundError: if there is no runtime.
            RuntimeStartError: if it cannot be started.
            StartupTimeoutError: if it does not answer ``initialize`` in time.
            TransportClosedError: if it ends before it answers, or the client was closed.
            JsonRpcError: if it refuses the handshake.
            RuntimeError: in another event loop than the first, without one, or in a forked child.
        """
        self._check_place()
        if self._metadata is not None:
            return
        if self._reader.ending is not None:
            raise closed("the runtime was not started", self._reader.ending)
        if self._starting is None:
            self._is_open = True
            self._starting = asyncio.create_task(self._start())
            # Whoever waited may have been cancelled: asyncio would say that nobody looked how it ended.
            self._starting.add_done_callback(lambda task: task.cancelled() or task.exception())
        # A task that is cancelled while it waits must not take the start away from the others.
        await asyncio.shield(self._starting)

    async def enter(self) -> None:
        """Start, for a block that will close it; if that is broken off, nothing is left. Raises as `start`."""
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise

    async def finish(self) -> None:
        """Wait some seconds for calls of tools that are to finish."""
        if self._reader.tools is not None:
            await self._reader.tools.finish()

    async def call(
        self, method: str, params: Mapping[str, object] | None = None, timeout: float | None = None
    ) -> JsonValue:
        """As the twin's `call`; a connection belongs to the event loop, too, that opened it."""
        await self.start()
        return (await self._answer(Request(method, params), self.longest(timeout))).result

    async def begin(self, request: Request, timeout: float | None) -> tuple[JsonValue, Cursor]:
        """As the twin's `begin`."""
        if (refusal := self._connection.left.refusal(request)) is not None:
            raise AppServerError(refusal)
        await self.start()
        response = await self._answer(request, self._config.request_timeout_s if timeout is None else timeout)
        if response.cursor is None:
            raise AppServerError(f"the answer to {request.method} names no turn")
        return response.result, response.cursor

    async def post(self, request: Request) -> None:
        """Send a request that nobody waits for; its answer will be in it. Nothing is sent if the connection is over."""
        await self.start()
        request.is_given_up = request.is_sent = True
        if self._reader.ending is None:
            self._send(self._connection.request(request))

    async def interrupt(self, log: Log, thread_id: str) -> JsonValue:
        """Have a turn stopped, and wait for the answer; raises as `call`.

        A turn that is not under way yet is stopped when it is.
        """
        await self.start()
        params = {"threadId": thread_id, "turnId": log.topic.id}
        request = Request("turn/interrupt", params, interrupts=log)
        return (await self._answer(request, self._config.request_timeout_s)).result

    def listen(self, topic: Topic) -> Cursor:
        """What is said about something from now on, for `take`."""
        self._check_place()
        return self._connection.streams.listen(topic)

    async def take(self, cursor: Cursor, timeout: float | None = None) -> list[Event]:
        """As the twin's `take`; one task at a time may wait for a cursor."""
        while True:
            if events := self.taken(cursor):
                # A consumer that always finds something would keep the loop to itself.
                now = time.monotonic()
                if now - self._yielded > YIELD_S:
                    await asyncio.sleep(0)
                    self._yielded = time.monotonic()
                return events
            if over(cursor, self._config, is_complete=cursor.log.is_complete, ending=self._reader.ending):
                return []
            await self.start()
            await self._wait(cursor, cursor.log, timeout)
            self._yielded = time.monotonic()

    async def wait(self, log: Log, timeout: float | None, watch: AsyncTurnWatch | None = None) -> None:
        """Wait for the end of a log, without taking anything, or until its watch gives it up; raises as `take`."""
        end = end_after(timeout)
        what = watch or log
        waits = log.cursor()  # so that the others know that somebody does
        waits.close()
        waits.is_active = True
        try:
            while not what.is_ready():
                if (ending := self._reader.ending) is not None:
                    raise closed(f"{log.topic} did not end", ending) from ending.failure
                self._check_place()
                await self._wait(what, log, None if end is None else max(0, end - time.monotonic()))
        finally:
            waits.is_active = False

    def drop(self, cursor: Cursor) -> None:
        """Nobody will take from this cursor any more; who waits for it gets the end."""
        cursor.close()
        for sleeper in list(cursor.log.waiting):
            with suppress(RuntimeError):  # the loop is closed, and nobody waits
                # It may be asleep: a signal handler, or another thread, does not wake it by itself.
                sleeper.get_loop().call_soon_threadsafe(wake, sleeper)

    async def close(self) -> None:
        """End every waiting call with `TransportClosedError`, and stop the runtime; may be called again.

        Works in another event loop too. In a forked child it does nothing. Where it is cancelled, once or again and
        again, the runtime is killed, and it ends cancelled when that is done.
        """
        if os.getpid() != self._process_id:
            return
        release_imports()
        self._is_open = False
        self._reader.ending = self._reader.ending or Ending("the client was closed")
        if self._loop is None:  # it was never started
            return
        if self._loop is not asyncio.get_running_loop():
            if self._reader.questions is not None:
                self._reader.questions.close()
            await self._transport.close_from_elsewhere(self._loop)
            return
        self._reader.end(self._reader.ending)
        starting = None if self._starting is asyncio.current_task() else self._starting
        # A task of its own: nobody who cancels this one leaves the runtime, or what asyncio holds of it, behind.
        leaving = asyncio.create_task(self._leave(starting))
        cancellation: asyncio.CancelledError | None = None
        while not leaving.done():
            try:
                await asyncio.wait([leaving])
            except asyncio.CancelledError as error:
                cancellation = error
                self._transport.let_go()
        try:
            leaving.result()
        finally:
            if cancellation is not None:
                raise cancellation

    async def _leave(self, starting: asyncio.Task[None] | None) -> None:
        try:
            if starting is not None and not starting.done():
                self._transport.give_up()
                await asyncio.wait([starting])  # it sees that it is over, and ends by itself
        finally:
            await self._transport.close()
        if self._observing is not None:
            await self._observing.wait(OBSERVING_S)

    async def _start(self) -> None:
        if self._reader.tracing is not None:
            self._reader.tracing.on_start()
        try:
            spawning = asyncio.ensure_future(self._transport.start())
            try:
                await asyncio.shield(spawning)
            except asyncio.CancelledError:
                if spawning.cancelled() and self._reader.ending is not None:  # `close` gave it up
                    raise closed("the runtime was not started", self._reader.ending) from None
                # To cancel asyncio in the midst of this leaves pipes open.
                self._transport.give_up()
                await asyncio.wait([spawning])
                raise
            if self._config.observers is not None:
                from codex_app_server.aio.watching import observe_everything

                self._observing = observe_everything(self, self._config.observers)
            self._metadata = await self._initialize()
        except BaseException:
            await self.close()
            raise

    async def _initialize(self) -> InitializeResult:
        config = self._config
        try:
            answer = (await self._answer(self._greeting(), config.startup_timeout_s)).result
        except (RequestTimeoutError, TransportClosedError) as error:
            raise self._start_failure(error) from error.__cause__
        self._send(encode_notification("initialized"))
        if config.api_key is not None:
            login = {"type": "apiKey", "apiKey": config.api_key}
            await self._answer(Request("account/login/start", login), config.startup_timeout_s)
        return InitializeResult.from_answer(answer, client_name=config.client_name)

    async def _answer(self, request: Request, timeout: float | None) -> Response:
        """Send a request, and wait for its answer."""
        reader = self._reader
        sleeper = new_sleeper()
        request.waiter = sleeper
        try:
            data = self._connection.request(request)
            if reader.ending is None:
                request.is_sent = True
                self._send(data)
                if timeout is None or timeout > HURRY_S:
                    if not await sleep(sleeper, HURRY_S):
                        self._send(self._connection.hurry(request))
                    if request.answer is None and reader.ending is None:
                        await sleep(sleeper, None if timeout is None else timeout - HURRY_S)
                else:
                    await sleep(sleeper, timeout)
            if isinstance(request.answer, Response):
                return request.answer
        except BaseException:
            self.give_up(request)
            raise
        if request.answer is None:
            self.give_up(request)
        raise failure(request, reader.ending, timeout) from (reader.ending.failure if reader.ending else None)

    async def _wait(self, what: Cursor | Log | AsyncTurnWatch, log: Log, timeout: float | None) -> None:
        """Wait until there may be something, or the connection ended; `TimeoutError` after so many seconds."""
        reader = self._reader
        if what.is_ready() or reader.ending is not None:
            return
        sleeper = new_sleeper()
        log.waiting.append(sleeper)
        reader.sleepers.add(sleeper)
        if reader.is_held_up:
            reader.mind_the_allowance()
        try:
            if await sleep(sleeper, timeout) or what.is_ready() or reader.ending is not None:
                return
        finally:
            reader.sleepers.discard(sleeper)
            with suppress(ValueError):
                log.waiting.remove(sleeper)
        raise WaitTimeoutError(f"nothing happened in {log.topic} within {timeout:g} s")

    def _tool_caller(self) -> type[ToolCaller]:
        from codex_app_server.aio.tools import ToolCaller

        return ToolCaller

    def _send(self, data: bytes) -> None:
        self._transport.send(data)
        if self._reader.is_held_up:
            self._reader.mind_the_allowance()

    def _check_place(self) -> None:
        """Refuse another process, another loop, and none.

        Raises:
            RuntimeError: if it is not where the client was started.
        """
        self._check_process()
        loop = running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError("this client belongs to another event loop, the one that it was started in")
