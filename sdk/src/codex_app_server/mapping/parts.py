"""A journal at a URL, wherever `fsspec` can write: as parts, for most stores have files that nobody can add to.

Each part is an object of its own beside the URL, with that as the beginning of its name, and is written whole; all of
them together, and what lies at the URL itself, are the lines of the journal. So nothing is ever rewritten, and programs
that run at the same time are not in each other's way; nor are the threads of one, for every step here is a single one.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from contextlib import suppress
from typing import Any

__all__ = ["Parts"]

_EVERY_S = 2.0
"""How long lines are gathered for a part, in seconds: what is lost if the program is killed, and is run again then."""


class Parts:
    """What a journal needs of a file.

    Args:
        url: e.g. ``s3://bucket/run.jsonl``.

    Raises:
        ImportError: if `fsspec`, or what it needs for such URLs, is not installed.
        OSError: if the store cannot be asked.
    """

    def __init__(self, url: str) -> None:
        try:
            import fsspec
        except ImportError as error:
            raise ImportError("a journal that is a URL needs fsspec: pip install fsspec", name="fsspec") from error
        self._store: Any
        self._store, self._path = fsspec.core.url_to_fs(url)
        self._own = f"{time.time_ns():x}-{os.getpid():x}"
        self._numbers = itertools.count(1)
        self._lines: deque[bytes] = deque()
        self._last = time.monotonic()

    def read(self) -> bytes:
        """All lines that are there."""
        self._store.invalidate_cache()
        try:
            names = self._store.ls(self._store._parent(self._path), detail=False)  # noqa: SLF001 - there is no other word
        except FileNotFoundError:
            return b""
        own = (name for name in sorted(names) if name == self._path or name.startswith(f"{self._path}."))
        return b"\n".join(map(self._store.cat_file, own))

    def write(self, line: bytes) -> int:
        """Add a line; it is with the store some seconds later, at the latest with the last one."""
        self._lines.append(line)
        return len(line)

    def flush(self) -> None:
        """Write a part, if it is time."""
        if time.monotonic() - self._last >= _EVERY_S:
            self._write()

    def close(self) -> None:
        """Write the rest."""
        self._write()

    def _write(self) -> None:
        self._last = time.monotonic()
        lines: list[bytes] = []
        with suppress(IndexError):
            while True:
                lines.append(self._lines.popleft())
        if lines:
            self._store.makedirs(self._store._parent(self._path), exist_ok=True)  # noqa: SLF001 - likewise
            self._store.pipe_file(f"{self._path}.{self._own}-{next(self._numbers):06d}", b"".join(lines))
