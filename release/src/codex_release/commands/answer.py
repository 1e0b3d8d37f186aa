"""What a command answers, on standard output: a table for a person, plain lines for a log, JSON for a machine."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codex_release.base.shown import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Answer", "show"]


@dataclass(frozen=True)
class Answer:
    """A command's answer.

    Attributes:
        columns: the headings of its table.
        rows: the cells, as text.
        data: the same for machines.
        title: stands above the table.
        ok: whether everything held; otherwise the program exits with 1.
        problem: what did not hold and what to do next, as one line for standard error; may be empty.
        problems: all that does not hold, a line each, if `problem` is about several things.
        document: the same as a text that is printed as it stands, if one was asked for.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    data: Any
    title: str = ""
    ok: bool = True
    problem: str = ""
    problems: Sequence[str] = ()
    document: str | None = None


def show(answer: Answer, *, as_json: bool) -> None:
    """Print an answer in the form that fits the reader."""
    if as_json:
        json.dump(answer.data, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    if answer.document is not None:
        sys.stdout.write(answer.document)
    elif sys.stdout.isatty():
        from rich.console import Console  # it takes longer to load than some commands take
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(visible(answer.title), "table.title") if answer.title else None, title_justify="left")
        for column in answer.columns:
            table.add_column(column, overflow="fold", justify="right" if column in {"size", "seconds"} else "left")
        for row in answer.rows:
            table.add_row(*(Text(visible(cell)) for cell in row))  # a bracket in a cell is no markup
        Console().print(table)
    else:
        for row in answer.rows:
            sys.stdout.write("  ".join(map(visible, row)).rstrip() + "\n")
