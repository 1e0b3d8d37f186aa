"""Libraries that make this faster, or read one format more, and that not every system has."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["optional"]


def optional(module: str) -> ModuleType | None:
    """A module, or `None` where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None
