"""What was received and not read yet: bytes are cheap to keep, parsed messages are not.

A program that reads its events slowly should not fill its memory with them, so lines stay bytes until somebody wants
them: a twentieth of the room. But an answer or a question of the server must not wait behind events that nobody reads:
`urgent` says that there may be one. Every such message has an ``id`` member, and no event that comes in masses has one
anywhere. An event with one further down, an item's, is told apart by a second look.
"""

from __future__ import annotations

from collections import deque

from codex_app_server.protocol.framing import LineSplitter
from codex_app_server.protocol.messages import Notification, parse

__all__ = ["ID_MARK", "Inbox"]

ID_MARK = b'"id"'
"""Inside a JSON string its quotes would be escaped, so text cannot look like it; a key of that name deeper down can."""

_LONG = 64 * 1024
"""From how many bytes on a line is not looked at twice, but counts as urgent."""


class Inbox:
    """The lines of a stream, in its order."""

    __slots__ = ("_chunks", "_count", "_splitter", "may_have_ids", "size", "urgent")

    def __init__(self) -> None:
        self._splitter = LineSplitter()
        self._chunks: deque[list[bytes]] = deque()  # lines that came together stay together: few things to move
        self._count = 0
        self.size = 0
        """How many bytes of whole lines wait."""
        self.may_have_ids = False
        """Whether `ID_MARK` may be in one of the waiting lines."""
        self.urgent = False
        """Whether one of the waiting lines may be an answer or a question of the server."""

    def __len__(self) -> int:
        """How many lines wait."""
        return self._count

    def feed(self, data: bytes) -> None:
        """Take in what arrived."""
        lines = self._splitter.feed(data)
        if lines:
            # The first line may have begun, and its mark been cut in two, in what arrived before.
            self._add(lines, is_marked=data.find(ID_MARK, 0, data.rfind(b"\n")) >= 0 or ID_MARK in lines[0])

    def end(self) -> None:
        """There will be no more; a last line may lack its end."""
        if lines := self._splitter.end():
            self._add(lines, is_marked=ID_MARK in lines[0])

    def take(self, count: int) -> list[bytes]:
        """The next lines, `count` at most."""
        chunks = self._chunks
        if not chunks:
            return []
        lines = chunks.popleft()
        while chunks and len(lines) < count:
            lines += chunks.popleft()
        if len(lines) > count:
            chunks.appendleft(lines[count:])
            del lines[count:]
        self._count -= len(lines)
        if not self._count:
            self.size = 0
            self.may_have_ids = self.urgent = False
        else:
            self.size -= sum(map(len, lines))
        return lines

    def _add(self, lines: list[bytes], *, is_marked: bool) -> None:
        self._chunks.append(lines)
        self._count += len(lines)
        self.size += sum(map(len, lines))
        self.may_have_ids = self.may_have_ids or is_marked
        if is_marked and not self.urgent:
            self.urgent = any(_is_urgent(line) for line in lines if ID_MARK in line)


def _is_urgent(line: bytes) -> bool:
    """Whether a line with the mark is no event, as far as can be said quickly."""
    params = line.find(b'"params"')
    if params < 0 or line.find(ID_MARK) < params or len(line) >= _LONG:
        return True
    return not isinstance(parse(line), Notification)
