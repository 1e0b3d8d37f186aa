"""Makes of a JSON schema, as pydantic has it for a type, a strict one, which a model can be forced to follow.

A strict schema has objects whose every property is named and required, typed arrays, and unions as ``anyOf``; its
outermost part is an object and no union. What it cannot say is moved into descriptions, where the model reads it, if
the reply is validated for it anyway. What would change the meaning is refused, with its path and a remedy.

Pure: dictionaries in, dictionaries out. It knows neither pydantic nor the protocol.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codex_app_server.structured.wording import described

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

__all__ = ["RESULT", "NotStrictError", "Strict", "strict"]

Schema: TypeAlias = "dict[str, Any]"

RESULT = "result"
"""The property that a value stands in that is no object itself."""

_KEPT = {
    "$ref",
    *("anyOf", "const", "description", "enum", "type"),
    *("additionalProperties", "properties", "required"),
    *("items", "maxItems", "minItems"),
    *("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"),
    *("format", "pattern"),
}
"""Keywords that strict schemas know."""
_FORMATS = {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"}
_DROPPED = {"$comment", "$defs", "deprecated", "discriminator", "readOnly", "title", "writeOnly"}
"""Keywords that say nothing that has to be kept: the members of a union tell themselves apart."""
_SAYS_WHAT = {"$ref", "anyOf", "const", "enum", "type"}
"""Keywords of which one has to be there, or anything may be."""
_LOOKAROUND = re.compile(r"\(\?<?[=!]")
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null", list: "array"}
_NO_DICT = (
    "a dictionary whose keys are not known cannot be said; write a class with a field for each key, or a list of "
    "objects with a key and a value"
)
_NOT_CLOSED = "further properties cannot be allowed; have them forbidden or ignored"
_NO_TUPLE = "a tuple with a type for each place cannot be said; write a class with a field for each place"
_NO_LIST = "anything may stand in this list; say what, e.g. list[str]"
_ANYTHING = "anything may stand here; give it a type"


class NotStrictError(ValueError):
    """A schema cannot be made strict.

    Attributes:
        path: the path of the part that cannot, e.g. ``prices`` or ``people[].address``.
        reason: what a strict schema cannot say there, and what to write instead.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


@dataclass(frozen=True)
class Strict:
    """A strict schema, and how a reply to it becomes a value of the type.

    Attributes:
        schema: the strict schema.
        is_wrapped: whether the value is the property ``result`` of an object.
        absent: for the id of an object in the schema, the properties that are null where the type has none.
    """

    schema: Schema
    is_wrapped: bool
    absent: Mapping[int, frozenset[str]]

    def restored(self, value: Any) -> Any:
        """A reply as the type has it: without the object around it, and without the nulls of absent properties."""
        if self.absent:
            value = self._without(value, self.schema)
        return value[RESULT] if self.is_wrapped and isinstance(value, dict) and RESULT in value else value

    def _without(self, value: Any, node: Schema) -> Any:
        """The value without what is null for being absent."""
        node = self._alternative(value, node)
        if isinstance(value, list):
            return [self._without(each, node.get("items", {})) for each in value]
        if not isinstance(value, dict):
            return value
        absent, properties = self.absent.get(id(node), ()), node.get("properties", {})
        return {
            name: self._without(each, properties.get(name, {}))
            for name, each in value.items()
            if each is not None or name not in absent
        }

    def _alternative(self, value: Any, node: Schema) -> Schema:
        """What a value was made by: the first of the alternatives that have its properties."""
        if "$ref" in node:
            return self._alternative(value, self.schema["$defs"][_name(node["$ref"])])
        for each in node.get("anyOf", ()):
            found = self._alternative(value, each)
            if _resembles(value, found):
                return found
        return node


def strict(schema: Mapping[str, Any]) -> Strict:
    """Make a schema strict.

    Raises:
        NotStrictError: if that would change what it means.
    """
    making = _Making()
    root = making.node({name: value for name, value in schema.items() if name != "$defs"}, "")
    definitions = {name: making.node(each, name) for name, each in schema.get("$defs", {}).items()}
    if set(root) == {"$ref"}:
        # The outermost is no reference, though what is within may refer to it.
        target = definitions[_name(root["$ref"])]
        if target.get("type") == "object":
            root = {**target}
            making.absent[id(root)] = making.absent.get(id(target), frozenset())
    is_wrapped = root.get("type") != "object"
    if is_wrapped:
        root = {"type": "object", "properties": {RESULT: root}, "required": [RESULT], "additionalProperties": False}
    if definitions:
        root["$defs"] = definitions
    return Strict(root, is_wrapped, {key: names for key, names in making.absent.items() if names})


class _Making:
    """Makes nodes strict, and keeps which properties are null where the type has none: by the id of their object."""

    def __init__(self) -> None:
        self.absent: dict[int, frozenset[str]] = {}

    def node(self, given: Any, path: str) -> Schema:
        """One node, with all below it."""
        if not isinstance(given, dict):
            raise NotStrictError(path, _ANYTHING)
        node = _merged(given)
        lost = _lost(node)
        made = {name: value for name, value in node.items() if name in _KEPT}
        if "const" in made:
            made.pop("enum", None)  # which older pydantics say too
        if "anyOf" in made:
            made["anyOf"] = [self.node(each, path) for each in made["anyOf"]]
        elif "enum" in made or "const" in made:
            made.setdefault("type", _types(made.get("enum", [made.get("const")])))
        if not made.keys() & _SAYS_WHAT:
            raise NotStrictError(path, _ANYTHING)
        if _is(made, "array"):
            self._array(made, node, path)
        if _is(made, "object"):
            self._object(made, node, path)
        if lost:
            made["description"] = described(made.get("description"), lost)
        if "$ref" in made and len(made) > 1:
            made = {"anyOf": [{"$ref": made.pop("$ref")}], **made}
        return made

    def _array(self, made: Schema, node: Schema, path: str) -> None:
        if "prefixItems" in node:
            raise NotStrictError(path, _NO_TUPLE)
        path += "[]"
        if made.get("items", True) in (True, {}):
            raise NotStrictError(path, _NO_LIST)
        made["items"] = self.node(made["items"], path)

    def _object(self, made: Schema, node: Schema, path: str) -> None:
        given = made.get("properties", {})
        is_open = "patternProperties" in node or made.get("additionalProperties", "properties" not in made) is not False
        if is_open and not given:
            raise NotStrictError(path, _NO_DICT)
        if made.get("additionalProperties", False) is not False or "patternProperties" in node:
            raise NotStrictError(path, _NOT_CLOSED)
        properties = {name: self.node(each, f"{path}.{name}".lstrip(".")) for name, each in given.items()}
        needed = made.get("required", ())
        absent = {
            name
            for name, each in given.items()
            if name not in needed and "default" not in each and not _allows_null(properties[name])
        }
        for name in absent:
            properties[name] = {"anyOf": [properties[name], {"type": "null"}]}
        made.update(properties=properties, required=list(properties), additionalProperties=False)
        self.absent[id(made)] = frozenset(absent)


def _merged(given: Schema) -> Schema:
    """A node with its only ``allOf`` merged, and every union under ``anyOf``."""
    node = {**given}
    if len(parts := node.get("allOf", ())) == 1 and isinstance(parts[0], dict):
        node = {**parts[0], **{name: value for name, value in node.items() if name != "allOf"}}
    if "oneOf" in node and "anyOf" not in node:
        node["anyOf"] = node.pop("oneOf")
    if "properties" in node:
        node.setdefault("type", "object")
    if "prefixItems" in node:
        node.setdefault("type", "array")
    return node


def _lost(node: Schema) -> Schema:
    """What only words can say of a node, which loses it."""
    unknown = node.keys() - _KEPT - _DROPPED - {"patternProperties", "prefixItems"}
    if node.get("format", "date") not in _FORMATS:
        unknown.add("format")
    if _LOOKAROUND.search(node.get("pattern", "")):
        unknown.add("pattern")
    said = {name: node.pop(name) for name in sorted(unknown)}
    if said.get("default", ...) is None:
        del said["default"]
    return said


def _allows_null(node: Schema) -> bool:
    return _is(node, "null") or any(map(_allows_null, node.get("anyOf", ())))


def _is(node: Schema, kind: str) -> bool:
    """Whether a value of the node may be of a type."""
    types = node.get("type")
    return kind in types if isinstance(types, list) else kind == types


def _types(values: Sequence[object]) -> str | list[str]:
    """The types of some values."""
    kinds = list(dict.fromkeys(_TYPES.get(type(value), "object") for value in values))
    return kinds[0] if len(kinds) == 1 else kinds


def _resembles(value: object, node: Schema) -> bool:
    """Whether an object has the properties of a node, with the values of those that can have one only."""
    if not isinstance(value, dict):
        return isinstance(value, list) and _is(node, "array")
    properties = node.get("properties", {})
    return value.keys() == properties.keys() and all(
        value[name] == each["const"] for name, each in properties.items() if "const" in each
    )


def _name(reference: str) -> str:
    """The definition that a reference names."""
    return reference.removeprefix("#/$defs/").replace("~1", "/").replace("~0", "~")
