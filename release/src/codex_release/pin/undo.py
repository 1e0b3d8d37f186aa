"""All of it or nothing: files that are as they were if what writes them does not end well, also after Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

__all__ = ["undone_on_failure"]


@contextlib.contextmanager
def undone_on_failure(files: Callable[[], Iterable[Path]]) -> Iterator[None]:
    """A block that changes files, or none of them.

    Args:
        files: all that there are now, of those that the block may write, make and delete.
    """
    with _interrupted_once():
        before = {path: path.read_bytes() for path in files()}
        try:
            yield
        except BaseException:
            for path in {*before, *files()}:
                if path not in before:
                    path.unlink()
                elif not path.is_file() or path.read_bytes() != before[path]:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(before[path])
            raise


@contextlib.contextmanager
def _interrupted_once() -> Iterator[None]:
    """A block that Ctrl-C ends, and that a second one does not keep from cleaning up."""
    if threading.current_thread() is not threading.main_thread():  # only there can it be said
        yield
        return

    def interrupt(*_: object) -> NoReturn:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
