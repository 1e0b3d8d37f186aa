"""What a report says in figures and in a few words, for the page and the job's summary alike. Pure values."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from codex_release.base.words import byte_count, counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from codex_release.report.model import BuiltFile, Component, ReleaseReport

__all__ = ["MARKS", "change", "families", "family", "moment", "percent", "seconds", "states"]

_MINUS = "\N{MINUS SIGN}"
MARKS = {"good": "✓", "bad": "✗", "open": "○"}
"""The sign of each verdict: that something holds, does not, or has not been done."""

_REHEARSED = {"": ("open", "Not rehearsed"), "passed": ("good", "Rehearsed")}
_PUBLISHED = {
    "": ("open", "Not published"),
    "planned": ("open", "Publication planned"),
    "published": ("good", "Published"),
}
"""What outcomes are called here; an empty one means that there was none, any other one that it failed."""


def change(before: int, after: int) -> str:
    """What became of a size, e.g. ``+1.2 MB (+0.8 %)``."""
    if before == after:
        return "same size"
    sign = "+" if after > before else _MINUS
    share = abs(after - before) / before * 100 if before else 100.0
    return f"{sign}{byte_count(abs(after - before))} ({sign}{share:.1f} %)"


def seconds(value: float) -> str:
    """A duration, e.g. ``12.3 s`` or ``3 min 05 s``."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02} s"


def moment(text: str) -> str:
    """A moment of a report (ISO 8601, UTC, to the second), e.g. ``2026-11-21 12:00 UTC``."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\dZ", text)
    return f"{found[1]} {found[2]} UTC" if found else text


def percent(part: float, whole: float) -> str:
    """A share, e.g. ``70 %``; below one percent with a decimal."""
    share = part / whole * 100 if whole else 0.0
    return f"{share:.0f} %" if share >= 1 or share == 0 else f"{share:.1f} %"


def family(component: Component) -> str:
    """What a payload's file is called on every platform: its name without Windows' suffix, e.g. ``codex``."""
    return PurePosixPath(component.path).name.removesuffix(".exe")


def families(files: Iterable[BuiltFile], most: int) -> Sequence[str]:
    """The names of the parts that take most room over all wheels, the largest first; at most `most` of them."""
    room: dict[str, int] = {}
    for file in files:
        for each in file.components:
            room[family(each)] = room.get(family(each), 0) + (each.compressed or each.size)
    return sorted(room, key=lambda name: (-room[name], name))[:most]


def states(report: ReleaseReport) -> list[tuple[str, str]]:
    """What can be said of a release: verdicts, and what each is about."""
    found = []
    targets = {each.target for each in report.files if each.target}
    if report.build:
        missing = sorted({each.target for each in report.origins} - targets)
        if missing:
            found.append(("open", f"{len(missing)} of {counted(len(report.origins), 'platform')} not built"))
        else:
            found.append(("good", "Built for every platform" if report.origins else "Built"))
        locked = report.build.locked
        found.append(("good", "Compared with the lock") if locked else ("bad", "Not compared with the lock"))
    signatures = [each for each in report.origins if each.target in targets and each.signature]
    verified = sum(each.signature == "verified" for each in signatures)
    if verified:
        found.append(("good", f"Signatures verified for {verified} of {counted(len(targets), 'platform')}"))
    elif any(each.signature == "unchecked" for each in signatures):
        found.append(("open", "Signatures not verified"))
    rehearsed = report.rehearse.outcome if report.rehearse else ""
    published = report.publish.outcome if report.publish else ""
    found.append(_REHEARSED.get(rehearsed, ("bad", "Rehearsal failed")))
    found.append(_PUBLISHED.get(published, ("bad", "Publication failed")))
    return found
