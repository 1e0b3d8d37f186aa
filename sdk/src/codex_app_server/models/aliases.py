"""A public name for what the protocol spells otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

from codex_app_server.generated import TurnCompletedNotification

__all__ = ["TurnCompletedNotificationPayload"]

TurnCompletedNotificationPayload: TypeAlias = TurnCompletedNotification
"""The payload of ``turn/completed``."""
