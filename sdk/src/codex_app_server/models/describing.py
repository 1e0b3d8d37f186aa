"""What models say of themselves in a REPL: their signature and docstring, made when somebody asks for them.

pydantic's own signature has the wire's names and our references, and a docstring has to be there when a class is made.
Both are descriptors here, so that making a model costs nothing for being described.
"""

from __future__ import annotations

import textwrap
from importlib import import_module
from inspect import Parameter, Signature
from typing import TYPE_CHECKING

from codex_app_server.generated.registry import ROOMS
from codex_app_server.models.entries import is_value, parse_entry, parse_field, parse_type

if TYPE_CHECKING:
    from pydantic import BaseModel
    from typing_extensions import Self

    from codex_app_server.models.entries import Part

__all__ = ["Docstring", "SignatureOfFields"]

_PACKAGE = "codex_app_server.generated"
_WIDTH = 100


class Docstring(str):
    """The docstring of a model or an enum, by its name: what it is for, and its fields.

    It is a string because ``help`` looks for one in the class, past all descriptors, and cleans it by way of
    `expandtabs`; the string itself is empty. Everybody else gets the text.
    """

    __slots__ = ("name",)

    name: str

    def __new__(cls, name: str) -> Self:
        """Of the model of that name."""
        made = super().__new__(cls)
        made.name = name
        return made

    def __get__(self, instance: object, owner: type | None = None) -> str:
        return self.expandtabs()

    def expandtabs(self, tabsize: object = 8) -> str:  # noqa: ARG002 - as of any string
        """The text."""
        return _docstring(self.name)


class SignatureOfFields:
    """How a model is called: its fields by their Python names, and whatever else an object may have."""

    def __get__(self, instance: object, owner: type[BaseModel]) -> Signature:
        known = {part.name: _Shown(_annotation(part.type)) for base in owner.__mro__[::-1] for part in _parts_of(base)}
        fields = [
            Parameter(
                name,
                Parameter.KEYWORD_ONLY,
                default=Parameter.empty if field.is_required() else field.get_default(call_default_factory=False),
                annotation=known.get(name, field.annotation),
            )
            for name, field in owner.model_fields.items()
        ]
        fields.sort(key=lambda field: field.default is not Parameter.empty)
        return Signature([*fields, Parameter("more", Parameter.VAR_KEYWORD, annotation=_Shown("JsonValue"))])


class _Shown(str):
    """An annotation, which a signature shows as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _docstring(name: str) -> str:
    from codex_app_server.generated.prose import FIELDS, MODELS  # large, and read by hardly a program

    said = {part.name: FIELDS.get(f"{name}.{part.name}") or FIELDS.get(part.name) for part in _parts(name)}
    lines = [
        textwrap.fill(f"{field}: {text}", _WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8)
        for field, text in said.items()
        if text
    ]
    paragraphs = [textwrap.fill(each, _WIDTH) for each in MODELS[name].split("\n\n")]
    return "\n\n".join([*paragraphs, "\n".join(["Attributes:", *lines])] if lines else paragraphs)


def _parts_of(cls: type) -> list[Part]:
    """The fields that a class has from the protocol; a user's own class may be called as one of ours."""
    return _parts(cls.__name__) if cls.__module__.startswith(f"{_PACKAGE}.") else []


def _parts(name: str) -> list[Part]:
    """The fields of a model; an enum has none."""
    entry = parse_entry(import_module(f"{_PACKAGE}.{ROOMS[name]}").TABLE[name])
    return [parse_field(line) for line in entry.parts] if entry.kind == "model" else []


def _annotation(words: str) -> str:
    """A type as Python spells it."""
    return parse_type(words, _named, _generic, " | ".join)


def _named(word: str) -> str:
    if is_value(word):
        return f"Literal[{word}]"
    return "JsonValue" if word == "json" else word


def _generic(name: str, inner: str) -> str:
    return f"list[{inner}]" if name == "list" else f"dict[str, {inner}]"
