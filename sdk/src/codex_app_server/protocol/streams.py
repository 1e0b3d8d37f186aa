"""Whose event is it: each turn, and each subscription, has a log of its own.

The rules:

- A turn's log begins with the turn: the turn is announced by the answer to the request that starts it, and where its
  first events come before that answer, they are kept while a request is open that was open then. Those that by then
  turn out to be nobody's are dropped. A request that joined a running turn gets the same log.
- Beside that anybody may listen to a turn, a thread, a login or a process, or to everything, from when they ask on.
- A log ends with the last event of what it is about (`LAST`), that one included.
- A log lives as long as somebody holds it; events for it are dropped when nobody does.
- Where a line tells by its head whose it is (`heads`), and nobody else listens, it is not parsed before it is taken.

All of it belongs to the one who reads the runtime's output, but for `orders`: what others want goes in there, from any
thread, signal handler or finalizer, and is done with the next bytes.
"""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING

from codex_app_server.protocol.heads import Heads
from codex_app_server.protocol.log import KEPT_BYTES, Bounds, Cursor, Log, Topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.protocol.messages import JsonValue, Notification

__all__ = ["EVERYTHING", "GONE", "LAST", "TOLD", "Streams", "review_thread_of", "turn_of"]

EVERYTHING = Topic("", "")

LAST = {
    "": frozenset[str](),
    "turn": frozenset({"turn/completed"}),
    "thread": frozenset({"thread/closed"}),
    "login": frozenset({"account/login/completed", "mcpServer/oauthLogin/completed"}),
    "process": frozenset({"process/exited"}),
}
"""After which event nothing more comes, by the kind of topic."""

TOLD = frozenset({"item/started", "item/completed", "thread/tokenUsage/updated", "turn/completed"})
"""The events that say what came of a turn; the others are the way there."""

GONE = frozenset({"thread/closed", "thread/archived", "thread/deleted"})
"""The events after which a thread has to be opened again, if it can be."""

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


def review_thread_of(result: JsonValue) -> str | None:
    """The id of the thread of the turn that a result announces, if that says it: a review may have its own."""
    found = result.get("reviewThreadId") if isinstance(result, dict) else None
    return found if isinstance(found, str) else None


class Streams:
    """The logs of one conversation.

    Args:
        bounds: how far behind a consumer may be.

    Attributes:
        orders: what to do before the next line is looked at.
        announcing: the ids of the open requests whose answers will announce turns; kept by `Connection`.
        begun: is told the params of each item that begins, if somebody wants to know them.
        gone: is told those of each thread that is not there any more, likewise.
        telling: is told every event that has to be parsed, and of which turn it is, likewise.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.orders: deque[Callable[[], None]] = deque()
        self.announcing: set[int] = set()
        self.begun: Callable[[JsonValue], None] | None = None
        self.gone: Callable[[JsonValue], None] | None = None
        self.telling: Callable[[Notification, str | None], None] | None = None
        self._bounds = bounds
        # Not a `WeakValueDictionary`: looking into one takes twice as long, and its callbacks run anywhere.
        self._turns: dict[str, weakref.ref[Log]] = {}
        self._heads = Heads(TOLD)
        self._unannounced: dict[str, tuple[Log, int]] = {}  # and the latest request that was open when it began
        self._listening: dict[Topic, list[weakref.ref[Cursor]]] = {}

    def obey(self) -> None:
        """Do what was ordered."""
        orders = self.orders
        while orders:
            orders.popleft()()

    def announced(self, result: JsonValue) -> tuple[Cursor | None, bool]:
        """A request that announces a turn was answered, or failed (`None`).

        Returns:
            a cursor at the beginning of the turn that the answer names, and whether somebody has that turn already.
        """
        turn_id = turn_of(result)
        log, is_joined = None, False
        if turn_id is not None:
            log = self.owned(turn_id)
            is_joined = log is not None
            if log is None:
                early = self._unannounced.pop(turn_id, None)
                log = self._log(turn_id) if early is None else early[0]
                self._own(turn_id, log)
        # Where turns begin all the time, some request is always open; it is not about a turn that began before it.
        oldest = min(self.announcing, default=None)
        for unknown, (_, latest) in list(self._unannounced.items()):
            if oldest is None or latest < oldest:
                del self._unannounced[unknown]
        return (log.cursor() if log is not None else None), is_joined

    def listen(self, topic: Topic) -> Cursor:
        """A cursor in a new log of what is said about something from now on; from any thread."""
        cursor = Log(topic, self._bounds).cursor()
        reference = weakref.ref(cursor)
        self.orders.append(lambda: self._listening.setdefault(topic, []).append(reference))
        return cursor

    def finish(self, topic: Topic, touched: list[Log]) -> None:
        """What a topic is about is over, though no event says so."""
        for cursor in self._listeners(topic):
            cursor.log.complete()
            touched.append(cursor.log)

    def logs(self) -> list[Log]:
        """All that somebody holds."""
        cursors = [cursor for topic in list(self._listening) for cursor in self._listeners(topic)]
        owned = [log for reference in list(self._turns.values()) if (log := reference()) is not None]
        return [*owned, *(cursor.log for cursor in cursors)]

    @property
    def are_overheard(self) -> bool:
        """Whether somebody listens beside the owners of turns; then every line must be parsed."""
        return bool(self._listening)

    def deliver_lines(self, lines: list[bytes], start: int, mark: bytes, touched: list[Log]) -> int:
        """Give lines to their logs as they are, as long as their heads tell which.

        Args:
            lines: some lines.
            start: where to begin.
            mark: what the other ones may have; empty if there is none among them.
            touched: gets the logs that are to be published.

        Returns:
            the number of the first one that must be parsed.
        """
        heads = self._heads
        log: Log | None = None
        head, length = b"", -1
        for number in range(start, len(lines)):
            line = lines[number]
            if mark and mark in line:
                return number
            if line[:length] != head or log is None:  # mostly it is as the one before
                known = heads.log_of(line)
                if known is None or (log := known()) is None:
                    return number
                length = heads.length
                head = line[:length]
            if log.add_line(line):
                touched.append(log)
        return len(lines)

    def deliver(self, event: Notification, line: bytes, touched: list[Log]) -> str | None:
        """Give an event to its logs.

        Args:
            event: what was said.
            line: how it was said.
            touched: gets the logs that are to be published.

        Returns:
            of which turn it is.
        """
        turn_id = turn_of(event.params)
        if self.begun is not None and event.method == "item/started":
            self.begun(event.params)
        if self.gone is not None and event.method in GONE:
            self.gone(event.params)
        if self.telling is not None:
            self.telling(event, turn_id)
        if turn_id is not None:
            reference = self._turns.get(turn_id)
            log = reference() if reference is not None else self._of_unannounced(turn_id)
            if log is not None:
                log.is_begun = log.is_begun or event.method != "error"
                if event.method in TOLD:
                    if not log.is_ending:
                        log.told.append(event)
                elif reference is not None:
                    self._heads.learn(line, turn_id, reference, log.heads)
                if log.add(event, len(line), is_last=event.method in LAST["turn"]):
                    touched.append(log)
        if self._listening:
            self._tell(event, len(line), turn_id, touched)
        return turn_id

    def stillborn(self, params: JsonValue, turn_id: str | None) -> JsonValue:
        """The end of a turn that failed before it began, if an error says so: the runtime does not say more of it.

        Returns:
            the params of the event that is missing.
        """
        if turn_id is None:
            return None
        if (log := self.owned(turn_id)) is None and (early := self._unannounced.get(turn_id)) is not None:
            log = early[0]
        if log is None or log.is_begun or log.is_ending:
            return None
        if not isinstance(params, dict) or params.get("willRetry") is not False:
            return None
        return _failed(params.get("threadId"), turn_id, params.get("error"))

    def cut_short(self, thread_id: str, why: str) -> list[JsonValue]:
        """The params of the events that end all turns of a thread of which nothing more will be heard."""
        logs = [log for reference in self._turns.values() if (log := reference()) is not None]
        return [
            _failed(thread_id, log.topic.id, {"message": why})
            for log in logs
            if log.thread_id == thread_id and not log.is_ending
        ]

    def disown(self, turn_id: str) -> None:
        """A turn is over for whoever has it: who joins it once its thread is resumed hears the rest anew."""
        if (log := self.owned(turn_id)) is not None:
            self._heads.forget(log.heads)
        self._turns.pop(turn_id, None)

    def prune(self) -> None:
        """Forget who does not listen any more, or has heard all there is."""
        for topic in list(self._listening):
            self._listeners(topic)

    def watch(self, log: Log) -> None:
        """Parse the next event of a turn, of whichever kind."""
        self._heads.forget(log.heads)

    def _log(self, turn_id: str) -> Log:
        return Log(Topic("turn", turn_id), self._bounds, kept=KEPT_BYTES)

    def owned(self, turn_id: str) -> Log | None:
        """The log of a turn that somebody has; from any thread."""
        reference = self._turns.get(turn_id)
        return reference() if reference is not None else None

    def _own(self, turn_id: str, log: Log) -> None:
        orders, heads = self.orders, log.heads

        def disown() -> None:
            self._heads.forget(heads)
            if self._turns.get(turn_id) is reference:
                del self._turns[turn_id]

        # A callback may run in any thread, in the midst of anything: it only says what is to be done.
        reference = weakref.ref(log, lambda _: orders.append(disown))
        self._turns[turn_id] = reference

    def _of_unannounced(self, turn_id: str) -> Log | None:
        latest = max(self.announcing, default=None)
        if latest is None:
            return None
        if (early := self._unannounced.get(turn_id)) is None:
            early = self._unannounced[turn_id] = self._log(turn_id), latest
        return early[0]

    def _tell(self, event: Notification, size: int, turn_id: str | None, touched: list[Log]) -> None:
        for topic in [*_topics(event.params, turn_id), EVERYTHING]:
            if topic in self._listening:
                is_last = event.method in LAST[topic.kind]
                touched += [
                    cursor.log
                    for cursor in self._listeners(topic)
                    if not cursor.log.is_complete and cursor.log.add(event, size, is_last=is_last)
                ]

    def _listeners(self, topic: Topic) -> list[Cursor]:
        """Who listens to a topic; who does not any more is forgotten."""
        references = self._listening.get(topic, [])
        found = [
            (cursor, reference)
            for reference in references
            if (cursor := reference()) is not None and not cursor.is_closed and not cursor.log.is_complete
        ]
        if len(found) < len(references):
            self._listening[topic] = [reference for _, reference in found]
            if not found:
                del self._listening[topic]
        return [cursor for cursor, _ in found]


def _failed(thread_id: JsonValue, turn_id: str, error: JsonValue) -> dict[str, JsonValue]:
    """The params of the event that ends a turn, where the runtime does not say it."""
    turn: dict[str, JsonValue] = {"id": turn_id, "items": [], "itemsView": "notLoaded"}
    return {"threadId": thread_id, "turn": {**turn, "status": "failed", "error": error}}


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
