"""What the tables say of a field's type, as a type; `entries` has the words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Strict

from codex_app_server.models.entries import is_value, parse_type

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["type_of"]

# A number is a number: 1 is no "1", and True is no 1.
_SCALARS: dict[str, Any] = {
    "str": str,
    "int": Annotated[int, Strict()],
    "float": Annotated[float, Strict()],
    "bool": Annotated[bool, Strict()],
    "json": Any,
    "None": None,
}


def type_of(words: str, named: Callable[[str], Any]) -> Any:
    """The type that some words stand for; `named` says what stands for a model in it."""

    def plain(name: str) -> Any:
        if is_value(name):
            return _literal(json.loads(name))
        return _SCALARS[name] if name in _SCALARS else named(name)

    return parse_type(words, plain, _generic, lambda several: Union[several])  # noqa: UP007  # not known before


def _literal(value: str | int) -> Any:
    if isinstance(value, str):
        return Literal[value]

    def same_type(given: object) -> object:
        if type(given) is not type(value):
            raise ValueError(f"it must be {json.dumps(value)}")
        return given

    return Annotated[Literal[value], BeforeValidator(same_type)]


def _generic(name: str, inner: Any) -> Any:
    return list[inner] if name == "list" else dict[str, inner]
