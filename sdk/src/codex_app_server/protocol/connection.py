"""One conversation with a runtime: which bytes to send, and what the received ones mean.

The rules:

- The client numbers its requests from 1; an answer belongs to the open request with its id, and there is one answer.
- A request may be given up: its answer is dropped when it comes. If that announces a turn which nobody else has, the
  turn is interrupted, for nobody will ever see it.
- What is said in a thread waits while a turn of it is being stopped, or may begin though nobody wants it (`stopping`).
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
from typing import TYPE_CHECKING, NamedTuple

from codex_app_server.protocol.framing import LineSplitter
from codex_app_server.protocol.leaving import LeftThreads
from codex_app_server.protocol.log import Topic
from codex_app_server.protocol.messages import (
    ErrorResponse,
    Junk,
    Notification,
    Response,
    ServerRequest,
    parse,
    parse_all,
)
from codex_app_server.protocol.pacing import PROBE, Pacing
from codex_app_server.protocol.request import Request
from codex_app_server.protocol.rescue import rescue
from codex_app_server.protocol.stopping import Stops
from codex_app_server.protocol.streams import LAST, Streams, review_thread_of, turn_of

if TYPE_CHECKING:
    from codex_app_server.protocol.log import Bounds, Log
    from codex_app_server.protocol.messages import JsonValue, Message, RequestId
    from codex_app_server.telemetry import Tracing

__all__ = ["Connection", "Progress"]

ID_MARK = b'"id"'
"""Inside a JSON string its quotes would be escaped, so text cannot look like it; a key of that name deeper down can."""

_FEW_ODD = 8
"""After how many lines without a known head the others are parsed together, which takes less time than one by one."""


class Progress(NamedTuple):
    """What came of a step.

    Attributes:
        answered: the requests that have their answer now, but for those given up.
        questions: what the server asks.
        junk: what made no sense.
        touched: the logs that have more now.
        replies: bytes to send on, of the conversation's own accord.
        ended: the turns that are over, after all that was asked in them.
        resolved: what the server asked and does not want to know any more, by its ids.
    """

    answered: list[Request]
    questions: list[ServerRequest]
    junk: list[Junk]
    touched: list[Log]
    replies: list[bytes]
    ended: list[str]
    resolved: list[JsonValue]


class Connection:
    """The client's side of one conversation.

    Args:
        bounds: how far behind a consumer may be.
        longest_line: how long a line may get, in bytes.
        event: what events become.
    """

    def __init__(self, bounds: Bounds, longest_line: int, event: type[Notification] = Notification) -> None:
        self.streams = Streams(bounds)
        self.left = LeftThreads()
        """The threads of which nothing is said any more."""
        self.most_bytes: int | None = None
        """How long a request may be, in bytes, where that is limited."""
        self.skipped_lines = 0
        """How many lines were no message, or answered nothing; counted before anything that came later is seen."""
        self.tracing: Tracing | None = None
        """Who is told of requests, if anybody is."""
        self._event = event
        self._splitter = LineSplitter(longest_line)
        self._lines: list[bytes] = []
        self._may_have_ids = False
        self._cut_off: bytes | None = None  # the last line, where the stream stopped without ending it
        self._ids = itertools.count(1)
        self._ids_of_their_own = itertools.count(-1, -1)
        self._pacing = Pacing()
        self._open: dict[RequestId, Request] = {}
        self._stops = Stops()
        self.received_bytes = 0
        """How much has been received that no step has come to."""

    @property
    def waiting(self) -> list[Request]:
        """The open requests that somebody waits for."""
        return [request for request in list(self._open.values()) if not request.is_given_up]

    def request(self, request: Request) -> bytes:
        """Open a request: the bytes to send now; those of one that has to wait come out of a later step.

        Raises:
            TypeError, ValueError: if JSON cannot say its parameters (see `encode_request`), or it is longer than
                `most_bytes`; nothing is open then.
        """
        if request.method == "turn/interrupt" and request.interrupts is None:
            request.interrupts = self.streams.owned(request.param("turnId") or "")
        if self.tracing is not None:
            self.tracing.on_request(request)
        data = request.encode(next(self._ids if request.interrupts is None else self._ids_of_their_own))
        if self.most_bytes is not None and len(data) - 1 > self.most_bytes:
            raise ValueError(
                f"{request.method} is {len(data) - 1:,} bytes long, and this server takes messages of "
                f"{self.most_bytes:,} at most; nothing was sent"
            )
        if request.announces_turn:
            self.streams.announcing.add(request.id)
        self._open[request.id] = request
        if request.interrupts is not None:
            self._stops.begin(request)
            self.streams.orders.append(lambda: self._watch(request))
            return data
        if request.announces_turn and self._stops.hold(request, data):
            return b""
        return self._admit(request, data)

    def give_up(self, request: Request) -> bytes | None:
        """Nobody waits for this request any more: perhaps bytes to send. To say it again changes nothing."""
        if self.tracing is not None and request.answer is None:
            self.tracing.on_give_up(request)
        request.is_given_up = True
        is_held = self._pacing.withdraw(request.id)
        is_held = self._stops.withdraw(request) is not None or is_held
        if is_held or not request.is_sent:
            request.is_sent = False  # no turn will come of it: when it is given up again, there is none to stop
            self._open.pop(request.id, None)
            self.streams.announcing.discard(request.id)
            if request.interrupts is not None:
                self.streams.orders.append(lambda: self._stops.forget(request))
        elif request.announces_turn:
            self._stops.begin(request)
        # First that it is given up, then whether there is an answer; `_settle` looks the other way round.
        if request.answer is None:
            return None
        data = self._orphaned(request) or b""
        self._stops.end(request)
        return data + self._released() or None

    def hurry(self, request: Request) -> bytes:
        """Somebody has waited long for what is held back, or for a turn's next event: what to send without it.

        A turn may have ended without a word, for the runtime tells who has unsubscribed from its thread nothing more.
        And whoever asked whether there is room may have been interrupted before that was sent.
        """
        if (refusal := request.refusal) is not None:
            request.answer = refusal
            self.streams.orders.append(lambda: self._drop(request))
        if (line := self._stops.withdraw(request)) is None:
            self._pacing.doubt(request.id)
            return self._probe()
        self._stops.end_all(request.thread_id)
        return self._admit(request, line)

    def interrupt(self, log: Log, thread_id: str) -> bytes:
        """What to send to have a turn stopped, whose answer nobody waits for."""
        request = Request("turn/interrupt", {"threadId": thread_id, "turnId": log.topic.id}, interrupts=log)
        request.is_given_up = request.is_sent = True
        return self.request(request)

    def is_awaited(self, log: Log, thread_id: str) -> bool:
        """Whether somebody reads a turn, or may be about to: who has just said something in its thread."""
        return log.is_followed or any(
            request.announces_turn and request.thread_id == thread_id and not self._stops.is_held(request)
            for request in self.waiting
        )

    def _admit(self, request: Request, line: bytes) -> bytes:
        return self._pacing.admit(request.id, line) + self._probe()

    def _released(self) -> bytes:
        """What may be said now, as nothing is being stopped in its thread any more."""
        return b"".join(self._admit(request, line) for request, line in self._stops.released())

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
        rest = self._splitter.end()
        self._cut_off = rest[-1] if rest else None
        self._lines += rest
        self._may_have_ids = True

    def advance(self) -> Progress:
        """Read what was received."""
        progress = Progress([], [], [], [], [], [], [])
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
        if data := self._released():
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
            if self._stops.are_watched:
                self._went_on(turn_id, message.method, progress)
            if turn_id is not None and message.method in LAST["turn"]:
                progress.ended.append(turn_id)
            if message.method == "serverRequest/resolved" and isinstance(message.params, dict):
                progress.resolved.append(message.params.get("requestId"))
            if message.method == "error" and (end := self.streams.stillborn(message.params, turn_id)) is not None:
                self._heard(b"", self._event("turn/completed", end), progress)
        elif isinstance(message, Response | ErrorResponse):
            self._answered(line, message, progress)
        elif isinstance(message, ServerRequest):
            progress.questions.append(message)
        elif isinstance(message, Junk) and line and not line.isspace():
            self.skipped_lines += 1
            progress.junk.append(message)
            # Of what was cut off nothing is saved: who waits for it is told how the connection ended.
            rescued = None if line is self._cut_off else rescue(message)
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
        thread_id, result = request.thread_id, None
        if isinstance(answer, Response):
            result = answer.result
            self.left.answered(request, result)
        log = request.interrupts
        if log is not None and not self._is_stopped(request, log, answer, progress):
            return
        if request.announces_turn:
            self.streams.announcing.discard(request.id)
            cursor, is_joined = self.streams.announced(result)
            if isinstance(answer, Response):
                answer = answer._replace(cursor=cursor, is_joined=is_joined)
            if cursor is not None:
                cursor.is_active = True  # whoever has it is about to read, however late
                cursor.log.thread_id = thread_id = review_thread_of(result) or thread_id
        self._settle(request, answer, progress)
        self._cut_short(thread_id, progress)  # a turn is announced before it is over
        if (process_id := request.param("processId")) is not None and request.method == "command/exec":
            self.streams.finish(Topic("process", process_id), progress.touched)  # who saw the end finds the answer

    def _cut_short(self, thread_id: str, progress: Progress) -> None:
        """End the turns of a thread that was left, of which nothing more will be heard."""
        for end in self.streams.cut_short(thread_id, self.left.why(thread_id)) if thread_id in self.left else ():
            self._heard(b"", self._event("turn/completed", end), progress)
            self.streams.disown(turn_of(end) or "")

    def _settle(self, request: Request, answer: Response | ErrorResponse | Junk, progress: Progress) -> None:
        request.answer = answer
        if self.tracing is not None:
            self.tracing.on_response(request)
        if request.is_given_up:
            if (data := self._orphaned(request)) is not None:
                progress.replies.append(data)
            self._stops.end(request)
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
            self._stops.forget(request)
        else:
            self._stops.watch(request)
            self.streams.watch(log)

    def _is_stopped(
        self, request: Request, log: Log, answer: Response | ErrorResponse | Junk, progress: Progress
    ) -> bool:
        """Whether an interruption has its answer; if not, it is sent again, now or with the turn's next event."""
        if not isinstance(answer, ErrorResponse) or not self._stops.is_refused(request, answer):
            self._stops.forget(request)
            return True
        request.refusal = answer
        self._open[request.id] = request  # still open, for whoever ends the connection
        if request.was_heard:
            self._try_again(request, progress)
        else:
            self.streams.watch(log)
        return False

    def _went_on(self, turn_id: str | None, method: str, progress: Progress) -> None:
        """There was an event of a turn, which may be one that is to stop."""
        again, late = self._stops.heard(turn_id, method)
        for request in again:
            self._try_again(request, progress)
        for request, refusal in late:
            self._open.pop(request.id, None)
            self._settle(request, refusal, progress)

    def _try_again(self, request: Request, progress: Progress) -> None:
        self._open.pop(request.id, None)
        request.refusal = None
        request.was_heard = False
        request.tries += 1
        progress.replies.append(request.encode(next(self._ids_of_their_own)))
        self._open[request.id] = request

    def _drop(self, request: Request) -> None:
        if self.tracing is not None:
            self.tracing.on_response(request)
        self._open.pop(request.id, None)
        self._stops.forget(request)
