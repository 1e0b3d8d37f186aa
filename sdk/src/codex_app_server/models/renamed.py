"""Public names for what the protocol calls otherwise, or as the client calls something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

from codex_app_server.generated import Thread, Turn, TurnCompletedNotification

__all__ = ["ThreadInfo", "TurnCompletedNotificationPayload", "TurnInfo"]

TurnCompletedNotificationPayload: TypeAlias = TurnCompletedNotification
"""The payload of ``turn/completed``."""

ThreadInfo: TypeAlias = Thread
"""The protocol's model of a thread, which it calls `Thread`: what the runtime says of one. Here that is a handle."""

TurnInfo: TypeAlias = Turn
"""The protocol's model of a turn, which it calls `Turn`: what the runtime says of one. Here that is a handle."""
