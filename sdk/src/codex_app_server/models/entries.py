"""The words of the generated rooms' tables, read: what an entry says, without making anything of it.

The first line of an entry is what it is, the others are its parts::

    model [TAG [UNION]]  NAME[=WIRE]: TYPE [= DEFAULT], the default in JSON; TAG is the attribute that tells variants
                         apart, UNION the class of all variants if there is one
    enum [open]          NAME[=VALUE]; with open any other string will do too
    union TAG [class]    VALUE=MODEL; with class it is one, and the variants inherit it
    keyed [class]        "VALUE", or KEY=MODEL; with class it is an enum, and NAME="VALUE"
    shape                TYPE
    alias                TYPE, on several lines if it is several

A type is ``str``, ``int``, ``float``, ``bool``, ``json``, ``None``, a value as JSON writes it (``"high"``, ``1``,
``true``), the name of an entry, ``list[TYPE]``, ``dict[TYPE]`` (the keys are strings), or several of them with `` | ``
between.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Entry", "Part", "is_value", "parse_entry", "parse_field", "parse_type"]

_Made = TypeVar("_Made")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\w+|[][|]')
_VALUE = re.compile(r'"|-?\d|true$|false$')


class Entry(NamedTuple):
    """An entry of a table.

    Attributes:
        kind: ``model``, ``enum``, ``union``, ``keyed``, ``shape`` or ``alias``.
        tag: what tells variants apart, if there is such a thing.
        more: the last word of the first line, if there is one beside these.
        parts: its lines.
    """

    kind: str
    tag: str
    more: str
    parts: list[str]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """The parts of the form ``LEFT=RIGHT``; of others both are the same."""
        for part in self.parts:
            left, _, right = part.partition("=")
            yield left, right or left


class Part(NamedTuple):
    """A field of a model.

    Attributes:
        name: the attribute.
        wire: the member in JSON.
        type: for `parse_type`.
        is_required: whether it has no default.
        default: a JSON value.
    """

    name: str
    wire: str
    type: str
    is_required: bool
    default: object


def parse_entry(text: str) -> Entry:
    """What an entry says."""
    head, *lines = text.split("\n")
    kind, *words = head.split(" ")
    tag = words.pop(0) if words and kind in ("model", "union") else ""
    return Entry(kind, tag, "".join(words), [part for line in lines if (part := line.strip())])


def parse_field(line: str) -> Part:
    """What a part of a model says."""
    names, _, rest = line.partition(": ")
    name, _, wire = names.partition("=")
    kind, equals, default = rest.partition(" = ")
    return Part(name, wire or name, kind, not equals, json.loads(default) if equals else None)


def is_value(word: str) -> bool:
    """Whether a word of a type is a value, written in JSON, and no name."""
    return _VALUE.match(word) is not None


def parse_type(
    text: str,
    named: Callable[[str], _Made],
    generic: Callable[[str, _Made], _Made],
    together: Callable[[tuple[_Made, ...]], _Made],
) -> _Made:
    """What a type is made to.

    Args:
        text: the type.
        named: makes something of a name, or of a value (see `is_value`).
        generic: of ``list`` or ``dict`` and of what is in the brackets.
        together: of several.
    """
    tokens = _TOKEN.findall(text)
    tokens.reverse()

    def several() -> _Made:
        found = [one()]
        while tokens and tokens[-1] == "|":
            tokens.pop()
            found.append(one())
        return together(tuple(found)) if len(found) > 1 else found[0]

    def one() -> _Made:
        name = tokens.pop()
        if not tokens or tokens[-1] != "[":
            return named(name)
        tokens.pop()
        inner = several()
        tokens.pop()
        return generic(name, inner)

    return several()
