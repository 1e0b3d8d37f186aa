"""What this process may use of the machine: its cores and its memory, by what the system and a container allow.

A container sees all of the machine and may use a part of it; who starts a thread for every core it sees, or fills the
memory it sees, is slowed down there or killed.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["cores", "free_memory", "stand_back"]

_ROOT = Path("/")
_ASIDE = 10
"""The niceness of what stands back: on a busy core it gets a tenth, so that it ends in any case."""


def cores(root: Path = _ROOT) -> int:
    """How many cores this process may use, by affinity and by the limits of its control groups; at least one.

    Args:
        root: where ``proc`` and ``sys`` are.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for group in _groups(root, "cpu"):
        quota, period = [*_words(group / "cpu.max"), "", ""][:2]  # version 2: both, or "max"
        if not quota:
            quota, period = "".join(_words(group / "cpu.cfs_quota_us")), "".join(_words(group / "cpu.cfs_period_us"))
        if quota.isdecimal() and period.isdecimal() and int(period):  # version 1 says -1 where there is no limit
            allowed = min(allowed, math.ceil(int(quota) / int(period)))
    return max(allowed, 1)


def stand_back() -> None:
    """Have this thread, and the programs it starts, leave most of the processors' time to others.

    Only Linux has such threads; elsewhere they compete.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _ASIDE)


def free_memory(root: Path = _ROOT) -> int | None:
    """How many bytes this process may still take without harm; `None` if the system does not tell.

    Args:
        root: where ``proc`` and ``sys`` are.
    """
    free = [each] if (each := _available(root)) is not None else []
    for group in _groups(root, "memory"):
        for most, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            limit, taken = "".join(_words(group / most)), "".join(_words(group / used))
            if limit.isdecimal() and taken.isdecimal():
                # What files were read or written counts as taken, and is given back when somebody asks for memory.
                stated = re.findall(
                    r"^(?:in)?active_file (\d+)$", "\n".join(_lines(group / "memory.stat")), re.MULTILINE
                )
                cached = sum(map(int, stated))
                free.append(max(int(limit) - int(taken) + cached, 0))
    return min(free, default=None)


def _available(root: Path) -> int | None:
    """What the system as a whole has left, in bytes; its whole memory where it does not say what is left."""
    words = _words(root / "proc" / "meminfo")
    if "MemAvailable:" in words:
        return int(words[words.index("MemAvailable:") + 1]) * 1024
    if sys.platform != "win32":
        with contextlib.suppress(OSError, ValueError):
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The directories of this process's control groups and of those above them, of both versions."""
    for line in _lines(root / "proc" / "self" / "cgroup"):
        _, controllers, group = [*line.split(":", 2), "", ""][:3]
        if controllers and controller not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / controllers  # in version 2, all controllers are in one place
        path = mount / group.lstrip("/")
        yield path
        # In a container the path may be that of the host, and the group's files lie at the mount itself.
        yield from (each for each in path.parents if each == mount or mount in each.parents)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()
