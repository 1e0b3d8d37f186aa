"""The sections about what was done with the files, and how long it took: rehearsal, publication, build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_release.report import figures
from codex_release.report.markup import Html, element, nothing
from codex_release.report.pieces import capital, label, outcome, problem, section, steps_table, table, thin_bar

if TYPE_CHECKING:
    from codex_release.report.model import ReleaseReport

__all__ = ["publication", "rehearsal", "time"]


def rehearsal(report: ReleaseReport) -> Html:
    """The steps of the rehearsal, if there was one."""
    if not report.rehearse:
        return nothing
    done = report.rehearse
    text = f"{done.outcome} in {figures.seconds(done.seconds)}, {figures.moment(done.finished)}"
    steps = steps_table("Steps of the rehearsal", done.steps)
    return section("rehearsal", "Rehearsal", f"{capital(text)}.", problem(done.problem), steps)


def publication(report: ReleaseReport) -> Html:
    """What became of every file on the index, if they were published or that was planned."""
    if not report.publish:
        return nothing
    done = report.publish
    attested = "with attestations" if done.attested else "without attestations"
    when = figures.moment(done.finished)
    text = f"{done.outcome} after {figures.seconds(done.seconds)}: {done.index}, {when}, {attested}"
    rows = [
        (
            element("code", each.name),
            outcome(each.outcome),
            figures.seconds(each.seconds) if each.seconds else "",
            str(each.attempts) if each.attempts else "",
            each.detail,
        )
        for each in done.files
    ]
    columns = {"File": None, "Outcome": None, "Time": "number", "Attempts": "number", "Remark": "remark"}
    files = table("Files in the order of the upload", columns, [("", rows)]) if rows else nothing
    steps = steps_table("Steps of the publication", done.steps)
    return section("publication", "Publication", f"{capital(text)}.", problem(done.problem), files, steps)


def time(report: ReleaseReport) -> Html:
    """How long each file took to make, as far as that is known."""
    timed = [each for each in report.files if each.seconds is not None]
    if not timed:
        return nothing
    longest = max(each.seconds or 0.0 for each in timed)
    rows = [
        (
            label(each, timed),
            figures.seconds(each.seconds or 0.0),
            thin_bar(each.seconds or 0.0, longest),
            "unchanged" if each.reused else "made anew",
        )
        for each in timed
    ]
    columns = {"File": None, "Time": "number", "Compared": "wide", "This time": None}
    return section(
        "time",
        "Time",
        "How long each file took to make, from archive to wheel. Several are made at a time, so the sum is more than "
        "the build took; of an unchanged file it is what it took then.",
        table("Time by file", columns, [("", rows)]),
    )
