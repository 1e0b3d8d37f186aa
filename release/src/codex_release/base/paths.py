"""Which relative paths are safe to write on every system. Pure.

What is a plain name on Linux may be a device or a stream on Windows. Who takes paths from strangers, from an archive or
from a file that somebody edited, asks here before it joins them to a directory of its own.
"""

from __future__ import annotations

import re

__all__ = ["path_parts", "unsafe_name", "whats_unsafe"]

_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?:\..*)?", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')
_DRIVE = re.compile(r"[A-Za-z]:")
_PART_BYTES = 255
"""The longest name of one file or directory that common file systems take, in bytes of UTF-8."""


def path_parts(path: str) -> list[str]:
    """The names in a POSIX path, without a leading ``./`` and a trailing slash."""
    return [part for part in path.removesuffix("/").split("/") if part != "."]


def whats_unsafe(path: str) -> str:
    """Why a relative POSIX path does not stay below its root, or is no name, on some system; empty if it is safe.

    The answer continues a sentence whose subject is the path, e.g. ``leads out of its directory``.
    """
    if path.startswith(("/", "\\")) or _DRIVE.match(path):
        return "has an absolute path"
    if ".." in re.split(r"[/\\]", path):
        return "leads out of its directory"
    if _FORBIDDEN.search(path) or not path.isprintable():  # which bytes that are no UTF-8 are not, either
        return "has a character that not every file system can hold"
    for part in path_parts(path):
        if not part:
            return "has an empty part in its path"
        if _DEVICES.fullmatch(part):
            return "has the name of a Windows device"
        if part.endswith((".", " ")) or part.startswith(" "):
            return "has a part that begins or ends in a way Windows drops"
        if len(part.encode()) > _PART_BYTES:
            return f"has a part of more than {_PART_BYTES} bytes"
    return ""


def unsafe_name(name: str) -> str:
    """Why a text is no safe name of one file or directory, said as by `whats_unsafe`; empty if it is one."""
    return whats_unsafe(name) or ("is no plain name" if path_parts(name) != [name] else "")
