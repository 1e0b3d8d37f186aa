"""From the schema of a type to one that a model can be held to: what is said, what is moved, and what is refused."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import uuid
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, Json, TypeAdapter
from typing_extensions import NotRequired, TypedDict

from codex_app_server.structured.strict import NotStrictError, Strict, strict
from codex_app_server.structured.typed import ExpectedType, expected_type


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Point(TypedDict):
    x: int
    y: NotRequired[int]
    note: NotRequired[str | None]


class Node(BaseModel):
    """A node of a tree."""

    name: str = Field(min_length=2, description="What it is called.")
    children: list[Node] = Field(default_factory=list)


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(9, ge=0, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    color: Color = Field(Color.RED, description="Of its coat.")


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


@dataclass
class Owner:
    pets: list[Pet]
    home: Point
    notes: list[str] = field(default_factory=list)


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    x: int


def made(kind: Any) -> Strict:
    return strict(TypeAdapter(kind).json_schema())


def result_of(kind: Any) -> Any:
    """The schema of what is wrapped."""
    whole = made(kind)
    assert whole.is_wrapped
    return whole.schema["properties"]["result"]


def assert_is_strict(node: dict[str, Any], definitions: dict[str, Any]) -> None:
    """What a provider checks of every node."""
    assert not node.keys() & {"allOf", "default", "discriminator", "oneOf", "title"}
    if "$ref" in node:
        assert node.keys() == {"$ref"}
        assert node["$ref"].removeprefix("#/$defs/") in definitions
    elif "anyOf" not in node:
        assert "type" in node
    if node.get("type") == "object":
        assert node["additionalProperties"] is False
        assert node["required"] == list(node["properties"])
    if node.get("type") == "array":
        assert_is_strict(node["items"], definitions)
    for each in (*node.get("anyOf", ()), *node.get("properties", {}).values()):
        assert_is_strict(each, definitions)


def assert_is_strict_throughout(schema: dict[str, Any]) -> None:
    assert schema["type"] == "object"
    for node in (schema, *schema.get("$defs", {}).values()):
        assert_is_strict(node, schema.get("$defs", {}))


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (int, {"type": "integer"}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (list[str], {"type": "array", "items": {"type": "string"}}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (set[int], {"type": "array", "items": {"type": "integer"}, "description": "(no item twice)"}),
        (Color, {"type": "string", "enum": ["red", "blue"]}),
        (Literal["a"], {"type": "string", "const": "a"}),
        (Literal["a", 1, True], {"type": ["string", "integer", "boolean"], "enum": ["a", 1, True]}),
        (uuid.UUID, {"type": "string", "format": "uuid"}),
        (dt.datetime, {"type": "string", "format": "date-time"}),
        (bytes, {"type": "string", "description": "(format binary)"}),
        (Annotated[int, Field(ge=1, lt=5, multiple_of=2)],
         {"type": "integer", "minimum": 1, "exclusiveMaximum": 5, "multipleOf": 2}),
        (Annotated[list[int], Field(min_length=1, max_length=3)],
         {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3}),
        (Annotated[str, Field(min_length=2, max_length=9, description="A word.")],
         {"type": "string", "description": "A word. (at most 9 characters; at least 2 characters)"}),
        (Annotated[str, Field(pattern="^a+$")], {"type": "string", "pattern": "^a+$"}),
        (Annotated[str, Field(examples=["a"])], {"type": "string", "description": '(examples: ["a"])'}),
    ],
)  # fmt: skip
def test_what_is_no_object_is_wrapped_and_said_as_far_as_can_be(kind: Any, schema: dict[str, Any]) -> None:
    assert result_of(kind) == schema
    assert_is_strict_throughout(made(kind).schema)


def test_what_a_pattern_looks_around_for_is_said_in_words() -> None:
    looking = {"type": "string", "pattern": "^(?!a)b"}
    assert strict(looking).schema["properties"]["result"] == {
        "type": "string",
        "description": "(must match ^(?!a)b)",
    }
    assert_is_strict_throughout(made(decimal.Decimal).schema)


def test_an_object_is_closed_and_all_of_it_is_required() -> None:
    whole = made(Owner)
    assert not whole.is_wrapped
    assert_is_strict_throughout(whole.schema)
    definitions = whole.schema["$defs"]
    assert whole.schema["required"] == ["pets", "home", "notes"]
    assert whole.schema["properties"]["pets"]["items"] == {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]}
    assert definitions["Cat"]["properties"]["lives"]["description"] == "(default 9)"


def test_a_reference_has_nothing_beside_it() -> None:
    color = made(Dog).schema["properties"]["color"]
    assert color == {"anyOf": [{"$ref": "#/$defs/Color"}], "description": 'Of its coat. (default "red")'}
    assert strict({"allOf": [{"type": "integer"}], "title": "T", "description": "D."}).schema["properties"][
        "result"
    ] == {
        "type": "integer",
        "description": "D.",
    }


def test_what_refers_to_itself_has_no_reference_outermost() -> None:
    schema = made(Node).schema
    assert "$ref" not in schema
    assert schema["description"] == "A node of a tree."
    assert schema["properties"]["children"]["anyOf"][0]["items"] == {"$ref": "#/$defs/Node"}
    assert_is_strict_throughout(schema)
    wrapped = made(list[Node])
    assert wrapped.is_wrapped
    assert_is_strict_throughout(wrapped.schema)


@pytest.mark.parametrize(
    ("kind", "path", "words"),
    [
        (Any, "", "give it a type"),
        (object, "", "give it a type"),
        (list, "[]", "e.g. list[str]"),
        (list[Any], "[]", "e.g. list[str]"),
        (dict, "", "write a class"),
        (dict[str, int], "", "write a class"),
        (dict[Annotated[str, Field(pattern="^a$")], int], "", "write a class"),
        (list[dict[str, int]], "[]", "write a class"),
        (tuple[int, str], "", "a field for each place"),
        (Open, "", "forbidden or ignored"),
        (int | Any, "", "give it a type"),
    ],
)
def test_what_cannot_be_said_is_refused_with_its_path_and_a_remedy(kind: Any, path: str, words: str) -> None:
    with pytest.raises(NotStrictError, match=words.replace("[", r"\[")) as caught:
        made(kind)
    assert caught.value.path == path


def test_the_path_leads_through_properties_and_definitions() -> None:
    class Shop(BaseModel):
        shelves: list[Shelf]

    class Shelf(BaseModel):
        prices: dict[str, list[int]]

    Shop.model_rebuild()
    with pytest.raises(TypeError, match=r"output_type=Shop cannot be .*: Shelf\.prices: a dictionary .*strict=False"):
        expected_type(Shop, is_strict=True)


def test_what_has_no_schema_is_a_type_error() -> None:
    class Strange:
        pass

    for kind in (Strange, Json[Strange], lambda: None):
        with pytest.raises(TypeError, match="output_type="):
            expected_type(kind, is_strict=True)


def test_a_schema_is_no_type() -> None:
    with pytest.raises(TypeError, match="output_type= takes a type, not a dict; output_schema= takes a JSON schema"):
        expected_type({"type": "object"}, is_strict=True)


def test_what_need_not_be_there_is_null_and_is_not_there() -> None:
    expected = expected_type(list[Point], is_strict=True)
    assert result_of(list[Point])["items"] == {"$ref": "#/$defs/Point"}
    point = made(Point).schema["properties"]
    assert point["y"] == {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    reply = json.dumps({"result": [{"x": 1, "y": None, "note": None}, {"x": 1, "y": 2, "note": "n"}]})
    assert expected.read(reply) == [{"x": 1, "note": None}, {"x": 1, "y": 2, "note": "n"}]


def test_in_a_union_it_is_known_whose_null_it_is() -> None:
    class Line(TypedDict):
        kind: Literal["line"]
        end: NotRequired[int]

    class Dot(TypedDict):
        kind: Literal["dot"]
        end: int | None

    expected = expected_type(list[Line | Dot | None], is_strict=True)
    reply = json.dumps({"result": [{"kind": "dot", "end": None}, {"kind": "line", "end": None}, None]})
    assert expected.read(reply) == [{"kind": "dot", "end": None}, {"kind": "line"}, None]


def test_a_default_that_is_made_takes_the_place_of_a_null() -> None:
    node: Node = expected_type(Node, is_strict=True).read('{"name": "ab", "children": null}')
    assert node.children == []


def test_a_type_is_looked_at_once() -> None:
    assert expected_type(Owner, is_strict=True) is expected_type(Owner, is_strict=True)
    assert expected_type(list[int], is_strict=True) is expected_type(list[int], is_strict=True)
    unhashable = Annotated[int, Field(json_schema_extra={"a": [1]}), []]
    assert expected_type(unhashable, is_strict=True).read('{"result": 1}') == 1
    adapter = TypeAdapter(list[int])
    assert expected_type(adapter, is_strict=True).read('{"result": [1]}') == [1]


# --- any type


def of_anything() -> st.SearchStrategy[tuple[Any, st.SearchStrategy[tuple[Any, Any]]]]:
    """Types, each with what makes values of it: as a model says them, and as Python has them."""

    def same(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
        return values.map(lambda value: (value, value))

    scalars: st.SearchStrategy[Any] = st.sampled_from(
        [
            (int, same(st.integers(-5, 5))),
            (str, same(st.text(max_size=3))),
            (bool, same(st.booleans())),
            (Color, st.sampled_from(Color).map(lambda value: (value.value, value))),
            (Literal["a", "b"], same(st.sampled_from("ab"))),
        ]
    )
    return st.recursive(scalars, _larger, max_leaves=6)


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        inner.map(lambda known: (list.__class_getitem__(known[0]), _lists(known[1]))),
        inner.map(lambda known: (known[0] | None, st.none().map(lambda _: (None, None)) | known[1])),
        st.dictionaries(st.sampled_from("xyz"), st.tuples(inner, st.booleans()), max_size=3).map(_dictionary),
    )


def _lists(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(values, max_size=2).map(lambda found: ([said for said, _ in found], [had for _, had in found]))


def _dictionary(fields: dict[str, Any]) -> tuple[Any, st.SearchStrategy[Any]]:
    """A typed dictionary, some of whose keys may be missing: then the model says null."""
    kinds = {name: known[0] if needed else NotRequired[known[0]] for name, (known, needed) in fields.items()}
    gone = st.just((None, ...))
    values = {
        name: known[1] if needed or type(None) in getattr(known[0], "__args__", ()) else known[1] | gone
        for name, (known, needed) in fields.items()
    }
    whole = st.fixed_dictionaries(values).map(
        lambda found: (
            {name: said for name, (said, _) in found.items()},
            {name: had for name, (_, had) in found.items() if had is not ...},
        )
    )
    return TypedDict("Made", kinds), whole  # type: ignore[operator]  # made at run time


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_the_type_its_schema_is_strict_and_replies_become_its_values(data: st.DataObject) -> None:
    kind, values = data.draw(of_anything())
    expected = ExpectedType(kind, is_strict=True)
    assert expected.schema is not None
    assert_is_strict_throughout(dict(expected.schema))
    said, had = data.draw(values)
    reply = said if not made(kind).is_wrapped else {"result": said}
    assert expected.read(json.dumps(reply)) == had
