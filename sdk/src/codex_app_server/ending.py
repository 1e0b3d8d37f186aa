"""How a runtime is let go, and what is known of one that is gone; the same for every way to start it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import NamedTuple

__all__ = [
    "CREATION_FLAGS",
    "LEAVE_GRACE",
    "MOMENT",
    "PING_S",
    "SIGNAL_GRACE",
    "STDERR_BYTES",
    "Ending",
    "describe_exit",
    "last_lines",
]

STDERR_BYTES = 8 * 1024
_STDERR_LINES = 20

# How long to wait, in seconds: for the runtime to leave by itself once its stdin is closed, for it to obey a signal,
# and for what should only take a moment once one of its pipes, or all of it, is gone.
LEAVE_GRACE = 3.0
SIGNAL_GRACE = 2.0
MOMENT = 0.5

PING_S = 20.0
"""How often a remote server is asked whether it is there, and how long it may take to answer, in seconds."""

_COLOUR = r"\x1b\[[0-9;]*m"
if sys.platform == "win32":
    CREATION_FLAGS = subprocess.CREATE_NO_WINDOW
else:
    CREATION_FLAGS = 0


class Ending(NamedTuple):
    """Why no more bytes will come.

    Attributes:
        reason: a clause, e.g. ``the runtime exited with code 3``.
        exit_code: what the process returned, negative for a signal; None if it still runs.
        stderr_tail: the last lines of stderr, oldest first.
        failure: what `receive` raised, if that was it.
    """

    reason: str
    exit_code: int | None = None
    stderr_tail: tuple[str, ...] = ()
    failure: BaseException | None = None


def last_lines(stderr: bytes) -> tuple[str, ...]:
    """The last lines of what a runtime wrote to stderr, oldest first, without colours."""
    lines = re.sub(_COLOUR, "", stderr.decode(errors="replace")).splitlines()
    return tuple(line.rstrip() for line in lines[-_STDERR_LINES:])


def describe_exit(exit_code: int) -> str:
    """What an exit code says, as a clause."""
    if exit_code >= 0:
        return f"the runtime exited with code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:  # a real-time signal has no name
        name = f"signal {-exit_code}"
    return f"the runtime was ended by {name}"
