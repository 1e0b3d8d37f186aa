"""From JSON schema to shapes: what each definition is, decided by its structure alone.

The schema has a few idioms for what other languages call enums and unions, and this module knows exactly these:

* strings only: an enumeration, also if they come in several parts; with other values among them, an alias;
* objects that share a member with one fixed string each: a tagged union, and members beside them belong to each object;
* strings and objects with one known member: a keyed union;
* anything else: a union by shape.

Objects without a name of their own get one: that of their place. What fits none of the idioms is an error, not a guess.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeAlias

from codex_release.base.errors import ProtocolError
from codex_release.protocol.naming import attribute, member, pascal
from codex_release.protocol.rules import Rules, guess, params_name, result_names
from codex_release.protocol.schema import Schema, Side, name_in
from codex_release.protocol.shapes import (
    Alias,
    Definition,
    Enumeration,
    Field,
    KeyedUnion,
    ListOf,
    Literals,
    MapOf,
    Message,
    Named,
    Nullable,
    OneOf,
    Protocol,
    Scalar,
    ShapeUnion,
    Struct,
    TaggedUnion,
    Type,
    names_in,
    names_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


__all__ = ["normalise"]

_Schema: TypeAlias = "Mapping[str, Any]"
_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
_JSON, _NULL = Scalar("json"), Scalar("null")
_PROSE = frozenset({"$schema", "title", "description", "default"})
_REMEDY = (
    "look at the schema that the runtime prints, at release/protocol.older.json, and at what release/protocol.toml has "
    "under [left_out] and [paths]"
)


def normalise(side: Side, rules: Rules) -> Protocol:
    """The protocol that schemas describe. What the stable one lacks is experimental.

    Args:
        side: the schemas.
        rules: what they do not say.

    Raises:
        ProtocolError: if they have something this module does not know.
    """
    schema, stable = side.schema, side.stable
    definitions = _Reader.read(schema, rules)
    known = _Reader.read(stable, rules)
    for name, definition in definitions.items():
        if missing := [other for other in names_of(definition) if other not in definitions]:
            raise ProtocolError(f"{name} refers to {missing[0]}, which has no definition", remedy=_REMEDY)
    marked = {name: _marked(definition, known.get(name)) for name, definition in sorted(definitions.items())}
    requests = {**schema.client_requests, **schema.server_requests}
    results: dict[str, str] = {}
    for method, params in requests.items():
        if result := next((each for each in result_names(method, params, rules) if each in marked), None):
            results[method] = result
    taken = set(results.values())
    guesses = {method: guess(method, schema, taken, marked) for method in sorted(requests.keys() - results.keys())}
    results |= guesses

    def messages(
        said: Mapping[str, Any], without: Mapping[str, Any], gives: Mapping[str, str], *, may_take_nothing: bool = False
    ) -> tuple[Message, ...]:
        return tuple(
            Message(
                method,
                "" if may_take_nothing and _is_nothing(params) else _required_params(method, params, marked),
                gives.get(method, ""),
                is_experimental=method not in without,
            )
            for method, params in sorted(said.items())
        )

    return Protocol(
        definitions=marked,
        client_requests=messages(schema.client_requests, stable.client_requests, results, may_take_nothing=True),
        server_requests=messages(schema.server_requests, stable.server_requests, results),
        notifications=messages(schema.notifications, stable.notifications, {}),
        guesses=guesses,
    )


def _is_nothing(params: Any) -> bool:
    return params is None or (isinstance(params, dict) and params.get("type") == "null")


def _required_params(method: str, params: Any, definitions: Mapping[str, Definition]) -> str:
    """The definition of a method's parameters, which must have one."""
    name = params_name(params)
    if name is None or name not in definitions:
        raise ProtocolError(f"the parameters of {method} have no definition", remedy=_REMEDY)
    return name


@dataclass
class _Reader:
    """Definitions as they are being read; naming an inline object adds one."""

    rules: Rules
    found: dict[str, Definition] = field(default_factory=dict)

    @classmethod
    def read(cls, schema: Schema, rules: Rules) -> dict[str, Definition]:
        reader = cls(rules)
        for name, body in schema.definitions.items():
            is_left_out = any(fnmatchcase(name, pattern) for pattern in rules.left_out_definitions)
            if not is_left_out and name not in rules.path_definitions:
                reader.add(reader.definition(name, body))
        return {name: _flattened(definition, reader.found) for name, definition in reader.found.items()}

    def add(self, definition: Definition) -> Named:
        """Keep a definition, under a name that no other one has."""
        if definition.name in self.found:
            raise ProtocolError(f"two definitions of the schema would be called {definition.name}")
        self.found[definition.name] = definition
        return Named(definition.name)

    def definition(self, name: str, schema: _Schema | bool) -> Definition:
        """What a named schema is."""
        if isinstance(schema, bool):
            return Alias(name, self.type(schema, name))
        _require_one_of(name, schema)
        options = schema.get("oneOf") or schema.get("anyOf")
        if options:
            return self.union(name, schema, options)
        if "enum" in schema:
            return _enumeration(name, schema["enum"])
        # There may be others beside the known members, which any struct keeps; with none known it is a mapping.
        if _is_object(schema) and ("properties" in schema or not schema.get("additionalProperties")):
            return Struct(name, self.fields(name, schema))
        return Alias(name, self.type(schema, name))

    def union(self, name: str, schema: _Schema, options: Sequence[_Schema]) -> Definition:
        """What several options are together."""
        values = [value for option in options for value in option.get("enum", ())]
        objects = [option for option in options if _is_object(option) and "properties" in option]
        if all("enum" in option for option in options):
            return _enumeration(name, values)
        tag = _tag(objects) if len(objects) == len(options) else None
        if tag and _are_strings(each["properties"][tag]["enum"][0] for each in objects):
            return self.tagged(name, tag, schema, objects)
        if "properties" in schema:
            raise ProtocolError(f"{name} has members and options, but nothing that tells the options apart")
        keyed = [option for option in objects if len(option["properties"]) == 1 == len(option.get("required", ()))]
        # An option that is anything at all says that there may be more; that holds of every union.
        others = [each for each in options if "enum" not in each and each not in keyed and not _is_vague(each)]
        if values and keyed and not others and _are_strings(values):
            return self.keyed(name, values, keyed)
        return self.by_shape(name, options, tag)

    def tagged(self, name: str, tag: str, schema: _Schema, objects: Sequence[_Schema]) -> Definition:
        """A union of objects with a tag."""
        variants: dict[str, str] = {}
        for each in objects:
            _require_one_of(name, each)
            value = each["properties"][tag]["enum"][0]
            alike = sum(pascal(other) == pascal(value) for other in variants)  # ``openai/form`` and ``openaiForm``
            variant = f"{pascal(value)}{alike + 1 if alike else ''}{name}"
            fields = self.fields(variant, _merged(schema, each), tag)
            variants[value] = self.add(Struct(variant, fields, attribute(tag, self.rules.reserved))).name
        return TaggedUnion(name, tag, variants)

    def keyed(self, name: str, strings: Sequence[str], objects: Sequence[_Schema]) -> Definition:
        """A union of strings and of objects with one member."""
        variants = {}
        for each in objects:
            (key,) = each["properties"]
            inner = self.type(each["properties"][key], name + pascal(key))
            wrapper = Struct(pascal(key) + name, (self.field(key, inner, is_required=True),))
            variants[key] = self.add(wrapper).name
        return KeyedUnion(name, tuple(strings), variants)

    def by_shape(self, name: str, options: Sequence[_Schema], tag: str | None) -> Definition:
        """A union whose options only what they are tells apart; a tag that is no string gives them their names."""
        types = []
        for option in options:
            others = [set(other.get("properties", ())) for other in options if other is not option]
            own = [key for key in option.get("required", ()) if not any(key in other for other in others)]
            if not own and tag:
                own = [f"{tag}-{option['properties'][tag]['enum'][0]}"]
            types.append(self.type(option, pascal(own[0] if own else "") + name))
        return Alias(name, _any_of(types)) if _NULL in types else ShapeUnion(name, tuple(types))

    def fields(self, name: str, schema: _Schema, tag: str | None = None) -> tuple[Field, ...]:
        """The members of an object."""
        required = schema.get("required", ())
        fields = []
        for wire, body in sorted(schema.get("properties", {}).items()):
            kind = self.type(body, name + pascal(wire))
            if wire == tag and isinstance(kind, Literals):
                fields.append(self.field(wire, kind, is_required=False, default=kind.values[0]))
            elif wire in required:
                fields.append(self.field(wire, kind, is_required=True))
            else:
                default = body.get("default") if isinstance(body, dict) else None
                optional = _nullable(kind) if default is None and kind != _JSON else kind
                fields.append(self.field(wire, optional, is_required=False, default=default))
        if len({each.name for each in fields}) < len(fields):
            raise ProtocolError(f"two members of {name} would have the same name in Python")
        return tuple(fields)

    def field(self, wire: str, kind: Type, *, is_required: bool, default: object = None) -> Field:
        """One member."""
        return Field(attribute(wire, self.rules.reserved), wire, kind, is_required, default)

    def type(self, schema: Any, name: str) -> Type:
        """What a schema in a place is; an object that is described right there is given the name."""
        if schema is False:
            raise ProtocolError(f"{name} can be nothing at all", remedy=_REMEDY)
        body = {} if schema is True else {key: value for key, value in schema.items() if key not in _PROSE}
        _require_one_of(name, body)
        options = body.get("allOf") or body.get("oneOf") or body.get("anyOf")
        if not body:
            return _JSON
        if "$ref" in body:
            return Scalar("path") if (other := name_in(body)) in self.rules.path_definitions else Named(other)
        if options and "properties" not in body:
            return _any_of([self.type(option, name) for option in options])
        if "enum" in body:
            return _literals(name, body["enum"])
        kinds = body["type"] if isinstance(body.get("type"), list) else [body.get("type")]
        present = [kind for kind in kinds if kind != "null"]
        if len(present) != 1:
            return _JSON if present else _NULL
        inner = self.plain(present[0], body, name)
        return Nullable(inner) if len(kinds) > 1 else inner

    def plain(self, kind: str | None, body: _Schema, name: str) -> Type:
        """What a schema with one type is."""
        if kind == "array":
            return ListOf(self.type(body.get("items", True), name + "Item"))
        if kind == "object" and "properties" in body:
            return self.add(Struct(name, self.fields(name, body)))
        if kind == "object":
            return MapOf(self.type(body.get("additionalProperties", True), name + "Value"))
        if kind is None or kind not in _SCALARS:
            raise ProtocolError(f"{name} is of a type that the generator does not know: {kind}")
        return Scalar(_SCALARS[kind])


def _require_one_of(name: str, schema: _Schema) -> None:
    """Refuse what has to be several things at once: one of them would be taken for the whole."""
    parts = schema.get("allOf", ())
    if len(parts) > 1 or (parts and schema.keys() & {"properties", "oneOf", "anyOf"}):
        raise ProtocolError(f"{name} has to be several things at once (allOf)", remedy=_REMEDY)


def _literals(name: str, values: Sequence[object]) -> Type:
    """One of the values that a schema lists."""
    strange = [value for value in values if value is not None and not isinstance(value, (str, int))]
    if strange:
        raise ProtocolError(f"{name} can be a value that the generator does not know: {json.dumps(strange[0])}")
    present = tuple(value for value in values if isinstance(value, (str, int)))
    if not present:
        return _NULL
    return Nullable(Literals(present)) if len(present) < len(values) else Literals(present)


def _are_strings(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _enumeration(name: str, values: Sequence[Any]) -> Definition:
    """Strings that get names; other values have none, and stay what they are."""
    if not _are_strings(values):
        return Alias(name, _literals(name, values))
    members = tuple((member(value), value) for value in values)
    if len({key for key, _ in members}) < len(members):
        raise ProtocolError(f"two members of {name} would have the same name in Python")
    return Enumeration(name, members)


def _is_object(schema: _Schema) -> bool:
    return schema.get("type") == "object"


def _is_vague(schema: _Schema) -> bool:
    return isinstance(schema.get("type"), list) and "null" not in schema["type"]


def _tag(objects: Sequence[_Schema]) -> str | None:
    """The member that has a fixed value in each of some objects, another one in each."""
    for wire, body in objects[0]["properties"].items():
        bodies = [each["properties"].get(wire) for each in objects]
        if isinstance(body, dict) and all(isinstance(each, dict) and len(each.get("enum", ())) == 1 for each in bodies):
            values = {each["enum"][0] for each in bodies if each}
            if len(values) == len(objects):
                return str(wire)
    return None


def _merged(union: _Schema, variant: _Schema) -> dict[str, Any]:
    """A variant with the members of its union, and with those that only some of its own options have."""
    properties = {**union.get("properties", {}), **variant["properties"]}
    for option in [*variant.get("anyOf", ()), *variant.get("oneOf", ())]:
        properties |= option.get("properties", {})
    return {"properties": properties, "required": [*union.get("required", ()), *variant.get("required", ())]}


def _any_of(types: Sequence[Type]) -> Type:
    """What several types are together that no name stands for."""
    present = tuple(kind for kind in types if kind != _NULL)
    kind = present[0] if len(present) == 1 else OneOf(present)
    return _nullable(kind) if len(present) < len(types) else kind


def _nullable(kind: Type) -> Nullable:
    return kind if isinstance(kind, Nullable) else Nullable(kind)


def _flattened(
    definition: Definition, all_of_them: Mapping[str, Definition], within: frozenset[str] = frozenset()
) -> Definition:
    """A union by shape with the options of those among its options; if no class is among them, just an alias."""
    if not isinstance(definition, ShapeUnion):
        return definition
    if definition.name in within:
        raise ProtocolError(f"{definition.name} is a union that is one of its own options", remedy=_REMEDY)
    options: list[Type] = []
    for option in definition.options:
        inner = all_of_them.get(option.name) if isinstance(option, Named) else None
        if isinstance(inner, ShapeUnion):
            flat = _flattened(inner, all_of_them, within | {definition.name})
            options.extend(flat.options if isinstance(flat, ShapeUnion) else [option])
        else:
            options.append(option)
    if not any(name for option in options for name in names_in(option)):
        return Alias(definition.name, OneOf(tuple(options)))
    return replace(definition, options=tuple(options))


def _marked(definition: Definition, stable: Definition | None) -> Definition:
    """A definition that knows what of it is experimental."""
    if stable is None:
        return replace(definition, is_experimental=True)
    if isinstance(definition, Struct) and isinstance(stable, Struct):
        known = {each.wire for each in stable.fields}
        fields = (replace(each, is_experimental=each.wire not in known) for each in definition.fields)
        return replace(definition, fields=tuple(fields))
    return definition
