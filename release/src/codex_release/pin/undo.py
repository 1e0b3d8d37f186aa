"""All of it or nothing: files that are as they were if what writes them does not end well, also after Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, NoReturn

from codex_release.base.atomic import write_bytes
from codex_release.base.errors import DiskError, first_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["undone_on_failure"]


@contextlib.contextmanager
def undone_on_failure(files: Callable[[], Iterable[Path]]) -> Iterator[None]:
    """A block that changes files, or none of them.

    Args:
        files: all that there are now, of those that the block may write, make and delete.

    Raises:
        DiskError: if a file cannot be made as it was; all others are.
    """
    with _interrupted_once():
        before = {path: path.read_bytes() for path in files()}
        try:
            yield
        except BaseException as error:
            if failures := _undo(before, files()):
                raise DiskError(
                    f"{first_of(failures)}, so not everything is as it was before ({error})",
                    remedy="make room there, and bring back what git status shows as changed: git restore FILE",
                ) from error
            raise


def _undo(before: Mapping[Path, bytes], now: Iterable[Path]) -> list[str]:
    """Make files what they were; why some are not."""
    failures = []
    # What is new goes first: if the disk is full, that makes room for the others.
    for path in (*({*now} - before.keys()), *before):
        try:
            if path not in before:
                path.unlink()
            elif not path.is_file() or path.read_bytes() != before[path]:
                write_bytes(path, before[path])
        except OSError as error:
            failures.append(f"{path} cannot be {'written' if path in before else 'deleted'}: {error.strerror}")
    return failures


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
