"""The driver for threads: calls go out from any number of them, one reader brings in what the runtime says.

Everybody takes from what the `reader` hands out: an answer from its own request, events through a cursor of its own. So
what happens to one consumer, a timeout, Ctrl-C, a finalizer that calls the client in the midst of it, never concerns
another one. There is no lock.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

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
from codex_app_server.sync.reader import Reader
from codex_app_server.sync.waiting import new_sleeper, sleep, wake
from codex_app_server.timeouts import end_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_app_server.config import AppServerConfig
    from codex_app_server.generated.events import Event
    from codex_app_server.protocol.log import Cursor, Log, Topic
    from codex_app_server.protocol.messages import JsonValue
    from codex_app_server.sync.remote import RemoteTransport
    from codex_app_server.sync.tools import ToolCaller
    from codex_app_server.sync.transport import StdioTransport
    from codex_app_server.sync.watching import Observing, TurnWatch

__all__ = ["Driver"]


class Driver(BaseDriver):
    """A running Codex app-server, for any number of threads at once.

    The constructor starts the runtime and does the handshake; `close` stops it.

    Args:
        config: how to start it; without it, the installed runtime with its own settings.

    Raises:
        TypeError: if `config` is something else.
        RuntimeNotFoundError: if there is no runtime.
        RuntimeStartError: if it cannot be started.
        StartupTimeoutError: if it does not answer ``initialize`` in time.
        TransportClosedError: if it ends before it answers.
        JsonRpcError: if it refuses the handshake.
        RuntimeError: if gevent has patched threads.
    """

    _reader: Reader
    _transport: StdioTransport | RemoteTransport
    _observing: Observing | None = None

    def __init__(self, config: AppServerConfig | None = None) -> None:
        _refuse_green_threads()
        config = config_of(config)
        super().__init__(config, Reader(config))
        self._is_open = True
        if self._reader.tracing is not None:
            self._reader.tracing.on_start()
        try:
            self._transport.start()
            if self._config.observers is not None:
                from codex_app_server.sync.watching import observe_everything

                self._observing = observe_everything(self, self._config.observers)
            self._metadata = self._initialize()
        except BaseException:
            self.close()
            raise

    @property
    def metadata(self) -> InitializeResult:
        """What the runtime said of itself in the handshake."""
        return self._metadata

    def finish(self) -> None:
        """Wait some seconds for calls of tools that are to finish."""
        if self._reader.tools is not None and not sys.is_finalizing():
            self._reader.tools.finish()

    def call(self, method: str, params: Mapping[str, object] | None = None, timeout: float | None = None) -> JsonValue:
        """Call a protocol method by its name, and wait for the result.

        Args:
            method: e.g. ``model/list``.
            params: its parameters, of JSON values; with None none are sent.
            timeout: how long to wait for the answer, in seconds, if that is less than for any call.

        Raises:
            JsonRpcError: if the runtime answers with an error.
            RequestTimeoutError: if that, or `AppServerConfig.request_timeout_s`, passes; it is a `TimeoutError` too.
            TransportClosedError: if the runtime ends, or the client is or gets closed.
            TypeError, ValueError: if `method` is no string, or JSON cannot say `params`; nothing is sent then.
            RuntimeError: in a forked child, for a connection belongs to the process that opened it.
        """
        return self._answer(Request(method, params), self.longest(timeout)).result

    def begin(self, request: Request, timeout: float | None) -> tuple[JsonValue, Cursor]:
        """Call a protocol method that begins a turn, and keep what happens in it.

        Args:
            request: which method; the caller can `give_up` it, whatever interrupts it in between.
            timeout: how long to wait for the answer, in seconds; None is as long as for any call.

        Returns:
            the answer, and a cursor at the beginning of the turn, for `take`. If the call is broken off, the turn is
            interrupted, unless somebody else has it.

        Raises:
            AppServerError: as `call`; also if the answer names no turn, or the client has left the thread.
        """
        if (refusal := self._connection.left.refusal(request)) is not None:
            raise AppServerError(refusal)
        response = self._answer(request, self._config.request_timeout_s if timeout is None else timeout)
        if response.cursor is None:
            raise AppServerError(f"the answer to {request.method} names no turn")
        return response.result, response.cursor

    def post(self, request: Request) -> None:
        """Send a request that nobody waits for; its answer will be in it. Nothing is sent if the connection is over."""
        self._check_process()
        request.is_given_up = request.is_sent = True
        if self._reader.ending is None:
            self._send(self._connection.request(request))

    def interrupt(self, log: Log, thread_id: str) -> JsonValue:
        """Have a turn stopped, and wait for the answer; raises as `call`.

        A turn that is not under way yet is stopped when it is.
        """
        params = {"threadId": thread_id, "turnId": log.topic.id}
        return self._answer(Request("turn/interrupt", params, interrupts=log), self._config.request_timeout_s).result

    def listen(self, topic: Topic) -> Cursor:
        """What is said about something from now on, for `take`."""
        self._check_process()
        return self._connection.streams.listen(topic)

    def take(self, cursor: Cursor, timeout: float | None = None) -> list[Event]:
        """The next events of a log, one at least; none when all were taken.

        Args:
            cursor: of `begin` or `listen`; one thread at a time may wait for it.
            timeout: how long to wait, in seconds; None is without limit.

        Raises:
            EventOverflowError: if events are missing because nobody took them in time.
            TransportClosedError: if the connection ended before the log did.
            TimeoutError: if the time is up.
        """
        reader = self._reader
        while True:
            is_complete, ending = cursor.log.is_complete, reader.ending  # before: what comes last is published first
            if events := self.taken(cursor):
                return events
            if over(cursor, self._config, is_complete=is_complete, ending=ending):
                return []
            self._check_place()
            self._wait(cursor, cursor.log, timeout)

    def wait(self, log: Log, timeout: float | None, watch: TurnWatch | None = None) -> None:
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
                self._wait(what, log, None if end is None else max(0, end - time.monotonic()))
        finally:
            waits.is_active = False

    def drop(self, cursor: Cursor) -> None:
        """Nobody will take from this cursor any more; who waits for it gets the end."""
        cursor.close()
        for sleeper in list(cursor.log.waiting):
            wake(sleeper)

    def close(self) -> None:
        """End every waiting call with `TransportClosedError`, and stop the runtime.

        May be called again, from any thread, and from a signal handler in the midst of itself. Returns when the process
        is gone; this takes about 10 ms, or some seconds if it has to be forced. In a forked child it does nothing.
        """
        if os.getpid() != self._process_id:
            return
        release_imports()
        self._is_open = False
        self._reader.end(Ending("the client was closed"))
        self._transport.close()
        if self._observing is not None:
            self._observing.wait(OBSERVING_S)

    def _initialize(self) -> InitializeResult:
        config = self._config
        try:
            answer = self._answer(self._greeting(), config.startup_timeout_s).result
        except (RequestTimeoutError, TransportClosedError) as error:
            raise self._start_failure(error) from error.__cause__
        self._send(encode_notification("initialized"))
        if config.api_key is not None:
            login = {"type": "apiKey", "apiKey": config.api_key}
            self._answer(Request("account/login/start", login), config.startup_timeout_s)
        return InitializeResult.from_answer(answer, client_name=config.client_name)

    def _answer(self, request: Request, timeout: float | None) -> Response:
        """Send a request, and wait for its answer."""
        self._check_place()
        reader = self._reader
        sleeper = new_sleeper()
        request.waiter = sleeper
        try:
            data = self._connection.request(request)
            if reader.ending is None:
                request.is_sent = True
                self._send(data)
                if timeout is None or timeout > HURRY_S:
                    if not sleep(sleeper, HURRY_S):
                        self._send(self._connection.hurry(request))
                    if request.answer is None and reader.ending is None:
                        sleep(sleeper, None if timeout is None else timeout - HURRY_S)
                else:
                    sleep(sleeper, timeout)
            if isinstance(request.answer, Response):
                return request.answer
        except BaseException:
            self.give_up(request)
            raise
        if request.answer is None:
            self.give_up(request)
        raise failure(request, reader.ending, timeout) from (reader.ending.failure if reader.ending else None)

    def _wait(self, what: Cursor | Log | TurnWatch, log: Log, timeout: float | None) -> None:
        """Wait until there may be something, or the connection ended; `TimeoutError` after so many seconds."""
        reader = self._reader
        sleeper = new_sleeper()
        try:
            log.waiting.append(sleeper)
            reader.sleepers.add(sleeper)
            # Only now: what happens between the two wakes the sleeper before it sleeps.
            if what.is_ready() or reader.ending is not None:
                timeout = 0
            elif reader.is_held_up:
                reader.relieve()
            is_woken = sleep(sleeper, timeout)
            if not is_woken and not what.is_ready() and reader.ending is None:
                raise WaitTimeoutError(f"nothing happened in {log.topic} within {timeout:g} s")
        finally:
            reader.sleepers.discard(sleeper)
            reader.relay.pass_on()
            with suppress(ValueError):  # who wakes it for an event has taken it out
                log.waiting.remove(sleeper)

    def _tool_caller(self) -> type[ToolCaller]:
        from codex_app_server.sync.tools import ToolCaller

        return ToolCaller

    def _send(self, data: bytes) -> None:
        self._transport.send(data)
        if self._reader.is_held_up:
            self._reader.relieve()

    def _check_place(self) -> None:
        """Refuse to wait where nothing could come of it.

        Raises:
            RuntimeError: in a forked child, in the threads that move bytes, and when the interpreter is ending.
        """
        self._check_process()
        if sys.is_finalizing():
            raise RuntimeError("nothing can be waited for any more: the interpreter is ending")
        if self._transport.is_own_thread():
            raise RuntimeError(
                "nothing can be waited for here: this thread, where a finalizer runs, is the client's own"
            )


def _refuse_green_threads() -> None:
    """Refuse to work where threads, queues and pipes are not what they seem."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        raise RuntimeError(
            "gevent has patched threads, and this client needs real ones: make it in a process of its own, without "
            "gevent.monkey.patch_all()"
        )
