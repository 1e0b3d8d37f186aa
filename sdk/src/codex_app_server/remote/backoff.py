"""When to try again to connect: soon at first, then less and less often, and not for ever."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.errors import ConnectError

__all__ = ["Backoff", "may_pass"]

_FOR_NOW = {408, 425, 429}

_FIRST_S, _LONGEST_S = 0.05, 5.0


def may_pass(error: ConnectError) -> bool:
    """Whether the next attempt may succeed. A proxy says 502 or 503 while the server behind it is started anew."""
    return error.status is None or error.status >= 500 or error.status in _FOR_NOW


class Backoff:
    """The attempts after a connection broke.

    Args:
        limit_s: for how long to try, in seconds.
        clock: what says the time, in seconds.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._end: float | None = None
        self._delay_s = 0.0

    def restart(self) -> None:
        """All is well: the next break is the first."""
        self._end = None
        self._delay_s = 0.0

    def wait_s(self) -> float | None:
        """How long to wait before the next attempt, in seconds; None if the time is up."""
        now = self._clock()
        if self._end is None:
            self._end = now + self._limit_s
        if now >= self._end:
            return None
        delay = min(self._delay_s, self._end - now)
        self._delay_s = min(_LONGEST_S, max(_FIRST_S, 2 * self._delay_s))
        # Whoever lost the same server should not all come back at once.
        return delay * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
