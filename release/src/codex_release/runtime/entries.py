"""The rules an archive's entries must keep to be extracted, as pure decisions on names, kinds and sizes.

An archive is a stranger's list of names. A rule here stands for each known way in which such a list has written
outside its directory, over another file, or more than the disk holds, on any of the three systems: what is a plain
name on Linux may be a device or a stream on Windows, and two names may be one on macOS.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Protocol

from codex_release.base.errors import ArchiveError
from codex_release.base.paths import path_parts, whats_unsafe

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

__all__ = ["ByteStream", "Entry", "EntryRules", "Limits"]

_SHOWN = 200
"""The longest name that a message shows whole, in characters."""


class ByteStream(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""


@dataclass(frozen=True)
class Entry:
    """One entry as its archive describes it: a claim, until `EntryRules` admitted it.

    Attributes:
        name: its path.
        kind: ``file``, ``directory``, or what else it is, in words for a message.
        size: in bytes; `None` if its archive does not say.
        open: gives its bytes.
    """

    name: str
    kind: str
    size: int | None
    open: Callable[[], AbstractContextManager[ByteStream]]


@dataclass(frozen=True)
class Limits:
    """How much an archive may hold; a release has about 60 files in 0.6 GB, a third of that compressed.

    Attributes:
        files: entries, directories included.
        file_bytes: the size of one file.
        total_bytes: the size of all files together.
        ratio: extracted bytes for one of the archive, once `ratio_from` bytes came out.
        ratio_from: see `ratio`; below it, even an honest text compresses well.
        name_length: characters in a path.
    """

    files: int = 5_000
    file_bytes: int = 2 << 30
    total_bytes: int = 4 << 30
    ratio: int = 60
    ratio_from: int = 16 << 20
    name_length: int = 512


class EntryRules:
    """Admits the entries of one archive, one after another.

    Args:
        archive: what messages call the archive.
        compressed: the archive's own size in bytes.
        limits: how much it may hold.
    """

    def __init__(self, archive: str, compressed: int, limits: Limits | None = None) -> None:
        self._archive = archive
        self._compressed = max(compressed, 1)
        self._limits = limits or Limits()
        self._entries = 0
        self._total = 0
        self._spelling: dict[str, str] = {}
        self._kinds: dict[str, str] = {}

    def admit(self, name: str, kind: str, size: int | None) -> str:
        """The clean relative POSIX path of an entry.

        Args:
            name: as the archive has it.
            kind: see `Entry`.
            size: what its header claims, in bytes; `None` if it does not.

        Raises:
            ArchiveError: naming the archive, the entry and the broken rule.
        """
        if kind not in {"file", "directory"}:
            self._refuse(name, f"is {kind}; only files and directories are extracted")
        self._entries += 1
        if self._entries > self._limits.files:
            raise ArchiveError(f"{self._archive} has more than {self._limits.files} entries")
        path = self._clean(name)
        self._measure(name, kind, size or 0)
        if path:
            self._occupy(name, path, kind)
        elif kind == "file":
            self._refuse(name, "is a file without a name")
        return path

    def grow(self, count: int) -> None:
        """Count extracted bytes.

        Raises:
            ArchiveError: if they are too many, or too many for the archive's size.
        """
        self._total += count
        if self._total > self._limits.total_bytes:
            raise ArchiveError(f"{self._archive} extracts to more than {self._limits.total_bytes} bytes")
        if self._total > max(self._compressed * self._limits.ratio, self._limits.ratio_from):
            raise ArchiveError(
                f"{self._archive} extracts to more than {self._limits.ratio} times its {self._compressed} bytes"
            )

    def _clean(self, name: str) -> str:
        """The path without a leading ``./`` and a trailing slash, if it stays below its root on every system."""
        if len(name) > self._limits.name_length:
            self._refuse(name[:40] + "…", f"has a name of {len(name)} characters")
        if problem := whats_unsafe(name):
            self._refuse(name if len(name) <= _SHOWN else name[:40] + "…", problem)
        return "/".join(path_parts(name))

    def _measure(self, name: str, kind: str, size: int) -> None:
        """What an entry claims to hold can be true, and is not too much."""
        if size < 0:
            self._refuse(name, f"claims {size} bytes")
        if size > self._limits.file_bytes:
            self._refuse(name, f"claims {size} bytes, more than {self._limits.file_bytes}")
        if kind == "directory" and size:
            self._refuse(name, f"is a directory, but claims {size} bytes")
        if kind == "file" and name.endswith("/"):
            self._refuse(name, "is a file with the name of a directory")

    def _occupy(self, name: str, path: str, kind: str) -> None:
        """Take the path and the directories above it; a file's only once, and each in one spelling."""
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            ancestor = "/".join(parts[:depth])
            if depth < len(parts) and self._kinds.get(ancestor) == "directory":
                continue  # as for an entry before
            for folded in _foldings(ancestor):
                spelled = self._spelling.setdefault(folded, ancestor)
                if spelled != ancestor:
                    self._refuse(name, f"differs from {spelled} only in case or Unicode form")
            before = self._kinds.get(ancestor)
            if depth < len(parts):
                if before == "file":
                    self._refuse(name, f"lies below {ancestor}, which is a file")
                self._kinds[ancestor] = "directory"
            elif before == kind == "file":
                self._refuse(name, "appears twice")
            elif before and before != kind:
                self._refuse(name, "is both a file and a directory")
            else:
                self._kinds[ancestor] = kind

    def _refuse(self, name: str, why: str) -> NoReturn:
        raise ArchiveError(f"{self._archive}: the entry {name!r} {why}")


def _foldings(path: str) -> set[str]:
    """What file systems may take a path for: they compare without case, without Unicode form, or without either.

    Where both are dropped the order of the steps can matter (ᾴ has an accent that lower case moves), so each counts.
    """
    composed = unicodedata.normalize("NFKC", path).casefold()
    decomposed = unicodedata.normalize("NFD", path).casefold()
    return {path.casefold(), path.upper(), composed, unicodedata.normalize("NFKC", decomposed)}
