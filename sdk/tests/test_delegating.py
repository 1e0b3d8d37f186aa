"""Tasks that agents of PydanticAI and of the OpenAI Agents SDK hand to Codex, on the real runtime."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import agents
import pydantic_ai
import pytest
from agents.models.interface import Model, ModelProvider
from agents.usage import Usage
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel
from stage import MUCH_S, Stage, set_up, status_of_the_next_turn

from codex_app_server import (
    AppServerConfig,
    AsyncCodex,
    Limits,
    Observers,
    RequestTimeoutError,
    TransportClosedError,
    TurnResult,
)
from codex_app_server.integrations import agents as ours_for_agents
from codex_app_server.integrations import pydantic_ai as ours_for_pydantic_ai
from codex_app_server.testing import Failure, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from codex_app_server.testing import ModelServer
SLOW = Text("word " * 300, delay_s=0.02)


class Scripted(Model, ModelProvider):
    """A model of the OpenAI Agents SDK that calls a tool for each task at once, and then is done.

    Attributes:
        outputs: what the tool gave.
    """

    def __init__(self, *tasks: str) -> None:
        self._tasks = tasks
        self.outputs: list[Any] = []

    def get_model(self, model_name: str | None) -> Model:
        del model_name
        return self

    async def get_response(self, *_: Any, **given: Any) -> agents.ModelResponse:
        asked = given["input"]
        items: list[Any] = [] if isinstance(asked, str) else asked
        self.outputs = [json.loads(each["output"]) for each in items if each.get("type") == "function_call_output"]
        said: list[Any] = [
            ResponseFunctionToolCall(
                arguments=json.dumps({"task": task}), call_id=f"call_{number}", name="codex", type="function_call"
            )
            for number, task in enumerate(self._tasks)
        ]
        if self.outputs:
            text = ResponseOutputText(annotations=[], text="Done.", type="output_text")
            said = [ResponseOutputMessage(id="1", content=[text], role="assistant", status="completed", type="message")]
        return agents.ModelResponse(output=said, usage=Usage(), response_id=None)

    def stream_response(self, *given: Any, **options: Any) -> AsyncIterator[Any]:
        raise NotImplementedError


async def with_pydantic_ai(codex: AsyncCodex, tasks: tuple[str, ...], **options: Any) -> list[Any]:
    """Hand over tasks at once; what the tool gave."""

    def model(messages: list[Any], _: Any) -> ModelResponse:
        calls = [ToolCallPart("codex", {"task": task}) for task in tasks]
        return ModelResponse(calls if len(messages) == 1 else [TextPart("Done.")])

    agent = pydantic_ai.Agent(FunctionModel(model), tools=[ours_for_pydantic_ai.codex_tool(codex, **options)])
    result = await agent.run("Go")
    assert result.output == "Done."
    parts = [part for each in result.all_messages() for part in each.parts]
    return [part.content for part in parts if isinstance(part, ToolReturnPart)]


async def with_agents(codex: AsyncCodex, tasks: tuple[str, ...], **options: Any) -> list[Any]:
    """The same for the other."""
    model = Scripted(*tasks)
    agent = agents.Agent("Lead", tools=[ours_for_agents.codex_tool(codex, **options)])
    run = agents.RunConfig(model_provider=model, tracing_disabled=True)
    result = await agents.Runner.run(agent, "Go", run_config=run)
    assert result.final_output == "Done."
    return model.outputs


@pytest.fixture(params=[with_pydantic_ai, with_agents])
def hand_over(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Has an agent of a framework call the tool once for each task."""
    found: Callable[..., Any] = request.param
    return found


@pytest.fixture(scope="module")
def stage(codex_binary: Path) -> Iterator[Stage]:
    with set_up(codex_binary) as found:
        yield found


@pytest.fixture
def play(stage: Stage) -> Callable[..., None]:
    """Plays a scene with a client and a model that says what is scripted."""

    def run(scene: Callable[[AsyncCodex, ModelServer], Any], *answers: Any) -> None:
        stage.play(scene(stage.codex, stage.server), *answers)

    return run


def test_the_answer_comes_with_what_was_done(hand_over: Callable[..., Any], play: Callable[..., None]) -> None:
    async def scene(codex: AsyncCodex, server: ModelServer) -> None:
        (report,) = await hand_over(codex, ("Say hello.",), thread={"sandbox": "danger-full-access"})
        (command,) = report["items"]
        assert report == {"answer": "It said hello.", "items": [command]}
        assert (command["type"], command["exitCode"], "echo hello" in command["command"]) == (
            "commandExecution",
            0,
            True,
        )
        assert server.last.said == ["Say hello."]

    play(scene, ToolCall("exec_command", {"cmd": "echo hello"}), Text("It said hello."))


@pytest.mark.parametrize("persistent", [False, True])
def test_tasks_have_a_thread_each_or_one_for_all(
    hand_over: Callable[..., Any], play: Callable[..., None], *, persistent: bool
) -> None:
    """At once, or one after another."""

    async def scene(codex: AsyncCodex, server: ModelServer) -> None:
        before = (await codex.client.thread_loaded_list()).data
        reports = await hand_over(codex, ("One", "Two"), persistent=persistent)
        assert [each["answer"] for each in reports] == ["One", "Two"]
        assert sorted(len(each.said) for each in server.requests[-2:]) == ([1, 2] if persistent else [1, 1])
        loaded = [each for each in (await codex.client.thread_loaded_list()).data if each not in before]
        answers = [await codex.client.thread_unsubscribe(thread_id=each) for each in loaded]
        followed = [answer for answer in answers if answer.status == "unsubscribed"]
        assert len(followed) == persistent  # a task's own is left by then

    play(scene, *[lambda asked: Text(asked.said[-1])] * 2)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"timeout": MUCH_S}, "not done within 20 s, and was stopped"),
        ({"limits": Limits(seconds=MUCH_S)}, "seconds"),
        ({"timeout": MUCH_S, "persistent": True}, "not done within 20 s, and was stopped"),
    ],
    ids=["timeout", "limits", "in one thread"],
)
def test_a_task_that_takes_too_much_is_stopped_and_the_agent_is_told(
    hand_over: Callable[..., Any], stage: Stage, monkeypatch: pytest.MonkeyPatch, options: Any, why: str
) -> None:
    async def scene(codex: AsyncCodex) -> None:
        subscription = codex.client.subscribe()
        (report,) = await hand_over(codex, ("Count",), **options)
        assert why in report["failure"]
        assert await status_of_the_next_turn(subscription) == "interrupted"

    stage.play(scene(stage.codex), stage.taking_much(SLOW, monkeypatch))


def test_a_task_that_fails_is_told(hand_over: Callable[..., Any], play: Callable[..., None]) -> None:
    async def scene(codex: AsyncCodex, _: ModelServer) -> None:
        (report,) = await hand_over(codex, ("Go",))
        assert "no such model" in report["failure"]
        assert (report["answer"], report["items"]) == ("", [])

    play(scene, Failure(400, "no such model"))


def test_observers_see_what_goes_on(hand_over: Callable[..., Any], play: Callable[..., None]) -> None:
    async def scene(codex: AsyncCodex, _: ModelServer) -> None:
        seen: list[str] = []
        await hand_over(codex, ("Go",), observers=Observers(on_text=seen.append))
        assert "".join(seen) == "one two"

    play(scene, Text("one two"))


def test_all_of_the_turn_is_kept_for_the_program(play: Callable[..., None]) -> None:
    async def scene(codex: AsyncCodex, _: ModelServer) -> None:
        agent = pydantic_ai.Agent(TestModel(), tools=[ours_for_pydantic_ai.codex_tool(codex, name="coder")])
        result = await agent.run("Go")
        (back,) = (part for each in result.all_messages() for part in each.parts if isinstance(part, ToolReturnPart))
        turn = TurnResult.from_dict(back.metadata)
        assert (back.tool_name, turn.final_response) == ("coder", "Hello.")
        assert turn.tokens is not None
        again = json.loads(result.all_messages_json())[2]["parts"][0]
        assert again["content"] == {"answer": "Hello.", "items": []}
        assert again["metadata"] == turn.to_dict()

    play(scene, Text("Hello."))


def test_an_agent_that_is_cancelled_stops_its_task(hand_over: Callable[..., Any], play: Callable[..., None]) -> None:
    async def scene(codex: AsyncCodex, _: ModelServer) -> None:
        subscription = codex.client.subscribe()
        running = asyncio.ensure_future(hand_over(codex, ("Count",)))
        async for event in subscription:
            if event.method == "item/agentMessage/delta":
                running.cancel()
                break
        assert await status_of_the_next_turn(subscription) == "interrupted"
        with pytest.raises(asyncio.CancelledError):
            await running

    play(scene, SLOW)


def test_a_client_that_is_closed_is_an_error() -> None:
    async def scene() -> None:
        codex = AsyncCodex()
        await codex.close()
        with pytest.raises(TransportClosedError):
            await with_pydantic_ai(codex, ("Go",))

    asyncio.run(scene())


def test_a_runtime_that_does_not_answer_is_waited_for_no_longer_than_said(hand_over: Callable[..., Any]) -> None:
    class Frozen(AsyncCodex):
        async def thread_start(self, **_: Any) -> Any:
            await asyncio.Event().wait()

    async def scene() -> None:
        for persistent in (False, True):
            (given,) = await hand_over(Frozen(), ("Go",), timeout=0.05, persistent=persistent)
            assert "It was not done within 0.05 s" in str(given)

    asyncio.run(asyncio.wait_for(scene(), 30))


@pytest.mark.parametrize("timeout", [None, 600.0])
def test_an_answer_that_is_late_is_an_error_and_no_end_of_the_task(timeout: float | None) -> None:
    class Late(AsyncCodex):
        async def thread_start(self, **_: Any) -> Any:
            raise RequestTimeoutError("thread/start was not answered within 5 s")

    with pytest.raises(RequestTimeoutError, match="within 5 s"):
        asyncio.run(with_pydantic_ai(Late(), ("Go",), timeout=timeout))


@pytest.mark.parametrize(
    "make", [ours_for_agents.codex_tool, ours_for_pydantic_ai.codex_tool, ours_for_pydantic_ai.CodexAgentModel]
)
def test_a_client_of_the_other_kind_is_refused(make: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="codex must be an AsyncCodex, not AppServerConfig"):
        make(AppServerConfig())


@pytest.mark.parametrize(
    ("arguments", "why"), [("{}", "task: Field required"), ("so", "the arguments: Invalid"), ('{"task": 1}', "task: ")]
)
def test_arguments_that_make_no_sense_are_told_to_the_agent(arguments: str, why: str) -> None:
    tool: Any = ours_for_agents.codex_tool(AsyncCodex())
    given: str = asyncio.run(tool.on_invoke_tool(None, arguments))
    assert json.loads(given)["failure"].startswith(why)


def test_the_tool_is_described_strictly() -> None:
    tool = ours_for_agents.codex_tool(AsyncCodex())
    schema = tool.params_json_schema
    assert (tool.strict_json_schema, schema["required"], schema["additionalProperties"]) == (True, ["task"], False)
    assert "coding agent" in tool.description
