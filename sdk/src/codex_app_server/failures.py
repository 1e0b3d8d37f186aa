"""Why a turn failed, in the protocol's words (``codexErrorInfo``), and whether the same may succeed later.

It works on plain JSON, and takes no part of it for granted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue

__all__ = ["http_status", "is_retryable", "kind"]

_PASSING = frozenset(
    {
        "serverOverloaded",
        "rateLimitExceeded",
        "internalServerError",
        "flexUnavailable",
        "policyCapacityUnavailable",
    }
)
"""The kinds that pass by themselves."""

_ON_THE_WAY = frozenset(
    {
        "httpConnectionFailed",
        "responseStreamConnectionFailed",
        "responseStreamDisconnected",
        "responseTooManyFailedAttempts",
    }
)
"""The kinds that tell how the request failed: by an HTTP status, or without one, on the network."""

_PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 529})


def kind(error: JsonValue) -> str | None:
    """The protocol's word for what went wrong in a ``TurnError``; None if it says none."""
    info = error.get("codexErrorInfo") if isinstance(error, dict) else None
    if isinstance(info, dict):
        return next(iter(info), None)
    return info if isinstance(info, str) else None


def http_status(error: JsonValue) -> int | None:
    """What the model's server said, if that is what went wrong."""
    info = error.get("codexErrorInfo") if isinstance(error, dict) else None
    details = next(iter(info.values()), None) if isinstance(info, dict) else None
    status = details.get("httpStatusCode") if isinstance(details, dict) else None
    return status if isinstance(status, int) else None


def is_retryable(error: JsonValue) -> bool:
    """Whether the same may succeed later: the model's server was busy or could not be reached."""
    status, word = http_status(error), kind(error)
    if word in _ON_THE_WAY:
        return status is None or status in _PASSING_STATUSES
    return word in _PASSING
