"""The report as Markdown, for the summary of a CI job: each command tells of its own section."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from codex_release.base.words import byte_count
from codex_release.report import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_release.report.model import BuiltFile, ReleaseReport, Step

__all__ = ["build_summary", "publish_summary", "rehearse_summary"]


def build_summary(report: ReleaseReport) -> str:
    """What was built: files, sizes against limits, what changed."""
    rows = [
        (
            _code(each.name),
            each.target or each.kind,
            byte_count(each.size),
            figures.percent(each.size, each.limit) if each.limit else "",
            _since(each, report),
            _code(each.sha256),
        )
        for each in report.files
    ]
    before = report.previous.version if report.previous else "before"
    head = ("File", "Target", "Size", "Of the limit", f"Since {before}", "sha256")
    said = " · ".join(f"{figures.MARKS[verdict]} {_plain(text)}" for verdict, text in figures.states(report))
    return "\n".join([_title(report, "built"), said, "", *_table(head, rows), "", ""])


def publish_summary(report: ReleaseReport) -> str:
    """What became of every file, and the steps."""
    section = report.publish
    if section is None:
        return ""
    rows = [(_code(each.name), each.outcome, figures.seconds(each.seconds), each.detail) for each in section.files]
    table = _table(("File", "Outcome", "Time", "Remark"), rows)
    title = _title(report, f"{section.outcome} in {figures.seconds(section.seconds)}")
    return "\n".join([title, *_problem(section.problem), *table, "", *_steps(section.steps), "", ""])


def rehearse_summary(report: ReleaseReport) -> str:
    """The steps of the rehearsal."""
    section = report.rehearse
    if section is None:
        return ""
    title = _title(report, f"rehearsal {section.outcome} in {figures.seconds(section.seconds)}")
    return "\n".join([title, *_problem(section.problem), *_steps(section.steps), "", ""])


def _title(report: ReleaseReport, what: str) -> str:
    client = f", client {_plain(report.again)}" if report.again else ""
    return f"## Codex {_plain(report.version)}{client}: {_plain(what)}\n"


def _problem(text: str) -> list[str]:
    return [f"{figures.MARKS['bad']} {_plain(text)}", ""] if text else []


def _steps(steps: Sequence[Step]) -> list[str]:
    rows = [(each.name, each.outcome, figures.seconds(each.seconds), each.detail) for each in steps]
    return _table(("Step", "Outcome", "Time", "Remark"), rows) if rows else []


def _since(file: BuiltFile, report: ReleaseReport) -> str:
    before = report.previous.earlier(file) if report.previous else None
    return figures.change(before.size, file.size) if before and before.size else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    ruler = ["---"] * len(head)
    heading, *cells = ([cell if cell.startswith("`") else _plain(cell) for cell in row] for row in (head, *rows))
    return [f"| {' | '.join(each)} |" for each in (heading, ruler, *cells)]


def _code(text: str) -> str:
    """A name as code. A backtick or a bar would end it, so such a name, which no index would take, is shown without."""
    return "`" + re.sub(r"[`|\s]", "?", text) + "`"


def _plain(text: str) -> str:
    """Text in which nothing is Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>#|!&])", r"\\\1", " ".join(text.split()))
