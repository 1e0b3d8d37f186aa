"""Writing Python as ``ruff format`` would: what fits on a line stays on it, what does not gets a line for each part.

Only the few constructs that the generated files have. A test has the formatter look at them all.
"""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "PACKAGE",
    "WIDTH",
    "alternatives",
    "bracketed",
    "call",
    "docstring",
    "filled",
    "imports",
    "quoted",
    "section",
]

PACKAGE = "codex_app_server.generated"
WIDTH = 120
_STEP = "    "


def filled(text: str, width: int, first: str = "", others: str = "") -> str:
    """A text in lines between its words.

    Args:
        text: what is filled in.
        width: of a line, its indentation included.
        first: the indentation of the first line.
        others: that of the other ones.
    """
    return textwrap.fill(
        text, width, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )


def docstring(paragraphs: Sequence[str], indent: str) -> str:
    """A docstring in a body, of the paragraphs that are not empty; a single one is a line, its own lines are kept."""
    there = [each if "\n" in each else filled(each, WIDTH - len(indent)) for each in paragraphs if each]
    text = "\n\n".join(there)
    if len(there) == 1 and len(indent) + len(text) + 6 <= WIDTH:
        return f'{indent}"""{text}"""\n'
    return textwrap.indent(f'"""{text}\n"""\n', indent)


def section(title: str, entries: Mapping[str, str], indent: str) -> str:
    """A paragraph of a docstring that lists names and what they are; empty if there are none.

    Args:
        title: ``Args`` or ``Attributes``.
        entries: name to text.
        indent: of the docstring.
    """
    width = WIDTH - len(indent)
    lines = [filled(f"{name}: {text}", width, _STEP, 2 * _STEP) for name, text in entries.items()]
    return "\n".join([f"{title}:", *lines]) if lines else ""


def imports(modules: Mapping[str, Iterable[str]], indent: str = "") -> str:
    """``from ... import ...`` statements, sorted; nothing for a module from which nothing is needed."""
    lines = []
    for module, wanted in sorted(modules.items()):
        names = sorted(set(wanted), key=lambda name: (not name[:1].isupper(), name.lower()))
        renamed = [name for name in names if " as " in name]
        lines += [f"{indent}from {module} import {name}\n" for name in renamed]
        if not (names := [name for name in names if name not in renamed]):
            continue
        line = f"{indent}from {module} import {', '.join(names)}"
        if len(line) > WIDTH:
            inner = "".join(f"{indent}{_STEP}{name},\n" for name in names)
            line = f"{indent}from {module} import (\n{inner}{indent})"
        lines.append(line + "\n")
    return "".join(lines)


def quoted(text: str) -> str:
    """A string literal."""
    return json.dumps(text, ensure_ascii=False)


def bracketed(before: str, parts: Sequence[str], after: str, indent: str) -> str:
    """Something in brackets: on one line, or with a line for each part.

    Args:
        before: up to the opening bracket, included.
        parts: what is separated by commas; a part that has lines of its own knows their indentation.
        after: from the closing bracket on.
        indent: of the statement.
    """
    flat = f"{indent}{before}{', '.join(parts)}{after}"
    if len(flat) <= WIDTH and "\n" not in flat:
        return flat
    inner = "".join(f"{indent}{_STEP}{part},\n" for part in parts)
    return f"{indent}{before}\n{inner}{indent}{after}"


def alternatives(name: str, lines: Sequence[str]) -> str:
    """An alias for any of several types that do not fit on a line together.

    Args:
        name: of the alias.
        lines: each type, with the line end behind it.
    """
    first, *others = lines
    return f"{name}: TypeAlias = (\n    {first}" + "".join(f"    | {each}" for each in others) + ")\n"


def call(before: str, arguments: Sequence[str | Mapping[str, str]], indent: str) -> str:
    """A statement that ends in a call.

    Args:
        before: up to the opening bracket, included.
        arguments: expressions, and mappings of wire names to expressions, for which a dict display is written.
        indent: of the statement.
    """
    split = [
        each if isinstance(each, str) else [f"{quoted(key)}: {value}" for key, value in each.items()]
        for each in arguments
    ]
    flat = [each if isinstance(each, str) else f"{{{', '.join(each)}}}" for each in split]
    line = f"{indent}{before}{', '.join(flat)})"
    if len(line) <= WIDTH and "\n" not in line:
        return line + "\n"
    # The comma behind an argument takes a column too.
    parts = [
        each if isinstance(each, str) else bracketed("{", each, "},", indent + _STEP).strip()[:-1] for each in split
    ]
    return bracketed(before, parts, ")", indent) + "\n"
