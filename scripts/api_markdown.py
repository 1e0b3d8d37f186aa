"""Makes Markdown of the client's docstrings, signatures and types, in the words that GitHub and the site both know."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from api_source import Function, Parameter

__all__ = ["anchor", "apart", "code", "experimental_names", "parameters", "prose", "signature", "table"]

_SECTION = re.compile(r"(Args|Attributes|Raises|Returns):")
_TITLES = {"Args": "Arguments", "Attributes": "Attributes", "Raises": "Raises", "Returns": "Returns"}
_EXPERIMENTAL = re.compile(r"Experimental(?: in part\.)?(?:, need `[\w.]+`)?: ((?:`\w+`(?:,\s+)?)+)\.")


def prose(doc: str, linked: Collection[str] = ()) -> str:
    """A docstring as Markdown; empty stays empty.

    Args:
        doc: cleaned of its indentation, in this project's style: paragraphs, indented examples, and the sections Args,
            Attributes, Returns and Raises.
        linked: names that have a heading on the page.
    """
    parts = []
    title = ""
    for paragraph in re.split(r"\n\s*\n", _EXPERIMENTAL.sub("", doc).strip()):
        lines = paragraph.splitlines()
        if lines and (match := _SECTION.fullmatch(lines[0])):
            title, lines = match[1], lines[1:]
            parts.append(f"{_TITLES[title]}:")
            body = "\n".join(line[4:] for line in lines)
            parts.append(" ".join(body.split()) if title == "Returns" else _entries(body))
        elif lines and all(line.startswith("    ") for line in lines):
            parts.append(paragraph)  # an example: Markdown takes indented lines for code, as the docstring does
            continue
        elif lines:
            parts.append(" ".join(line.strip() for line in lines))
        if parts:
            parts[-1] = _linked(parts[-1].replace("``", "`"), linked)
    return "\n\n".join(parts)


def apart(
    title: str, doc: str, linked: Collection[str], names: Collection[str] | None = None
) -> tuple[str, dict[str, str]]:
    """A docstring without the entries of a section, and what these say of each name, as Markdown.

    Args:
        title: of the section: Args or Attributes.
        doc: as of `prose`.
        linked: as of `prose`.
        names: whose entries; those of all names if not given.
    """
    match = re.search(rf"\n\n{title}:((?:\n    .*)+)", doc)
    if match is None:
        return doc, {}
    kept, said = "", {}
    for entry in re.findall(r"\n    \S.*(?:\n {5,}.*)*", match[1]):
        name, _, text = " ".join(entry.split()).partition(": ")
        if names is None or name in names:
            said[name] = _linked(text.replace("``", "`"), linked)
        else:
            kept += entry
    section = f"\n\n{title}:{kept}" if kept else ""
    return doc[: match.start()] + section + doc[match.end() :], said


def experimental_names(doc: str) -> set[str]:
    """The options or fields that a docstring calls experimental."""
    match = _EXPERIMENTAL.search(doc)
    return set(re.findall(r"`(\w+)`", match[1])) if match else set()


def signature(function: Function) -> str:
    """A function's signature on one line; options that a table follows for are three dots."""
    return f"{function.name}({parameters(function.parameters)}) -> {function.result}"


def parameters(given: Sequence[Parameter]) -> str:
    """What stands between the parentheses."""
    words: list[str] = []
    for each in given:
        if each.is_keyword_only and "*" not in words and not any(word.startswith("*") for word in words):
            words.append("*")
        words.append(str(each))
    return ", ".join(words)


def code(text: str) -> str:
    """Code in a cell of a table, where a bar would end the cell."""
    if "|" not in text:
        return f"`{text}`"
    return f"<code>{html.escape(text, quote=False).replace('|', '&#124;')}</code>"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in lines)


def anchor(name: str) -> str:
    """Where a name's heading is."""
    return name.replace(".", "").lower()


def _entries(body: str) -> str:
    """The entries of a section, each ``name: text``, and indented where it goes on, as a list."""
    items = [" ".join(item.split()) for item in re.split(r"\n(?! )", body)]
    found = [item.partition(":") for item in items]
    return "\n".join(f"- `{name.replace(', ', '`, `')}`: {text.strip()}" for name, _, text in found)


def _linked(text: str, linked: Collection[str]) -> str:
    """Names that have a heading lead to it."""

    def link(match: re.Match[str]) -> str:
        name = match[1]
        return f"[`{name}`](#{anchor(name)})" if name in linked else match[0]

    return re.sub(r"(?<![\[`])`([\w.]+)`(?!`)", link, text)
