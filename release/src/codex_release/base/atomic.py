"""Files that appear whole or not at all.

Everything is written beside its final name and renamed into place, so a kill at any moment leaves the old state or
the new one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["remove_tree", "replace", "scratch_file", "unlink", "write_bytes", "write_text"]

_WINDOWS_RETRY_S = (0.05, 0.1, 0.2, 0.4, 0.8)


def replace(source: Path, destination: Path) -> None:
    """Rename over `destination`.

    On Windows a virus scanner may hold a fresh file for a moment; the rename is tried again for about 1.5 s.
    """
    _patiently(lambda: source.replace(destination))


def unlink(path: Path) -> None:
    """Delete a file, on Windows with the same patience; nothing happens if it is not there."""
    _patiently(lambda: path.unlink(missing_ok=True))


def _patiently(step: Callable[[], object]) -> None:
    for delay in _WINDOWS_RETRY_S if sys.platform == "win32" else ():
        try:
            step()
        except PermissionError:
            time.sleep(delay)
        else:
            return
    step()


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file with LF line ends."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file."""
    with scratch_file(path) as scratch:
        scratch.write_bytes(content)


@contextlib.contextmanager
def scratch_file(path: Path) -> Iterator[Path]:
    """A new empty file beside `path`; it takes that name when the block ends well and vanishes otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    scratch = Path(name)
    try:
        yield scratch
        scratch.chmod(0o644)
        replace(scratch, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say which file it has no room for
        with contextlib.suppress(OSError):  # Windows keeps a file that is still open; the reason it failed says more
            scratch.unlink()
        raise


def remove_tree(path: Path) -> None:
    """Delete a directory and all below it; nothing happens if it is not there."""
    shutil.rmtree(path, ignore_errors=True)
