"""The logger of this package, for the modules that may never have anything to say.

`logging` costs more to import than half of this client; it is paid by the first line that is logged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger

__all__ = ["logger"]


def logger() -> Logger:
    """The logger ``codex_app_server``."""
    from logging import getLogger

    return getLogger("codex_app_server")
