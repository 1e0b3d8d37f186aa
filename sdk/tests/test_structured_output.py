"""Replies as values of a type, on the real runtime, with both kinds of client and in both of its tool modes."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ValidationError, field_validator

from codex_app_server import OutputValidationError, TextInput, TurnFailedError
from codex_app_server.structured.typed import expected_type
from codex_app_server.testing import TOOL_MODES, Failure, ModelServer, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.testing import ToolMode

pytestmark = pytest.mark.usefixtures("leaves_nothing")


class Person(BaseModel):
    name: str
    age: int

    @field_validator("age")
    @classmethod
    def is_grown_up(cls, age: int) -> int:
        if age < 18:
            raise ValueError("must be grown up")
        return age


@dataclass
class Place:
    city: str
    streets: list[str]


ANN = '{"name": "Ann", "age": 30}'
CHILD = '{"name": "Ann", "age": 3}'


def format_of(model: ModelServer, number: int = -1) -> Any:
    """What the runtime told the model of the form of its answer."""
    return (model.requests[number].body.get("text") or {}).get("format")


@pytest.mark.parametrize("mode", TOOL_MODES)
def test_a_reply_is_a_value_of_its_type(play: Callable[..., None], mode: ToolMode) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        result = await thread.run("Who?", output_type=Person)
        assert result.output == Person(name="Ann", age=30)
        assert result.final_response == ANN
        assert [request.is_in_code_mode for request in model.requests] == [mode == "code"] * 2
        told = format_of(model, 0)
        assert (told["strict"], told["schema"]["additionalProperties"]) == (True, False)
        assert format_of(model, 1) == told
        assert (await thread.run("Where?", output_type=Place)).output == Place("Rome", ["Via"])
        assert (await thread.run("How many?", output_type=int)).output == 5
        assert (await thread.run("Which?", output_type=list[str] | None)).output is None
        plain = await thread.run("And?")
        assert (plain.output, plain.final_response, format_of(model)) == (None, "Fine.", None)

    answers = (
        (Text("On it."), ToolCall("exec_command", {"cmd": "true"})),
        *map(Text, (ANN, '{"city": "Rome", "streets": ["Via"]}', '{"result": 5}', '{"result": null}', "Fine.")),
    )
    play(scene, *answers, mode=mode)


def test_a_reply_that_does_not_fit_is_an_error_with_the_reply_and_the_reasons(play: Callable[..., None]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        thread = await codex.thread_start()
        with pytest.raises(OutputValidationError, match="does not fit: age: Value error, must be grown up") as caught:
            await thread.run("Who?", output_type=Person)
        error = caught.value
        assert (error.reply, error.result.output, len(error.reasons)) == (CHILD, None, 1)
        assert isinstance(error.__cause__, ValidationError)
        assert pickle.loads(pickle.dumps(error)).reasons == error.reasons
        with pytest.raises(OutputValidationError, match="Invalid JSON"):
            await thread.run("Who?", output_type=Person)
        with pytest.raises(OutputValidationError, match="it is not JSON"):
            await thread.run("Who?", output_type=int)
        assert (await thread.run("Who?", output_type=Person)).output.age == 30  # the thread goes on

    play(scene, Text(CHILD), Text("I cannot say."), Text(""), Text(ANN))


def test_it_is_asked_for_again_with_the_reasons(play: Callable[..., None]) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        result = await thread.run(
            ["Who?", TextInput("Say.")], output_type=Person, retries=2, client_user_message_id="mine", effort="low"
        )
        assert result.output.age == 30
        assert len(model.requests) == 3
        again = model.requests[1].texts[-1]
        assert "age: Value error, must be grown up" in again
        assert format_of(model, 2) == format_of(model, 0)
        assert model.requests[2].body["reasoning"]["effort"] == "low"
        with pytest.raises(OutputValidationError):
            await thread.run("Who?", output_type=Person, retries=1)
        assert len(model.requests) == 5

    play(scene, Text(CHILD), Text("{}"), Text(ANN), default=Text(CHILD))


def test_what_cannot_be_strict_is_refused_before_anything_is_sent_or_asked_for_in_words(
    play: Callable[..., None],
) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        with pytest.raises(TypeError, match=r"cannot be a strict schema: a dictionary .*strict=False"):
            await thread.run("Prices?", output_type=dict[str, int])
        assert not model.requests
        result = await thread.run("Prices?", output_type=dict[str, int], strict=False)
        assert result.output == {"a": 1}
        assert format_of(model) is None
        assert model.requests[0].texts[-2] == "Prices?"
        assert '"additionalProperties": {"type": "integer"}' in model.requests[0].texts[-1]
        result = await thread.run("Prices?", output_type=dict[str, int], strict=False, retries=1)
        assert result.output == {"a": 2}

    play(scene, Text('```json\n{"a": 1}\n```'), Text('{"a": "b"}'), Text('{"a": 2}'))


def test_a_schema_gives_plain_values(play: Callable[..., None]) -> None:
    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}

    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        result = await thread.run("Go", output_schema=schema, retries=1)
        assert result.output == {"a": [1, None]}
        assert format_of(model, 1)["schema"] == schema
        with pytest.raises(OutputValidationError, match="it is not JSON"):
            await thread.run("Go", output_schema=schema)
        with pytest.raises(TypeError, match="exclude each other"):
            await thread.run("Go", output_schema=schema, output_type=int)

    play(scene, Text("Well, "), Text('{"a": [1, null]}'), Text("Well, "))


@pytest.mark.parametrize(("retries", "kind"), [(-1, ValueError), (1.5, TypeError), (True, TypeError)])
def test_what_is_no_number_of_retries_is_refused(play: Callable[..., None], retries: Any, kind: type) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        with pytest.raises(kind, match="retries must be"):
            await thread.run("Go", output_type=int, retries=retries)
        assert not model.requests

    play(scene)


@pytest.mark.parametrize("retries", [5, -1])
def test_without_anything_expected_there_is_nothing_to_ask_for_again(play: Callable[..., None], retries: int) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        with pytest.raises(TypeError, match=r"retries .* needs output_type or output_schema"):
            await thread.run("Go", retries=retries)
        assert not model.requests

    play(scene)


def test_a_failed_turn_and_a_time_that_passes_are_what_they_always_are(play: Callable[..., None]) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        with pytest.raises(TurnFailedError):
            await thread.run("Go", output_type=Person, retries=3)
        with pytest.raises(TimeoutError):
            await thread.run("Go", output_type=Person, retries=50, timeout=0.7)  # all of them together

    play(scene, Failure(400, "no"), default=Text(CHILD.replace(" ", "  "), delay_s=0.05))


def test_what_a_validator_raises_comes_out_as_it_is(play: Callable[..., None]) -> None:
    class Odd(BaseModel):
        x: int

        @field_validator("x")
        @classmethod
        def fails(cls, _: int) -> int:
            raise LookupError("no such thing")

    async def scene(codex: Any, _: ModelServer) -> None:
        thread = await codex.thread_start()
        with pytest.raises(LookupError, match="no such thing"):
            await thread.run("Go", output_type=Odd)

    play(scene, Text('{"x": 1}'))


def test_after_the_first_time_a_type_costs_next_to_nothing() -> None:
    expected_type(Person, is_strict=True)
    begun = time.process_time()
    for _ in range(100):
        expected_type(Person, is_strict=True).read(ANN)
    assert (time.process_time() - begun) / 100 < 0.005


def test_who_asks_for_no_type_loads_nothing_for_it() -> None:
    program = """
import sys
from codex_app_server import Codex, Thread
from codex_app_server.structured.asking import Asking
from codex_app_server.options import ClientOptions
Asking("go", {"outputSchema": {}}, ClientOptions())
print("pydantic" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("False\n", "")
