"""How much of its running turns this client has seen: as little as can be kept, at as little cost.

What comes in masses is pieces of text. Until their item is complete they are kept as they came; then they are
forgotten. They are read only if the connection breaks, or there are very many of them.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any

from codex_app_server.protocol.messages import Notification, parse_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codex_app_server.protocol.messages import JsonValue

__all__ = ["Pieces", "Thread", "Turn", "piece_head", "streamed"]

_STREAMED: dict[str, tuple[tuple[str, str, str | None], ...]] = {
    "agentMessage": (("item/agentMessage/delta", "text", None),),
    "plan": (("item/plan/delta", "text", None),),
    "commandExecution": (("item/commandExecution/outputDelta", "aggregatedOutput", None),),
    "reasoning": (
        ("item/reasoning/summaryTextDelta", "summary", "summaryIndex"),
        ("item/reasoning/textDelta", "content", "contentIndex"),
    ),
}
"""By the type of an item: the events that give pieces of it, its member that has the whole, and which of several."""

_METHODS = b"|".join(re.escape(method.encode()) for kinds in _STREAMED.values() for method, _, _ in kinds)
_PIECE = re.compile(rb'\{"method":"(?:' + _METHODS + rb')","params":\{[^{}]{0,400}?"itemId":"[^"\\]*"')
_MANY = 512
_FEW_ENDED = 64


def streamed(item: Mapping[str, JsonValue]) -> tuple[tuple[str, str, str | None], ...]:
    """What gives pieces of an item, as in the table; nothing for one of a type that is not known, or is no text."""
    kind = item.get("type")
    return _STREAMED.get(kind, ()) if isinstance(kind, str) else ()


def piece_head(line: bytes) -> bytes:
    """How a piece of text begins, up to the id of its item; empty if the line is none."""
    found = _PIECE.match(line)
    return b"" if found is None else found[0]


class Pieces:
    """The pieces of one item that came by one kind of event.

    Attributes:
        turn: of which turn.
        item_id: of which item.
        method: of the events.
        head: how they begin.
        lines: those that were handed on, and that nobody has read.
        is_broken: whether some are missing before what comes now.
    """

    __slots__ = ("_texts", "head", "is_broken", "item_id", "lines", "method", "turn")

    def __init__(self, turn: Turn, item_id: str, method: str, head: bytes) -> None:
        self.turn = turn
        self.item_id = item_id
        self.method = method
        self.head = head
        self.lines: list[bytes] = []
        self.is_broken = False
        self._texts: dict[int, list[str]] = {}

    def condense(self) -> None:
        """Keep what many lines say instead of these."""
        if len(self.lines) > _MANY:
            self._read()

    def texts(self) -> dict[int, str]:
        """What was said, by its number where there are several."""
        self._read()
        return {index: "".join(parts) for index, parts in self._texts.items()}

    def _read(self) -> None:
        lines, self.lines = self.lines, []
        number = next((number for kind in _STREAMED.values() for name, _, number in kind if name == self.method), None)
        said: dict[int, list[str]] = {}
        for message in parse_all(lines):
            params: Any = message.params if isinstance(message, Notification) else {}
            index, delta = params.get(number, 0) if number else 0, params.get("delta")
            if isinstance(index, int) and isinstance(delta, str):
                said.setdefault(index, []).append(delta)
        for index, parts in said.items():
            self._texts.setdefault(index, []).append("".join(parts))


class Turn:
    """A turn that runs, as far as is known.

    Attributes:
        id: its id.
        items: its items so far, and whether each is complete.
        pieces: of those that are not.
        broken: the items of which pieces are missing.
        is_started: whether its beginning was told.
        is_rejoined: whether a connection broke since.
    """

    __slots__ = ("broken", "id", "is_rejoined", "is_started", "items", "pieces")

    def __init__(self, turn_id: str) -> None:
        self.id = turn_id
        self.items: dict[str, bool] = {}
        self.pieces: dict[str, list[Pieces]] = {}
        self.broken: set[str] = set()
        self.is_started = False
        self.is_rejoined = False

    def break_off(self) -> None:
        """Pieces of whatever is under way may be missing."""
        self.is_rejoined = True
        self.broken |= {item_id for item_id, is_complete in self.items.items() if not is_complete}
        for pieces in self.pieces.values():
            for kind in pieces:
                kind.is_broken = True


class Thread:
    """A thread that this client is in.

    Attributes:
        id: its id.
        settings: what has to be said again when a server loads it anew.
        is_ephemeral: whether it is stored nowhere, and can be joined by nobody.
        turns: those that run.
        last_turn: the latest one that is known.
        is_known_from_its_beginning: whether this client began it, so that it cannot have had others.
    """

    def __init__(self, thread_id: str) -> None:
        self.id = thread_id
        self.settings: dict[str, JsonValue] = {}
        self.is_ephemeral = False
        self.is_known_from_its_beginning = False
        self.turns: dict[str, Turn] = {}
        self.last_turn: str | None = None
        self._ended: deque[str] = deque(maxlen=_FEW_ENDED)

    def turn(self, turn_id: str) -> Turn | None:
        """A turn, which is now known to run; None if it is known to be over."""
        if turn_id in self._ended:
            return None
        found = self.turns.get(turn_id)
        if found is None:
            found = self.turns[turn_id] = Turn(turn_id)
            self.last_turn = turn_id
        return found

    def end(self, turn_id: str) -> Turn | None:
        """A turn is over."""
        self.last_turn = self.last_turn if turn_id in self.turns else turn_id
        self._ended.append(turn_id)
        return self.turns.pop(turn_id, None)

    def missed(self, turns: Iterable[Any]) -> list[dict[str, Any]]:
        """Of all turns, oldest first, those that run as far as this client knows, and what came after them."""
        found: list[dict[str, Any]] = []
        is_later = self.last_turn is None and self.is_known_from_its_beginning
        for turn in turns:
            if turn["id"] in self.turns or (is_later and turn["id"] not in self._ended):
                found.append(turn)
            is_later = is_later or turn["id"] == self.last_turn
        return found
