"""Words of messages and pages that depend on what they are about. Pure."""

from __future__ import annotations

__all__ = ["by_number", "byte_count", "counted"]


def by_number(count: int, one: str, more: str) -> str:
    """The word that fits a number of things.

    >>> by_number(1, "holds", "hold"), by_number(2, "holds", "hold")
    ('holds', 'hold')
    """
    return one if count == 1 else more


def byte_count(count: int) -> str:
    """A number of bytes as a person reads it, in decimal units as package indexes give them.

    >>> byte_count(999), byte_count(146_415_120), byte_count(1_076_000_000)
    ('999 B', '146.4 MB', '1.08 GB')
    """
    for unit, width in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= width:
            digits = 2 if unit == "GB" else 1
            return f"{count / width:.{digits}f} {unit}"
    return f"{count} B"


def counted(count: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "runtime wheel"), counted(2, "runtime wheel"), counted(0, "copy")
    ('1 runtime wheel', '2 runtime wheels', '0 copies')
    """
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun[:-1]}ies" if noun.endswith("y") else f"{count} {noun}s"
