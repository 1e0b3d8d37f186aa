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

    In what is `run` within it, the first one cancels instead. A signal to end does the same.

    Of these it changes none that means something else already, as Ctrl-C in a background job of a script, or what
    `nohup` ignores, and in other threads than the main one nothing.

    Args:
        ended: gets the signals to end that come.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    here = sys._getframe()  # noqa: SLF001 - imports further out are not this block's
    shown = sys.unraisablehook
    tellers: list[threading.Timer] = []
    latest: int = signal.SIGINT

    def is_told_again() -> bool:
        teller = threading.Timer(_AGAIN_S, _interrupt_main, (latest,))
        teller.daemon = True
        try:
            teller.start()
        except RuntimeError:  # there is no thread for it
            return False
        tellers.append(teller)
        return True

    def interrupted(number: int, frame: FrameType | None) -> None:
        nonlocal latest
        latest = number
        if number != signal.SIGINT and ended is not None:
            ended.append(signal.Signals(number))
        if _takers:
            _takers.pop()()
        elif not (is_importing(frame, here) and is_told_again()):
            signal.default_int_handler(number, frame)

    def dropped(what: sys.UnraisableHookArgs) -> None:
        if not (issubclass(what.exc_type, KeyboardInterrupt) and is_told_again()):
            shown(what)

    sys.unraisablehook = dropped
    try:
        with _handled_by(interrupted):
            yield
    finally:
        for teller in tellers:
            teller.cancel()
        sys.unraisablehook = shown


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    usual = {signal.SIGINT: signal.default_int_handler}
    usual |= {getattr(signal, name): signal.SIG_DFL for name in _ENDING if hasattr(signal, name)}
    before = {number: usual[number] for number in usual if signal.getsignal(number) is usual[number]}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, was in before.items():
            signal.signal(number, was)


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


def _interrupt_main(number: int) -> None:
    if sys.platform == "win32":
        signal.raise_signal(number)
    else:  # that thread itself, so that what it waits in ends
        signal.pthread_kill(cast("int", threading.main_thread().ident), number)
