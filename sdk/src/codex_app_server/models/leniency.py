"""Validation of an object in which something is not as its schema says, for what the runtime sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pydantic_core import SchemaValidator, core_schema

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import CoreSchema

    from codex_app_server.protocol.messages import JsonValue

__all__ = ["Lenient"]

_T = TypeVar("_T", bound="BaseModel")


class Lenient(Generic[_T]):
    """Makes a model of any object: takes anything for each of its fields, and None for those that are missing.

    Args:
        cls: the model.
        context: of the validation.
    """

    def __init__(self, cls: type[_T], context: object) -> None:
        self._cls = cls
        self._context = context
        self._wires = {name: field.alias or name for name, field in cls.model_fields.items()}
        schema: Any = cls.__pydantic_core_schema__
        while schema["type"] != "model-fields":
            schema = schema["schema"]
        fields = {
            name: core_schema.model_field(_tolerant(field["schema"]), validation_alias=field.get("validation_alias"))
            for name, field in schema["fields"].items()
        }
        self._validator = SchemaValidator(core_schema.model_fields_schema(fields, extra_behavior="allow"))

    def read(self, value: dict[str, JsonValue]) -> _T:
        """A model of what an object has: its fields, what else there is, and which of them were there."""
        fields, more, given = self._validator.validate_python(value, context=self._context)
        # What else there is counts as given as well, and may be called as a field is in Python that is missing.
        given -= {name for name in more if self._wires.get(name, name) not in value}
        model = self._cls.__new__(self._cls)
        parts = {"__dict__": fields, "__pydantic_extra__": more, "__pydantic_fields_set__": given}
        for name, part in {**parts, "__pydantic_private__": None}.items():
            object.__setattr__(model, name, part)
        return model


def _tolerant(schema: Any) -> CoreSchema:
    inner, default = (schema["schema"], schema) if schema["type"] == "default" else (schema, {"default": None})
    either = core_schema.union_schema([inner, core_schema.any_schema()], mode="left_to_right")
    return cast("CoreSchema", {"type": "default", **default, "schema": either})
