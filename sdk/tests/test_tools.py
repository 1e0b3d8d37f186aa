"""What a Python function is to a model: what it is told, what it may pass, and what it gets back."""

from __future__ import annotations

import enum
import functools
import gc
import inspect
import os
import pickle
import weakref
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Optional

import pytest
from pydantic import BaseModel, Field

from codex_app_server import (
    ExperimentalApiError,
    ImageInput,
    LocalImageInput,
    Tool,
    ToolContext,
    ToolError,
    ToolNamespace,
    tool,
)
from codex_app_server.tools.results import cut, failure, success
from codex_app_server.tools.tool import tool_of
from codex_app_server.tools.toolbox import announced, tools_of

if TYPE_CHECKING:
    from pathlib import Path

    from codex_app_server import Codex as OnlyForTypes

CONTEXT = ToolContext("thread", "turn", "call", "tool")


def told(function: Any) -> dict[str, Any]:
    """A tool as the runtime is told of it."""
    return declared([function])[0]


def declared(functions: list[Any], **options: Any) -> list[dict[str, Any]]:
    given: Any = announced(tools_of(functions), options, experimental_api=True)["dynamicTools"]
    return given  # type: ignore[no-any-return]


def properties(function: Any) -> dict[str, Any]:
    return told(function)["inputSchema"]["properties"]  # type: ignore[no-any-return]


# What the model is told.

GOOGLE = """Say how the weather will be.

    It is often right.

    Args:
        city: where,
            in English.
        days (int): how far to look ahead.

    Returns:
        a sentence.

    Raises:
        ValueError: never.
    """
NUMPY = """Say how the weather will be.

    It is often right.

    Parameters
    ----------
    city : str
        where,
        in English.
    days
        how far to look ahead.

    Returns
    -------
    str
        a sentence.
    """
SPHINX = """Say how the weather will be.

    It is often right.

    :param city: where,
        in English.
    :param int days: how far to look ahead.
    :returns: a sentence.
    """


@pytest.mark.parametrize("docstring", [GOOGLE, NUMPY, SPHINX], ids=["google", "numpy", "sphinx"])
def test_a_docstring_of_any_style_describes_function_and_parameters(docstring: str) -> None:
    def weather(city: str, days: int = 1) -> str:
        return f"{city} {days}"

    weather.__doc__ = docstring
    assert told(weather) == {
        "type": "function",
        "name": "weather",
        "description": "Say how the weather will be.\n\nIt is often right.\n\nReturns: a sentence.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "where, in English."},
                "days": {"type": "integer", "default": 1, "description": "how far to look ahead. (default 1)"},
            },
            "required": ["city"],
            "additionalProperties": False,
        },
    }


def test_without_parameters_and_docstring() -> None:
    def now() -> None: ...

    empty = {"type": "object", "properties": {}, "additionalProperties": False}
    assert told(now) == {"type": "function", "name": "now", "description": "", "inputSchema": empty}


def test_what_the_runtime_drops_is_said_in_words() -> None:
    def pay(
        amount: Annotated[float, Field(gt=0, le=1000, description="in euros")],
        code: Annotated[str, Field(pattern="[A-Z]+", max_length=3)],
        when: date,
        tags: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)],
        note: str | None = None,
    ) -> None:
        """Pay.

        Args:
            amount: not this.
        """
        raise NotImplementedError(amount, code, when, tags, note)

    said = properties(pay)
    assert {name: each.get("description") for name, each in said.items()} == {
        "amount": "in euros (at most 1000; more than 0)",
        "code": "(at most 3 characters; must match [A-Z]+)",
        "when": "(format date)",
        "tags": "(at least 1 items)",
        "note": "(default null)",
    }
    assert said["tags"]["items"] == {"type": "integer", "minimum": 1, "description": "(at least 1)"}


class Colour(enum.Enum):
    RED = "red"


class Place(BaseModel):
    """Somewhere."""

    title: str
    where: tuple[float, float]
    colour: Colour = Colour.RED


def test_models_within_keep_their_names_and_lose_titles() -> None:
    def go(place: Place) -> None:
        raise NotImplementedError(place)

    schema = told(go)["inputSchema"]
    assert schema["properties"]["place"] == {"$ref": "#/$defs/Place"}
    assert schema["$defs"]["Place"]["properties"]["title"] == {"type": "string"}
    assert schema["$defs"]["Place"]["description"] == "Somewhere."
    assert "title" not in schema["$defs"]["Place"]


def test_parameters_may_be_called_as_they_like() -> None:
    def odd(model_config: int, schema: int, _private: int, json: int) -> list[int]:
        return [model_config, schema, _private, json]

    assert [*properties(odd)] == ["model_config", "schema", "_private", "json"]
    given = {"model_config": 1, "schema": 2, "_private": 3, "json": 4}
    assert tool(odd).definition.bind(given, CONTEXT) == given  # type: ignore[arg-type]


def test_the_context_is_not_the_models() -> None:
    def first(context: ToolContext, text: str) -> None:
        raise NotImplementedError(context, text)

    def last(text: str, *, here: ToolContext) -> None:
        raise NotImplementedError(here, text)

    assert [*properties(first)] == [*properties(last)] == ["text"]
    assert tool(first).definition.bind({"text": "a"}, CONTEXT) == {"text": "a", "context": CONTEXT}
    assert tool(last).definition.bind({"text": "a"}, CONTEXT) == {"text": "a", "here": CONTEXT}


def test_the_context_may_be_optional_for_callers_without_one() -> None:
    def first(text: str, context: ToolContext | None = None) -> None:
        raise NotImplementedError(context, text)

    def second(text: str, context: Optional[ToolContext] = None) -> None:  # noqa: UP045 - as some write it
        raise NotImplementedError(context, text)

    def third(text: str, context: Annotated[ToolContext, "who asks"]) -> None:
        raise NotImplementedError(context, text)

    for function in (first, second, third):
        assert [*properties(function)] == ["text"]
        assert tool(function).definition.bind({"text": "a"}, CONTEXT) == {"text": "a", "context": CONTEXT}


class Shop:
    """Has methods that are tools."""

    def __init__(self, name: str) -> None:
        self.name = name

    @tool(name="buy-it")
    def buy(self, what: str) -> str:
        """Buy something."""
        return f"{what} at {self.name}"

    def sell(self, what: str) -> None:
        """Sell something."""

    def __call__(self, what: str) -> str:
        return what


def test_methods_partials_and_callable_objects() -> None:
    shop = Shop("corner")
    assert [*properties(shop.buy)] == ["what"]
    assert (shop.buy.name, shop.buy("tea"), told(shop.buy)["description"]) == (
        "buy-it",
        "tea at corner",
        "Buy something.",
    )
    assert [*properties(tool(name="ask")(shop))] == ["what"]

    def both(one: int, two: int) -> int:
        return one + two

    assert [*properties(tool(name="second")(functools.partial(both, 1)))] == ["two"]


def test_a_tool_is_still_the_function() -> None:
    @tool
    def double(number: int) -> int:
        """Twice."""
        return 2 * number

    assert isinstance(double, Tool)
    assert double(2) == 4
    assert double.__doc__ == "Twice."
    assert str(inspect.signature(double)) == "(number: 'int') -> 'int'"
    assert repr(double) == "<Tool double>"


def test_a_function_is_described_once() -> None:
    def talk() -> None: ...

    (one,), (two,) = tools_of([talk]).values(), tools_of([talk]).values()
    assert one is two


def test_a_method_is_one_tool_and_described_once_for_all_instances() -> None:
    shop, other = Shop("one"), Shop("two")
    (one,), (two,) = tools_of([shop.buy]).values(), tools_of([shop.buy]).values()
    assert one is two
    assert one is not other.buy
    assert one.definition is other.buy.definition
    assert other.buy("tea") == "tea at two"
    (one,), (two,) = tools_of([shop.sell]).values(), tools_of([shop.sell]).values()
    assert one is two


def test_a_function_that_was_made_of_another_is_a_tool_of_its_own() -> None:
    def talk() -> str:
        return "talk"

    tools_of([talk])

    @functools.wraps(talk)
    def shout() -> str:
        return talk().upper()

    (made,) = tools_of([shout]).values()
    assert made() == "TALK"


def plainly(text: str) -> str:
    """Say it."""
    return text


def test_a_tool_goes_into_other_processes() -> None:
    made = tool_of(plainly)
    assert made.definition.description == "Say it."
    sent = pickle.loads(pickle.dumps(made))
    assert (sent.name, sent("a"), sent.definition.schema) == ("plainly", "a", made.definition.schema)
    assert tool_of(plainly) is made


def test_functions_and_instances_are_not_kept() -> None:
    def closure() -> Any:
        def talk() -> None: ...

        return talk

    functions: list[Any] = [closure(), Shop("corner").buy, Shop("corner").sell]
    kept = [*tools_of(functions[:1]).values(), functions[1].function.__self__, functions[2].__self__]
    references = [*map(weakref.ref, kept), weakref.ref(functions[0])]
    tools_of(functions[1:])
    del functions, kept
    gc.collect()
    assert [reference() for reference in references] == [None] * 4


def test_a_default_of_none_makes_no_type_optional() -> None:
    # As many write it.
    def look(context: ToolContext = None, days: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013

    assert properties(look) == {"days": {"type": "integer", "default": None, "description": "(default null)"}}


def test_tools_of_a_namespace_go_together() -> None:
    shop = ToolNamespace("shop", "Buying.")

    @tool(namespace="shop")
    def look() -> None: ...

    @tool(namespace=shop, deferred=True, description="Buy!")
    def buy() -> None: ...

    def talk() -> None: ...

    raw, of_shop, alone = declared([look, talk, buy], dynamicTools=[{"name": "raw"}])
    assert raw == {"name": "raw"}
    assert alone["name"] == "talk"
    assert (of_shop["type"], of_shop["name"], of_shop["description"]) == ("namespace", "shop", "Buying.")
    assert [(each["name"], each.get("deferLoading")) for each in of_shop["tools"]] == [("look", None), ("buy", True)]
    assert of_shop["tools"][1]["description"] == "Buy!"


# What is refused, before anything is sent.


def named(name: str) -> Any:
    def function() -> None: ...

    return tool(name=name)(function)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("two words", "letters, digits"),
        ("", "letters, digits"),
        ("a" * 129, "longer than 128"),
        ("mcp__files", "MCP server"),
        ("mcp", "MCP server"),
        ("exec_command", "that of a tool of the runtime"),
        ("apply_patch", "that of a tool of the runtime"),
    ],
)
def test_names_that_will_not_do(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        named(name)


def test_names_that_are_the_same() -> None:
    with pytest.raises(ValueError, match="two tools are called a_b"):
        tools_of([named("a_b"), named("a_b")])
    with pytest.raises(ValueError, match="the tools a-b and a_b are the same in code"):
        tools_of([named("a-b"), named("a_b")])

    def buy() -> None: ...

    with pytest.raises(ValueError, match="two tools are called shop__buy"):
        tools_of([tool(namespace="shop")(buy), named("shop__buy")])
    assert len(tools_of([tool(namespace="shop")(buy), tool(buy)])) == 2


def test_options_that_will_not_do() -> None:
    def function() -> None: ...

    wrong: list[tuple[dict[str, Any], str]] = [
        ({"deferred": True}, "needs a namespace"),
        ({"concurrency": 0}, "concurrency of the tool function must be at least 1"),
        ({"max_bytes": 0}, "max_bytes of the tool function"),
        ({"timeout": -1}, "timeout of the tool function"),
        ({"on_turn_end": "stop"}, "'cancel' or 'finish'"),
        ({"namespace": "a b"}, "a namespace must be of letters"),
        ({"namespace": ToolNamespace("a", "b" * 1024)}, ""),
    ]
    for options, words in wrong[:-1]:
        with pytest.raises(ValueError, match=words):
            tool(**options)(function)
    tool(**wrong[-1][0])(function)
    with pytest.raises(ValueError, match="1025 characters"):
        ToolNamespace("a", "b" * 1025)


def of_star(*parts: str) -> None:
    raise NotImplementedError(parts)


def of_keywords(**parts: str) -> None:
    raise NotImplementedError(parts)


def by_position(part: str, /) -> None:
    raise NotImplementedError(part)


def of_nobody_knows_what(client: OnlyForTypes) -> None:
    raise NotImplementedError(client)


def of_what_has_no_schema(path: inspect.Signature) -> None:
    raise NotImplementedError(path)


def with_a_field_for_default(text: str = Field(description="words")) -> None:
    raise NotImplementedError(text)


async def generator() -> Any:
    yield 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (of_star, r"the tool of_star has a parameter \*parts"),
        (of_keywords, r"a parameter \*\*parts"),
        (by_position, "a parameter part: 'str' without a name of its own"),
        (of_nobody_knows_what, "cannot be resolved: name 'OnlyForTypes'"),
        (of_what_has_no_schema, "no schema can describe"),
        (with_a_field_for_default, r"say Annotated\[..., Field\(...\)\] for text"),
        (generator, "is an async generator"),
        (lambda: None, "has no name that a model could call it by"),
        ("text", "a tool is a function, not 'text'"),
        (None, "a tool is a function, not None"),
        (dict, "the tool dict does not say what it takes"),
    ],
)
def test_what_is_no_tool(wrong: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        tools_of([wrong])


def test_a_name_is_no_function() -> None:
    with pytest.raises(TypeError, match=r"a name is given as tool\(name='shop'\)"):
        tool("shop")  # type: ignore[call-overload]  # the point of the test


def test_one_function_is_no_list() -> None:
    with pytest.raises(TypeError, match="tools is a list of functions"):
        tools_of(test_one_function_is_no_list)  # type: ignore[arg-type]


def test_without_the_experimental_api_it_says_what_to_set() -> None:
    with pytest.raises(ExperimentalApiError, match=r"AppServerConfig\(experimental_api=True\)"):
        announced({}, {}, experimental_api=False)


# What the model passes.


@tool
def book(day: date, guests: Annotated[int, Field(ge=1)] = 2, colour: Colour = Colour.RED) -> str:
    return f"{day:%A} {guests} {colour}"


def test_arguments_become_what_the_function_takes() -> None:
    assert book.definition.bind({"day": "2026-11-27", "colour": "red"}, CONTEXT) == {
        "day": date(2026, 11, 27),
        "colour": Colour.RED,
    }


def test_a_default_of_the_annotation_alone_is_passed() -> None:
    def book(
        day: str,
        guests: Annotated[int, Field(default=4)],
        names: Annotated[list[str], Field(default_factory=list)],
        hat: Annotated[bool, Field(default=True)] = False,
    ) -> None:
        raise NotImplementedError(day, guests, names, hat)

    assert told(book)["inputSchema"]["required"] == ["day"]
    bind = tool(book).definition.bind
    assert bind({"day": "Monday"}, CONTEXT) == {"day": "Monday", "guests": 4, "names": []}
    assert bind({"day": "Monday", "guests": 1, "hat": True}, CONTEXT) == {
        "day": "Monday",
        "guests": 1,
        "names": [],
        "hat": True,
    }


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        ({}, ["- day: Field required"]),
        (
            {"day": "soon", "guests": 0, "hat": 1},
            [
                "- day: Input should be a valid date",
                '"soon"',
                "- guests: Input should be greater",
                "- hat: Extra inputs",
            ],
        ),
        ({"day": "2026-11-27", "guests": "x" * 999}, ["- guests", "x" * 90 + "…"]),
        ("2026-11-27", ["- all of them: Input should be an object"]),
        (None, ["- all of them: Input should be an object"]),
    ],
)
def test_what_does_not_fit_is_told_with_its_reasons(given: Any, reasons: list[str]) -> None:
    with pytest.raises(ToolError) as caught:
        book.definition.bind(given, CONTEXT)
    assert str(caught.value).startswith("The arguments do not fit, so nothing was done:\n- ")
    for reason in reasons:
        assert reason in str(caught.value)
    assert len(str(caught.value)) < 500


# What it gets back.


@dataclass
class Point:
    x: int
    on: date


class Drawn:
    def _repr_png_(self) -> bytes:
        return b"png"


def items(given: object, most_bytes: int | None = None) -> list[Any]:
    answer = success(given, most_bytes)
    assert answer["success"] is True
    return answer["contentItems"]  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("words", "words"),
        (Point(1, date(2026, 11, 27)), '{"x":1,"on":"2026-11-27"}'),
        (Place(title="a", where=(1, 2)), '{"title":"a","where":[1.0,2.0],"colour":"red"}'),
        ({"a": [1, None, True]}, '{"a":[1,null,true]}'),
        (["ä", "b"], '["ä","b"]'),
        (3.5, "3.5"),
        (False, "false"),
        ("", ""),
    ],
)
def test_a_result_is_text_or_json(given: object, text: str) -> None:
    assert items(given) == [{"type": "inputText", "text": text}]


def test_nothing_is_nothing() -> None:
    assert items(None) == []


def test_images_alone_and_among_texts(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"gif")
    drawn = {"type": "inputImage", "imageUrl": "data:image/png;base64,cG5n"}
    assert items(Drawn()) == [drawn]
    assert items(["Look:", Drawn(), ImageInput("data:,"), LocalImageInput(tmp_path / "a.gif"), None, {"a": 1}]) == [
        {"type": "inputText", "text": "Look:"},
        drawn,
        {"type": "inputImage", "imageUrl": "data:,"},
        {"type": "inputImage", "imageUrl": "data:image/gif;base64,Z2lm"},
        {"type": "inputText", "text": '{"a":1}'},
    ]


def test_what_is_no_unicode_is_told_with_escapes() -> None:
    name = os.fsdecode(b"caf\xe9") if os.name == "posix" else "caf\udce9"
    assert items(name) == [{"type": "inputText", "text": r"caf\udce9"}]
    assert items({"name": name}) == [{"type": "inputText", "text": r'{"name":"caf\udce9"}'}]
    assert items([Drawn(), name])[1]["text"] == r"caf\udce9"
    assert failure(ToolError(name))["contentItems"] == items(name)


def test_what_json_cannot_say_is_no_result() -> None:
    with pytest.raises(TypeError, match=r"what JSON cannot say: .*object"):
        success(object(), None)


@pytest.mark.parametrize("letter", ["x", "ä", "漢", "😀"])
def test_a_text_that_is_too_long_is_cut_where_everybody_sees_it(letter: str) -> None:
    text = letter * 9999 + "end"
    shorter = cut(text, 1000)
    assert len(shorter.encode()) <= 1000
    head, words, tail = shorter.split("\n")
    assert set(head) == {letter}
    assert tail.endswith("end")
    left_out = int(words.removeprefix("[").removesuffix(" characters are left out here]").replace(",", ""))
    assert len(head) + left_out + len(tail) == len(text)
    assert cut(text, 1_000_000) == text


def test_several_texts_share_the_room() -> None:
    first, _, second = items(["a" * 600, Drawn(), "b" * 600], 1000)
    assert first["text"] == "a" * 600
    assert 300 < len(second["text"]) <= 400
    assert "left out" in second["text"]


def test_failures_say_what_went_wrong() -> None:
    class UnsayableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def said(error: BaseException | str) -> str:
        answer: Any = failure(error, 1000)
        assert answer["success"] is False
        return str(answer["contentItems"][0]["text"])

    assert said(ToolError("There is no such city.")) == "There is no such city."
    assert said(ValueError("no city")) == "ValueError: no city"
    assert said(KeyError()) == "KeyError"
    assert said(UnsayableError()) == "UnsayableError: no words for it"
    assert len(said(ValueError("x" * 5000))) <= 1000


def test_a_context_can_be_made_for_tests() -> None:
    context = ToolContext(thread_id="mine")
    assert not context.is_cancelled
    assert not context.wait(0.001)
    context.cancel()
    assert context.wait()
    assert bool(context.is_cancelled)
