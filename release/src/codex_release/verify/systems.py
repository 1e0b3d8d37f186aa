"""Which wheels the systems of users accept, and which of them is the right one. Pure: tags in, names out.

A system is named by the newest platform tag that it accepts (PEP 425), e.g. ``manylinux_2_41_x86_64``; it accepts older
ones too, and prefers newer ones (PEP 600, 656).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.tags import mac_platforms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["accepted", "right_wheel"]

_OLDEST_GLIBC = 17
"""The minor version below which no tag is asked for: nothing of ours, and no supported Python, runs on older ones."""
_ALIASES = {17: "manylinux2014"}
"""The names of before PEP 600, by glibc's minor version."""
_LINUX = re.compile(r"(?P<libc>manylinux_2|musllinux_1)_(?P<minor>[0-9]+)_(?P<arch>\w+)")
_MACOS = re.compile(r"macosx_(?P<major>[0-9]+)_(?P<minor>[0-9]+)_(?P<arch>x86_64|arm64)")


def accepted(system: str) -> tuple[str, ...]:
    """The platform tags that a system accepts, best first.

    >>> accepted("manylinux_2_18_x86_64")
    ('manylinux_2_18_x86_64', 'manylinux_2_17_x86_64', 'manylinux2014_x86_64')
    """
    if linux := _LINUX.fullmatch(system):
        return tuple(_linux(linux["libc"], int(linux["minor"]), linux["arch"]))
    if macos := _MACOS.fullmatch(system):
        return tuple(mac_platforms((int(macos["major"]), int(macos["minor"])), macos["arch"]))
    return (system,)


def right_wheel(system: str, wheels: Mapping[str, frozenset[str]]) -> str | None:
    """The wheel that a system should get, `None` if there is none for it.

    Args:
        system: by its newest platform tag.
        wheels: the platform tags of each wheel, by its file name.
    """
    for tag in accepted(system):
        for name, platforms in sorted(wheels.items()):
            if tag in platforms:
                return name
    return None


def _linux(libc: str, newest: int, arch: str) -> Iterator[str]:
    oldest = min(newest, _OLDEST_GLIBC) if libc.startswith("many") else 0
    for minor in range(newest, oldest - 1, -1):
        yield f"{libc}_{minor}_{arch}"
        if libc.startswith("many") and minor in _ALIASES:
            yield f"{_ALIASES[minor]}_{arch}"
