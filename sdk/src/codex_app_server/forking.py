"""Who has pipes or sockets open: a forked child keeps none of them, so that it holds up nobody."""

from __future__ import annotations

import os
import sys
import weakref
from typing import Protocol

__all__ = ["Holder", "open_here"]


class Holder(Protocol):
    """Who has something open."""

    def forget(self) -> None:
        """In a forked child: keep nothing of it open."""


open_here: weakref.WeakSet[Holder] = weakref.WeakSet()
"""Those of this process; whoever opens something joins, and leaves when it is closed."""


def _forget_all() -> None:
    for holder in list(open_here):
        holder.forget()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forget_all)
