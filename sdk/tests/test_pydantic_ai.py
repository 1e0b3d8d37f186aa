"""Codex as the model of PydanticAI agents, on the real runtime."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, Field
from pydantic_ai import (
    Agent,
    BinaryContent,
    ImageUrl,
    ModelRetry,
    NativeOutput,
    PromptedOutput,
    RunContext,
    ToolReturn,
    models,
)
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError, UsageLimitExceeded, UserError
from pydantic_ai.messages import (
    AudioUrl,
    CompactionPart,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    NativeToolCallPart,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults
from pydantic_ai.usage import UsageLimits
from stage import MUCH_S, Stage, set_up, status_of_the_next_turn
from typing_extensions import NotRequired, TypedDict

from codex_app_server import AsyncCodex
from codex_app_server.integrations.pydantic_ai import CodexAgentModel
from codex_app_server.testing import Code, Failure, ModelServer, Reasoning, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOT_URL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
DOT = base64.b64decode(DOT_URL.partition(",")[2])
SLOW = Text("word " * 300, delay_s=0.02)


@pytest.fixture(scope="module")
def stage(codex_binary: Path) -> Iterator[Stage]:
    with set_up(codex_binary) as found:
        yield found


@pytest.fixture(scope="module")
def code_stage(codex_binary: Path) -> Iterator[Stage]:
    with set_up(codex_binary, "code") as found:
        yield found


@pytest.fixture(params=["direct", "code"])
def either(request: pytest.FixtureRequest, stage: Stage, code_stage: Stage) -> Stage:
    """In both ways in which models call tools."""
    return stage if request.param == "direct" else code_stage


def model_of(stage: Stage, *given: Any, **options: Any) -> CodexAgentModel:
    return CodexAgentModel(stage.codex, *given, **options)


class Forecast(BaseModel):
    city: str
    days: int = Field(default=1, ge=1)


def calls_of(messages: list[ModelMessage]) -> list[list[str]]:
    """The tools that each response calls."""
    responses = [each for each in messages if isinstance(each, ModelResponse)]
    return [[part.tool_name for part in each.parts if isinstance(part, ToolCallPart)] for each in responses]


def marked(messages: list[ModelMessage]) -> dict[str, Any]:
    """What the last response says of its thread."""
    last = messages[-1]
    assert isinstance(last, ModelResponse)
    assert last.provider_details is not None
    return last.provider_details


async def thread_of(messages: list[ModelMessage], codex: AsyncCodex) -> Any:
    return (await codex.client.thread_read(thread_id=marked(messages)["thread_id"], include_turns=True)).thread


# Tools.


def test_calls_that_come_together_run_together(either: Stage) -> None:
    running: set[str] = set()
    met = asyncio.Event()

    async def weather(city: str) -> str:
        """Say how the weather is."""
        running.add(city)
        if len(running) == 3:
            met.set()
        await asyncio.wait_for(met.wait(), 20)
        return f"{city}: rain"

    async def scene() -> None:
        result = await Agent(model_of(either), tools=[weather]).run("Where does it rain?")
        assert result.output == "Everywhere."
        assert calls_of(result.all_messages()) == [["weather"] * 3, []]
        outputs = either.server.last.outputs_of("weather")
        assert sorted(outputs) == ["Bergen: rain", "Cork: rain", "Oslo: rain"]
        assert (result.usage.requests, result.usage.tool_calls) == (2, 3)
        assert (result.usage.input_tokens, result.usage.output_tokens) == (20, 10)

    cities = [ToolCall("weather", {"city": city}) for city in ("Bergen", "Oslo", "Cork")]
    either.play(scene(), cities, Text("Everywhere."))


def test_calls_stand_in_the_order_of_the_response(stage: Stage) -> None:
    async def scene() -> None:
        result = await Agent(model_of(stage), tools=[a, b]).run("Go")
        assert calls_of(result.all_messages()) == [["b", "a", "b", "a"], []]

    def a() -> str:
        return "a"

    def b() -> str:
        return "b"

    stage.play(scene(), [ToolCall(name) for name in "baba"], Text("Done."))


def test_calls_one_after_another_are_a_turn(either: Stage) -> None:
    async def scene() -> None:
        result = await Agent(model_of(either), tools=[double]).run("Double 1 twice.")
        assert result.output == "4"
        assert calls_of(result.all_messages()) == [["double"], ["double"], []]
        assert len((await thread_of(result.all_messages(), either.codex)).turns) == 1

    def double(number: int) -> int:
        return 2 * number

    first, second = (ToolCall("double", {"number": number}) for number in (1, 2))
    either.play(scene(), first, second, Text("4"))


def test_code_that_calls_tools_in_turns(code_stage: Stage) -> None:
    async def scene() -> None:
        result = await Agent(model_of(code_stage), tools=[double]).run("Double 1 twice.")
        assert calls_of(result.all_messages()) == [["double"], ["double"], []]

    def double(number: int) -> int:
        return 2 * number

    script = "const one = await tools.double({number: 1}); text(await tools.double({number: Number(one)}))"
    code_stage.play(scene(), Code(script), Text("4"))


def test_what_went_wrong_in_a_tool_is_told_and_tried_again(either: Stage) -> None:
    async def scene() -> None:
        result = await Agent(model_of(either), tools=[stock], retries=3).run("Is there milk?")
        assert result.output == "There is."
        outputs = either.server.last.outputs_of("stock")
        assert "not milk, say dairy" in str(outputs[0])
        assert "Field required" in str(outputs[1])
        assert outputs[2] == "3"

    def stock(what: str) -> int:
        if what == "milk":
            raise ModelRetry("not milk, say dairy")
        return 3

    calls = [ToolCall("stock", arguments) for arguments in ({"what": "milk"}, {}, {"what": "dairy"})]
    either.play(scene(), *calls, Text("There is."))


def test_a_tool_may_return_images_and_more_words(stage: Stage) -> None:
    def draw() -> ToolReturn[Any]:
        return ToolReturn(return_value=["a dot", BinaryContent(DOT, media_type="image/png")], content="It is small.")

    async def scene() -> None:
        await Agent(model_of(stage), tools=[draw]).run("Draw")
        (output,) = stage.server.last.outputs_of("draw")
        assert output[-1]["image_url"] == DOT_URL
        assert "a dot" in output[0]["text"]
        assert "It is small." in stage.server.last.said[-1]

    stage.play(scene(), ToolCall("draw"), Text("A dot."))


def test_a_tool_that_takes_too_long_gives_no_result(stage: Stage) -> None:
    async def forever() -> str:
        subscription = stage.codex.client.subscribe()
        assert await status_of_the_next_turn(subscription) == "completed"
        return "too late"

    async def scene() -> None:
        result = await Agent(model_of(stage, tool_timeout=0.1), tools=[forever]).run("Go")
        assert result.output == "So it came."

    stage.play(scene(), ToolCall("forever"), Text("It takes too long."), Text("So it came."))


def test_a_name_of_codex_own_tools_is_refused(stage: Stage) -> None:
    def shell() -> None: ...

    async def scene() -> None:
        with pytest.raises(UserError, match=r"'shell'.* is that of a tool of the runtime"):
            await Agent(model_of(stage), tools=[shell]).run("Go")

    stage.play(scene())


# What the reply has to be.


def test_output_tools_end_the_turn(either: Stage) -> None:
    async def scene() -> None:
        subscription = either.codex.client.subscribe()
        result = await Agent(model_of(either), output_type=Forecast).run("Bergen?")
        assert result.output == Forecast(city="Bergen", days=2)
        messages = result.all_messages()
        assert marked(messages[:-1])["ends_turn"]
        assert await status_of_the_next_turn(subscription) == "interrupted"

    either.play(scene(), ToolCall("final_result", {"city": "Bergen", "days": 2}))


def test_output_that_does_not_fit_is_asked_for_again(either: Stage) -> None:
    async def scene() -> None:
        result = await Agent(model_of(either), output_type=Forecast).run("Bergen?")
        assert result.output == Forecast(city="Bergen", days=2)
        assert "greater than or equal to 1" in either.server.last.said[-1]
        assert len({part["thread_id"] for part in map(marked, ([each] for each in responses(result)))}) == 1

    def responses(result: Any) -> list[ModelMessage]:
        return [each for each in result.all_messages() if isinstance(each, ModelResponse)]

    wrong, right = (ToolCall("final_result", {"city": "Bergen", "days": days}) for days in (0, 2))
    either.play(scene(), wrong, right)


def test_a_text_where_a_tool_was_to_be_called_is_sent_back(stage: Stage) -> None:
    async def scene() -> None:
        result = await Agent(model_of(stage), output_type=Forecast).run("Bergen?")
        assert result.output == Forecast(city="Bergen")
        assert len(stage.server.last.said) == 2

    stage.play(scene(), Text("It rains."), ToolCall("final_result", {"city": "Bergen"}))


def test_native_output_is_held_to_its_schema(stage: Stage) -> None:
    async def scene() -> None:
        result = await Agent(model_of(stage), output_type=NativeOutput(Forecast)).run("Bergen?")
        assert result.output == Forecast(city="Bergen", days=2)
        told = stage.server.last.body["text"]["format"]
        assert (told["strict"], told["schema"]["required"]) == (True, ["city", "days"])

    stage.play(scene(), Text('{"city": "Bergen", "days": 0}'), Text('{"city": "Bergen", "days": 2}'))


def test_what_native_output_leaves_out_comes_as_null(stage: Stage) -> None:
    class Place(TypedDict):
        city: str
        land: NotRequired[str]

    async def scene() -> None:
        result = await Agent(model_of(stage), output_type=NativeOutput(Place)).run("Bergen?")
        assert result.output == {"city": "Bergen"}

    stage.play(scene(), Text('{"city": "Bergen", "land": null}'))


def test_native_output_that_cannot_be_strict_is_refused(stage: Stage) -> None:
    class Prices(BaseModel):
        of: dict[str, int]

    async def scene() -> None:
        with pytest.raises(UserError, match=r"Prices: of: a dictionary whose keys .* ToolOutput"):
            await Agent(model_of(stage), output_type=NativeOutput(Prices)).run("Go")

    stage.play(scene())


def test_prompted_output_is_asked_for_in_words(stage: Stage) -> None:
    async def scene() -> None:
        result = await Agent(model_of(stage), output_type=PromptedOutput(Forecast)).run("Bergen?")
        assert result.output == Forecast(city="Bergen")
        assert "ge" in str(stage.server.last.body["input"])
        assert stage.server.last.body.get("text", {}).get("format") is None

    stage.play(scene(), Text('{"city": "Bergen"}'))


def test_what_codex_does_itself_is_in_the_response_and_only_what_follows_is_the_answer(stage: Stage) -> None:
    async def scene() -> None:
        result = await Agent(model_of(stage, thread={"sandbox": "danger-full-access"})).run("Say hello")
        assert result.output == "It said hello."
        last = result.all_messages()[-1]
        assert isinstance(last, ModelResponse)
        (call,) = (part for part in last.parts if isinstance(part, NativeToolCallPart))
        assert (call.tool_name, "echo hello" in str(call.args)) == ("commandExecution", True)
        assert [part.content for part in last.parts if isinstance(part, ThinkingPart)] == ["I think"]

    command = ToolCall("exec_command", {"cmd": "echo hello"})
    stage.play(scene(), [Reasoning("I think"), Text("Let me see."), command], Text("It said hello."))


# Streams.


def test_words_come_as_they_are_said(stage: Stage) -> None:
    async def scene() -> None:
        async with Agent(model_of(stage)).run_stream("Count") as result:
            seen = [words async for words in result.stream_text(delta=True, debounce_by=None)]
        assert seen == ["one ", "two ", "three"]
        assert result.usage.output_tokens == 5

    stage.play(scene(), Text("one two three"))


def test_the_first_words_come_within_10_ms_of_ours(stage: Stage) -> None:
    """Measured in one process, from where the client hands the event to another consumer of its own."""

    async def late() -> float:
        subscription = stage.codex.client.subscribe()
        ours: list[float] = []

        async def listen() -> None:
            async for event in subscription:
                if event.method == "item/agentMessage/delta":
                    ours.append(time.perf_counter())
                    return

        listening = asyncio.ensure_future(listen())
        async with Agent(model_of(stage)).run_stream("Count") as result:
            async for _ in result.stream_text(delta=True, debounce_by=None):
                theirs = time.perf_counter()
                break
            await listening
            async for _ in result.stream_text(delta=True, debounce_by=None):
                pass
        subscription.close()
        return theirs - ours[0]

    async def scene() -> None:
        delays = [await late() for _ in range(5)]
        assert min(delays) < 0.01, delays

    stage.play(scene(), *[Text("one two three", delay_s=0.02)] * 5)


def test_events_of_a_run_tell_tools_and_words(either: Stage) -> None:
    async def scene() -> None:
        kinds: list[str] = []

        async def handle(_: RunContext[object], events: Any) -> None:
            async for event in events:
                if isinstance(event, PartStartEvent):
                    kinds.append(event.part.part_kind)
                elif isinstance(event, PartDeltaEvent):
                    kinds.append("delta")

        result = await Agent(model_of(either), tools=[now]).run("When?", event_stream_handler=handle)
        assert result.output == "at noon"
        assert kinds == ["tool-call", "text", "delta"]

    def now() -> str:
        return "noon"

    either.play(scene(), ToolCall("now"), Text("at noon"))


def test_structured_output_is_streamed_as_its_tool_call(stage: Stage) -> None:
    async def scene() -> None:
        async with Agent(model_of(stage), output_type=Forecast).run_stream("Bergen?") as result:
            assert await result.get_output() == Forecast(city="Bergen")

    stage.play(scene(), ToolCall("final_result", {"city": "Bergen"}))


def test_a_stream_that_is_left_stops_the_turn(stage: Stage) -> None:
    async def scene() -> None:
        subscription = stage.codex.client.subscribe()
        async with Agent(model_of(stage)).run_stream("Count") as result:
            async for _ in result.stream_text(delta=True, debounce_by=None):
                break
        assert await status_of_the_next_turn(subscription) == "interrupted"

    stage.play(scene(), SLOW)


# Runs that end otherwise.


@pytest.mark.parametrize("when", ["speaking", "in a tool"])
def test_a_cancelled_run_stops_the_turn_and_leaves_no_call(stage: Stage, when: str) -> None:
    async def scene() -> None:
        subscription = stage.codex.client.subscribe()
        called = asyncio.Event()

        async def ponder() -> None:
            called.set()
            await asyncio.sleep(60)

        running = asyncio.ensure_future(Agent(model_of(stage), tools=[ponder]).run("Go"))
        if when == "speaking":
            async for event in subscription:
                if event.method == "item/agentMessage/delta":
                    break
        else:
            await called.wait()
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
        assert await status_of_the_next_turn(subscription) == "interrupted"

    stage.play(scene(), SLOW if when == "speaking" else ToolCall("ponder"))


def test_a_tool_that_breaks_the_run_stops_the_turn(either: Stage) -> None:
    async def scene() -> None:
        subscription = either.codex.client.subscribe()
        running = asyncio.ensure_future(Agent(model_of(either), tools=[divide]).run("Go"))
        await asyncio.wait([running])
        assert isinstance(running.exception(), ZeroDivisionError)
        assert await status_of_the_next_turn(subscription) == "interrupted"

    def divide() -> float:
        return 1 / 0

    either.play(scene(), ToolCall("divide"))


def test_usage_limits_hold(stage: Stage) -> None:
    async def scene() -> None:
        agent = Agent(model_of(stage), tools=[again])
        with pytest.raises(UsageLimitExceeded, match="request_limit of 2"):
            await agent.run("Go", usage_limits=UsageLimits(request_limit=2))
        with pytest.raises(UsageLimitExceeded, match="output_tokens_limit of 7"):
            await agent.run("Go", usage_limits=UsageLimits(output_tokens_limit=7))

    def again() -> None: ...

    stage.play(scene(), *[ToolCall("again")] * 4)


def test_a_call_that_is_decided_later_is_told_in_the_same_thread(stage: Stage) -> None:
    async def scene() -> None:
        agent = Agent(model_of(stage), output_type=[str, DeferredToolRequests])

        @agent.tool_plain(requires_approval=True)
        def pay(amount: int) -> str:
            return f"paid {amount}"

        asked = await agent.run("Pay 3")
        assert isinstance(asked.output, DeferredToolRequests)
        (call,) = asked.output.approvals
        done = await agent.run(
            message_history=asked.all_messages(),
            deferred_tool_results=DeferredToolResults(approvals={call.tool_call_id: True}),
        )
        assert done.output == "It is paid."
        told = str(stage.server.last.body["input"])
        assert "paid 3" in told
        assert marked(done.all_messages())["thread_id"] == marked(asked.all_messages()[:2])["thread_id"]

    stage.play(scene(), ToolCall("pay", {"amount": 3}), Text("It is paid."))


# Histories and threads.


def test_a_history_goes_on_in_its_thread(stage: Stage) -> None:
    async def scene() -> None:
        agent = Agent(model_of(stage), instructions="Be brief.")
        first = await agent.run("One")
        second = await agent.run("Two", message_history=first.all_messages())
        assert stage.server.last.said == ["One", "Two"]
        assert str(stage.server.last.body["input"]).count("Be brief.") == 1
        assert marked(second.all_messages())["thread_id"] == marked(first.all_messages())["thread_id"]

    stage.play(scene(), Text("1"), Text("2"))


@pytest.mark.parametrize("model_is_new", [False, True])
def test_a_history_that_diverges_goes_on_in_a_fork(stage: Stage, *, model_is_new: bool) -> None:
    """And so does one that comes back from somewhere, as JSON."""

    async def scene() -> None:
        model = model_of(stage)
        first = await Agent(model).run("One")
        second = await Agent(model).run("Two", message_history=first.all_messages())
        back = ModelMessagesTypeAdapter.validate_json(first.all_messages_json())
        third = await Agent(model_of(stage) if model_is_new else model).run("Three", message_history=back)
        assert stage.server.last.said == ["One", "Three"]
        assert str(stage.server.last.body["input"]).count("'1'") == 1
        thread = await thread_of(third.all_messages(), stage.codex)
        assert thread.forked_from_id == marked(first.all_messages())["thread_id"]
        fourth = await Agent(model).run("Four", message_history=second.all_messages())
        assert stage.server.last.said == ["One", "Two", "Four"]
        assert fourth.output == "4"

    stage.play(scene(), *map(Text, "1234"))


def test_a_conversation_that_is_one_too_many_is_left_and_goes_on_in_a_fork(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codex_app_server.integrations.pydantic_ai.model._MOST", 1)

    def weather() -> str:
        """Say how the weather is."""
        return "rain"

    async def scene() -> None:
        agent = Agent(model_of(stage), tools=[weather])
        first, second = [(await agent.run(words)).all_messages() for words in ("One", "Two")]
        threads = [marked(messages)["thread_id"] for messages in (first, second)]
        assert [stage.codex._driver.toolbox.of(each) is not None for each in threads] == [False, True]
        answers = [await stage.codex.client.thread_unsubscribe(thread_id=each) for each in threads]
        assert [answer.status == "unsubscribed" for answer in answers] == [False, True]
        assert (await agent.run("Three", message_history=first)).output == "3"
        assert stage.server.last.said == ["One", "Three"]

    stage.play(scene(), Text("1"), Text("2"), Text("3"))


def test_a_fork_collects_calls_too(stage: Stage) -> None:
    async def scene() -> None:
        model = model_of(stage)
        agent = Agent(model, tools=[a])
        first = await agent.run("One")
        await agent.run("Two", message_history=first.all_messages())
        third = await agent.run("Three", message_history=first.all_messages())
        assert calls_of(third.all_messages())[1:] == [["a", "a"], []]
        assert third.usage.output_tokens == 10

    def a() -> str:
        return "a"

    stage.play(scene(), Text("1"), Text("2"), [ToolCall("a"), ToolCall("a")], Text("3"))


def test_two_runs_of_one_history_at_once_do_not_meet(stage: Stage) -> None:
    async def scene() -> None:
        agent = Agent(model_of(stage))
        first = await agent.run("One")
        runs = [agent.run(words, message_history=first.all_messages()) for words in ("Two", "Three")]
        both = await asyncio.gather(*runs)
        assert sorted(each.output for each in both) == ["Three", "Two"]
        assert len({marked(each.all_messages())["thread_id"] for each in both}) == 2

    stage.play(scene(), Text("1"), *[lambda asked: Text(asked.said[-1])] * 2)


@pytest.mark.parametrize("change", ["unknown", "edited", "other tools", "not stored"])
def test_any_other_history_is_put_into_a_thread(stage: Stage, change: str) -> None:
    """With what tools gave back as what it was."""

    async def scene() -> None:
        def capital(land: str) -> str:
            return f"of {land}"

        def other() -> None: ...

        answers = {
            1: ModelResponse([ToolCallPart("capital", {"land": "Norway"}, "call_1")]),
            3: ModelResponse([ThinkingPart("hm"), TextPart("Oslo.")]),
        }
        scripted = FunctionModel(lambda messages, _: answers[len(messages)])
        if change == "unknown":
            first: Any = await Agent(scripted, tools=[capital]).run("Which?")
        else:
            model = model_of(stage, thread={"ephemeral": change == "not stored"})
            stage.server.add(ToolCall("capital", {"land": "Norway"}), Text("Oslo."))
            first = await Agent(model, tools=[capital]).run("Which?")
        messages = list(first.all_messages())
        if change == "edited":
            messages[0] = ModelRequest([UserPromptPart("Which one?")])
        tools: list[Any] = [capital, other] if change == "other tools" else [capital]
        stage.server.add(Text("Yes."))
        second = await Agent(model_of(stage), tools=tools).run("Sure?", message_history=messages)
        assert second.output == "Yes."
        said = ["Which one?" if change == "edited" else "Which?", "Sure?"]
        assert stage.server.last.said == said
        assert list(stage.server.last.tool_outputs.values()) == ["of Norway"]
        assert "Oslo." in str(stage.server.last.body["input"])

    stage.play(scene())


def test_a_summary_that_a_program_puts_in_the_place_of_a_history_is_told(stage: Stage) -> None:
    async def scene() -> None:
        agent = Agent(model_of(stage))
        # Any, for the last PydanticAI that Python 3.10 gets does not type it.
        parts: list[Any] = [CompactionPart("Somebody lives in Bergen.")]
        summary = ModelRequest(parts)
        first = await agent.run("Where?", message_history=[summary])
        assert stage.server.last.said == ["A summary of what was said before:\n\nSomebody lives in Bergen.", "Where?"]
        second = await agent.run("Sure?", message_history=first.all_messages())
        assert marked(second.all_messages())["thread_id"] == marked(first.all_messages())["thread_id"]
        parts = [CompactionPart("Nobody.")]
        other = [ModelRequest(parts), *first.all_messages()[1:]]
        third = await agent.run("Sure?", message_history=other)
        assert marked(third.all_messages())["thread_id"] != marked(first.all_messages())["thread_id"]

    stage.play(scene(), Text("In Bergen."), Text("Yes."), Text("No."))


def test_instructions_that_change_are_told(stage: Stage) -> None:
    async def scene() -> None:
        model = model_of(stage)
        first = await Agent(model, instructions="Be brief.", system_prompt="You are Bob.").run("One")
        assert {"Be brief.", "You are Bob."} <= set(developer_texts())
        await Agent(model, instructions="Be long.", system_prompt="You are Bob.").run(
            "Two", message_history=first.all_messages()
        )
        assert "Be long." in developer_texts()[-1]

    def developer_texts() -> list[str]:
        items = [item for item in stage.server.last.body["input"] if item.get("role") == "developer"]
        return [line for item in items for part in item["content"] for line in part["text"].split("\n\n")]

    stage.play(scene(), Text("1"), Text("2"))


def test_images_are_seen_and_sounds_are_refused(stage: Stage) -> None:
    async def scene() -> None:
        picture = BinaryContent(DOT, media_type="image/png")
        agent = Agent(model_of(stage))
        await agent.run(["What is it?", picture, ImageUrl(DOT_URL)])
        assert str(stage.server.last.body["input"]).count(DOT_URL) == 2
        with pytest.raises(UserError, match="texts and images, not audio-url"):
            await agent.run(["Listen", AudioUrl("https://example.invalid/a.mp3")])

    stage.play(scene(), Text("A dot."))


def test_what_cannot_be_sent_is_the_callers_mistake(stage: Stage) -> None:
    async def scene() -> None:
        agent = Agent(model_of(stage))
        with pytest.raises(UserError, match=r"has '\\ud800' in it, which is no Unicode"):
            await agent.run("\ud800")
        assert (await agent.run("Go")).output == "Fine."

    stage.play(scene(), Text("Fine."))


# Settings and failures.


@pytest.mark.parametrize("timeout", [-1, float("nan"), "soon"])
def test_a_timeout_that_makes_no_sense_is_the_callers_mistake(stage: Stage, timeout: Any) -> None:
    async def scene() -> None:
        with pytest.raises(UserError, match=r"the setting timeout .* number of seconds"):
            await Agent(model_of(stage, settings={"timeout": timeout})).run("Go")

    stage.play(scene())


def test_settings_are_heeded_or_it_is_said_that_they_are_not(stage: Stage) -> None:
    async def scene() -> None:
        agent = Agent(model_of(stage, model="gpt-5"))
        await agent.run("Go", model_settings={"thinking": "high", "parallel_tool_calls": True})
        assert stage.server.last.body["reasoning"]["effort"] == "high"
        with pytest.warns(UserWarning, match="set max_tokens, temperature of its model: ignored"):
            await agent.run("Go", model_settings={"temperature": 0.5, "max_tokens": 10})

    stage.play(scene(), Text("1"), Text("2"))


def test_a_response_that_takes_too_long_is_an_error_and_stops_the_turn(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        subscription = stage.codex.client.subscribe()
        with pytest.raises(ModelAPIError, match="no response in time"):
            await Agent(model_of(stage, settings={"timeout": MUCH_S})).run("Go")
        assert await status_of_the_next_turn(subscription) == "interrupted"

    stage.play(scene(), stage.taking_much(SLOW, monkeypatch))


def test_a_runtime_that_does_not_answer_is_an_error_in_time() -> None:
    class Frozen(AsyncCodex):
        async def thread_start(self, **_: Any) -> Any:
            await asyncio.Event().wait()

    async def scene() -> None:
        with pytest.raises(ModelAPIError, match="began no turn in time"):
            await Agent(CodexAgentModel(Frozen(), settings={"timeout": 0.05})).run("Go")

    asyncio.run(asyncio.wait_for(scene(), 30))


def test_failures_are_those_of_the_framework(stage: Stage) -> None:
    async def scene() -> None:
        model = model_of(stage)
        with pytest.raises(ModelHTTPError) as caught:
            await Agent(model).run("Go")
        assert caught.value.status_code == 429
        with pytest.raises(ModelAPIError, match="no such model"):
            await Agent(model).run("Go")
        fallen = await Agent(FallbackModel(model, TestModel(custom_output_text="plan B"))).run("Go")
        assert fallen.output == "plan B"

    stage.play(scene(), Failure(429), *[Failure(400, "no such model")] * 2)


def test_requests_may_be_forbidden(stage: Stage) -> None:
    async def scene() -> None:
        with models.override_allow_model_requests(False), pytest.raises(RuntimeError, match="ALLOW_MODEL_REQUESTS"):
            await Agent(model_of(stage)).run("Go")

    stage.play(scene())


def test_the_experimental_api_is_needed(codex_binary: Path) -> None:
    async def scene() -> None:
        with ModelServer() as server:
            async with AsyncCodex(server.config(codex_bin=codex_binary)) as codex:
                with pytest.raises(UserError, match=r"AppServerConfig\(experimental_api=True\)"):
                    await Agent(CodexAgentModel(codex), tools=[print_nothing]).run("Go")

    def print_nothing() -> None: ...

    asyncio.run(scene())


def test_a_runtime_that_ends_is_an_error(codex_binary: Path) -> None:
    async def scene() -> None:
        with ModelServer(ToolCall("leave")) as server:
            async with AsyncCodex(server.config(codex_bin=codex_binary, experimental_api=True)) as codex:

                async def leave() -> str:
                    await codex.close()
                    return "gone"

                with pytest.raises(ModelAPIError, match="the client was closed"):
                    await Agent(CodexAgentModel(codex), tools=[leave]).run("Go")

    asyncio.run(scene())


def test_without_a_loop_of_ones_own(codex_binary: Path) -> None:
    def now() -> str:
        return "noon"

    with ModelServer(ToolCall("now"), Text("It is noon."), Text("Still.")) as server:
        codex = AsyncCodex(server.config(codex_bin=codex_binary, experimental_api=True))
        agent = Agent(CodexAgentModel(codex), tools=[now])
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            first = agent.run_sync("When?")
            assert first.output == "It is noon."
            streamed = agent.run_stream_sync("Sure?", message_history=first.all_messages())
            assert streamed.get_output() == "Still."
            assert server.last.said == ["When?", "Sure?"]
        finally:
            loop.run_until_complete(codex.close())
            asyncio.set_event_loop(None)
            loop.close()


def test_a_run_node_by_node(stage: Stage) -> None:
    async def scene() -> None:
        async with Agent(model_of(stage), tools=[now]).iter("When?") as run:
            nodes = [type(node).__name__ async for node in run]
        assert nodes == ["UserPromptNode", *["ModelRequestNode", "CallToolsNode"] * 2, "End"]
        assert run.result is not None
        assert run.result.output == "at noon"
        returns = [
            part for each in run.result.all_messages() for part in each.parts if isinstance(part, ToolReturnPart)
        ]
        assert [part.content for part in returns] == ["noon"]

    def now() -> str:
        return "noon"

    stage.play(scene(), ToolCall("now"), Text("at noon"))
