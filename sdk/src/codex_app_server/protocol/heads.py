"""Whose event a line is, told by how it begins; what it says is left to whoever wants to know.

The events that come in masses are alike: of one turn they all begin with the same bytes, up to the turn's id. Such a
head, closed, is a small message itself. It is parsed once, and so it is proven where in the message the id stands; what
else begins so is the same turn's, whatever follows. Lines that begin otherwise are nobody's here, and must be parsed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from codex_app_server.protocol.messages import Notification, parse

if TYPE_CHECKING:
    from collections.abc import Container
    from weakref import ref

    from codex_app_server.protocol.log import Log

__all__ = ["Heads", "turn_at_head"]

_HEAD = re.compile(rb'\{"method":"[^"\\]*","params":\{[^{}]{0,400}?"turnId":"[^"\\]*"')
"""What may be one. A brace in a string before the id makes it none, which costs time only."""

_MOST = 64
"""How many heads of one turn are known: each method has its own, and one that counts something has no end of them."""


class Heads:
    """The heads of the turns that somebody reads.

    Args:
        seen: the methods whose events must be parsed at once; they have no head.
    """

    __slots__ = ("_logs", "_seen", "length")

    def __init__(self, seen: Container[str]) -> None:
        self._seen = seen
        self.length = 0
        """How long the heads of the method are that was seen last: whatever the turn, for ids are equally long."""
        self._logs: dict[bytes, ref[Log]] = {}

    def log_of(self, line: bytes) -> ref[Log] | None:
        """The log that an event is for, if its head is known; the line must have no ``id`` member."""
        found = self._logs.get(line[: self.length])
        if found is None and (match := _HEAD.match(line)) is not None:
            found = self._logs.get(match[0])
            if found is not None:
                self.length = match.end()
        return found

    def learn(self, line: bytes, turn_id: str, log: ref[Log], known: list[bytes]) -> None:
        """Know the head of an event, if it has one.

        Args:
            line: the event.
            turn_id: of which turn.
            log: whose it is.
            known: the heads of this log so far; a new one is added.
        """
        if len(known) >= _MOST or (match := _HEAD.match(line)) is None or match[0] in self._logs:
            return
        head = match[0]
        method, found = turn_at_head(head)
        if found == turn_id and method not in self._seen:
            self._logs[head] = log
            known.append(head)

    def forget(self, known: list[bytes]) -> None:
        """Do not know these any more."""
        for head in known:
            self._logs.pop(head, None)
        known.clear()


def turn_at_head(head: bytes) -> tuple[str, str | None]:
    """The method of the event that a head is of, and its turn; no turn if the head is not what it looks like."""
    event = parse(head + b"}}")
    if not isinstance(event, Notification) or not isinstance(event.params, dict):
        return "", None
    found = event.params.get("turnId")
    return event.method, found if isinstance(found, str) else None
