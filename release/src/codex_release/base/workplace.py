"""Directories to work in beside what is made, on its file system, so that it only has to be renamed into its place.

Whoever works in one holds a lock in it, which the operating system frees when a process dies: so what a killed one left
is known, and goes when the next one comes to work beside it.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.atomic import remove_tree
from codex_release.base.switch import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["workplace"]

_PREFIX = ".codex-release-"
_OURS = re.compile(re.escape(_PREFIX) + "[a-z0-9_]{8}")
"""The exact form of its name; whatever else has such a name is somebody's own."""
_HELD = ".codex-release-held"


@contextlib.contextmanager
def workplace(directory: Path) -> Iterator[Path]:
    """A new empty directory in another one, which is made if it is not there; it goes at the end of the block.

    Raises:
        OSError: if it cannot be made.
    """
    from filelock import FileLock  # for who finds nothing to do, it takes long to load

    with exclusive(directory, "codex-release-workplaces"):  # nobody takes a new one, not held yet, for one left behind
        _sweep(directory)
        place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=directory))
        lock = FileLock(place / _HELD, thread_local=False)
        lock.acquire()
    try:
        yield place
    finally:
        lock.release()
        remove_tree(place)


def _sweep(directory: Path) -> None:
    """Delete the workplaces that nobody holds, as far as that can be told and done."""
    from filelock import FileLock

    for place in directory.glob(f"{_PREFIX}*"):
        held = place / _HELD
        if not _OURS.fullmatch(place.name) or place.is_symlink() or not place.is_dir() or held.is_symlink():
            continue
        with contextlib.suppress(OSError):  # among them that it is held
            if held.is_file() or not any(place.iterdir()):  # a killed one may not have come so far
                FileLock(held).acquire(timeout=0).lock.release()
                remove_tree(place)
