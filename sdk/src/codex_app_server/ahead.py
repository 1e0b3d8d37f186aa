"""Loading the models while the runtime boots: both take a tenth of a second, and a program mostly needs both."""

from __future__ import annotations

import threading

__all__ = ["load_models_ahead"]

_FIRST = ("AgentMessageDeltaNotification", "ItemCompletedNotification", "TurnCompletedNotification", "ThreadItem")
"""What a first turn is read with."""


def load_models_ahead() -> None:
    """Begin to load them, in a thread; whoever needs one meanwhile waits for just that."""
    threading.Thread(target=_load, name="codex-app-server models", daemon=True).start()


def _load() -> None:
    from codex_app_server.models import load

    for name in _FIRST:
        load(name)
