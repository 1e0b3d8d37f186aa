"""What goes on beside the program: watching turns, and calling functions that look on; each in a thread of its own.

The threads are daemons: a function that never returns does not keep a program from ending.
"""

from __future__ import annotations

import sys
import threading
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from codex_app_server._log import log_error
from codex_app_server.sync.waiting import Latch

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from codex_app_server.observers import Call

__all__ = ["Aside", "Caller"]


class Aside:
    """Work that has been begun; it must end by itself.

    Args:
        work: what is done; what it raises is logged.
        name: of its thread.
        is_short: whether it is done here and now where no thread can be begun.

    Raises:
        RuntimeError: if the system has no more threads, or the interpreter is ending.
    """

    def __init__(self, work: Callable[[], None], name: str, *, is_short: bool = False) -> None:
        self._done = Latch()
        thread = threading.Thread(target=self._do, args=(work, name), name=f"codex-app-server {name}", daemon=True)
        try:
            _begin(thread)
        except RuntimeError:
            if not is_short:
                raise
            self._do(work, name)

    def wait(self, timeout: float) -> bool:
        """Wait for the end; whether it came within so many seconds."""
        return self._done.wait(timeout)

    def _do(self, work: Callable[[], None], name: str) -> None:
        try:
            work()
        except BaseException as error:
            log_error(error, f"{name} failed")
        finally:
            self._done.set()


def _begin(thread: threading.Thread) -> None:
    if sys.is_finalizing():  # until Python 3.12 this would wait for ever
        raise RuntimeError("no thread can be begun any more: the interpreter is ending")
    thread.start()


class Caller:
    """Calls functions that look on, one after another; what one raises is logged."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def call(self, calls: Iterable[Call]) -> None:
        """Call some, in this thread; async ones in a loop that belongs to it."""
        for each in calls:
            try:
                given = each.function(each.argument)
                if isawaitable(given):
                    self._wait_for(given)
            except BaseException as error:
                log_error(error, f"the observer {each.name} failed")

    def close(self) -> None:
        """There is nothing more to call."""
        if self._loop is not None:
            self._loop.close()

    def _wait_for(self, given: Any) -> None:
        if self._loop is None:
            import asyncio

            self._loop = asyncio.new_event_loop()

        async def wait() -> None:
            await given

        self._loop.run_until_complete(wait())
