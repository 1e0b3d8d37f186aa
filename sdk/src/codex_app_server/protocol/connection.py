"""One conversation with a runtime: which bytes to send, and what the received ones mean.

The rules:

- The client numbers its requests from 1; an answer belongs to the open request with its id, and there is one answer.
- A request may be given up: its answer is dropped when it comes. If that announces a turn which nobody else has, the
  turn is interrupted, for nobody will ever see it.
- A turn that was started is not under way at once, and the runtime refuses to interrupt one that is not. Such an
  interruption is sent again with the next event of the turn. Until then nothing is said in its thread: it would join
  the turn that is being stopped.
- An answer without an open request, and a line that is no message, are events too (`Junk`): the driver logs them, and
  the conversation goes on.
- A request of the server must be answered, or the runtime waits forever; what with, `questions` decides.
- Of a line that cannot be read is saved what can be (`rescue`): its caller gets an error, a question is refused.
- Not more requests are on their way than the runtime can hold (`pacing`); the others are sent when it has room. An
  interruption does not wait for that: its id is negative, so that it does not count.

There is one who reads: only it calls `receive`, `end` and `advance`. Everything else is a step of its own that may be
taken from any thread, signal handler or finalizer, between any two others; no lock is needed, and there is none.
"""

from __future__ import annotations

import itertools
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from codex_app_server.protocol.framing import LineSplitter
from codex_app_server.protocol.log import Topic
from codex_app_server.protocol.messages import (
    ErrorResponse,
    Junk,
    Notification,
    Response,
    ServerRequest,
    encode_request,
    parse,
    parse_all,
)
from codex_app_server.protocol.pacing import PROBE, Pacing
from codex_app_server.protocol.rescue import rescue
from codex_app_server.protocol.streams import LAST, Streams

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_app_server.protocol.log import Limits, Log
    from codex_app_server.protocol.messages import Message, RequestId

__all__ = ["Connection", "Progress", "Request"]

ID_MARK = b'"id"'
"""Inside a JSON string its quotes would be escaped, so text cannot look like it; a key of that name deeper down can."""

_FEW_ODD = 8
"""After how many lines without a known head the others are parsed together, which takes less time than one by one."""

_MOST_TRIES = 10
"""How often an interruption is sent."""

_NOT_UNDER_WAY = "no active turn"
"""What the runtime says to an interruption that comes too early (0.169.0, 0.171.0), or too late."""


class Request:
    """A call: who waits for its answer, and what is known of it.

    Args:
        method: the protocol's name.
        params: its parameters; with None the member is left out.
        waiter: who waits, how it is woken the drivers know; None if nobody does.
        announces_turn: whether its answer names a turn that begins; that turn's log is open from then on.
        interrupts: the turn that it stops, if it does.

    Attributes:
        answer: what came of it, once it did.
        is_given_up: whether nobody waits any more.
        is_sent: whether it may be on its way; kept by the driver.
        is_run: whether who waits reads the turn that it announces at once; from its answer on somebody is at that turn.
    """

    __slots__ = (
        "_params",
        "announces_turn",
        "answer",
        "id",
        "interrupts",
        "is_given_up",
        "is_run",
        "is_sent",
        "method",
        "refusal",
        "tries",
        "waiter",
        "was_heard",
    )

    def __init__(
        self,
        method: str,
        params: Mapping[str, object] | None,
        waiter: Any = None,
        *,
        announces_turn: bool = False,
        interrupts: Log | None = None,
    ) -> None:
        self.method = method
        self.waiter = waiter
        self.announces_turn = announces_turn
        self.interrupts = interrupts
        self.id = 0
        self.answer: Response | ErrorResponse | Junk | None = None
        self.is_given_up = False
        self.is_sent = False
        self.is_run = False
        self.refusal: ErrorResponse | None = None  # of an interruption that waits for the turn's next event
        self.was_heard = False  # something of the turn, since it was sent
        self.tries = 0
        self._params = params

    def encode(self, request_id: int) -> bytes:
        """Its line; raises as `encode_request`."""
        self.id = request_id
        return encode_request(request_id, self.method, self._params)

    def param(self, name: str) -> str | None:
        """One of its parameters, if it is a string."""
        found = self._params.get(name) if self._params else None
        return found if isinstance(found, str) else None


class Progress(NamedTuple):
    """What came of a step.

    Attributes:
        answered: the requests that have their answer now, but for those given up.
        questions: what the server asks.
        junk: what made no sense.
        touched: the logs that have more now.
        replies: bytes to send on, of the conversation's own accord.
    """

    answered: list[Request]
    questions: list[ServerRequest]
    junk: list[Junk]
    touched: list[Log]
    replies: list[bytes]


class Connection:
    """The client's side of one conversation.

    Args:
        limits: how far behind a consumer may be.
        longest_line: how long a line may get, in bytes.
        event: what events become.
    """

    def __init__(self, limits: Limits, longest_line: int, event: type[Notification] = Notification) -> None:
        self.streams = Streams(limits)
        self.skipped_lines = 0
        """How many lines were no message, or answered nothing; counted before anything that came later is seen."""
        self._event = event
        self._splitter = LineSplitter(longest_line)
        self._lines: list[bytes] = []
        self._may_have_ids = False
        self._ids = itertools.count(1)
        self._ids_of_their_own = itertools.count(-1, -1)
        self._pacing = Pacing()
        self._open: dict[RequestId, Request] = {}
        self._stopping: dict[str, list[Request]] = {}  # by turn
        self._stops: dict[Request, str] = {}  # in which thread
        self._held: deque[tuple[Request, bytes]] = deque()  # what is to be said in these threads
        self.received_bytes = 0
        """How much has been received that no step has come to."""

    @property
    def waiting(self) -> list[Request]:
        """The open requests that somebody waits for."""
        return [request for request in list(self._open.values()) if not request.is_given_up]

    def request(self, request: Request) -> bytes:
        """Open a request: the bytes to send now; those of one that has to wait come out of a later step.

        Raises:
            TypeError, ValueError: if JSON cannot say its parameters (see `encode_request`); nothing is open then.
        """
        data = request.encode(next(self._ids if request.interrupts is None else self._ids_of_their_own))
        if request.announces_turn:
            self.streams.announcing.add(request.id)
        thread_id = request.param("threadId") or ""
        self._open[request.id] = request
        if request.interrupts is not None:
            self._stops[request] = thread_id
            self.streams.orders.append(lambda: self._watch(request))
            return data
        if request.announces_turn and self._is_stopping(thread_id):
            self._held.append((request, data))
            if self._is_stopping(thread_id) or not self._withdrawn(request):  # it may just have been stopped
                return b""
        return self._pacing.admit(request.id, data) + self._probe()

    def give_up(self, request: Request) -> bytes | None:
        """Nobody waits for this request any more: perhaps bytes to send."""
        request.is_given_up = True
        is_held = self._pacing.withdraw(request.id)
        is_held = self._withdrawn(request) or is_held
        if is_held or not request.is_sent:
            self._open.pop(request.id, None)
            self.streams.announcing.discard(request.id)
            if request.interrupts is not None:
                self.streams.orders.append(lambda: self._no_longer(request))
        # First that it is given up, then whether there is an answer; `_answered` looks the other way round.
        return self._orphaned(request) if request.answer is not None else None

    def hurry(self, request: Request) -> bytes:
        """Somebody has waited long for what is held back, or for a turn's next event: what to send without it.

        A turn may have ended without a word, for the runtime tells who has unsubscribed from its thread nothing more.
        """
        if (refusal := request.refusal) is not None:
            request.answer = refusal
            self.streams.orders.append(lambda: self._drop(request))
        for held, line in list(self._held):
            if held is request and self._withdrawn(request):
                for stop, thread_id in list(self._stops.items()):
                    if thread_id == request.param("threadId"):
                        self._stops.pop(stop, None)
                return self._pacing.admit(request.id, line) + self._probe()
        return b""

    def interrupt(self, log: Log, thread_id: str) -> bytes:
        """What to send to have a turn stopped, whose answer nobody waits for."""
        request = Request("turn/interrupt", {"threadId": thread_id, "turnId": log.topic.id}, interrupts=log)
        request.is_given_up = request.is_sent = True
        return self.request(request)

    def is_awaited(self, log: Log, thread_id: str) -> bool:
        """Whether somebody reads a turn, or may be about to: who has just said something in its thread."""
        return log.is_followed or any(
            request.announces_turn and request.param("threadId") == thread_id for request in self.waiting
        )

    def _released(self) -> bytes:
        """What may be said now, as no turn is being stopped in its thread any more."""
        data = b""
        for request, line in list(self._held):
            if not self._is_stopping(request.param("threadId") or "") and self._withdrawn(request):
                data += self._pacing.admit(request.id, line) + self._probe()
        return data

    def _is_stopping(self, thread_id: str) -> bool:
        return bool(self._stops) and thread_id in list(self._stops.values())

    def _withdrawn(self, request: Request) -> bool:
        """Hold a request back no longer; whether it was."""
        for each in list(self._held):
            if each[0] is request:
                with suppress(ValueError):  # somebody else was faster
                    self._held.remove(each)
                    return True
        return False

    # What follows is for the one who reads.

    def receive(self, data: bytes) -> None:
        """Take in what arrived.

        Raises:
            LineTooLongError: if a line goes on for too long.
        """
        lines = self._splitter.feed(data)
        if lines:
            # The first line may have begun, and its mark been cut in two, in what arrived before.
            self._may_have_ids = self._may_have_ids or ID_MARK in data or ID_MARK in lines[0]
            self._lines += lines
            self.received_bytes += len(data)

    def may_wait(self, size: int) -> bool:
        """Whether what was received may be read later: it is less, no answer or question, and costs little then."""
        return self.received_bytes < size and not self._may_have_ids and not self.streams.are_overheard

    def end(self) -> None:
        """The bytes ended; a last line may lack its end."""
        self._lines += self._splitter.end()
        self._may_have_ids = True

    def advance(self) -> Progress:
        """Read what was received."""
        progress = Progress([], [], [], [], [])
        self.streams.obey()
        lines, self._lines = self._lines, []
        may_have_ids, self._may_have_ids, self.received_bytes = self._may_have_ids, False, 0
        begun = 0
        if not self.streams.are_overheard:
            begun = self._deliver_lines(lines, progress, may_have_ids=may_have_ids)
        if begun < len(lines):
            rest = lines[begun:] if begun else lines
            for line, message in zip(rest, parse_all(rest, self._event)):  # noqa: B905 - as many, and it counts
                self._heard(line, message, progress)
        for log in progress.touched:
            log.publish()
        if self.streams.are_overheard:
            self.streams.prune()
        if self._held and (data := self._released()):
            progress.replies.append(data)
        return progress

    def _deliver_lines(self, lines: list[bytes], progress: Progress, *, may_have_ids: bool) -> int:
        """Deliver lines that need not be parsed, and some that must; up to which one."""
        mark = ID_MARK if may_have_ids else b""
        number = 0
        for _ in range(_FEW_ODD):
            number = self.streams.deliver_lines(lines, number, mark, progress.touched)
            if number == len(lines):
                break
            self._heard(lines[number], parse(lines[number], self._event), progress)
            number += 1
        return number

    def _heard(self, line: bytes, message: Message, progress: Progress) -> None:
        if type(message) is self._event:
            turn_id = self.streams.deliver(message, line, progress.touched)
            if self._stopping and turn_id in self._stopping:
                self._went_on(turn_id, message.method, progress)
        elif isinstance(message, Response | ErrorResponse):
            self._answered(line, message, progress)
        elif isinstance(message, ServerRequest):
            progress.questions.append(message)
        elif isinstance(message, Junk) and line and not line.isspace():
            self.skipped_lines += 1
            progress.junk.append(message)
            rescued = rescue(message)
            if isinstance(rescued, bytes):
                progress.replies.append(rescued)
            elif rescued is not None and (request := self._open.pop(rescued, None)) is not None:
                self._closed(request, message, progress)

    def _probe(self) -> bytes:
        """What to send to learn whether the runtime has room, if there is reason to ask."""
        if not self._pacing.probe():
            return b""
        request = Request(PROBE, {})
        request.is_given_up = request.is_sent = True
        data = request.encode(next(self._ids_of_their_own))
        self._open[request.id] = request
        return data

    def _answered(self, line: bytes, answer: Response | ErrorResponse, progress: Progress) -> None:
        request = self._open.pop(answer.id, None)
        if request is None:
            self.skipped_lines += 1
            progress.junk.append(Junk(line, "it answers no open request"))
            return
        self._closed(request, answer, progress)

    def _closed(self, request: Request, answer: Response | ErrorResponse | Junk, progress: Progress) -> None:
        """A request has its answer, or one that cannot be read."""
        is_probe = request.method == PROBE and request.id < 0
        room = self._pacing.probed() if is_probe else self._pacing.answered(request.id)
        if room := room + self._probe():
            progress.replies.append(room)
        log = request.interrupts
        if log is not None and not self._was_stopped(request, log, answer, progress):
            return
        if request.announces_turn:
            self.streams.announcing.discard(request.id)
            cursor, is_joined = self.streams.announced(answer.result if isinstance(answer, Response) else None)
            if isinstance(answer, Response):
                answer = answer._replace(cursor=cursor, is_joined=is_joined)
            if cursor is not None:
                cursor.is_active = request.is_run
        if (process_id := request.param("processId")) is not None and request.method == "command/exec":
            self.streams.finish(Topic("process", process_id), progress.touched)
        self._settle(request, answer, progress)

    def _settle(self, request: Request, answer: Response | ErrorResponse | Junk, progress: Progress) -> None:
        request.answer = answer
        if request.is_given_up:
            if (data := self._orphaned(request)) is not None:
                progress.replies.append(data)
        else:
            progress.answered.append(request)

    def _orphaned(self, request: Request) -> bytes | None:
        """What to send when an answer came that nobody wants."""
        answer, thread_id = request.answer, request.param("threadId")
        if not isinstance(answer, Response) or answer.cursor is None or thread_id is None:
            return None
        log = answer.cursor.log
        answer.cursor.is_active = False
        if answer.is_joined and not log.is_left:  # somebody has it, though perhaps nobody reads it just now
            return None
        log.is_left = True
        # Closed is what somebody had, and left.
        return (
            None
            if answer.cursor.is_closed or log.is_complete or self.is_awaited(log, thread_id)
            else self.interrupt(log, thread_id)
        )

    # Interruptions that come too early.

    def _watch(self, request: Request) -> None:
        log = request.interrupts
        if log is None or request.answer is not None or log.is_complete:
            self._no_longer(request)
        else:
            self._stopping.setdefault(log.topic.id, []).append(request)
            self.streams.watch(log)

    def _was_stopped(
        self, request: Request, log: Log, answer: Response | ErrorResponse | Junk, progress: Progress
    ) -> bool:
        """Whether an interruption has its answer; if not, it is sent again, now or with the turn's next event."""
        if (
            not isinstance(answer, ErrorResponse)
            or _NOT_UNDER_WAY not in answer.message
            or log.is_complete
            or request.tries >= _MOST_TRIES
        ):
            self._no_longer(request)
            return True
        request.refusal = answer
        self._open[request.id] = request  # still open, for whoever ends the connection
        if request.was_heard:
            self._try_again(request, progress)
        else:
            self.streams.watch(log)
        return False

    def _went_on(self, turn_id: str, method: str, progress: Progress) -> None:
        """There was an event of a turn that is to stop."""
        for request in list(self._stopping[turn_id]):
            request.was_heard = True
            if method in LAST["turn"]:
                self._no_longer(request)
                if request.refusal is not None:
                    self._open.pop(request.id, None)
                    self._settle(request, request.refusal, progress)
            elif request.refusal is not None:
                self._try_again(request, progress)

    def _try_again(self, request: Request, progress: Progress) -> None:
        self._open.pop(request.id, None)
        request.refusal = None
        request.was_heard = False
        request.tries += 1
        progress.replies.append(request.encode(next(self._ids_of_their_own)))
        self._open[request.id] = request

    def _drop(self, request: Request) -> None:
        self._open.pop(request.id, None)
        self._no_longer(request)

    def _no_longer(self, request: Request) -> None:
        """An interruption is over."""
        self._stops.pop(request, None)
        log = request.interrupts
        if log is not None and (stopping := self._stopping.get(log.topic.id)) is not None:
            remaining = [other for other in stopping if other is not request]
            if remaining:
                self._stopping[log.topic.id] = remaining
            else:
                del self._stopping[log.topic.id]
