"""Waiting for what comes by itself: until it holds, and never for ever."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["has_ended", "until", "until_it_holds"]

_POLL_S = 0.01


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for a condition, which must come about within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not happen within {seconds:.0f} s"
        time.sleep(_POLL_S)


async def until_it_holds(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """The same in a running event loop."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not happen within {seconds:.0f} s"
        await asyncio.sleep(_POLL_S)


def has_ended(process_id: int) -> bool:
    """Whether a process has ended, also one that nobody waits for, as an orphan in a container has nobody who does."""
    try:
        return psutil.Process(process_id).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
