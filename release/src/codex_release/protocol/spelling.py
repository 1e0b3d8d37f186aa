"""A type in words: for people, for the tables that the client reads, for annotations. One walk, many spellings."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codex_release.protocol.shapes import ListOf, Literals, MapOf, Named, Nullable, OneOf, Scalar, Type, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


__all__ = ["Spelling", "in_json", "in_python", "literal", "words_in"]

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True)
class Spelling:
    """How types are written.

    Attributes:
        list_of: an array, with a place for what it holds.
        map_of: an object whose keys are not known, likewise.
        nullable: what may be null.
        values: some values.
        named: the name of a definition.
        scalars: those that are called otherwise than in `Scalar`.
    """

    list_of: str
    map_of: str
    nullable: Callable[[str], str]
    values: Callable[[tuple[Value, ...]], str]
    named: Callable[[str], str] = str
    scalars: Mapping[str, str] = field(default_factory=dict)

    def of(self, kind: Type) -> str:
        """A type."""
        match kind:
            case Scalar(name):
                return self.scalars.get(name, name)
            case Literals(values):
                return self.values(values)
            case Named(name):
                return self.named(name)
            case ListOf(inner):
                return self.list_of.format(self.of(inner))
            case MapOf(inner):
                return self.map_of.format(self.of(inner))
            case Nullable(inner):
                return self.nullable(self.of(inner))
            case OneOf(options):
                return " | ".join(self.of(option) for option in options)


def in_json(values: tuple[Value, ...]) -> str:
    """Values as JSON has them, as alternatives."""
    return " | ".join(json.dumps(value, ensure_ascii=False) for value in values)


def in_python(values: tuple[Value, ...]) -> str:
    """A ``Literal``."""
    return f"Literal[{', '.join(map(literal, values))}]"


def words_in(annotations: Iterable[str]) -> set[str]:
    """Every name that stands in annotations, but for what is in quotes."""
    return set(re.findall(r"\w+", _STRING.sub("", " ".join(annotations))))


def literal(value: Value) -> str:
    """A value as the formatter of Python writes it."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
