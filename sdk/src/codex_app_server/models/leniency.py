"""Validation of an object in which something is not as its schema says, for what the runtime sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic_core import SchemaValidator, core_schema

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import CoreSchema

__all__ = ["lenient_validator", "made_of"]

_T = TypeVar("_T", bound="BaseModel")


def lenient_validator(cls: type[BaseModel]) -> SchemaValidator:
    """A validator of a model's fields that takes anything for each of them, and None for those that are missing."""
    schema: Any = cls.__pydantic_core_schema__
    while schema["type"] != "model-fields":
        schema = schema["schema"]
    fields = {
        name: core_schema.model_field(_tolerant(field["schema"]), validation_alias=field.get("validation_alias"))
        for name, field in schema["fields"].items()
    }
    return SchemaValidator(core_schema.model_fields_schema(fields, extra_behavior="allow"))


def made_of(cls: type[_T], found: tuple[Any, Any, Any]) -> _T:
    """A model of what such a validator has found: its fields, what else there is, and which of them were there."""
    model = cls.__new__(cls)
    names = ("__dict__", "__pydantic_extra__", "__pydantic_fields_set__")
    for name, part in (*zip(names, found, strict=True), ("__pydantic_private__", None)):
        object.__setattr__(model, name, part)
    return model


def _tolerant(schema: Any) -> CoreSchema:
    inner, default = (schema["schema"], schema) if schema["type"] == "default" else (schema, {"default": None})
    either = core_schema.union_schema([inner, core_schema.any_schema()], mode="left_to_right")
    return cast("CoreSchema", {"type": "default", **default, "schema": either})
