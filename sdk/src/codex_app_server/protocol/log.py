"""What was said about one thing, written by one and read by any number, without a lock.

A `Log` is a chain of nodes. Who reads the runtime's output appends to it; a `Cursor` walks along it on its own. Nobody
waits for anybody: to append is to set one reference, and what every cursor has passed is garbage. So a consumer that is
slow, was interrupted, or is never heard of again concerns no other one.

A log has bounds, in events and in bytes. A cursor that is further behind than that is cut off, alone.
"""

from __future__ import annotations

import itertools
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from typing import TypeAlias

    from codex_app_server.protocol.messages import Notification

    Entry: TypeAlias = bytes | Notification

__all__ = ["KEPT_BYTES", "Bounds", "Cursor", "Log", "Topic"]

KEPT_BYTES = 1 << 20
"""How much of the beginning of a turn is kept for consumers that come later: some four thousand deltas."""


class Topic(NamedTuple):
    """What a log is about.

    Attributes:
        kind: ``turn``, ``thread``, ``login`` or ``process``; empty for everything.
        id: of which one.
    """

    kind: str
    id: str

    def __str__(self) -> str:
        """For messages."""
        return f"{self.kind} {self.id}" if self.kind else "the connection"


class Bounds(NamedTuple):
    """How far behind a cursor may be.

    Attributes:
        events: in events.
        size: in bytes of their lines.
    """

    events: int
    size: int


class _Node:
    """Some entries that came together.

    Attributes:
        entries: what was said; lines that nobody parsed are bytes.
        count: how many entries are before them.
        size: how many bytes are before them.
        length: how many bytes they have.
        next: the node behind, once there is one.
    """

    __slots__ = ("count", "entries", "length", "next", "size")

    def __init__(self, entries: list[Entry], count: int, size: int, length: int) -> None:
        self.entries = entries
        self.count = count
        self.size = size
        self.length = length
        self.next: _Node | None = None


class Log:
    """A chain of what was said, in its order.

    `add`, `publish` and `complete` are for the one who writes; what reads may be called from anywhere.

    Args:
        topic: what it is about.
        bounds: how far behind a cursor may be.
        kept: how many bytes of the beginning stay for cursors that come later.

    Attributes:
        is_complete: whether the last entry was published; no other follows.
        is_ending: whether the last entry was appended.
        is_begun: whether anything was said but that it failed.
        is_left: whether a consumer gave up before that.
        thread_id: of a turn that somebody has begun, the thread.
        asked_until: when this program answered the last question of a turn, by a clock of the drivers.
        waiting: who is to be woken when there is more; how, the drivers know.
        told: the entries that say what came of it, parsed, in their order; they are kept.
        heads: for `heads`.
    """

    __slots__ = (
        "__weakref__",
        "_bounds",
        "_count",
        "_cursors",
        "_fresh",
        "_fresh_size",
        "_head",
        "_kept",
        "_low",
        "_numbers",
        "_size",
        "_tail",
        "asked_until",
        "heads",
        "is_begun",
        "is_complete",
        "is_ending",
        "is_left",
        "thread_id",
        "told",
        "topic",
        "waiting",
    )

    def __init__(self, topic: Topic, bounds: Bounds, *, kept: int = 0) -> None:
        self.topic = topic
        self.is_begun = False
        self.is_complete = False
        self.is_left = False
        self.thread_id = ""
        self.asked_until = 0.0
        self.waiting: deque[Any] = deque()
        self.told: list[Notification] = []
        self.heads: list[bytes] = []
        self._bounds = bounds
        self._kept = kept
        self._count = self._size = 0
        self._low = Bounds(0, 0)  # no cursor was behind this when it was looked at last
        self._fresh: list[Entry] = []
        self._fresh_size = 0
        self.is_ending = False
        self._tail = _Node([], 0, 0, 0)
        self._head = self._tail if kept else None
        self._numbers = itertools.count()
        # By numbers that are never used again: cursors come and go in other threads while the writer looks at them.
        self._cursors: dict[int, weakref.ref[Cursor]] = {}

    def is_ready(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.is_complete

    @property
    def is_followed(self) -> bool:
        """Whether somebody is in the midst of reading it."""
        return any(cursor is not None and cursor.is_active for cursor in self._living())

    @property
    def unread(self) -> int:
        """How many bytes the slowest cursor has not passed."""
        places = [cursor.place.size for cursor in self._living() if cursor is not None]
        return self._size - min(places, default=self._size)

    def cursor(self) -> Cursor:
        """A new cursor: at the beginning, while that is kept, else behind everything that was published."""
        cursor = Cursor(self, self._head or self._tail, is_late=self._head is None)
        cursors, number = self._cursors, next(self._numbers)
        cursors[number] = weakref.ref(cursor, lambda _: cursors.pop(number, None))  # one step, wherever it happens
        return cursor

    def add_line(self, line: bytes) -> bool:
        """Append a line as it is, unless the last entry is there; whether it is the first since the last `publish`."""
        if self.is_ending:
            return False
        fresh = self._fresh
        fresh.append(line)
        return len(fresh) == 1

    def add(self, event: Notification, size: int, *, is_last: bool = False) -> bool:
        """Append an event whose line has so many bytes; as `add_line`."""
        if self.is_ending:
            return False
        self._fresh_size += size
        self.is_ending = is_last
        self._fresh.append(event)
        return len(self._fresh) == 1

    def publish(self) -> None:
        """Let the cursors see what was appended, and cut off those that are too far behind."""
        entries = self._fresh
        if entries:
            size = self._fresh_size + sum([len(entry) for entry in entries if type(entry) is bytes])
            self._fresh = []
            self._fresh_size = 0
            node = _Node(entries, self._count, self._size, size)
            self._count += len(entries)
            self._size += size
            self._tail.next = node
            self._tail = node
            if self._size > self._kept:
                self._head = None
            # What came just now is not counted: nobody has had the time to read it.
            bounds, low = self._bounds, self._low
            if node.count - low.events > bounds.events or node.size - low.size > bounds.size:
                self._cut_off(node)
        if self.is_ending:
            self.is_complete = True

    def complete(self) -> None:
        """Nothing more will come."""
        self.is_ending = True
        self.publish()

    def _living(self) -> list[Cursor | None]:
        return [reference() for reference in list(self._cursors.values())]

    def _cut_off(self, newest: _Node) -> None:
        """End the cursors that are too far behind, and see how far the others are."""
        low = Bounds(newest.count, newest.size)
        for number in list(self._cursors):  # in one step, as `items()` is not
            reference = self._cursors.get(number)
            cursor = None if reference is None else reference()
            if cursor is not None:
                place = cursor.place
                if newest.count - place.events <= self._bounds.events and newest.size - place.size <= self._bounds.size:
                    low = Bounds(min(low.events, place.events), min(low.size, place.size))
                    continue
                cursor.cut_off()
                if cursor.is_active:  # it may still wait for the end
                    continue
            self._cursors.pop(number, None)
        self._low = low


class Cursor:
    """How far one consumer is in a log; one thread at a time may take from it.

    Attributes:
        log: which one.
        is_active: whether its consumer is at it; kept by the consumer.
        is_late: whether it began when the beginning of the log was not kept any more.
        has_overflowed: whether it was cut off, for it was too far behind.
        is_closed: whether its consumer wants no more.
    """

    __slots__ = ("__weakref__", "_at", "_node", "has_overflowed", "is_active", "is_closed", "is_late", "log")

    def __init__(self, log: Log, node: _Node, *, is_late: bool) -> None:
        self.log = log
        self.is_active = False
        self.is_late = is_late
        self.is_closed = False
        self.has_overflowed = False
        self._node: _Node | None = node
        self._at = len(node.entries)

    @property
    def place(self) -> Bounds:
        """How many entries and bytes are behind it, or come next with it: a single line may be longer than a bound."""
        node = self._node
        if node is None:
            return Bounds(self.log._count, self.log._size)  # noqa: SLF001 - one mechanism
        if self._at == len(node.entries) and node.next is not None:
            node = node.next
        return Bounds(node.count + len(node.entries), node.size + node.length)

    def is_ready(self) -> bool:
        """Whether `take` would give something, or there is nothing to wait for."""
        node = self._node
        return node is None or self._at < len(node.entries) or node.next is not None or self.log.is_complete

    def take(self, count: int) -> list[Entry]:
        """The next entries, so many at most."""
        node = self._node
        if node is None:
            return []
        at = self._at
        entries = node.entries[at : at + count]
        at += len(entries)
        while len(entries) < count and (following := node.next) is not None:
            node = following
            more = node.entries
            at = min(len(more), count - len(entries))
            entries += more if at == len(more) else more[:at]
        self._at = at
        self._node = node
        if self.has_overflowed or self.is_closed:  # set while this went on: the chain must not be held
            self._node = None
        return entries

    def cut_off(self) -> None:
        """It is too far behind."""
        self.has_overflowed = True
        self._node = None

    def close(self) -> None:
        """Its consumer wants no more."""
        self.is_active = False
        self.is_closed = True
        self._node = None
