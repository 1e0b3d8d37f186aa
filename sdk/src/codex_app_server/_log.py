"""The logger of this package, for the modules that may never have anything to say.

`logging` costs more to import than half of this client; it is paid by the first line that is logged.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger

__all__ = ["log_error", "log_skipped", "logger"]


def logger() -> Logger:
    """The logger ``codex_app_server``."""
    from logging import getLogger

    return getLogger("codex_app_server")


def log_error(error: BaseException | None, message: str, *words: object) -> None:
    """Say what went wrong, for somebody who has to go on even if the program's own logging fails."""
    with suppress(Exception):
        logger().error(message, *words, exc_info=error)


def log_skipped(reason: str, line: bytes) -> None:
    """Say that a line of the runtime's output made no sense."""
    logger().warning("passed over a line of the runtime's output, %s: %r", reason, line[:200])
