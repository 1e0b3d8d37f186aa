"""Where one WebSocket message ends and the next begins, for those that come in masses (RFC 6455, 5.2).

A server's short text message, whole and without extensions, is a frame of two to ten bytes and the text. Those are cut
out here, many at a time. Any other frame, whatever it is, goes to a full implementation as it came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_app_server.protocol.framing import LineTooLongError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FrameSplitter"]

_WHOLE_TEXT = 0x81
_MASKED = 0x80
_TWO_BYTES, _EIGHT_BYTES = 126, 127


class FrameSplitter:
    """Cuts a stream of bytes, in chunks of any size, into messages.

    Args:
        odd: takes each frame that is no whole text message, and gives the messages that it completes.
        longest: how long a frame may be, in bytes.
    """

    __slots__ = ("_longest", "_needed", "_odd", "_rest")

    def __init__(self, odd: Callable[[bytes], list[bytes]], longest: int) -> None:
        self._odd = odd
        self._longest = longest
        self._rest = bytearray()
        self._needed = 0  # how long the rest must be for anything to be complete

    def feed(self, chunk: bytes) -> list[bytes]:
        """The messages that `chunk` completes.

        Raises:
            LineTooLongError: if a frame says that it is too long.
        """
        if self._rest:
            self._rest += chunk
            if len(self._rest) < self._needed:
                return []
            chunk = bytes(self._rest)
            self._rest = bytearray()
        messages: list[bytes] = []
        at, size = 0, len(chunk)
        while size - at >= 2:
            kind, length = chunk[at], chunk[at + 1]
            begin = at + 2
            if length & _MASKED:  # no server does that: whatever follows is the other's to refuse
                return [*messages, *self._odd(chunk[at:])]
            if length == _TWO_BYTES:
                begin += 2
                length = int.from_bytes(chunk[at + 2 : begin], "big") if size >= begin else 0
            elif length == _EIGHT_BYTES:
                begin += 8
                length = int.from_bytes(chunk[at + 2 : begin], "big") if size >= begin else 0
            end = begin + length
            if length > self._longest:
                raise LineTooLongError(f"the server sends a message of {length:,} bytes, and {self._longest:,} may be")
            if end > size:
                self._needed = end - at
                break
            if kind == _WHOLE_TEXT:
                messages.append(chunk[begin:end])
            else:
                messages += self._odd(chunk[at:end])
            at = end
        else:
            self._needed = 2
        self._rest += chunk[at:]
        return messages
