"""The state of a release in a few words, for the head of the page and of the job's summary. Pure values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_release.base.words import counted

if TYPE_CHECKING:
    from codex_release.report.model import ReleaseReport

__all__ = ["MARKS", "states"]

MARKS = {"good": "✓", "bad": "✗", "open": "○"}
"""The sign of each verdict: that something holds, does not, or has not been done."""

_REHEARSED = {"": ("open", "Not rehearsed"), "passed": ("good", "Rehearsed")}
_PUBLISHED = {
    "": ("open", "Not published"),
    "planned": ("open", "Publication planned"),
    "published": ("good", "Published"),
}
"""What outcomes are called here; an empty one means that there was none, any other one that it failed."""


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
        found.append(("good", "Held against the lock") if locked else ("bad", "Not held against the lock"))
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
