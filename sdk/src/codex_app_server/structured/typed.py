"""A value of a Python type as the expected reply: its adapter, schema and instruction, made once for each type.

This module is imported only if a call asks for a type, because it loads pydantic.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from types import FunctionType
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from codex_app_server.structured.expected import Expected, MisfitError
from codex_app_server.structured.strict import NotStrictError, strict

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue
    from codex_app_server.structured.strict import Strict

__all__ = ["ExpectedType", "expected_type"]

_FENCE = re.compile(r"\s*```\w*\n(.*?)\n?```\s*", re.DOTALL)
_KEPT_TYPES = 256


class ExpectedType(Expected):
    """A value of a type as the expected reply.

    Args:
        kind: the type.
        is_strict: whether the model is forced to follow the type's schema, or only asked to.

    Attributes:
        schema: the schema that the model is forced to follow; None if it is only asked to.
        instruction: the words that ask the model for it; None if it is forced.

    Raises:
        TypeError: if the type has no JSON schema, or `is_strict` and no strict one.
    """

    def __init__(self, kind: object, *, is_strict: bool) -> None:
        self._adapter: TypeAdapter[Any] = _adapter(kind)
        self._strict: Strict | None = None
        try:
            whole = self._adapter.json_schema()
        except PydanticUserError as error:
            raise TypeError(f"output_type={_named(kind)} has no JSON schema: {error.message}") from error
        if is_strict:
            try:
                self._strict = strict(whole)
            except NotStrictError as error:
                raise TypeError(
                    f"output_type={_named(kind)} cannot be a strict schema: {error}; or pass strict=False, which asks "
                    "for it in words and validates the reply all the same"
                ) from error
            self.schema = self._strict.schema
        else:
            told = json.dumps(whole, ensure_ascii=False)
            self.instruction = f"Answer with JSON alone, without any words around it. It has to fit this schema: {told}"

    def read(self, reply: str) -> Any:
        """Read the value from a reply; a reply that is not JSON, or no such value, raises `MisfitError`."""
        return self._value(self._unwrapped(reply))

    def read_both(self, reply: str) -> tuple[Any, JsonValue]:
        """Read the value from a reply, and its JSON without anything around it; raises as `read`."""
        text = self._unwrapped(reply)
        return self._value(text), super().read(text)

    def _unwrapped(self, reply: str) -> str:
        """The part of a reply that is the value."""
        plan = self._strict
        if plan is None:
            fenced = _FENCE.fullmatch(reply)
            return fenced[1] if fenced else reply
        return json.dumps(plan.restored(super().read(reply))) if plan.is_wrapped or plan.absent else reply

    def _value(self, text: str) -> Any:
        try:
            return self._adapter.validate_json(text)
        except ValidationError as error:
            raise MisfitError(*map(_reason, error.errors(include_url=False, include_context=False))) from error
        except UnicodeError as error:
            raise MisfitError(f"it is not JSON: {error}") from error


def expected_type(kind: object, *, is_strict: bool) -> ExpectedType:
    """The `ExpectedType` of a type, always the same one for the same type; raises as that does."""
    try:
        hash(kind)
    except TypeError:  # of an annotation that cannot be looked up
        return ExpectedType(kind, is_strict=is_strict)
    return _known(kind, is_strict)


@lru_cache(maxsize=_KEPT_TYPES)
def _known(kind: object, is_strict: bool) -> ExpectedType:
    return ExpectedType(kind, is_strict=is_strict)


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if isinstance(kind, TypeAdapter):
        return kind
    if isinstance(kind, Mapping):  # pydantic would read it as a schema of its own
        raise TypeError(f"output_type= takes a type, not a {type(kind).__name__}; output_schema= takes a JSON schema")
    if isinstance(kind, FunctionType):  # pydantic would call it
        raise TypeError(f"output_type={_named(kind)} is a function, not a type")
    try:
        return TypeAdapter(kind)
    except PydanticUserError as error:
        raise TypeError(f"output_type={_named(kind)} is nothing that can be validated: {error.message}") from error


def _named(kind: object) -> str:
    return kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else repr(kind)


def _reason(error: Mapping[str, Any]) -> str:
    path = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in error["loc"]).lstrip(".")
    return f"{path}: {error['msg']}" if path else str(error["msg"])
