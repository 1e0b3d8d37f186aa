"""Our own small reader of executable headers: for which machine and system is this file, and is all of it there.

It seeks, and reads a few kilobytes of a 300 MB file. Whatever a file holds, the outcome is an `Executable` or an
`InspectError`. What the facts mean for a wheel's tags is not known here.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from codex_release.base.errors import InspectError, system_errors_as
from codex_release.runtime.headers import elf, macho, pe
from codex_release.runtime.headers.reader import HEAD_SIZE, Executable, Span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "HEAD_SIZE",
    "Executable",
    "Span",
    "begins_as_executable",
    "looks_executable",
    "opened",
    "read_executable",
    "read_image",
]

_FORMATS = (
    (elf.recognizes, elf.read),
    (macho.recognizes, macho.read),
    (pe.recognizes, pe.read),
)
_TEXT = frozenset(b"\t\n\r" + bytes(range(0x20, 0x7F)))


def looks_executable(head: bytes) -> bool:
    """Whether a file whose first `HEAD_SIZE` bytes (or more) are these begins like ELF, Mach-O or PE."""
    return any(recognizes(head) for recognizes, _ in _FORMATS)


def begins_as_executable(path: Path) -> bool:
    """Whether a file begins like an executable, see `looks_executable`."""
    with path.open("rb") as file:
        return looks_executable(file.read(HEAD_SIZE))


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Span]:
    """A file to look into.

    Raises:
        InspectError: if it cannot be read, also inside the block.
    """
    with system_errors_as(InspectError, f"{path} cannot be read"), path.open("rb") as file:
        yield Span(file, str(path), 0, file.seek(0, os.SEEK_END))


def read_executable(path: Path) -> Executable:
    """The facts of an executable or shared library, from its headers alone.

    Raises:
        InspectError: if the file cannot be read, is none, is damaged, or is shorter than its headers say.
    """
    with opened(path) as image:
        return read_image(image)


def read_image(image: Span) -> Executable:
    """The same, of one that is open or in memory."""
    head = image.beginning()
    for recognizes, read in _FORMATS:
        if recognizes(head):
            return read(image)
    raise image.refusal(f"is no executable: {_described(head)}")


def _described(head: bytes) -> str:
    """What the beginning of a file shows about the rest, for a message."""
    if not head:
        return "it is empty"
    if _TEXT.issuperset(head):
        return f"it is a text file that begins with {head.decode('ascii')!r}"
    return f"it begins with {head[:8].hex(' ')}"
