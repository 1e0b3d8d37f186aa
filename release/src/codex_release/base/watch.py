"""Watching something that may fall silent, from a thread of its own: what waits for it cannot do so itself."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Watch", "watching"]


class Watch:
    """Ends what is silent for too long.

    Attributes:
        heard: to be set when there was a sign of life.
        is_lost: whether it was ended.
        is_over: to be set when there is nothing more to watch.
    """

    def __init__(self, silence_s: float, end: Callable[[], None]) -> None:
        self.heard = threading.Event()
        self.is_lost = False
        self.is_over = False
        self._silence_s = silence_s
        self._end = end

    def run(self) -> None:
        """Watch until it is over."""
        while not self.is_over:
            if not self.heard.wait(self._silence_s):
                self.is_lost = True
                self._end()
                return
            self.heard.clear()


@contextlib.contextmanager
def watching(silence_s: float, end: Callable[[], None]) -> Iterator[Watch]:
    """Watch until the block ends.

    Args:
        silence_s: how long nothing may be heard, in seconds.
        end: ends it; called from another thread, once.
    """
    watch = Watch(silence_s, end)
    thread = threading.Thread(target=watch.run, name="silence watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.is_over = True
        watch.heard.set()
        thread.join()
