"""Loading what a first turn needs while the runtime boots: both take a tenth of a second."""

from __future__ import annotations

import threading
from contextlib import suppress
from importlib import import_module

__all__ = ["load_ahead"]

_FIRST = ("AgentMessageDeltaNotification", "ItemCompletedNotification", "TurnCompletedNotification", "ThreadItem")
"""The models that a first turn is read with."""


def load_ahead(*modules: str) -> None:
    """Begin to load some modules of this package and the first models, in a thread.

    Whoever needs one of them meanwhile waits for just that.
    """
    with suppress(RuntimeError):  # no more threads: then each is loaded when it is needed
        threading.Thread(target=_load, args=modules, name="codex-app-server imports", daemon=True).start()


def _load(*modules: str) -> None:
    for module in modules:
        import_module(f"codex_app_server.{module}")
    from codex_app_server.models.model import load

    for name in _FIRST:
        load(name)
