"""What was received and not read yet: bytes are cheap to keep, parsed messages are not.

A program that reads its events slowly should not fill its memory with them, so lines stay bytes until somebody wants
them: a twentieth of the room. But an answer or a question of the server must not wait behind events that nobody reads:
`urgent` says that there may be one. Every such message has an ``id`` member, and no event that comes in masses has one.
"""

from __future__ import annotations

from collections import deque

from codex_app_server.protocol.framing import LineSplitter

__all__ = ["Inbox"]

_MARK = b'"id"'
"""Inside a JSON string its quotes would be escaped, so text cannot look like it; a key of that name deeper down can."""


class Inbox:
    """The lines of a stream, in its order."""

    __slots__ = ("_lines", "_splitter", "size", "urgent")

    def __init__(self) -> None:
        self._splitter = LineSplitter()
        self._lines: deque[bytes] = deque()
        self.size = 0
        """How many bytes of whole lines wait."""
        self.urgent = False
        """Whether one of the waiting lines may be an answer or a question of the server."""

    def __len__(self) -> int:
        """How many lines wait."""
        return len(self._lines)

    def feed(self, data: bytes) -> None:
        """Take in what arrived."""
        self._add(self._splitter.feed(data))

    def end(self) -> None:
        """There will be no more; a last line may lack its end."""
        self._add(self._splitter.end())

    def take(self, count: int) -> list[bytes]:
        """The next lines, `count` at most."""
        lines = self._lines
        if count >= len(lines):
            taken = list(lines)
            lines.clear()
            self.size = 0
            self.urgent = False
            return taken
        taken = [lines.popleft() for _ in range(count)]
        self.size -= sum(map(len, taken))
        return taken

    def _add(self, lines: list[bytes]) -> None:
        self._lines.extend(lines)
        self.size += sum(map(len, lines))
        if not self.urgent:
            self.urgent = any(_MARK in line for line in lines)
