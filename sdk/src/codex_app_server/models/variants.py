"""What the definitions of the protocol are and can do, as far as that takes no pydantic: enums and unions.

Every kind can do four things: say its Python type, read what the runtime sent (never raises), hold what a person passes
to the schema (raises), and describe itself in JSON schema. Kinds of objects are in `model`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, Union

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from typing_extensions import Self

__all__ = ["EnumKind", "Kind", "OpenWord", "UnionKind", "Word"]


class Word(str, Enum):
    """The base of all enums: a member prints as the string that it is, just as a value without a member does."""

    def __str__(self) -> str:  # ``__str__ = str.__str__`` would not be inherited: enum takes it for an oversight
        return str.__str__(self)

    @classmethod
    def model_validate(cls, obj: object) -> Self:
        """The member of a string, as models have it.

        Raises:
            ValidationError: of pydantic, a `ValueError`: if there is none.
        """
        from pydantic import TypeAdapter  # who has a member has loaded it already, but this module is for all

        return TypeAdapter(cls).validate_python(obj)


class OpenWord(Word):
    """The base of enums that do not have all their strings: one is made of any other, and not kept."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str) or not value:
            return None
        other = str.__new__(cls, value)
        other._name_ = other._value_ = str.__str__(value)
        return other


class Kind(ABC):
    """A definition.

    Attributes:
        read: makes something of what the runtime sent; never raises. An attribute, because a method would cost a call.
    """

    read: Callable[[object], object]

    @property
    @abstractmethod
    def type(self) -> Any:
        """A class, or what else can stand in an annotation."""

    @abstractmethod
    def build(self, value: object) -> object:
        """What a person passes, as what the schema calls for.

        Raises:
            ValueError: if it is not that; pydantic's ``ValidationError`` is one.
        """

    @abstractmethod
    def described(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The JSON schema."""


class EnumKind(Kind):
    """One of some strings, which are members of a class."""

    def __init__(self, cls: type[Enum]) -> None:
        self._cls = cls
        members: dict[object, object] = {member.value: member for member in cls}
        is_open = issubclass(cls, OpenWord)

        def read(value: object) -> object:
            if type(value) is not str:
                return value
            member = members.get(value, value)
            return cls(value) if is_open and value and member is value else member

        self._is_open = is_open
        self.read = read

    @property
    def type(self) -> type[Enum]:
        """The class."""
        return self._cls

    def build(self, value: object) -> object:
        """The member."""
        return self._cls(value)

    def described(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:  # noqa: ARG002  # nothing is nested here
        """The strings."""
        return {"type": "string", "examples" if self._is_open else "enum": [member.value for member in self._cls]}


class UnionKind(Kind):
    """One of several models, told apart by a tag or by the only member they have; or one of some strings.

    Args:
        tag: the member that tells, by its wire name; empty if it is the only member that does.
        values: the strings, each with what stands for it: itself, or a member of an enum.
        variants: value of the tag, or name of the member, to name of the model.
        kind: finds the kind of a name.
        unknown: the kind of variants that are not known.
        cls: the class that the union is, if it is one.
    """

    def __init__(
        self,
        tag: str,
        values: Mapping[str, str],
        variants: Mapping[str, str],
        kind: Callable[[str], Kind],
        unknown: Kind,
        cls: type | None = None,
    ) -> None:
        self._tag = tag
        self._values = values
        self._variants = variants
        self._kind = kind
        self._cls = cls
        self._type: Any = cls
        self._accepted = {*variants.values(), unknown.type.__name__}

        def read(value: object) -> object:
            if type(value) is not dict:
                return values.get(value, value) if type(value) is str else value
            name = self._variant(value)
            return (kind(name) if name else unknown).read(value)

        self.read = read

    @property
    def is_class(self) -> bool:
        """Whether the union is a class."""
        return self._cls is not None

    @property
    def type(self) -> Any:
        """The class, or a ``Union``."""
        # No `cached_property`: until Python 3.12 it has a lock, and the one under which kinds are made is taken within
        # that one and around it.
        if self._type is None:
            strings: tuple[Any, ...] = (Literal[tuple(self._values)],) if self._values else ()
            models = tuple(self._kind(name).type for name in self._variants.values())
            self._type = Union[strings + models]  # noqa: UP007  # `|` is for what is known beforehand
        return self._type

    def build(self, value: object) -> object:
        """One of the strings, a model, or a model made of an object."""
        if isinstance(value, str) and value in self._values:
            return self._values[value]
        if any(cls.__name__ in self._accepted for cls in type(value).__mro__):
            return value
        name = self._variant(value) if isinstance(value, dict) else None
        if name is None:
            where = f"its {self._tag} must be" if self._tag else "it must be"
            raise ValueError(f"{where} one of: {', '.join([*self._values, *self._variants])}")
        return self._kind(name).build(value)

    def described(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Any of them."""
        strings = [{"type": "string", "enum": list(self._values)}] if self._values else []
        return {"anyOf": [*strings, *(self._kind(name).described(handler) for name in self._variants.values())]}

    def _variant(self, value: dict[str, object]) -> str | None:
        """The name of the model that an object is, if it is known."""
        if self._tag:
            tag = value.get(self._tag)
            return self._variants.get(tag) if isinstance(tag, str) else None
        return self._variants.get(next(iter(value))) if len(value) == 1 else None
