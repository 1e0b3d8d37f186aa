"""What both drivers decide alike: how much is read at a time, when a consumer is at its end, and what is said then."""

from __future__ import annotations

import os
import time
import warnings
import weakref
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NoReturn

from codex_app_server._log import log_skipped
from codex_app_server.errors import (
    AppServerError,
    ConnectionLostError,
    EventOverflowError,
    RequestTimeoutError,
    StartupTimeoutError,
    TransportClosedError,
)
from codex_app_server.events import Notification, read_events
from codex_app_server.handlers import Handlers
from codex_app_server.protocol.allowance import Allowance
from codex_app_server.protocol.connection import Connection
from codex_app_server.protocol.framing import MOST_BYTES
from codex_app_server.protocol.handshake import initialize_params
from codex_app_server.protocol.log import Bounds
from codex_app_server.protocol.messages import LOST, LOST_DATA, ErrorResponse, Junk
from codex_app_server.protocol.request import Request
from codex_app_server.protocol.streams import turn_of
from codex_app_server.refusals import rpc_error, start_error
from codex_app_server.suggesting import checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from codex_app_server.approvals.deciding import Approving
    from codex_app_server.approvals.rules import ApprovalRule
    from codex_app_server.config import AppServerConfig
    from codex_app_server.ending import Ending
    from codex_app_server.generated.events import Event
    from codex_app_server.limits import Meter
    from codex_app_server.protocol.log import Cursor, Log
    from codex_app_server.protocol.messages import ServerRequest
    from codex_app_server.telemetry import Tracing
    from codex_app_server.tools.toolbox import Toolbox

__all__ = [
    "CALM_S",
    "FEW",
    "GATHERED",
    "GATHERING_S",
    "HURRY_S",
    "OBSERVING_S",
    "SLICE",
    "WRONG_PROCESS",
    "BaseDriver",
    "Reading",
    "closed",
    "failure",
    "over",
]

SLICE = 64
"""How many lines a consumer reads at a time: few enough for the garbage collector not to stir."""

FEW = 8
"""How many consumers may wait for each to be woken by its next event."""

GATHERING_S = 0.005
"""How long is gathered what more wait for, in seconds; the runtime needs a moment to fill the pipe again."""

GATHERED = 4 << 20
"""How much, in bytes: some events of a thousand turns."""

CALM_S = 0.5
"""How often is looked, in seconds, whether something was read of all that may be kept."""

HURRY_S = 5.0
"""After how long, in seconds, a call that is held back goes on without what it waited for."""

OBSERVING_S = 1.0
"""How long the end of a turn, or of a client, waits for observers to be shown the rest, in seconds."""

WRONG_PROCESS = (
    "this client was opened by another process, and a connection belongs to the process that opened it: make a client "
    "in the child"
)


class Reading(ABC):
    """What was received, and how much of it waits to be read.

    A kind of client adds how somebody is woken (`_wake`, `_stir`), and how questions are answered (`_new_questions`).

    Args:
        config: how the client is used.

    Attributes:
        connection: what it means.
        handlers: who answers the runtime's questions.
        meter: what the client's limits have been used for, if it has any.
        transport: how the runtime is told something.
        questions: who has questions answered, once there was one.
        tools: who calls the program's own tools, once it has any.
        approving: the rules that approvals are decided by, and who watches that.
        ending: how it ended, once it did.
        tracing: what telemetry is told, if there is any.
        sleepers: who waits for events.
        is_held_up: whether the runtime has to wait, for too much is unread.
    """

    transport: Any
    questions: Any = None
    tools: Any = None
    approving: Approving | None = None

    def __init__(self, config: AppServerConfig) -> None:
        bounds = Bounds(config.max_buffered_events, config.max_buffered_bytes)
        self.connection = Connection(bounds, config.max_line_bytes, Notification)
        if config.url is not None:
            self.connection.most_bytes = MOST_BYTES
        self.handlers = config.handlers or Handlers()
        self.meter: Meter | None = None
        if config.limits is not None:
            from codex_app_server.limits import Meter

            self.meter = Meter(config.limits, "client")
        if config.approvals:
            self.approve_with(config.approvals)
        self.ending: Ending | None = None
        self.tracing: Tracing | None = None
        if config.telemetry is not None:
            self.tracing = self.connection.tracing = config.telemetry.tracing()
            self.connection.streams.telling = self.tracing.on_event
        self.sleepers: set[Any] = set()
        self.is_held_up = False
        self._allowance = Allowance()
        self._new_bytes = 0  # that came since the unread ones were counted
        self._unread = 0

    def finish(self) -> None:
        """There will be no more to take in."""
        self.connection.end()
        self._hand_out()

    def end(self, ending: Ending) -> None:
        """Nobody is answered any more."""
        self.ending = self.ending or ending
        if self.tracing is not None:
            self.tracing.on_end(self.ending)
        if self.questions is not None:
            self.questions.close()
        for request in self.connection.waiting:
            if request.waiter is not None:
                self._wake(request.waiter)
        for sleeper in list(self.sleepers):
            self._wake(sleeper)

    def approve_with(self, rules: Sequence[ApprovalRule] = ()) -> Approving:
        """Have approvals decided by rules, and what these leave by the handlers; all of it can be watched then."""
        if (found := self.approving) is None:
            from codex_app_server.approvals.deciding import Approving

            found = vars(self).setdefault("approving", Approving(rules))  # one step, so that two threads get the same
            self.connection.streams.begun = found.note
        return found

    def replying(self, send: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """The way of answers to questions: the same, past telemetry if there is any."""
        return send if self.tracing is None else self.tracing.wrap_send(send)

    def is_asking(self, turn_id: str) -> bool:
        """Whether something of a turn waits for an answer of this program."""
        if self.questions is None:
            return False
        asked = [request.params for request in list(self.questions.open.values())]
        return any(isinstance(params, dict) and params.get("turnId") == turn_id for params in asked)

    def answered(self, request: ServerRequest) -> None:
        """A question is about to wait for no answer any more: what its turn is silent from here on is its own."""
        if (log := self.connection.streams.owned(turn_of(request.params) or "")) is not None:
            log.asked_until = time.monotonic()

    def taken(self, cursor: Cursor) -> list[Event]:
        """The next events of what is there for a consumer, without waiting."""
        while entries := cursor.take(SLICE):
            events, odd = read_events(entries)
            self.connection.skipped_lines += len(odd)
            for junk in odd:
                log_skipped(junk.reason, junk.line)
            if events:
                return events
        return []

    def _hand_out(self) -> None:
        """Give everybody what has come for them."""
        progress = self.connection.advance()
        for data in progress.replies:
            self.transport.send(data)
        for request in progress.answered:
            if request.waiter is not None:
                self._wake(request.waiter)
        for junk in progress.junk:
            log_skipped(junk.reason, junk.line)
        self._stir(progress.touched)
        for question in progress.questions:
            self._ask(question)
        if progress.resolved and self.questions is not None:
            self.questions.resolved(progress.resolved)
        if progress.ended and self.tools is not None:
            self.tools.turns_ended(progress.ended)

    def _ask(self, request: ServerRequest) -> None:
        if self.questions is None:
            self.questions = self._new_questions()
            if self.ending is not None:  # it may have come before this was there
                self.questions.close()
        if self.questions.open.get(request.id) == request:  # its thread was resumed meanwhile
            return
        if self.tracing is None:
            self.questions.ask(request)
        else:
            self.tracing.on_server_request(request).run(self.questions.ask, request)

    @abstractmethod
    def _wake(self, waiter: Any) -> None:
        """Wake one who waits for an answer, or for whatever comes next."""

    @abstractmethod
    def _stir(self, logs: Iterable[Log]) -> None:
        """Wake those who wait for events of these."""

    @abstractmethod
    def _new_questions(self) -> Any:
        """Who has questions answered."""

    def _is_awaited(self) -> bool:
        """Whether anybody waits for anything."""
        return bool(self.sleepers or self.connection.waiting)

    def _count(self) -> None:
        before = self._unread + self._new_bytes
        self.connection.streams.obey()
        self._unread = sum(log.unread for log in self.connection.streams.logs())
        self._new_bytes = 0
        if self._unread < before:
            self._allowance.read()


class BaseDriver(ABC):
    """What a driver is and does without waiting.

    A kind of client adds what waits: starting, calling, taking events, closing.

    Args:
        config: how it is used.
        reader: who owns what is received.
    """

    call: Any
    _is_open = False
    _reader: Any
    _transport: Any

    def __init__(self, config: AppServerConfig, reader: Reading) -> None:
        self._config = config
        self._process_id = os.getpid()
        self._reader = reader
        self._connection = reader.connection
        self._transport = reader.transport

    def __del__(self) -> None:
        """Nobody can close it any more: let the runtime go."""
        if self._is_open and os.getpid() == self._process_id:
            self._is_open = False
            if self._reader.questions is not None:
                self._reader.questions.close()
            self._transport.let_go()
            warnings.warn("a Codex client was not closed", ResourceWarning, source=self, stacklevel=2)

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled, or copied with all that it has."""
        raise TypeError(
            "a client cannot be pickled or copied, for a connection belongs to the process that opened it: pass its "
            "configuration, or the id of a thread, and make a client there"
        )

    @property
    def handlers(self) -> Handlers:
        """The functions that answer the runtime's questions."""
        return self.reading.handlers

    @handlers.setter
    def handlers(self, handlers: Handlers) -> None:
        self._reader.handlers = checked(Handlers, handlers)

    @property
    def reading(self) -> Reading:
        """What was received."""
        reader: Reading = self._reader
        return reader

    @property
    def config(self) -> AppServerConfig:
        """How it was started."""
        return self._config

    @property
    def skipped_lines(self) -> int:
        """How many lines of the runtime's output made no sense."""
        return self._connection.skipped_lines

    @property
    def toolbox(self) -> Toolbox:
        """Which threads have which of the program's own tools; who calls these is there from then on."""
        reader = self._reader
        if (found := reader.tools) is None:
            send, call = reader.replying(reader.transport.send), weakref.WeakMethod(self.call)
            made = self._tool_caller()(send, lambda: reader.handlers, call, reader.tracing)
            found = vars(reader).setdefault("tools", made)  # one step, so that two threads get the same
            reader.connection.streams.gone = found.toolbox.forget
        toolbox: Toolbox = found.toolbox
        return toolbox

    def give_up(self, request: Request) -> None:
        """Nobody waits for a request any more; a turn that it began is interrupted, unless somebody else has it."""
        if (data := self._connection.give_up(request)) is not None:
            self._send(data)

    def longest(self, timeout: float | None) -> float | None:
        """How long a call may wait for its answer, which was said for this one, and for all in `config`; in seconds."""
        return min((each for each in (timeout, self._config.request_timeout_s) if each is not None), default=None)

    def leave(self, cursor: Cursor, thread_id: str) -> None:
        """The consumer of a turn gives up before its end: stop the turn, unless somebody else is at it."""
        cursor.close()
        log = cursor.log
        log.is_left = True
        if not log.is_complete and not self._connection.is_awaited(log, thread_id):
            self.stop(log, thread_id)

    def stop(self, log: Log, thread_id: str) -> None:
        """Have a turn stopped, whoever is at it; nobody waits for the answer."""
        self._send(self._connection.interrupt(log, thread_id))

    def taken(self, cursor: Cursor) -> list[Event]:
        """The next events of what is there, without waiting."""
        return self.reading.taken(cursor)

    def _greeting(self) -> Request:
        """What the handshake begins with."""
        config = self._config
        params = initialize_params(
            name=config.client_name,
            title=config.client_title,
            version=config.client_version or package_version(),
            experimental_api=config.experimental_api,
        )
        return Request("initialize", params)

    def _start_failure(self, error: RequestTimeoutError | TransportClosedError) -> AppServerError:
        """Why there was no answer to the handshake."""
        if isinstance(error, TransportClosedError):
            return start_error(error)
        return StartupTimeoutError(
            f"the runtime did not answer initialize within {self._config.startup_timeout_s:g} s",
            stderr_tail=self._transport.stderr_tail,
        )

    @abstractmethod
    def _tool_caller(self) -> Any:
        """The class of who calls tools."""

    @abstractmethod
    def _send(self, data: bytes) -> None:
        """Send some lines, soon. Never blocks."""

    def _check_process(self) -> None:
        if os.getpid() != self._process_id:
            raise RuntimeError(WRONG_PROCESS)


def over(cursor: Cursor, config: AppServerConfig, *, is_complete: bool, ending: Ending | None) -> bool:
    """Whether a consumer that found nothing more is at the end; raises what ended it before its time.

    Raises:
        EventOverflowError: if it was too far behind.
        TransportClosedError: if the connection ended.
    """
    if cursor.has_overflowed:
        most = f"{config.max_buffered_events:,} events or {config.max_buffered_bytes:,} bytes"
        raise EventOverflowError(f"more than {most} of {cursor.log.topic} waited to be read")
    if ending is not None and not is_complete and not cursor.is_closed:
        raise closed(f"{cursor.log.topic} did not end", ending) from ending.failure
    return is_complete or cursor.is_closed


def failure(request: Request, ending: Ending | None, timeout: float | None) -> Exception:
    """Why a request has no result, some seconds after it was made."""
    method, answer = request.method, request.answer
    if isinstance(answer, ErrorResponse):
        if (answer.code, answer.data) == (LOST, LOST_DATA):
            return ConnectionLostError(f"{method}: {answer.message}", method=method)
        return rpc_error(answer.code, answer.message, answer.data, method=method)
    if isinstance(answer, Junk):
        return AppServerError(f"the answer to {method} cannot be read: {answer.reason}")
    if ending is not None:
        return closed(f"{method} {'got no answer' if request.is_sent else 'was not sent'}", ending)
    return RequestTimeoutError(f"{method} got no answer within {timeout:g} s")


def closed(what: str, ending: Ending) -> TransportClosedError:
    """The error that the connection is over."""
    # A new one for every call: an exception that several threads raise collects the tracebacks of all.
    return TransportClosedError(f"{what}: {ending.reason}", exit_code=ending.exit_code, stderr_tail=ending.stderr_tail)


def package_version() -> str:
    """The version of this package, for the handshake."""
    # Imported while the runtime boots, which takes longer.
    from codex_app_server._version import __version__

    return __version__
