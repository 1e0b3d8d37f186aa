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
    "ClientRequest",
    "Definition",
    "Enumeration",
    "Field",
    "KeyedUnion",
    "ListOf",
    "Literals",
    "MapOf",
    "Named",
    "Notification",
    "Nullable",
    "OneOf",
    "Protocol",
    "Scalar",
    "ServerRequest",
    "ShapeUnion",
    "Struct",
    "TaggedUnion",
    "Type",
    "Value",
    "definition_types",
    "names_in",
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
class Struct:
    """An object with known members; it becomes a class.

    Attributes:
        name: of the class.
        fields: its members.
        tag: the attribute that says which variant of a union it is, if it is one.
        is_experimental: as of `Field`.
        base: the union it is a variant of, if that is a class.
    """

    name: str
    fields: tuple[Field, ...]
    tag: str | None = None
    is_experimental: bool = False
    base: str | None = None


@dataclass(frozen=True)
class Enumeration:
    """One of some strings, which have names.

    Attributes:
        name: of the class.
        members: of each the name and the string.
        is_experimental: as of `Field`.
        is_open: whether any other string will do too.
    """

    name: str
    members: tuple[tuple[str, str], ...]
    is_experimental: bool = False
    is_open: bool = False


@dataclass(frozen=True)
class TaggedUnion:
    """One of several objects, told apart by the value of one member.

    Attributes:
        name: of the union.
        tag: the member, by its name in JSON.
        variants: value of the tag to name of the struct.
        is_experimental: as of `Field`.
        is_class: whether it becomes a class, the base of its variants.
    """

    name: str
    tag: str
    variants: Mapping[str, str]
    is_experimental: bool = False
    is_class: bool = False


@dataclass(frozen=True)
class KeyedUnion:
    """One of some strings, or an object with one member, whose name says which.

    Attributes:
        name: of the union.
        values: the strings.
        variants: name of the member to name of the struct that has it.
        is_experimental: as of `Field`.
        is_class: whether it becomes an enum of its strings.
    """

    name: str
    values: tuple[str, ...]
    variants: Mapping[str, str]
    is_experimental: bool = False
    is_class: bool = False


@dataclass(frozen=True)
class ShapeUnion:
    """One of several types, told apart by what fits; no option is such a union itself."""

    name: str
    options: tuple[Type, ...]
    is_experimental: bool = False


@dataclass(frozen=True)
class Alias:
    """Another name for a type."""

    name: str
    type: Type
    is_experimental: bool = False


Definition: TypeAlias = "Struct | Enumeration | TaggedUnion | KeyedUnion | ShapeUnion | Alias"


@dataclass(frozen=True)
class ClientRequest:
    """A method that the client calls.

    Attributes:
        method: e.g. ``thread/start``.
        params: the name of its parameters' definition, if it has parameters.
        result: the name of its result's.
        is_experimental: as of `Field`.
    """

    method: str
    params: str | None
    result: str
    is_experimental: bool


@dataclass(frozen=True)
class ServerRequest:
    """A method that the runtime calls; as `ClientRequest`."""

    method: str
    params: str
    result: str
    is_experimental: bool


@dataclass(frozen=True)
class Notification:
    """What the runtime tells; as `ClientRequest`."""

    method: str
    params: str
    is_experimental: bool


@dataclass(frozen=True)
class Protocol:
    """All of it.

    Attributes:
        definitions: by name, in alphabetical order.
        client_requests: in alphabetical order, as the two below.
        server_requests: what the runtime asks.
        notifications: what the runtime tells.
        guesses: method to name of its result, where nothing but a likeness of names speaks for it.
    """

    definitions: Mapping[str, Definition]
    client_requests: tuple[ClientRequest, ...]
    server_requests: tuple[ServerRequest, ...]
    notifications: tuple[Notification, ...]
    guesses: Mapping[str, str] = field(default_factory=dict)


def definition_types(definition: Definition) -> Iterator[Type]:
    """The types that a definition is made of."""
    match definition:
        case Struct():
            yield from (field.type for field in definition.fields)
        case TaggedUnion() | KeyedUnion():
            yield from (Named(name) for name in definition.variants.values())
        case ShapeUnion():
            yield from definition.options
        case Alias():
            yield definition.type
        case Enumeration():
            pass


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
