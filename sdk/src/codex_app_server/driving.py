"""What both drivers decide alike: how much is read at a time, when a consumer is at its end, and what is said then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_app_server.errors import EventOverflowError, TransportClosedError
from codex_app_server.protocol.log import Limits

if TYPE_CHECKING:
    from codex_app_server.config import AppServerConfig
    from codex_app_server.ending import Ending
    from codex_app_server.protocol.log import Cursor

__all__ = [
    "CALM_S",
    "FEW",
    "GATHERED",
    "GATHERING_S",
    "HURRY_S",
    "SLICE",
    "WRONG_PROCESS",
    "closed",
    "limits",
    "over",
    "package_version",
]

SLICE = 64
"""How many lines a consumer reads at a time: few enough for the garbage collector not to stir."""

FEW = 8
"""How many consumers may wait for each to be woken by its next event."""

GATHERING_S = 0.005
"""How long is gathered what more wait for, in seconds; the runtime needs a moment to fill the pipe again."""

GATHERED = 4 << 20
"""How much, in bytes: some events of a thousand turns."""

CALM_S = 0.5
"""How often is looked, in seconds, whether something was read of all that may be kept."""

HURRY_S = 5.0
"""After how long, in seconds, a call that is held back goes on without what it waited for."""

WRONG_PROCESS = (
    "this client was opened by another process, and a connection belongs to the process that opened it: make a client "
    "in the child"
)


def limits(config: AppServerConfig) -> Limits:
    """How far behind a consumer may be."""
    return Limits(config.max_buffered_events, config.max_buffered_bytes)


def over(cursor: Cursor, config: AppServerConfig, *, is_complete: bool, ending: Ending | None) -> bool:
    """Whether a consumer that found nothing more is at the end; raises what ended it before its time.

    Raises:
        EventOverflowError: if it was too far behind.
        TransportClosedError: if the connection ended.
    """
    if cursor.has_overflowed:
        most = f"{config.max_buffered_events:,} events or {config.max_buffered_bytes:,} bytes"
        raise EventOverflowError(f"more than {most} of {cursor.log.topic} waited to be read")
    if ending is not None and not is_complete and not cursor.is_closed:
        raise closed(f"{cursor.log.topic} did not end", ending) from ending.failure
    return is_complete or cursor.is_closed


def closed(what: str, ending: Ending) -> TransportClosedError:
    """The error that the connection is over."""
    # A new one for every call: an exception that several threads raise collects the tracebacks of all.
    return TransportClosedError(f"{what}: {ending.reason}", exit_code=ending.exit_code, stderr_tail=ending.stderr_tail)


def package_version() -> str:
    """The version of this package, for the handshake."""
    # Imported while the runtime boots, which takes longer.
    from codex_app_server._version import __version__

    return __version__
