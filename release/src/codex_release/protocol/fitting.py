"""Types of two releases held against each other: does every value of one fit the other, and which parts correspond.

Definitions are compared by themselves (see `difference`), so here two references to one name fit each other whatever
the two releases mean by it. `align` extends that to what corresponds by its place: a type that got another name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from codex_release.protocol.shapes import (
    Alias,
    Definition,
    Enumeration,
    KeyedUnion,
    ListOf,
    Literals,
    MapOf,
    Named,
    Nullable,
    OneOf,
    Scalar,
    ShapeUnion,
    Struct,
    TaggedUnion,
    Type,
    Value,
    names_in,
    parts_of,
)
from codex_release.protocol.spelling import Spelling, in_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


__all__ = ["Alignment", "Definitions", "align", "choices", "fits", "in_words", "stands_for"]

Definitions: TypeAlias = "Mapping[str, Definition]"

_JSON = Scalar("json")
_NULL = Scalar("null")
# What a scalar is as well: a path is a string, but not every string can be a path.
_ALSO = {"path": "str", "int": "float"}


@dataclass(frozen=True)
class Alignment:
    """Two types with what corresponds in them made the same.

    Attributes:
        old: the older one, with a common word in the place of what corresponds.
        new: the newer one.
        names: of the definitions that correspond, an older and a newer name each.
        values: of the sets of values that correspond without both being definitions, the older and the newer ones.
    """

    old: Type
    new: Type
    names: tuple[tuple[str, str], ...] = ()
    values: tuple[tuple[tuple[Value, ...], tuple[Value, ...]], ...] = ()


def align(old: Type, new: Type, before: Definitions, after: Definitions) -> Alignment:
    """Find what corresponds in two types that stand in the same place.

    Args:
        old: the older type.
        new: the newer one.
        before: the definitions that the older one refers to.
        after: those of the newer one.
    """

    def within(kind: Callable[[Type], Type], one: Type, other: Type) -> Alignment:
        inner = align(one, other, before, after)
        return replace(inner, old=kind(inner.old), new=kind(inner.new))

    match old, new:
        case Nullable(one), Nullable(other):
            return within(Nullable, one, other)
        case ListOf(one), ListOf(other):
            return within(ListOf, one, other)
        case MapOf(one), MapOf(other):
            return within(MapOf, one, other)
        case Nullable(one), _:
            inner = align(one, new, before, after)
            return replace(inner, old=Nullable(inner.old))
        case _, Nullable(other):
            inner = align(old, other, before, after)
            return replace(inner, new=Nullable(inner.new))
        case Named(one), Named(other) if _do_correspond(one, other, before, after):
            common = Named(f"{one}={other}")
            return Alignment(common, common, names=((one, other),))
    values = _values(old, before), _values(new, after)
    if values[0] and values[1]:
        common = Named("values")
        return Alignment(common, common, values=((values[0], values[1]),))
    others = set(names_in(new))
    shared = dict.fromkeys(name for name in names_in(old) if name in others)
    return Alignment(old, new, names=tuple((name, name) for name in shared))


def fits(kind: Type, into: Type, own: Definitions, others: Definitions) -> bool:
    """Whether every value of one type is one of the other type too.

    Args:
        kind: the one.
        into: the other.
        own: the definitions that `kind` refers to.
        others: those of `into`.
    """
    return _fits(kind, into, own, others, frozenset())


def stands_for(definition: Definition) -> Type:
    """What a definition is another word for: its options or its type; an object is itself."""
    if isinstance(definition, Alias):
        return definition.type
    return OneOf(_parts(definition) or (Named(definition.name),))


def choices(definition: Definition | None) -> dict[str, Type] | None:
    """The options of an enumeration or a union, by what they are called here; None if it is neither.

    A string is called as it is in JSON; an object by its tag, or by its only member.
    """
    match definition:
        case TaggedUnion():
            return {
                f"{definition.tag}: {json.dumps(value)}": Named(name) for value, name in definition.variants.items()
            }
        case Enumeration() | KeyedUnion():
            strings: dict[str, Type] = {json.dumps(value): Literals((value,)) for value in definition.values}
            variants = definition.variants if isinstance(definition, KeyedUnion) else {}
            return strings | {f"{{{json.dumps(key)}}}": Named(name) for key, name in variants.items()}
        case ShapeUnion():
            return {in_words(option): option for option in definition.options}
    return None


_IN_WORDS = Spelling("list[{}]", "map[{}]", "{} | null".format, in_json)


def in_words(kind: Type) -> str:
    """A type as a person writes it, in the words of JSON where there is a choice."""
    return _IN_WORDS.of(kind)


def _fits(kind: Type, into: Type, own: Definitions, others: Definitions, asked: frozenset[tuple[Type, Type]]) -> bool:
    """As `fits`; what it comes back to is taken to hold, so types that refer to themselves come to an end."""
    names: set[str] = set()
    atoms = list(_atoms(into, others, names))
    if _JSON in atoms:
        return True

    def deeper(kind: Type, into: Type) -> bool:
        return (kind, into) in asked or _fits(kind, into, own, others, asked | {(kind, into)})

    def fit(kind: Type, within: frozenset[str]) -> bool:
        match kind:
            case Named(name) if name in names or name in within:
                return True
            case Named(name):
                parts = _parts(own.get(name))
                if not parts:  # an object
                    return MapOf(_JSON) in atoms
                return all(fit(part, within | {name}) for part in parts)
            case Nullable(inner):
                return _NULL in atoms and fit(inner, within)
            case OneOf(options):
                return all(fit(option, within) for option in options)
            case ListOf(item):
                return any(isinstance(atom, ListOf) and deeper(item, atom.item) for atom in atoms)
            case MapOf(value):
                return any(isinstance(atom, MapOf) and deeper(value, atom.value) for atom in atoms)
            case Literals() | Scalar():
                return _is_plainly_among(kind, atoms)

    return fit(kind, frozenset())


def _is_plainly_among(kind: Literals | Scalar, atoms: Sequence[Type]) -> bool:
    """Whether what has no parts is one of some types."""
    if isinstance(kind, Scalar):
        return kind in atoms or Scalar(_ALSO.get(kind.name, kind.name)) in atoms
    known = {json.dumps(value) for atom in atoms if isinstance(atom, Literals) for value in atom.values}
    return all(
        json.dumps(value) in known or _is_plainly_among(Scalar(type(value).__name__), atoms) for value in kind.values
    )


def _do_correspond(old: str, new: str, before: Definitions, after: Definitions) -> bool:
    """Whether two definitions in the same place are one: by name, or because they can be compared part by part."""
    one, other = before[old], after[new]
    are_choices = choices(one) is not None and choices(other) is not None
    return old == new or are_choices or (type(one) is type(other))


def _parts(definition: Definition | None) -> tuple[Type, ...]:
    """What a definition stands for; nothing if it stands for itself."""
    return () if definition is None or isinstance(definition, Struct) else tuple(parts_of(definition))


def _atoms(kind: Type, definitions: Definitions, names: set[str]) -> Iterator[Type]:
    """What a type can be in the end; the names on the way there are put down in `names`."""
    match kind:
        case Named(name):
            if name not in names:
                names.add(name)
                for part in _parts(definitions.get(name)):
                    yield from _atoms(part, definitions, names)
        case Nullable(inner):
            yield _NULL
            yield from _atoms(inner, definitions, names)
        case OneOf(options):
            for option in options:
                yield from _atoms(option, definitions, names)
        case _:
            yield kind


def _values(kind: Type, definitions: Definitions) -> tuple[Value, ...]:
    """The values that a type lists, if that is all it does."""
    if isinstance(kind, Literals):
        return kind.values
    definition = definitions[kind.name] if isinstance(kind, Named) else None
    return definition.values if isinstance(definition, Enumeration) else ()
