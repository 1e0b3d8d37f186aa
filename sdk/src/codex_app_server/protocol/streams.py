"""Whose event is it: each consumer has a stream of its own, with a bound.

The rules:

- A turn has one owner. Its stream begins with the turn: the turn is announced by the answer to the request that starts
  it, and where its first events come before that answer, they are kept while such a request is open. Those that then
  turn out to be nobody's are dropped.
- Beside that anybody may listen to a turn, a thread, a login or a process, or to everything, from when they ask on.
- A stream ends with the last event of what it is about (`LAST`), that one included.
- A stream keeps at most so many events. One more, and it fails: its consumer gets what was kept, then the error. No
  other stream knows.
- A stream lives as long as somebody holds it; events for it are dropped when nobody does.
- Where a line tells by its head whose it is (`heads`), and nobody else listens, it is not parsed before it is taken.

Nothing here waits, and nothing is for several threads at once; the drivers see to that.
"""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, cast

from codex_app_server.protocol.heads import Heads
from codex_app_server.protocol.messages import Junk, Notification, parse, parse_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codex_app_server.protocol.messages import JsonValue

__all__ = ["EVERYTHING", "LAST", "Stream", "Streams", "Topic", "read_events", "turn_of"]


class Topic(NamedTuple):
    """What a stream is about.

    Attributes:
        kind: ``turn``, ``thread``, ``login`` or ``process``; empty for everything.
        id: of which one.
    """

    kind: str
    id: str

    def __str__(self) -> str:
        """For messages."""
        return f"{self.kind} {self.id}" if self.kind else "the connection"


EVERYTHING = Topic("", "")

LAST = {
    "": frozenset[str](),
    "turn": frozenset({"turn/completed"}),
    "thread": frozenset({"thread/closed"}),
    "login": frozenset({"account/login/completed", "mcpServer/oauthLogin/completed"}),
    "process": frozenset({"process/exited"}),
}
"""After which event nothing more comes, by the kind of topic."""

_NAMED_BY = {"threadId": "thread", "loginId": "login", "processHandle": "process"}
"""The members of a notification's params that name what it is about; `_topics` knows the rest."""


def turn_of(params: JsonValue) -> str | None:
    """The id of the turn that a notification's params or a request's result name, if they do."""
    if not isinstance(params, dict):
        return None
    found = params.get("turnId")
    if found is None and isinstance(turn := params.get("turn"), dict):
        found = turn.get("id")
    return found if isinstance(found, str) else None


def read_events(taken: deque[Notification | bytes]) -> tuple[deque[Notification], list[Junk]]:
    """Parse what was taken from a stream; its owner may do that beside everything else.

    Returns:
        the events, and the lines that only begin like one.
    """
    kinds = set(map(type, taken))
    messages: Iterable[object] = taken
    if kinds == {bytes}:
        messages = parse_all(cast("list[bytes]", list(taken)))
    elif bytes in kinds:
        messages = [parse(event) if type(event) is bytes else event for event in taken]
    events = deque(message for message in messages if type(message) is Notification)
    return events, [message for message in messages if type(message) is Junk] if len(events) < len(taken) else []


class Stream:
    """The events that one consumer has not taken yet.

    Attributes:
        topic: what they are about.
        events: in their order; those that are still lines were not parsed.
        is_complete: whether the last event came; no other follows.
        has_overflowed: whether there were too many, and some are missing.
        wanted: set by a driver whose consumer waits.
    """

    __slots__ = ("__weakref__", "_lasts", "_limit", "events", "has_overflowed", "is_complete", "topic", "wanted")

    def __init__(self, topic: Topic, limit: int) -> None:
        self.topic = topic
        self.events: deque[Notification | bytes] = deque()
        self.is_complete = False
        self.has_overflowed = False
        self.wanted = False
        self._limit = limit
        self._lasts = LAST[topic.kind]

    def put(self, event: Notification) -> None:
        """Add an event, unless there are too many."""
        self.put_line(event)
        if event.method in self._lasts:
            self.is_complete = True

    def put_line(self, event: Notification | bytes) -> None:
        """Add one that is not the last, and may not be parsed yet, unless there are too many."""
        events = self.events
        if len(events) >= self._limit:
            self.has_overflowed = True
        elif not self.has_overflowed:
            events.append(event)

    def take(self, count: int | None = None) -> deque[Notification | bytes]:
        """The next events, so many at most, or all of them; they are the caller's then."""
        events = self.events
        if count is not None and len(events) > count:
            return deque([events.popleft() for _ in range(count)])
        self.events = deque()
        return events


class _Owned(NamedTuple):
    """A turn's own stream, and by which heads it is known."""

    stream: weakref.ref[Stream]
    heads: list[bytes]


class Streams:
    """The streams of one conversation.

    Args:
        limit: how many events a stream keeps.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # Not a `WeakValueDictionary`: looking into one takes twice as long, and every event does that.
        self._turns: dict[str, _Owned] = {}
        self._heads = Heads(LAST["turn"])
        self._unannounced: dict[str, Stream] = {}
        self._announcing = 0
        self._listening: dict[Topic, weakref.WeakSet[Stream]] = {}

    def expect(self) -> None:
        """A request was sent whose answer will announce a turn."""
        self._announcing += 1

    def announced(self, result: JsonValue) -> Stream | None:
        """Such a request was answered, or failed (`None`): the stream of the turn that the answer names."""
        self._announcing -= 1
        turn_id = turn_of(result)
        stream = None
        if turn_id is not None:
            stream = self._owned(turn_id)
            if stream is None:
                stream = self._unannounced.pop(turn_id, None) or self._stream("turn", turn_id)
                self._own(turn_id, stream)
        if not self._announcing:
            self._unannounced.clear()
        return stream

    def listen(self, topic: Topic) -> Stream:
        """A new stream of what is said about something from now on."""
        stream = Stream(topic, self._limit)
        self._listening.setdefault(topic, weakref.WeakSet()).add(stream)
        return stream

    @property
    def are_overheard(self) -> bool:
        """Whether somebody listens beside the owners of turns; then every line must be parsed."""
        return bool(self._listening)

    def deliver_line(self, line: bytes, ready: list[Stream]) -> bool:
        """Give a line, that has no ``id`` member, to its stream as it is; whether its head told which."""
        known = self._heads.stream_of(line)
        if known is None or (stream := known()) is None:
            return False
        stream.put_line(line)
        if stream.wanted:
            stream.wanted = False
            ready.append(stream)
        return True

    def deliver(self, event: Notification, ready: list[Stream], line: bytes = b"") -> None:
        """Give an event to its streams.

        Args:
            event: what was said.
            ready: gets the streams that were `wanted`; they are not wanted any more.
            line: how it was said, if others that begin so may be told by that.
        """
        turn_id = turn_of(event.params)
        if turn_id is not None:
            owned = self._turns.get(turn_id)
            stream = owned.stream() if owned is not None else self._of_unannounced(turn_id)
            if stream is not None:
                stream.put(event)
                if stream.wanted:
                    stream.wanted = False
                    ready.append(stream)
                if line and owned is not None:
                    self._heads.learn(line, turn_id, *owned)
        if self._listening:
            self._tell(event, turn_id, ready)

    def close(self, stream: Stream) -> None:
        """Nobody will take this stream's events any more; it counts as complete."""
        stream.is_complete = True
        if self._owned(stream.topic.id) is stream:
            self._disown(stream.topic.id)
        listeners = self._listening.get(stream.topic)
        if listeners is not None:
            listeners.discard(stream)

    def _stream(self, kind: str, topic_id: str) -> Stream:
        return Stream(Topic(kind, topic_id), self._limit)

    def _owned(self, turn_id: str) -> Stream | None:
        owned = self._turns.get(turn_id)
        return owned.stream() if owned is not None else None

    def _own(self, turn_id: str, stream: Stream) -> None:
        self._turns[turn_id] = _Owned(weakref.ref(stream, lambda _: self._disown(turn_id)), [])

    def _disown(self, turn_id: str) -> None:
        if owned := self._turns.pop(turn_id, None):
            self._heads.forget(owned.heads)

    def _of_unannounced(self, turn_id: str) -> Stream | None:
        if not self._announcing:
            return None
        stream = self._unannounced.get(turn_id)
        if stream is None:
            stream = self._unannounced[turn_id] = self._stream("turn", turn_id)
        return stream

    def _tell(self, event: Notification, turn_id: str | None, ready: list[Stream]) -> None:
        for topic in [*_topics(event.params, turn_id), EVERYTHING]:
            for stream in self._listening.get(topic, ()):
                stream.put(event)
                if stream.wanted:
                    stream.wanted = False
                    ready.append(stream)
        for topic in [topic for topic, listeners in self._listening.items() if not listeners]:
            del self._listening[topic]


def _topics(params: JsonValue, turn_id: str | None) -> list[Topic]:
    """What a notification is about, by its params."""
    if not isinstance(params, dict):
        return []
    topics = [Topic("turn", turn_id)] if turn_id is not None else []
    for member, kind in _NAMED_BY.items():
        if isinstance(found := params.get(member), str):
            topics.append(Topic(kind, found))
    if isinstance(thread := params.get("thread"), dict) and isinstance(found := thread.get("id"), str):
        topics.append(Topic("thread", found))
    # `command/exec` calls a process so; in an item the word means a process of the runtime's own.
    if "itemId" not in params and isinstance(found := params.get("processId"), str):
        topics.append(Topic("process", found))
    return topics
