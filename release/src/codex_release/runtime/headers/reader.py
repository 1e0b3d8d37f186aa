"""Bounds-checked reading of an open file, by seeking: what lies outside a span, or is too much of it, is refused.

The formats' modules read through a `Span` alone, so no offset or count of a damaged file can lead them out of it, make
them loop for long or allocate much, whatever the bytes are. What they find they say in the same words, as an
`Executable`. Nothing here knows a format.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from codex_release.base.errors import InspectError
from codex_release.base.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from struct import Struct

__all__ = ["HEAD_SIZE", "MOST", "Executable", "Image", "Span", "machine_name"]

MOST = 4096
"""No table that is read has more entries (Codex's own have some tens), and no string more bytes (Linux's PATH_MAX)."""

HEAD_SIZE = 32
"""How many first bytes of a file are looked at to tell its format, and what else it may be."""


class Image(Protocol):
    """An executable's bytes, in a file or in memory."""

    def seek(self, offset: int, /) -> object:
        """Read from there on."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes."""


@dataclass(frozen=True)
class Span:
    """A stretch of an open file; offsets are relative to its start.

    Attributes:
        file: where the bytes are.
        name: what messages call this span.
        start: where it begins in the file, in bytes.
        size: its length in bytes.
    """

    file: Image
    name: str
    start: int
    size: int

    def refusal(self, found: str) -> InspectError:
        """The error that says what is wrong with this span."""
        return InspectError(f"{self.name} {found}")

    def damage(self, found: str) -> InspectError:
        """The error that says which two facts of this span contradict each other."""
        return self.refusal(f"is damaged: {found}")

    def claim(self, offset: int, size: int, what: str) -> None:
        """Hold the file to a claim of its headers: that `what` lies at `offset` and has `size` bytes.

        Raises:
            InspectError: if the span ends before.
        """
        if size and offset + size > self.size:
            raise self.refusal(f"is truncated or damaged: its {what} ends at byte {offset + size} of {self.size}")

    def part(self, offset: int, size: int, what: str, *, name: str | None = None) -> Span:
        """A span within this one, after `claim`; messages about it use `name`."""
        self.claim(offset, size, what)
        return Span(self.file, name or self.name, self.start + offset, size)

    def read(self, offset: int, size: int, what: str) -> bytes:
        """`size` bytes, after `claim`; the caller bounds the size."""
        if not size:
            return b""  # and an offset that was held to nothing is not used
        self.claim(offset, size, what)
        self.file.seek(self.start + offset)
        data = self.file.read(size)
        if len(data) != size:
            raise self.refusal(f"shrank while its {what} was read")
        return data

    def beginning(self) -> bytes:
        """Its first `HEAD_SIZE` bytes, or all of them if there are fewer."""
        return self.read(0, min(self.size, HEAD_SIZE), "beginning")

    def unpack(self, layout: Struct, offset: int, what: str) -> tuple[int, ...]:
        """The fields of one structure, all of them numbers."""
        return layout.unpack(self.read(offset, layout.size, what))

    def table(self, layout: Struct, offset: int, count: int, what: str) -> Iterator[tuple[int, ...]]:
        """The fields of `count` structures in a row.

        Raises:
            InspectError: if there are more than `MOST`, or the span ends before the last; before the first is given.
        """
        if count > MOST:
            raise self.damage(f"its {what} has {counted(count, 'entry')}")
        return layout.iter_unpack(self.read(offset, count * layout.size, what))

    def text(self, offset: int, what: str) -> str:
        """A string that ends with a zero byte.

        Raises:
            InspectError: if it has `MOST` bytes or more, or the span ends before it does.
        """
        if offset >= self.size:
            raise self.damage(f"its {what} begins at byte {offset} of {self.size}")
        data = self.read(offset, min(MOST, self.size - offset), what)
        text, end, _ = data.partition(b"\0")
        if not end:
            raise self.damage(f"its {what} has no end")
        return text.decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Executable:
    """The facts of one executable (or shared library) that decide where it runs.

    Attributes:
        format: ``elf``, ``mach-o`` or ``pe``.
        machines: the instruction sets it holds code for, ``x86_64``, ``aarch64`` or another's name; a fat Mach-O has
            several, everything else has one.
        static: ELF: it asks for neither an interpreter nor a library, so any Linux of its machine runs it.
        interpreter: ELF: the dynamic linker it asks for, e.g. ``/lib64/ld-linux-x86-64.so.2``.
        glibc: ELF: the largest version of glibc whose symbols it binds to.
        needed: ELF: the libraries it asks for, in its own order.
        minos: Mach-O: the oldest macOS that runs it; of several slices' the newest.
        signed: Mach-O: every slice has a code signature, be it only an ad-hoc one; PE: there are certificates. Whether
            they are valid is not asked.
    """

    format: str
    machines: tuple[str, ...]
    static: bool | None = None
    interpreter: str | None = None
    glibc: tuple[int, int] | None = None
    needed: tuple[str, ...] = ()
    minos: tuple[int, int] | None = None
    signed: bool = False


def machine_name(number: int, names: dict[int, str]) -> str:
    """The name of a format's machine number; one that has none stays a number."""
    return names.get(number, f"unknown ({number:#06x})")
