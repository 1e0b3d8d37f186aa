"""Changes of the protocol for people and machines: cells of a table, Markdown, data. What can break comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_release.protocol.changes import Change, Way
from codex_release.protocol.difference import differences
from codex_release.protocol.normalise import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from codex_release.protocol.rules import Rules
    from codex_release.protocol.schema import Side

__all__ = ["COLUMNS", "as_data", "as_markdown", "as_rows", "compared", "gravest_first", "headline"]

COLUMNS = ("effect", "change", "where", "from -> to", "met by", "why")
_METHODS_SHOWN = 2
_SECTIONS = (("Can break users", True), ("Harmless", False))


def compared(old: Side, new: Side, rules: Rules) -> list[Change]:
    """Every change from what one release prints to what another does, and whether it can break users.

    Raises:
        ProtocolError: if a schema is not understood.
    """
    return gravest_first(differences(normalise(old, rules), normalise(new, rules)))


def gravest_first(changes: Iterable[Change]) -> list[Change]:
    """What can break before what is harmless, what is stable before the experimental."""
    return sorted(changes, key=lambda each: (not each.verdict.is_breaking, each.is_experimental))


def headline(changes: Sequence[Change]) -> str:
    """The figures in one line."""
    breaking = [each for each in changes if each.verdict.is_breaking]
    if not changes:
        return "nothing changed"
    figures = f"{len(changes)} change{'s' * (len(changes) > 1)}, {len(breaking) or 'none'} of which can break users"
    experimental = sum(each.is_experimental for each in breaking)
    return f"{figures} ({experimental} only those who allow experimental things)" if experimental else figures


def as_rows(changes: Sequence[Change]) -> list[tuple[str, ...]]:
    """The cells of a table with `COLUMNS`."""
    return [(_effect(each), *_cells(each)) for each in changes] or [(headline(changes),) + ("",) * (len(COLUMNS) - 1)]


def as_data(old: str, new: str, changes: Sequence[Change]) -> dict[str, object]:
    """The same for machines.

    Args:
        old: what the older protocol is called.
        new: the newer one.
        changes: between the two.
    """
    records = [
        {
            "what": each.what.words,
            "where": each.where,
            "old": each.old,
            "new": each.new,
            "experimental": each.is_experimental,
            **{way.value: list(each.ways.get(way, ())) for way in Way},
            "breaking": each.verdict.is_breaking,
            "why": each.verdict.why,
        }
        for each in changes
    ]
    return {"old": old, "new": new, "breaking": sum(each.verdict.is_breaking for each in changes), "changes": records}


def as_markdown(old: str, new: str, changes: Sequence[Change]) -> str:
    """The same as a document; as `as_data`."""
    lines = [f"# Codex app-server protocol: {old} to {new}", "", f"{headline(changes).capitalize()}."]
    for title, is_breaking in _SECTIONS:
        rows = [each for each in changes if each.verdict.is_breaking is is_breaking]
        if rows:
            lines += ["", f"## {title}", "", _line(COLUMNS[1:]), _line(["---"] * (len(COLUMNS) - 1))]
            lines += [_line(_marked(each)) for each in rows]
    return "\n".join(lines) + "\n"


def _effect(change: Change) -> str:
    effect = "breaking" if change.verdict.is_breaking else "harmless"
    return f"{effect}, experimental" if change.is_experimental else effect


def _cells(change: Change) -> tuple[str, ...]:
    """A change without its effect."""
    return change.what.words, change.where, _difference(change) or "-", _met_by(change) or "-", change.verdict.why


def _marked(change: Change) -> Sequence[str]:
    """The cells of a change in Markdown."""
    mark = " (experimental)" if change.is_experimental else ""
    what, _, _, met_by, why = _cells(change)
    difference = _difference(change)
    return what + mark, f"`{change.where}`", f"`{difference}`" if difference else "", met_by, why


def _difference(change: Change) -> str:
    return " -> ".join(filter(None, (change.old, change.new)))


def _met_by(change: Change) -> str:
    """Through which methods users meet a change, unless it is one of the method itself."""
    met = [f"{way.value}: {_some(methods)}" for way, methods in change.ways.items() if methods != (change.where,)]
    return "; ".join(met)


def _some(methods: Sequence[str]) -> str:
    more = len(methods) - _METHODS_SHOWN
    return ", ".join(methods[:_METHODS_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
