"""How far the reader may be ahead of whoever reads events.

Little, where events are read, however slowly: a slow program must not fill its memory. But a question of the runtime
may stand behind events that nobody is going to read soon, and has to be seen; so where nothing is read for a while, the
allowance is doubled, up to `READ_AHEAD`. When something is read again, it shrinks.

Nothing here has a clock; the drivers say when `PATIENCE` is over.
"""

from __future__ import annotations

__all__ = ["PATIENCE", "READ_AHEAD", "Allowance"]

READ_AHEAD = 8 << 20
"""How many bytes are kept at most that nobody wants to read yet: 20 000 deltas and a question behind them."""

PATIENCE = 0.03
"""How long a full allowance may stay as it is without anything being read, in seconds."""

_FIRST = 1 << 20


class Allowance:
    """How many unread bytes may be kept just now.

    Attributes:
        limit: that many.
    """

    __slots__ = ("_was_read", "limit")

    def __init__(self) -> None:
        self.limit = _FIRST
        self._was_read = False

    @property
    def is_final(self) -> bool:
        """Whether it cannot become more."""
        return self.limit >= READ_AHEAD

    def read(self) -> None:
        """Somebody read some of it."""
        self._was_read = True

    def patience_is_over(self) -> None:
        """It was used up, and so it stayed for `PATIENCE`: more if nothing was read meanwhile, else less again."""
        self.limit = max(_FIRST, self.limit // 2) if self._was_read else min(READ_AHEAD, self.limit * 2)
        self._was_read = False
