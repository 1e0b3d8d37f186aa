"""One conversation with a runtime: which bytes to send, and what the received ones mean.

The rules:

- The client numbers its requests from 1; an answer belongs to the open request with its id, and there is one answer.
- A request may be abandoned: its answer is dropped when it comes. If that announces a turn, the turn is interrupted,
  for nobody will ever see it.
- An answer without an open request, and a line that is no message, are events too (`Junk`): the driver logs them, and
  the conversation goes on.
- A request of the server must be answered, or the runtime waits forever; what with, `answering` decides.
- What is received is kept as bytes (`inbox`) until somebody wants it and lets the conversation `advance`; events of
  turns then go to `streams`, most of them as bytes still, until they are taken.

A `Connection` is not for several threads at once; the driver sees to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from codex_app_server.protocol.allowance import Allowance
from codex_app_server.protocol.inbox import ID_MARK, Inbox
from codex_app_server.protocol.messages import (
    ErrorResponse,
    Junk,
    Notification,
    Response,
    encode_request,
    parse,
    parse_all,
)
from codex_app_server.protocol.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_app_server.protocol.messages import Message, RequestId
    from codex_app_server.protocol.streams import Stream

__all__ = ["Connection", "Progress"]


class Progress(NamedTuple):
    """What came of a step.

    Attributes:
        messages: answers, which close their open request, questions of the server and junk, in order.
        ready: streams that were `wanted` and have something now; they are not wanted any more.
        replies: bytes to send on, of the conversation's own accord.
    """

    messages: list[Message]
    ready: list[Stream]
    replies: list[bytes]


class _Request(NamedTuple):
    """A request without an answer yet."""

    thread_id: str | None
    announces_turn: bool


class Connection:
    """The client's side of one conversation.

    Args:
        max_buffered_events: how many events of one turn are kept for its consumer.
    """

    def __init__(self, max_buffered_events: int) -> None:
        self._inbox = Inbox()
        self.allowance = Allowance()
        self._last_id = 0
        self._open: dict[RequestId, _Request] = {}
        self._abandoned: dict[RequestId, _Request] = {}
        self.skipped_lines = 0
        """How many lines were no message, or answered nothing; counted before anything that came later is seen."""
        self.streams = Streams(max_buffered_events)

    @property
    def unread_bytes(self) -> int:
        """How much was received that no step has come to."""
        return self._inbox.size

    @property
    def is_full(self) -> bool:
        """Whether that is all that may be kept."""
        return self._inbox.size >= self.allowance.limit

    @property
    def is_urgent(self) -> bool:
        """Whether there may be an answer or a question of the server in it."""
        return self._inbox.urgent

    def request(
        self, method: str, params: Mapping[str, object] | None, *, announces_turn: bool = False
    ) -> tuple[int, bytes]:
        """Open a request: its id, and the bytes to send.

        Args:
            method: the protocol's name.
            params: its parameters.
            announces_turn: whether its answer names a turn that begins; that turn's stream is open from then on.

        Raises:
            TypeError, ValueError: if JSON cannot say `params` (see `encode_request`); nothing is open then.
        """
        data = encode_request(self._last_id + 1, method, params)
        self._last_id += 1
        thread_id = params.get("threadId") if params else None
        self._open[self._last_id] = _Request(thread_id if isinstance(thread_id, str) else None, announces_turn)
        if announces_turn:
            self.streams.expect()
        return self._last_id, data

    def abandon(self, request_id: int) -> None:
        """Nobody waits for this request any more."""
        if request := self._open.pop(request_id, None):
            self._abandoned[request_id] = request

    def interrupt(self, thread_id: str, turn_id: str) -> bytes:
        """What to send to have a turn stopped, whose answer nobody waits for."""
        request_id, data = self.request("turn/interrupt", {"threadId": thread_id, "turnId": turn_id})
        self.abandon(request_id)
        return data

    def receive(self, data: bytes) -> None:
        """Take in what arrived."""
        self._inbox.feed(data)

    def end(self) -> None:
        """The bytes ended; a last line may lack its end."""
        self._inbox.end()

    def advance(self, count: int | None = None) -> Progress:
        """Read the next lines, so many at most, or all of them."""
        progress = Progress([], [], [])
        self.allowance.read()
        streams, may_have_ids = self.streams, self._inbox.may_have_ids  # before lines are taken: of all that wait
        lines = self._inbox.take(len(self._inbox) if count is None else count)
        if streams.are_overheard:
            for line, message in zip(lines, parse_all(lines)):  # noqa: B905 - as many, and it counts
                self._heard(line, message, progress)
            return progress
        deliver_line, ready = streams.deliver_line, progress.ready
        for line in lines:
            if (may_have_ids and ID_MARK in line) or not deliver_line(line, ready):
                self._heard(line, parse(line), progress)
        return progress

    def _heard(self, line: bytes, message: Message, progress: Progress) -> None:
        if type(message) is Notification:
            self.streams.deliver(message, progress.ready, line)
        elif isinstance(message, Response | ErrorResponse):
            self._answered(line, message, progress)
        elif line and not line.isspace():
            self.skipped_lines += isinstance(message, Junk)
            progress.messages.append(message)

    def _answered(self, line: bytes, answer: Response | ErrorResponse, progress: Progress) -> None:
        awaited = self._open.pop(answer.id, None)
        request = awaited or self._abandoned.pop(answer.id, None)
        if request is None:
            self.skipped_lines += 1
            progress.messages.append(Junk(line, "it answers no open request"))
            return
        stream = None
        if request.announces_turn:
            stream = self.streams.announced(answer.result if isinstance(answer, Response) else None)
        if awaited is not None:
            progress.messages.append(answer._replace(stream=stream) if isinstance(answer, Response) else answer)
        elif stream is not None and request.thread_id is not None:
            progress.replies.append(self.interrupt(request.thread_id, stream.topic.id))
