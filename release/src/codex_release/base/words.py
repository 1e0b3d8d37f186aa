"""Words of messages and pages that depend on what they are about. Pure."""

from __future__ import annotations

__all__ = ["counted"]


def counted(count: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "runtime wheel"), counted(2, "runtime wheel"), counted(0, "copy")
    ('1 runtime wheel', '2 runtime wheels', '0 copies')
    """
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun[:-1]}ies" if noun.endswith("y") else f"{count} {noun}s"
