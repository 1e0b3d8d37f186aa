"""Watching something that may fall silent, from a thread of its own: what waits for it cannot do so itself."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Watch", "watching"]


@dataclass
class Watch:
    """What is known of something that may fall silent.

    Attributes:
        heard: to be set when there was a sign of life.
        is_lost: whether it was ended.
    """

    heard: threading.Event = field(default_factory=threading.Event)
    is_lost: bool = False


@contextlib.contextmanager
def watching(silence_s: float, end: Callable[[], None]) -> Iterator[Watch]:
    """Watch until the block ends.

    Args:
        silence_s: how long nothing may be heard, in seconds.
        end: ends it; called from another thread, once.
    """
    watch, is_over = Watch(), False

    def run() -> None:
        while not is_over:
            if not watch.heard.wait(silence_s):
                watch.is_lost = True
                end()
                return
            watch.heard.clear()

    thread = threading.Thread(target=run, name="silence watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        is_over = True
        watch.heard.set()
        thread.join()
