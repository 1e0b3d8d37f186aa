"""Whose event is it: every turn has a stream of its own, with one consumer and a bound.

The rules:

- A notification that names a turn belongs to the stream of that turn; every other one belongs to nobody in particular.
- A turn is announced by the answer to the request that starts it. Its first events may come before that answer: while
  such a request is open, the events of unknown turns are kept, and those that then turn out to be nobody's are dropped.
- A stream ends with ``turn/completed``, that one included.
- A stream keeps at most so many events. One more, and it fails: its consumer gets what was kept, then the error. No
  other stream knows.

Nothing here waits, and nothing is for several threads at once; the drivers see to that.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue, Notification

__all__ = ["Stream", "Streams", "turn_of"]

_LAST = "turn/completed"


def turn_of(params: JsonValue) -> str | None:
    """The id of the turn that a notification's params or a request's result name, if they do."""
    if not isinstance(params, dict):
        return None
    found = params.get("turnId")
    if found is None and isinstance(turn := params.get("turn"), dict):
        found = turn.get("id")
    return found if isinstance(found, str) else None


class Stream:
    """The events of one turn that nobody has taken yet.

    Attributes:
        turn_id: whose.
        events: in their order.
        is_complete: whether the turn's last event came; no other follows.
        has_overflowed: whether there were too many, and some are missing.
        wanted: set by a driver whose consumer waits.
    """

    __slots__ = ("_limit", "events", "has_overflowed", "is_complete", "turn_id", "wanted")

    def __init__(self, turn_id: str, limit: int) -> None:
        self.turn_id = turn_id
        self.events: deque[Notification] = deque()
        self.is_complete = False
        self.has_overflowed = False
        self.wanted = False
        self._limit = limit

    def put(self, event: Notification) -> None:
        """Add an event, unless there are too many."""
        if len(self.events) >= self._limit:
            self.has_overflowed = True
        elif not self.has_overflowed:
            self.events.append(event)
        if event.method == _LAST:
            self.is_complete = True

    def take(self) -> deque[Notification]:
        """All events that are there; they are the caller's then."""
        taken, self.events = self.events, deque()
        return taken


class Streams:
    """The streams of one conversation.

    Args:
        limit: how many events a stream keeps.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: dict[str, Stream] = {}
        self._unknown: dict[str, Stream] = {}
        self._announcing = 0

    def expect(self) -> None:
        """A request was sent whose answer will announce a turn."""
        self._announcing += 1

    def announced(self, result: JsonValue) -> Stream | None:
        """Such a request was answered, or given up (`None`): the stream of the turn that the answer names."""
        self._announcing -= 1
        turn_id = turn_of(result)
        stream = None
        if turn_id is not None:
            stream = self._open.get(turn_id) or self._unknown.pop(turn_id, None) or Stream(turn_id, self._limit)
            self._open[turn_id] = stream
        if not self._announcing:
            self._unknown.clear()
        return stream

    def of(self, turn_id: str) -> Stream | None:
        """The open stream of a turn."""
        return self._open.get(turn_id)

    def deliver(self, event: Notification) -> Stream | None:
        """Give an event to its stream; `None` if it has none."""
        turn_id = turn_of(event.params)
        if turn_id is None:
            return None
        stream = self._open.get(turn_id)
        if stream is None:
            if not self._announcing:
                return None
            stream = self._unknown.get(turn_id)
            if stream is None:
                stream = self._unknown[turn_id] = Stream(turn_id, self._limit)
        stream.put(event)
        return stream

    def close(self, stream: Stream) -> None:
        """Nobody will take this stream's events any more."""
        if self._open.get(stream.turn_id) is stream:
            del self._open[stream.turn_id]
