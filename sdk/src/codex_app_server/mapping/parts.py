"""A journal at a URL, wherever `fsspec` can write: as parts, for most stores have files that nobody can add to.

Each part is an object of its own beside the URL, with that as the beginning of its name, and is written whole; all of
them together, and what lies at the URL itself, are the lines of the journal. So nothing is ever rewritten, and programs
that run at the same time are not in each other's way.
"""

from __future__ import annotations

import os
import time
from typing import Any

from codex_app_server.extras import lacking

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
            raise lacking("ray", error) from error
        self._store: Any
        self._store, self._path = fsspec.core.url_to_fs(url)
        self._own = f"{time.time_ns():x}-{os.getpid():x}"
        self._number = 0
        self._lines: list[bytes] = []
        self._last = time.monotonic()

    def read(self) -> bytes:
        """All lines that are there."""
        self._store.invalidate_cache()
        try:
            names = self._store.ls(self._store._parent(self._path), detail=False)  # noqa: SLF001 - there is no other word
        except FileNotFoundError:
            return b""
        return b"\n".join(self._store.cat_file(name) for name in sorted(names) if name.startswith(self._path))

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
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        self._number += 1
        self._store.makedirs(self._store._parent(self._path), exist_ok=True)  # noqa: SLF001 - likewise
        self._store.pipe_file(f"{self._path}.{self._own}-{self._number:06d}", b"".join(lines))
        self._last = time.monotonic()
