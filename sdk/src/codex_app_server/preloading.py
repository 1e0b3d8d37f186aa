"""Loading what a first turn needs while the runtime boots: both take a tenth of a second."""

from __future__ import annotations

import _imp
import atexit
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["is_importing", "load_ahead", "release_imports"]

_FIRST = ("AgentMessageDeltaNotification", "ItemCompletedNotification", "TurnCompletedNotification", "ThreadItem")
"""The models that a first turn is read with."""

_LAST_S = 2.0
"""How long the interpreter's end waits for what is being loaded, in seconds."""

_loading: set[threading.Thread] = set()


def load_ahead(*modules: str) -> None:
    """Begin to load some modules of this package and the first models, in a thread.

    Whoever needs one of them meanwhile waits for just that.
    """
    loader = threading.Thread(target=_load, args=modules, name="codex-app-server imports", daemon=True)
    _loading.add(loader)
    try:
        loader.start()
    except RuntimeError:  # no more threads: then each is loaded when it is needed
        _loading.discard(loader)


def release_imports() -> None:
    """Give the lock of the import system back, if Ctrl-C left it taken; every other thread would wait for it, for ever.

    CPython takes it in one step and sees to its return in the next, and where two threads import at once that is a
    moment in which a signal often comes. Does nothing within an import, where somebody may be at it.
    """
    if not _imp.lock_held() or is_importing(sys._getframe()):  # noqa: SLF001 - nothing else tells who called
        return
    with suppress(RuntimeError):  # not held, by this thread
        while True:
            _imp.release_lock()


def is_importing(frame: FrameType | None, until: FrameType | None = None) -> bool:
    """Whether a frame, or one that called it, up to the last one that matters, belongs to the import system."""
    while frame is not None and frame is not until:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


@atexit.register
def _see_loaded() -> None:
    """The interpreter ends: a thread that it stops in the midst of compiled code may take the process down with it."""
    release_imports()
    for thread in _loading.copy():
        thread.join(_LAST_S)


def _load(*modules: str) -> None:
    with suppress(BaseException):  # it fails again where it is needed, unless the program is ending
        for module in modules:
            import_module(f"codex_app_server.{module}")
        from codex_app_server.models.model import load

        for name in _FIRST:
            load(name)
    _loading.discard(threading.current_thread())
