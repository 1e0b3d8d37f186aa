"""Reading tar: a strict walk over its blocks, one entry after another, in constant memory.

POSIX ustar and pax, GNU tar with long names, and V7. `tarfile` reads them too, but takes a damaged header for the end
of the archive, keeps extension headers of any size in memory, and differs from one Python to the next. Here a header
that does not add up, an archive without an end mark and bytes behind it are errors. What a name may be and which kinds
of entries are taken is for `entries` to say.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codex_release.runtime.entries import ByteStream, Entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["tar_entries"]

_BLOCK = 512
_SKIP = 1 << 20
"""How many bytes nobody asked for are read at a time."""

# Extension headers say more about the entry behind them. An honest one holds a path and some times or attributes.
_EXTENSION_BYTES = 64 << 10
_EXTENSIONS = 8
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL = b"L", b"K", b"x", b"g"

_KINDS = {
    b"\0": "file",
    b"0": "file",
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"5": "directory",
    b"6": "a named pipe",
    b"S": "a sparse file",
}
_OCTAL = re.compile(rb" *([0-7]*) *")
_PAX_LENGTH = re.compile(rb"([1-9][0-9]{0,5}) ")


@dataclass(frozen=True)
class _Header:
    """The fields of one header block that matter here (POSIX.1-1988 ustar)."""

    name: str
    flag: bytes
    size: int


@dataclass
class _Extensions:
    """What extension headers said about the next entry."""

    long_name: str | None = None
    pax: Mapping[str, str] = field(default_factory=dict)
    count: int = 0


def tar_entries(stream: ByteStream) -> Iterator[Entry]:
    """The entries of a tar, each to be read before the next is asked for; what is not read is passed over.

    Raises:
        EOFError: if it ends before its end mark.
        ValueError: if it is damaged, or hides something behind its end mark.
    """
    extensions = _Extensions()
    while (header := _header(stream)) is not None:
        if header.flag in (_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL):
            _extend(extensions, header, stream)
            continue
        entry, data = _described(header, extensions, stream)
        extensions = _Extensions()
        yield entry
        data.skip()
    if extensions.count:
        raise ValueError("an extension header has no entry")
    while chunk := stream.read(_SKIP):
        if chunk.strip(b"\0"):
            raise ValueError("there are bytes behind its end mark")


def _header(stream: ByteStream) -> _Header | None:
    """The next header, `None` at the end mark."""
    block = _exactly(stream, _BLOCK, "header")
    if not any(block):
        return None
    # The checksum counts its own field as spaces.
    if _number(block[148:156], "checksum") != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        raise ValueError("the checksum of a header is wrong")
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
        name = f"{prefix}/{name}"
    return _Header(name, block[156:157], _number(block[124:136], "size"))


def _extend(extensions: _Extensions, header: _Header, stream: ByteStream) -> None:
    extensions.count += 1
    if extensions.count > _EXTENSIONS:
        raise ValueError(f"there are more than {_EXTENSIONS} extension headers in a row")
    if header.size > _EXTENSION_BYTES:
        raise ValueError(f"an extension header claims {header.size} bytes, more than {_EXTENSION_BYTES}")
    data = _exactly(stream, _padded(header.size), "extension header")[: header.size]
    if header.flag == _LONG_NAME:
        extensions.long_name = _text(data)
    elif header.flag == _PAX:
        extensions.pax = {**extensions.pax, **_pax(data)}
    elif header.flag == _PAX_GLOBAL and _matters(_pax(data)):
        raise ValueError("a global extension header gives all entries one path or size")


def _described(header: _Header, extensions: _Extensions, stream: ByteStream) -> tuple[Entry, _Data]:
    """An entry and its bytes, with what the extension headers say in place of the header's own fields."""
    pax = extensions.pax
    name = pax.get("path") or extensions.long_name or header.name
    size = _decimal(pax["size"]) if pax.get("size") else header.size
    kind = _KINDS.get(header.flag, f"an entry of unknown type {header.flag!r}")
    if header.flag == b"\0" and name.endswith("/"):
        kind = "directory"  # V7 had no other way to say so
    if kind == "file" and _is_sparse(pax):
        kind = "a sparse file"
    data = _Data(stream, size)
    return Entry(name, kind, size, lambda: contextlib.nullcontext(data)), data


def _pax(data: bytes) -> dict[str, str]:
    """The records of a pax header, ``LENGTH KEY=VALUE`` and a line feed (POSIX.1-2001)."""
    records = {}
    at = 0
    while at < len(data):
        length = _PAX_LENGTH.match(data, at)
        end = at + int(length[1]) if length else 0
        if length is None or not length.end() < end <= len(data) or data[end - 1 : end] != b"\n":
            raise ValueError("a record of an extension header is damaged")
        key, equals, value = data[length.end() : end - 1].partition(b"=")
        if not equals:
            raise ValueError("a record of an extension header has no value")
        records[_decoded(key)] = _decoded(value)
        at = end
    return records


def _matters(pax: Mapping[str, str]) -> bool:
    return "path" in pax or "size" in pax or _is_sparse(pax)


def _is_sparse(pax: Mapping[str, str]) -> bool:
    return any(key.startswith("GNU.sparse.") for key in pax)


def _number(field_: bytes, what: str) -> int:
    """A number in octal digits, or in GNU tar's base 256 (the first bit is set then)."""
    if field_[0] == 0x80:
        return int.from_bytes(field_[1:], "big")
    digits = _OCTAL.fullmatch(field_.partition(b"\0")[0])
    if digits is None:
        raise ValueError(f"a header has the {what} {field_!r}")
    return int(digits[1] or b"0", 8)


def _decimal(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", text):
        raise ValueError(f"an extension header has the size {text[:40]!r}")
    return int(text)


def _text(field_: bytes) -> str:
    """A name; its padding is cut off, a NUL inside it stays for the rules to find."""
    return _decoded(field_.rstrip(b"\0"))


def _decoded(text: bytes) -> str:
    """Text of UTF-8; bytes that are none become surrogates, which the rules refuse in names."""
    return text.decode("utf-8", "surrogateescape")


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _exactly(stream: ByteStream, size: int, what: str) -> bytes:
    data = b""
    while len(data) < size:
        chunk = stream.read(size - len(data))
        if not chunk:
            raise EOFError(f"it ends in the middle of a {what}" if data else f"it ends where a {what} should be")
        data += chunk
    return data


class _Data:
    def __init__(self, stream: ByteStream, size: int) -> None:
        self._stream = stream
        self._left = size
        self._padding = _padded(size) - size

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes of the entry; none at its end."""
        if not self._left:
            return b""
        chunk = self._stream.read(min(size, self._left))
        if not chunk:
            raise EOFError(f"it ends {self._left} bytes before the end of an entry")
        self._left -= len(chunk)
        return chunk

    def skip(self) -> None:
        """Read on to the next header."""
        while self.read(_SKIP):
            pass
        if self._padding:
            _exactly(self._stream, self._padding, "block")
