"""The parameters of a protocol method as the options of a Python method: names, annotations, defaults.

What a person passes is typed more widely than what the runtime sends: strings beside enums, paths beside strings, any
sequence or mapping where JSON has arrays and objects.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from codex_release.base.errors import ProtocolError
from codex_release.protocol.shapes import (
    Alias,
    Enumeration,
    Field,
    KeyedUnion,
    Literals,
    Named,
    Protocol,
    Scalar,
    Struct,
    Type,
)
from codex_release.protocol.spelling import Spelling, in_python, words_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_release.protocol.rules import Rules

__all__ = ["Option", "Options", "with_value_aliases"]

_INLINE = 86
"""How many columns an option of an enum may take that says its strings itself; beyond, they get a name of their own."""

_PATH = "str | os.PathLike[str]"


@dataclass(frozen=True)
class Option:
    """A keyword-only option.

    Attributes:
        name: in Python.
        wire: in JSON; empty if it is no member of the parameters.
        annotation: its type.
        is_required: whether it has no default.
        is_experimental: as of `Field`.
        about: what it is, if that is said.
        default: as it stands in the signature; None is not sent.
    """

    name: str
    wire: str
    annotation: str
    is_required: bool
    is_experimental: bool
    about: str | None = None
    default: str = "None"

    @property
    def declaration(self) -> str:
        """The option in a signature."""
        return f"{self.name}: {self.annotation}{'' if self.is_required else f' = {self.default}'}"


@dataclass(frozen=True)
class Options:
    """Makes options from definitions."""

    protocol: Protocol
    rules: Rules

    def of(self, params: str) -> list[Option]:
        """The options for the parameters of a method, if it takes parameters.

        Parameters that are a union are one option, which takes any of the union's models.
        """
        if not params:
            return []
        definition = self.protocol.definitions[params]
        if not isinstance(definition, Struct):
            return [Option("params", "", self.annotation(Named(params)), is_required=True, is_experimental=False)]
        return [self._option(field, params) for field in definition.fields]

    def annotation(self, kind: Type, *, is_path: bool = False) -> str:
        """The type of what may be passed.

        Args:
            kind: what the protocol takes.
            is_path: whether its strings are paths.
        """
        scalars = {"path": _PATH, "str": _PATH if is_path else "str", "json": "object", "null": "None"}
        named = partial(self._named, is_path=is_path)
        return Spelling("Sequence[{}]", "Mapping[str, {}]", _with_none, in_python, named, scalars).of(kind)

    def _option(self, field: Field, params: str) -> Option:
        is_path = field.wire in self.rules.path_options
        annotation = self.annotation(field.type, is_path=is_path)
        if not field.is_required:
            annotation = _with_none(annotation)
        about = self.rules.prose.of_field(params, field.name)
        return Option(field.name, field.wire, annotation, field.is_required, field.is_experimental, about)

    def _named(self, name: str, *, is_path: bool) -> str:
        definition = self.protocol.definitions[name]
        if isinstance(definition, Enumeration):
            if definition.is_open:
                return f"{name} | str"
            return f"{name} | {in_python(definition.values) if _is_short(definition) else _value_alias(name)}"
        if isinstance(definition, KeyedUnion) and definition.is_class:
            return " | ".join([name, _value_alias(name), *definition.variants.values()])
        if isinstance(definition, Alias) and not isinstance(definition.type, Scalar):
            return self.annotation(definition.type, is_path=is_path)
        return name


def with_value_aliases(protocol: Protocol, rules: Rules, rooms: Mapping[str, str]) -> tuple[Protocol, dict[str, str]]:
    """The protocol and its rooms with a name for the strings of each long enum, or class, that is an option.

    Raises:
        ProtocolError: if the schema has a definition of such a name.
    """
    options = Options(protocol, rules)
    wanted = words_in(
        option.annotation for request in protocol.client_requests for option in options.of(request.params)
    )
    added = {
        name: Alias(_value_alias(name), Literals(definition.values))
        for name, definition in protocol.definitions.items()
        if isinstance(definition, (Enumeration, KeyedUnion)) and _value_alias(name) in wanted
    }
    for name, alias in added.items():
        if alias.name in protocol.definitions:
            raise ProtocolError(f"{alias.name} is in the schema, but would be the name of the strings of {name} too")
    definitions = {**protocol.definitions, **{alias.name: alias for alias in added.values()}}
    homes = {**rooms, **{alias.name: rooms[name] for name, alias in added.items()}}
    return replace(protocol, definitions=dict(sorted(definitions.items()))), homes


def _value_alias(name: str) -> str:
    return f"{name}Value"


def _is_short(definition: Enumeration) -> bool:
    # An option is called about what its type is called.
    return 2 * len(definition.name) + len(in_python(definition.values)) <= _INLINE


def _with_none(annotation: str) -> str:
    return annotation if annotation == "object" or annotation.endswith("| None") else f"{annotation} | None"
