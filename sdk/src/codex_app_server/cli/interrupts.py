"""Ctrl-C that is not lost, and breaks nothing.

Python drops what is raised in a finalizer or in a callback of a weak reference, and an import that is broken off in
such a callback, which are many, leaves the import system's lock taken. A program would go on as if nobody had said
anything: here it is told again. Raised amid the work of an event loop it may leave that in pieces, and who waits for
it waiting: there it cancels. What else ends a program from outside goes the same way, so that nothing is left behind.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from codex_app_server.preloading import is_importing

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import FrameType

__all__ = ["heeded", "run"]

_ENDING = ("SIGTERM", "SIGHUP", "SIGBREAK")
_AGAIN_S = 0.02
_takers: list[Callable[[], object]] = []
"""Who takes the next Ctrl-C in place of what would be raised."""


@contextmanager
def heeded(ended: list[signal.Signals] | None = None) -> Iterator[None]:
    """Within this block Ctrl-C raises `KeyboardInterrupt` as ever, but once an import is done, and where it is seen.

    In what is `run` within it, the first one cancels instead. A signal to end does the same, if nobody said otherwise.

    It changes nothing where Ctrl-C means something else, and in other threads than the main one.

    Args:
        ended: gets the signals to end that come.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    here = sys._getframe()  # noqa: SLF001 - imports further out are not this block's
    shown = sys.unraisablehook
    tellers: list[threading.Timer] = []

    def is_told_again() -> bool:
        teller = threading.Timer(_AGAIN_S, _interrupt_main)
        teller.daemon = True
        try:
            teller.start()
        except RuntimeError:  # there is no thread for it
            return False
        tellers.append(teller)
        return True

    def interrupted(number: int, frame: FrameType | None) -> None:
        if _takers:
            _takers.pop()()
        elif not (is_importing(frame, here) and is_told_again()):
            signal.default_int_handler(number, frame)

    def told_to_end(number: int, frame: FrameType | None) -> None:
        if ended is not None:
            ended.append(signal.Signals(number))
        interrupted(signal.SIGINT, frame)

    def dropped(what: sys.UnraisableHookArgs) -> None:
        if not (issubclass(what.exc_type, KeyboardInterrupt) and is_told_again()):
            shown(what)

    signal.signal(signal.SIGINT, interrupted)
    sys.unraisablehook = dropped
    try:
        with _ending_by(told_to_end):
            yield
    finally:
        for teller in tellers:
            teller.cancel()
        sys.unraisablehook = shown
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _ending_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Within this block the signals to end are handled, but for those that mean something else: `nohup` ignores one."""
    numbers = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """`asyncio.run`, in which the first Ctrl-C cancels, where it is `heeded`.

    Args:
        main: what to run.

    Raises:
        KeyboardInterrupt: once it has ended after Ctrl-C.
    """
    import asyncio  # which not every command needs

    said: list[bool] = []
    cancel: list[Callable[[], object]] = []

    async def watched() -> None:
        loop, task = asyncio.get_running_loop(), cast("asyncio.Task[None]", asyncio.current_task())
        cancel.append(partial(loop.call_soon_threadsafe, task.cancel))
        if not said:
            await main()

    def taken() -> None:
        said.append(True)
        for each in cancel:
            with suppress(RuntimeError):  # the loop is closed
                each()

    _takers.append(taken)
    try:
        asyncio.run(watched())
    except BaseException as error:
        if not said:
            raise
        raise KeyboardInterrupt from error
    finally:
        with suppress(ValueError):  # it took its one
            _takers.remove(taken)
    if said:
        raise KeyboardInterrupt


def _interrupt_main() -> None:
    if sys.platform == "win32":
        signal.raise_signal(signal.SIGINT)
    else:  # that thread itself, so that what it waits in ends
        signal.pthread_kill(cast("int", threading.main_thread().ident), signal.SIGINT)
