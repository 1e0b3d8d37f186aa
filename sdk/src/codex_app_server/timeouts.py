"""What may be said for a number: of seconds, or of things."""

from __future__ import annotations

import time
from numbers import Real
from typing import overload

from codex_app_server.errors import WaitTimeoutError

__all__ = ["LONGEST_S", "check_count", "end_after", "left_until", "seconds"]

LONGEST_S = 4_000_000.0
"""The longest wait that every system can count, in seconds: some 46 days; Windows counts milliseconds in 32 bits."""


@overload
def seconds(value: float, name: str) -> float: ...
@overload
def seconds(value: float | None, name: str) -> float | None: ...
def seconds(value: float | None, name: str) -> float | None:
    """How long to wait.

    Args:
        value: in seconds; None is without limit. Infinity, and all that is longer than `LONGEST_S`, is so long.
        name: of the option, for the message.

    Returns:
        the same as a plain number that any wait takes.

    Raises:
        TypeError: if it is no number; `True` is none either.
        ValueError: if it is negative, or not a number at all (NaN).
    """
    if value is None:
        return None
    given: object = value
    if isinstance(given, bool) or not isinstance(given, (int, float, Real)):
        raise TypeError(f"{name} must be a number of seconds or None, not {value!r}")
    if not value >= 0:  # so is NaN
        raise ValueError(f"{name} must be a number of seconds from 0 on, not {value!r}")
    return float(min(value, LONGEST_S))


def check_count(value: object, name: str, least: int) -> None:
    """Refuse what is no whole number, and what is less than it may be.

    Raises:
        TypeError: if it is no whole number; `True` is none either.
        ValueError: if it is less.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be {least} or more, not {value}")


def end_after(limit: float | None) -> float | None:
    """The time of `time.monotonic` that is so many seconds from now; None if there is no limit."""
    return None if limit is None else time.monotonic() + limit


def left_until(end: float | None) -> float | None:
    """How many seconds are left until a time of `time.monotonic`; None if there is no such time.

    Raises:
        WaitTimeoutError: if none are left.
    """
    if end is None:
        return None
    left = end - time.monotonic()
    if left <= 0:
        raise WaitTimeoutError("the time that it may take is over")
    return left
