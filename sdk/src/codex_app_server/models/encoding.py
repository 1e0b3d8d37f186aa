"""What a caller passes, as JSON values: models, enums, paths, and whatever knows how to say itself.

Nothing here imports pydantic: whoever passes a model has done so already, and a model is known by what it can do.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue

__all__ = ["encode_options", "encode_value"]

_POLICIES = "a policy is a model of codex_app_server.generated, e.g. ReadOnlySandboxPolicy()"


def encode_options(options: Mapping[str, object] | object) -> dict[str, JsonValue]:
    """The parameters of a call.

    Args:
        options: by their wire names; or a model that is all of them. Models say themselves with the fields that were
            set and no others; so does anything with a method ``to_wire()`` that gives JSON values.

    Returns:
        what to send: the options that are not None. A None further inside is a null.

    Raises:
        TypeError: if an option is, or holds, something that is none of these and no JSON value either; the message
            names the option.
        ValueError: if they contain themselves.
    """
    try:
        if isinstance(options, Mapping):
            if isinstance(policy := options.get("sandboxPolicy"), str):
                raise TypeError(f"sandbox_policy: {policy!r} is a word for sandbox= of a thread; {_POLICIES}")
            return {name: encode_value(value, name) for name, value in options.items() if value is not None}
        encoded = encode_value(options, "params")
    except RecursionError:
        raise ValueError("the options contain themselves, or are nested deeper than the runtime can read") from None
    if not isinstance(encoded, dict):
        raise TypeError(f"params must be a model, not {type(options).__name__}")
    return encoded


def encode_value(value: object, name: str) -> JsonValue:
    """A value for JSON, by the rules of `encode_options`.

    Args:
        value: the value.
        name: where it stands, for the message.

    Raises:
        TypeError: as above.
    """
    if value is None or type(value) in (str, bool, int, float):
        return cast("JsonValue", value)
    if isinstance(value, Enum):
        return encode_value(value.value, name)
    # By their class: a model may have a field of any name.
    if callable(getattr(type(value), "model_dump", None)):
        return _encoded_model(value)
    if callable(to_wire := getattr(type(value), "to_wire", None)):
        return encode_value(to_wire(value), name)
    if isinstance(value, os.PathLike):
        return encode_value(os.fspath(value), name)
    if isinstance(value, Mapping):
        return {_key(key, name): encode_value(each, f"{name}.{key}") for key, each in value.items()}
    if isinstance(value, str):  # of a subclass: plain from here on
        return str.__str__(value)
    if isinstance(value, (int, float)):
        return cast("JsonValue", value)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return [encode_value(each, f"{name}[{index}]") for index, each in enumerate(value)]
    if isinstance(value, type) and name == "outputSchema":
        raise TypeError(f"{name}: the class {value.__name__} cannot be sent; {_instead_of_class(value)}")
    given = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
    raise TypeError(f"{name}: {given} cannot be sent; it takes models, enums, paths and JSON values")


def _instead_of_class(given: type) -> str:
    """What to write for the schema of a class."""
    described = f"{given.__name__}.model_json_schema()"
    if not callable(getattr(given, "model_json_schema", None)):
        described = f"pydantic.TypeAdapter({given.__name__}).json_schema()"
    return (
        f"run and stream take output_type={given.__name__}; a schema is written {described}, made strict: every object "
        "in it with additionalProperties: false, and with all its properties in required"
    )


def _encoded_model(model: object) -> JsonValue:
    """What of a model was set, under its wire names; what the runtime once sent in an odd type goes back as it came."""
    dump = model.model_dump  # type: ignore[attr-defined]  # a method of every model, see above
    return cast("JsonValue", dump(mode="json", by_alias=True, exclude_unset=True, warnings=False))


def _key(key: object, name: str) -> str:
    if isinstance(key, str):
        return str.__str__(key.value if isinstance(key, Enum) else key)
    raise TypeError(f"{name}: the key {key!r} is not a string")
