"""Loading what a first turn needs while the runtime boots: both take a tenth of a second."""

from __future__ import annotations

import _imp
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["load_ahead", "release_imports"]

_FIRST = ("AgentMessageDeltaNotification", "ItemCompletedNotification", "TurnCompletedNotification", "ThreadItem")
"""The models that a first turn is read with."""


def load_ahead(*modules: str) -> None:
    """Begin to load some modules of this package and the first models, in a thread.

    Whoever needs one of them meanwhile waits for just that.
    """
    with suppress(RuntimeError):  # no more threads: then each is loaded when it is needed
        threading.Thread(target=_load, args=modules, name="codex-app-server imports", daemon=True).start()


def release_imports() -> None:
    """Give the lock of the import system back, if Ctrl-C left it taken; every other thread would wait for it, for ever.

    CPython takes it in one step and sees to its return in the next, and where two threads import at once that is a
    moment in which a signal often comes. Does nothing within an import, where somebody may be at it.
    """
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - nothing else tells who called
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return
        frame = frame.f_back
    with suppress(RuntimeError):  # not held, by this thread
        while True:
            _imp.release_lock()


def _load(*modules: str) -> None:
    for module in modules:
        import_module(f"codex_app_server.{module}")
    from codex_app_server.models.model import load

    for name in _FIRST:
        load(name)
