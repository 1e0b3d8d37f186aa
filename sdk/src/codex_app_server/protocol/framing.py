"""Where one message ends and the next begins: every message is one line.

A file's content or an image travels in one line, so the cost of a line must grow with its length alone, never with the
number of chunks it arrives in. Only a line that would fill the memory is refused.
"""

from __future__ import annotations

__all__ = ["MOST_BYTES", "LineSplitter", "LineTooLongError"]

MOST_BYTES = 16 << 20
"""How long a message to a remote app-server may be; upon a longer one it hangs up without a word (0.171.0)."""


class LineTooLongError(ValueError):
    """A line that goes on beyond what may be kept."""


class LineSplitter:
    """Cuts a stream of bytes, in chunks of any size, into lines.

    Args:
        longest: how long a line may get, in bytes.
    """

    __slots__ = ("_longest", "_rest")

    def __init__(self, longest: int) -> None:
        # A bytearray grows in place, in amortised linear time; it is searched never, only the new chunk is.
        self._rest = bytearray()
        self._longest = longest

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes, without their ends.

        Raises:
            LineTooLongError: if a line that has not ended yet is too long.
        """
        *lines, rest = chunk.split(b"\n")
        if lines and self._rest:
            self._rest += lines[0]
            lines[0] = self._take()
        self._rest += rest
        if len(self._rest) > self._longest:
            raise LineTooLongError(f"the runtime wrote a line of more than {self._longest:,} bytes")
        return lines

    def end(self) -> list[bytes]:
        """The last line, if the stream stopped without ending it."""
        return [self._take()] if self._rest else []

    def _take(self) -> bytes:
        line = bytes(self._rest)
        self._rest = bytearray()
        return line
