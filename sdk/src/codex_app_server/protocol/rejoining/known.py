"""What a client knows of its threads and turns, and what of an event is new to it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from codex_app_server.protocol.messages import Notification, parse
from codex_app_server.protocol.rejoining.backfill import completed
from codex_app_server.protocol.rejoining.progress import Pieces, Thread, piece_head

if TYPE_CHECKING:
    from codex_app_server.protocol.rejoining.progress import Turn

__all__ = ["Known"]

_MANY_CLOSED = 1_000


class Known:
    """What is known.

    Attributes:
        threads: by their ids.
        latest: whose pieces came last.
        head: how these begin.
    """

    def __init__(self) -> None:
        self.threads: dict[str, Thread] = {}
        self.head = b""
        self.latest: Pieces | None = None
        self._pieces: dict[bytes, Pieces] = {}
        self._closed: deque[str] = deque(maxlen=_MANY_CLOSED)  # turns whose end no server told

    def thread(self, thread_id: str) -> Thread:
        """A thread, which is now known."""
        found = self.threads.get(thread_id)
        if found is None:
            found = self.threads[thread_id] = Thread(thread_id)
        return found

    def forget(self, thread_id: str) -> list[str]:
        """A thread is not followed any more: its turns that ran."""
        thread = self.threads.pop(thread_id, None)
        if thread is None:
            return []
        turn_ids = list(thread.turns)
        for turn_id in turn_ids:
            self._ended(thread, turn_id)
        return turn_ids

    def made_up(self, thread: Thread, turn_id: str) -> None:
        """The end of a turn was told, which no server told: what it may still say of the turn is known."""
        self._closed.append(turn_id)
        self._ended(thread, turn_id)

    def happened(self, line: bytes, method: str, params: dict[str, Any], thread_id: str, turn_id: str) -> list[bytes]:
        """There was an event of a turn: what to hand on of it."""
        thread = self.thread(thread_id)
        begins = method in {"turn/started", "item/started"}
        turn = thread.turn(turn_id) if begins else thread.turns.get(turn_id)
        item = params.get("item")
        item_id = found if isinstance(item, dict) and isinstance(found := item.get("id"), str) else None
        if turn is None:
            return [] if turn_id in self._closed else [line]
        if method == "turn/completed":
            self._ended(thread, turn_id)
        elif method == "turn/started":
            is_known, turn.is_started = turn.is_started and turn.is_rejoined, True
            return [] if is_known else [line]
        elif method == "item/started" and item_id is not None:
            if turn.is_rejoined and item_id in turn.items:
                return []
            turn.items[item_id] = False
        elif method == "item/completed" and isinstance(item, dict) and item_id is not None:
            is_complete = turn.is_rejoined and turn.items.get(item_id)
            lines = [] if is_complete else completed(thread.id, turn, item, line)
            self.drop_complete(turn)
            return lines
        elif head := piece_head(line):
            return self.piece(line, head)
        return [line]

    def piece(self, line: bytes, head: bytes) -> list[bytes]:
        """There was a piece of an item, with this head: what to hand on of it."""
        pieces = self._pieces.get(head) or self._new_pieces(head)
        if pieces is None:
            return [line]
        self.head, self.latest = head, pieces
        if pieces.is_broken:
            return []
        pieces.lines.append(line)
        return [line]

    def _new_pieces(self, head: bytes) -> Pieces | None:
        message = parse(head + b"}}")
        if not isinstance(message, Notification) or not isinstance(params := message.params, dict):
            return None
        thread_id, turn_id, item_id = (params.get(name) for name in ("threadId", "turnId", "itemId"))
        if not (isinstance(thread_id, str) and isinstance(turn_id, str) and isinstance(item_id, str)):
            return None
        turn = self.thread(thread_id).turn(turn_id)
        if turn is None:
            return None
        pieces = self._pieces[head] = Pieces(turn, item_id, message.method, head)
        pieces.is_broken = turn.is_rejoined and (item_id in turn.broken or turn.items.get(item_id) is not False)
        turn.pieces.setdefault(item_id, []).append(pieces)
        return pieces

    def drop_complete(self, turn: Turn) -> None:
        """Keep nothing of items that are complete."""
        for item_id in [item_id for item_id in turn.pieces if turn.items.get(item_id)]:
            self._drop(turn.pieces.pop(item_id))

    def _ended(self, thread: Thread, turn_id: str) -> None:
        turn = thread.end(turn_id)
        for pieces in turn.pieces.values() if turn is not None else ():
            self._drop(pieces)

    def _drop(self, pieces: list[Pieces]) -> None:
        for each in pieces:
            self._pieces.pop(each.head, None)
            if each is self.latest:
                self.latest = None
