"""Where one message ends and the next begins: every message is one line.

A line has no limit. A file's content or an image travels in one, so the cost of a line must grow with its length alone,
never with the number of chunks it arrives in.
"""

from __future__ import annotations

__all__ = ["LineSplitter"]


class LineSplitter:
    """Cuts a stream of bytes, in chunks of any size, into lines."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        # A bytearray grows in place, in amortised linear time; it is searched never, only the new chunk is.
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes, without their ends."""
        *lines, rest = chunk.split(b"\n")
        if lines and self._rest:
            self._rest += lines[0]
            lines[0] = self._take()
        self._rest += rest
        return lines

    def end(self) -> list[bytes]:
        """The last line, if the stream stopped without ending it."""
        return [self._take()] if self._rest else []

    def _take(self) -> bytes:
        line = bytes(self._rest)
        self._rest = bytearray()
        return line
