"""Tables of the page. On a narrow screen each row becomes a small list, its cells labelled with their columns' names.

The roles are written out because a table that is laid out otherwise loses them in some browsers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_release.report.markup import Html, element, joined, nothing

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Column", "Group", "table"]


@dataclass(frozen=True)
class Column:
    """A column: its heading, and the class of its cells (``number``, ``wide``, ``remark`` or none)."""

    heading: str
    kind: str | None = None


@dataclass(frozen=True)
class Group:
    """Rows that belong together, under a heading of their own if it is not empty."""

    rows: Sequence[Sequence[str]]
    heading: str = ""


def table(caption: str, columns: Sequence[Column], groups: Sequence[Group]) -> Html:
    """A table in a card; the first cell of each row names it."""
    headings = [element("th", each.heading, scope="col", role="columnheader", class_=each.kind) for each in columns]
    bodies = [_body(group, columns) for group in groups]
    content = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *headings, role="row"), role="rowgroup"),
        *bodies,
        role="table",
    )
    return element("div", content, class_="card" if sum(len(group.rows) for group in groups) > 8 else "card whole")


def _body(group: Group, columns: Sequence[Column]) -> Html:
    heading = nothing
    if group.heading:
        cell = element("th", group.heading, scope="rowgroup", role="rowheader", colspan=str(len(columns)))
        heading = element("tr", cell, role="row")
    rows = [_row(row, columns) for row in group.rows]
    return element("tbody", heading, joined(*rows), role="rowgroup", class_="group" if group.heading else None)


def _row(row: Sequence[str], columns: Sequence[Column]) -> Html:
    (name, *values), (_, *rest) = row, columns
    cells = [
        element("td", value, role="cell", class_=column.kind, data_of=column.heading)
        for value, column in zip(values, rest, strict=True)
    ]
    return element("tr", element("th", name, scope="row", role="rowheader"), *cells, role="row")
