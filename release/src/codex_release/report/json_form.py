"""Frozen dataclasses to JSON and back.

Reading is tolerant where newer writers may say more: unknown fields are passed over, and fields with a default may be
missing. A value of another type than its field's is refused, so what is read can be relied on.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

__all__ = ["from_json", "to_json"]

_T = TypeVar("_T")


def to_json(value: Any) -> dict[str, Any]:
    """A dataclass as JSON's own types."""
    return asdict(value)


def from_json(kind: type[_T], data: object) -> _T:
    """The dataclass `kind` that a JSON object says.

    Raises:
        ValueError: if a field without a default is missing, or a value is of another type.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"{data!r:.80} is no {kind.__name__}")  # noqa: TRY004 - the type of a value, not of an argument
    found = {}
    hashable: Any = kind  # as every class is; the type checker doubts it of a type variable
    for field, hint in _fields(hashable).items():
        if field in data:
            try:
                found[field] = _value(hint, data[field])
            except ValueError as error:
                raise ValueError(f"{field}: {error}") from error
        elif field in _required(hashable):
            raise ValueError(f"{kind.__name__} lacks {field}")
    return kind(**found)


@cache
def _fields(kind: Any) -> dict[str, Any]:
    # The annotations are strings, and `Mapping` is imported for the type checker alone.
    return get_type_hints(kind, localns={"Mapping": Mapping})


@cache
def _required(kind: Any) -> frozenset[str]:
    return frozenset(each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING)


def _value(hint: Any, data: object) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        (inner,) = (each for each in arguments if each is not type(None))
        return None if data is None else _value(inner, data)
    if origin is tuple and isinstance(data, list):
        return tuple(_value(arguments[0], each) for each in data)
    if origin is Mapping and isinstance(data, dict):
        return {str(key): _value(arguments[1], each) for key, each in data.items()}
    if is_dataclass(hint) and isinstance(hint, type):
        return from_json(hint, data)
    if hint is float and type(data) in {int, float}:
        return float(data)  # type: ignore[arg-type]  # it is a number: the line above says so
    if hint is bool and isinstance(data, bool):
        return data
    if hint in {str, int} and isinstance(data, hint) and not isinstance(data, bool):
        return data
    raise ValueError(f"{data!r:.80} is no {getattr(hint, '__name__', hint)}")
