"""The state of a release in a few words, for the head of the page and of the job's summary. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_release.base.words import counted

if TYPE_CHECKING:
    from codex_release.report.model import ReleaseReport

__all__ = ["State", "states"]


@dataclass(frozen=True)
class State:
    """One thing that holds, does not, or has not been done.

    Attributes:
        verdict: ``good``, ``bad`` or ``open``.
        text: what it is about.
    """

    verdict: str
    text: str


def states(report: ReleaseReport) -> list[State]:
    """What can be said of a release."""
    found = []
    targets = {each.target for each in report.build.files if each.target} if report.build else set()
    if report.build:
        missing = sorted({each.target for each in report.origins} - targets)
        if missing:
            found.append(State("open", f"{len(missing)} of {counted(len(report.origins), 'platform')} not built"))
        else:
            found.append(State("good", "Built for every platform" if report.origins else "Built"))
        locked = report.build.locked
        found.append(State("good", "Held against the lock") if locked else State("bad", "Not held against the lock"))
    signatures = [each for each in report.origins if each.target in targets and each.signature]
    verified = sum(each.signature == "verified" for each in signatures)
    if verified:
        found.append(State("good", f"Signatures verified for {verified} of {counted(len(targets), 'platform')}"))
    elif any(each.signature == "unchecked" for each in signatures):
        found.append(State("open", "Signatures not verified"))
    found.append(_rehearsed(report))
    found.append(_published(report))
    return found


def _rehearsed(report: ReleaseReport) -> State:
    if report.rehearse is None:
        return State("open", "Not rehearsed")
    return State("good", "Rehearsed") if report.rehearse.outcome == "passed" else State("bad", "Rehearsal failed")


def _published(report: ReleaseReport) -> State:
    if report.publish is None:
        return State("open", "Not published")
    if report.publish.outcome == "planned":
        return State("open", "Publication planned")
    return State("good", "Published") if report.publish.outcome == "published" else State("bad", "Publication failed")
