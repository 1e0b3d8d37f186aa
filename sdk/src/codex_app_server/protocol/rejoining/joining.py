"""A thread that is being joined again, and how far that has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue

__all__ = ["MOST_TRIES", "SETTINGS", "WINDOW", "Join", "with_ids"]

WINDOW = 16
"""How many threads are joined at a time."""

MOST_TRIES = 200
"""How often a thread with a running turn is tried to be joined: its first turn may just be being written down."""

SETTINGS = ("config", "baseInstructions", "developerInstructions")
"""What a server does not keep with a thread, of what it was opened with."""


class Join:
    """A thread that is being joined.

    Attributes:
        is_begun: whether that was asked for.
        tries: how often.
        is_active: whether something runs in the thread, as far as the server has said.
        backlog: what came of it meanwhile.
        held: what is to be said in it afterwards.
        usage: by turn, the line that says how many tokens it took.
        ended: the turns whose end is in the backlog.
    """

    def __init__(self) -> None:
        self.is_begun = False
        self.tries = 0
        self.is_active = True
        self.backlog: list[bytes] = []
        self.held: list[bytes] = []
        self.usage: dict[str, bytes] = {}
        self.ended: set[str] = set()

    def keep(self, line: bytes, method: str, turn_id: str | None) -> None:
        """Something came."""
        self.backlog.append(line)
        if turn_id is not None and method == "turn/completed":
            self.ended.add(turn_id)
        elif turn_id is not None and method == "thread/tokenUsage/updated":
            self.usage[turn_id] = line


def with_ids(values: JsonValue) -> list[dict[str, Any]]:
    """Turns or items, without what is none."""
    found = values if isinstance(values, list) else []
    return [value for value in found if isinstance(value, dict) and isinstance(value.get("id"), str)]
