"""What the sections of the page are made of: elements, headings, bars, tables, marks, names of files.

Whatever is not markup already is escaped on its way in, so no name can become a tag.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from codex_release.report import figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from codex_release.report.model import BuiltFile, Step

__all__ = [
    "Html",
    "capital",
    "element",
    "joined",
    "label",
    "nothing",
    "outcome",
    "problem",
    "section",
    "steps_table",
    "table",
    "tags_of",
    "thin_bar",
    "word",
]

_OUTCOMES = {"passed": "good", "uploaded": "good", "present": "good", "failed": "bad", "clash": "bad"}


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


nothing = Html()


def element(name: str, /, *children: str, **attributes: str | None) -> Html:
    """One element that has an end tag.

    Args:
        name: the tag.
        children: texts, which are escaped, and markup, which stands as it is.
        attributes: a trailing underscore is dropped (``class_``), others become dashes; `None` leaves one out.
    """
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{words}>{joined(*children)}</{name}>")


def joined(*children: str) -> Html:
    """Several pieces one after another, escaped unless they are markup."""
    return Html("".join(each if isinstance(each, Html) else html.escape(each) for each in children))


def section(name: str, heading: str, lead: str, *content: str) -> Html:
    """A section with its heading and a sentence that says what to see in it."""
    return element(
        "section",
        element("h2", heading, id=f"{name}-heading"),
        element("p", lead),
        *content,
        id=name,
        aria_labelledby=f"{name}-heading",
    )


def table(
    caption: str, columns: Mapping[str, str | None], groups: Sequence[tuple[str, Sequence[Sequence[str]]]]
) -> Html:
    """A table in a card; the first cell of each row names it.

    On a narrow screen each row becomes a small list, its cells labelled with their columns' names. The roles are
    written out because a table that is laid out otherwise loses them in some browsers.

    Args:
        caption: what it shows.
        columns: heading to the class of the cells below it (``number``, ``wide``, ``remark`` or none).
        groups: rows that belong together, each with the heading above them, which may be empty.
    """
    headings = [element("th", each, scope="col", role="columnheader", class_=kind) for each, kind in columns.items()]
    bodies = [_body(heading, rows, columns) for heading, rows in groups]
    content = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *headings, role="row"), role="rowgroup"),
        *bodies,
        role="table",
    )
    return element("div", content, class_="card" if sum(len(rows) for _, rows in groups) > 8 else "card whole")


def _body(heading: str, rows: Sequence[Sequence[str]], columns: Mapping[str, str | None]) -> Html:
    first = nothing
    if heading:
        cell = element("th", heading, scope="rowgroup", role="rowheader", colspan=str(len(columns)))
        first = element("tr", cell, role="row")
    lines = [_row(row, columns) for row in rows]
    return element("tbody", first, joined(*lines), role="rowgroup", class_="group" if heading else None)


def _row(row: Sequence[str], columns: Mapping[str, str | None]) -> Html:
    (name, *values), (_, *rest) = row, columns
    cells = [
        element("td", value, role="cell", class_=columns[heading], data_of=heading)
        for value, heading in zip(values, rest, strict=True)
    ]
    return element("tr", element("th", name, scope="row", role="rowheader"), *cells, role="row")


def steps_table(caption: str, steps: Sequence[Step]) -> Html:
    """Steps with a bar of their time; nothing if there are none."""
    if not steps:
        return nothing
    longest = max(each.seconds for each in steps)
    rows = [
        (
            each.name,
            outcome(each.outcome),
            figures.seconds(each.seconds),
            thin_bar(each.seconds, longest),
            each.detail,
        )
        for each in steps
    ]
    columns = {"Step": None, "Outcome": None, "Time": "number", "Compared": "wide", "Remark": "remark"}
    return table(caption, columns, [("", rows)])


def thin_bar(part: float, whole: float, colour: str = "s1") -> Html:
    """A bar of one colour; the number it shows stands beside it."""
    width = f"width:{part / whole * 100 if whole else 0:.2f}%"
    return element("div", element("span", class_=colour, style=width), class_="bar thin", aria_hidden="true")


def problem(said: str) -> Html:
    """What went wrong, if something did."""
    return element("p", word("bad", said), class_="problem") if said else nothing


def outcome(said: str) -> Html:
    """An outcome of the report with its mark."""
    return word(_OUTCOMES.get(said, "open"), said)


def word(verdict: str, text: str) -> Html:
    """A text with the mark of a verdict, so that colour is not all that tells them apart."""
    mark = element("span", figures.MARKS[verdict], class_="mark", aria_hidden="true")
    return element("span", mark, text, class_=f"{verdict} word")


def label(file: BuiltFile, among: Sequence[BuiltFile]) -> str:
    """What to call a file: its target, and where that has several wheels, their platforms too."""
    if not file.target:
        return f"{file.project}, {file.kind}"
    if sum(each.target == file.target for each in among) == 1:
        return file.target
    return f"{file.target} ({', '.join(tags_of([file]))})"


def tags_of(files: Sequence[BuiltFile]) -> tuple[str, ...]:
    """The platform parts of files' wheel tags (PEP 425), each once, as sorted as they came."""
    tags = (tag for each in files for tag in each.tags)
    return tuple(dict.fromkeys(tag.split("-", 2)[2] if tag.count("-") == 2 else tag for tag in tags))


def capital(text: str) -> str:
    """A sentence with a capital at its beginning."""
    return text[:1].upper() + text[1:]
