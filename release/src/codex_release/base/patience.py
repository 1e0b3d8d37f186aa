"""How patient to be with servers: how often to try again, how long to pause, and for how long they ask. Pure.

It knows no HTTP library: `base.http` does the trying.
"""

from __future__ import annotations

import contextlib
import email.utils
import random
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Clock", "RetryPolicy", "TransientError", "asked_wait", "moment"]


@dataclass(frozen=True)
class RetryPolicy:
    """How patient to be.

    Attributes:
        attempts: tries in a row without progress, the first one included.
        first_delay_s: the pause after the first failure; it doubles each time, up to `max_delay_s`.
        jitter: the share of each pause that is left to chance, so that many clients do not come back at once.
        max_wait_s: the longest wait a server may ask for; a longer one is an error that names the time.
        connect_timeout_s: how long a connection may take.
        read_timeout_s: how long a server may be silent; with `connect_timeout_s` together, how long it may take until
            its answer begins, and between two pieces of the body, whatever it sends meanwhile.
        stall_window_s: a transfer slower than `stall_rate` bytes a second over this time counts as broken.
        stall_rate: see `stall_window_s`.
        body_timeout_s: how long the whole body of a small answer may take; a file's takes as long as it arrives.
    """

    attempts: int = 5
    first_delay_s: float = 0.5
    max_delay_s: float = 20.0
    jitter: float = 0.25
    max_wait_s: float = 300.0
    connect_timeout_s: float = 15.0
    read_timeout_s: float = 30.0
    stall_window_s: float = 30.0
    stall_rate: int = 1024
    body_timeout_s: float = 120.0

    def delay_s(self, failures: int, chance: Callable[[], float]) -> float:
        """How long to pause after so many failures in a row; `chance` gives a number from 0 to 1."""
        delay = min(self.first_delay_s * 2.0 ** (failures - 1), self.max_delay_s)
        return delay * (1 - self.jitter + 2 * self.jitter * chance())


@dataclass(frozen=True)
class Clock:
    """Time and chance, so that tests need not wait for either."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random


class TransientError(Exception):
    """A failure worth another try.

    Attributes:
        wait_s: how long the server asks to wait, if it does.
        progressed: whether some bytes arrived, so that the count of tries begins anew.
    """

    def __init__(self, what: str, *, wait_s: float | None = None, progressed: bool = False) -> None:
        super().__init__(what)
        self.wait_s = wait_s
        self.progressed = progressed


def asked_wait(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds a server asks to wait: ``Retry-After`` as seconds or a date, else GitHub's rate-limit reset."""
    if after := headers.get("retry-after"):
        if after.isdecimal():
            return float(after)
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            date = email.utils.parsedate_to_datetime(after)
            return max(0.0, date.replace(tzinfo=date.tzinfo or timezone.utc).timestamp() - now)
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return max(0.0, float(reset) - now) + 1.0  # the reset is a whole second, ours may be early
    return None


def moment(timestamp: float) -> str:
    """A point in time as a person reads it."""
    try:
        return f"{datetime.fromtimestamp(timestamp, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):  # beyond the calendar
        return "further notice"
