"""What the protocol consists of, in few words: the form between the schema and the Python that is written from it.

A *type* is what a field can be; a *definition* is a type with a name, which becomes a class, an enum or an alias.
Names are Python's here, beside the wire's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "Alias",
    "Definition",
    "Enumeration",
    "Field",
    "KeyedUnion",
    "ListOf",
    "Literals",
    "MapOf",
    "Message",
    "Named",
    "Nullable",
    "OneOf",
    "Protocol",
    "Scalar",
    "ShapeUnion",
    "Struct",
    "TaggedUnion",
    "Type",
    "Value",
    "names_in",
    "names_of",
    "parts_of",
]


@dataclass(frozen=True)
class Scalar:
    """A value without parts: ``str``, ``int``, ``float``, ``bool``, ``path`` (a string) or ``json`` (anything)."""

    name: str


Value: TypeAlias = "str | int"
"""What a schema can list as a value; booleans are integers in Python."""


@dataclass(frozen=True)
class Literals:
    """One of some values."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class Named:
    """What a definition says."""

    name: str


@dataclass(frozen=True)
class ListOf:
    """An array."""

    item: Type


@dataclass(frozen=True)
class MapOf:
    """An object whose keys are not known."""

    value: Type


@dataclass(frozen=True)
class Nullable:
    """Something or null."""

    inner: Type


@dataclass(frozen=True)
class OneOf:
    """One of several types that no name stands for."""

    options: tuple[Type, ...]


Type: TypeAlias = "Scalar | Literals | Named | ListOf | MapOf | Nullable | OneOf"


@dataclass(frozen=True)
class Field:
    """A member of an object.

    Attributes:
        name: the attribute in Python.
        wire: the name in JSON.
        type: what it holds.
        is_required: whether it has to be there.
        default: what it means when it is not there, a JSON value; None if that is null or not said.
        is_experimental: whether the runtime knows it only when experimental things are allowed.
    """

    name: str
    wire: str
    type: Type
    is_required: bool
    default: object = None
    is_experimental: bool = False


@dataclass(frozen=True)
class _Definition:
    """What all definitions have.

    Attributes:
        name: of the class, enum or alias.
        is_experimental: as of `Field`.
    """

    name: str
    is_experimental: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class Struct(_Definition):
    """An object with known members; it becomes a class.

    Attributes:
        fields: its members.
        tag: the attribute that says which variant of a union it is, if it is one.
        base: the union it is a variant of, if that is a class.
    """

    fields: tuple[Field, ...]
    tag: str | None = None
    base: str | None = None


@dataclass(frozen=True)
class Enumeration(_Definition):
    """One of some strings, which have names.

    Attributes:
        members: of each the name and the string.
        is_open: whether any other string will do too.
    """

    members: tuple[tuple[str, str], ...]
    is_open: bool = False

    @property
    def values(self) -> tuple[str, ...]:
        """The strings."""
        return tuple(value for _, value in self.members)


@dataclass(frozen=True)
class TaggedUnion(_Definition):
    """One of several objects, told apart by the value of one member.

    Attributes:
        tag: the member, by its name in JSON.
        variants: value of the tag to name of the struct.
        is_class: whether it becomes a class, the base of its variants.
    """

    tag: str
    variants: Mapping[str, str]
    is_class: bool = False


@dataclass(frozen=True)
class KeyedUnion(_Definition):
    """One of some strings, or an object with one member, whose name says which.

    Attributes:
        values: the strings.
        variants: name of the member to name of the struct that has it.
        is_class: whether it becomes an enum of its strings.
    """

    values: tuple[str, ...]
    variants: Mapping[str, str]
    is_class: bool = False


@dataclass(frozen=True)
class ShapeUnion(_Definition):
    """One of several types, told apart by what fits; no option is such a union itself."""

    options: tuple[Type, ...]


@dataclass(frozen=True)
class Alias(_Definition):
    """Another name for a type."""

    type: Type


Definition: TypeAlias = "Struct | Enumeration | TaggedUnion | KeyedUnion | ShapeUnion | Alias"


@dataclass(frozen=True)
class Message:
    """What goes between the client and the runtime.

    Attributes:
        method: e.g. ``thread/start``.
        params: the name of its parameters' definition; empty if it has no parameters.
        result: the name of its result's; empty if nothing answers it.
        is_experimental: as of `Field`.
    """

    method: str
    params: str
    result: str
    is_experimental: bool


@dataclass(frozen=True)
class Protocol:
    """All of it.

    Attributes:
        definitions: by name, in alphabetical order.
        client_requests: what the client asks, in alphabetical order, as the two below.
        server_requests: what the runtime asks.
        notifications: what the runtime tells.
        guesses: method to name of its result, where nothing but a likeness of names speaks for it.
    """

    definitions: Mapping[str, Definition]
    client_requests: tuple[Message, ...]
    server_requests: tuple[Message, ...]
    notifications: tuple[Message, ...]
    guesses: Mapping[str, str] = field(default_factory=dict)


def parts_of(definition: Definition) -> list[Type]:
    """The types that a definition is made of: those of an object's members, the options of anything else."""
    match definition:
        case Struct(fields=fields):
            return [each.type for each in fields]
        case Enumeration():
            return [Literals(definition.values)]
        case TaggedUnion() | KeyedUnion():
            strings: list[Type] = [Literals(definition.values)] if isinstance(definition, KeyedUnion) else []
            return strings + [Named(name) for name in definition.variants.values()]
        case ShapeUnion(_, options) | Alias(_, OneOf(options)):
            return list(options)
        case Alias(_, kind):
            return [kind]


def names_of(definition: Definition) -> list[str]:
    """The definitions that another one refers to, in their order."""
    return [name for part in parts_of(definition) for name in names_in(part)]


def names_in(kind: Type) -> Iterator[str]:
    """The definitions that a type refers to, in their order."""
    match kind:
        case Named(name):
            yield name
        case ListOf(inner) | MapOf(inner) | Nullable(inner):
            yield from names_in(inner)
        case OneOf(options):
            for option in options:
                yield from names_in(option)
        case Scalar() | Literals():
            pass
