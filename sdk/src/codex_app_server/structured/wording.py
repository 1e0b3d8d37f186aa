"""How the parts of a JSON schema that a strict one cannot have are said in descriptions: as text in brackets.

Pure: it knows neither pydantic nor the protocol.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CONSTRAINTS", "described"]

_PLAIN = frozenset({"format", "pattern"})
"""Keywords whose value is not said as JSON, because that would double the backslashes of a pattern."""

CONSTRAINTS = {
    "default": "default {}",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "uniqueItems": "no item twice",
    "pattern": "must match {}",
    "format": "format {}",
}
"""How keywords are said; others are said by their names."""


def described(description: str | None, lost: Mapping[str, Any]) -> str:
    """A description, with the keywords that a schema loses, at least one, and their values."""
    words = [CONSTRAINTS.get(name, f"{name}: {{}}").format(_said(name, value)) for name, value in lost.items()]
    return " ".join(filter(None, [description, f"({'; '.join(words)})"]))


def _said(name: str, value: object) -> str:
    return value if name in _PLAIN and isinstance(value, str) else json.dumps(value, ensure_ascii=False)
