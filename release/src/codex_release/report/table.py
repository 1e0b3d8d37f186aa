"""Tables of the page. On a narrow screen each row becomes a small list, its cells labelled with their columns' names.

The roles are written out because a table that is laid out otherwise loses them in some browsers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_release.report.markup import Html, element, joined, nothing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["table"]


def table(
    caption: str, columns: Mapping[str, str | None], groups: Sequence[tuple[str, Sequence[Sequence[str]]]]
) -> Html:
    """A table in a card; the first cell of each row names it.

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
