"""What a verification found, question by question. Pure values.

A question that holds may carry a note, e.g. that an index serves no attestations; one that does not says what is wrong.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Finding", "Verification"]


@dataclass(frozen=True)
class Finding:
    """One question and what came of it.

    Attributes:
        subject: a file's name, a system, or a program.
        question: what was asked of it, in a word or two, e.g. ``digest``.
        note: what was seen.
        problem: what is wrong; empty if it holds.
    """

    subject: str
    question: str
    note: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Verification:
    """All that was found.

    Attributes:
        version: the runtime, as Codex writes it.
        index: the root of the simple API, without credentials.
        findings: in the order they were asked.
        seconds: how long all of it took.
    """

    version: str
    index: str
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What does not hold; none is a pass."""
        return tuple(each for each in self.findings if each.problem)

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.problems

    def rows(self) -> list[tuple[str, str, str]]:
        """For a person: each subject once, with its problems, else with what held and was noted."""
        subjects: dict[str, list[Finding]] = {}
        for each in self.findings:
            subjects.setdefault(each.subject, []).append(each)
        return [row for subject, found in subjects.items() for row in _rows(subject, found)]

    def data(self) -> dict[str, Any]:
        """For a machine."""
        problems = [f"{each.subject}: {each.problem}" for each in self.problems]
        return {**asdict(self), "ok": self.ok, "seconds": round(self.seconds, 2), "problems": problems}


def _rows(subject: str, found: Sequence[Finding]) -> list[tuple[str, str, str]]:
    wrong = [(subject, f"FAILED: {each.question}", each.problem) for each in found if each.problem]
    if wrong:
        return wrong
    notes = "; ".join(each.note for each in found if each.note)
    return [(subject, ", ".join(each.question for each in found), notes)]
