"""Python functions that the agent calls, on the real runtime, with both kinds of client and in both modes of tools."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import threading
import time
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from awaited import awaited, bare
from pydantic import Field

from codex_app_server import (
    AppServerConfig,
    AsyncCodex,
    Codex,
    ExperimentalApiError,
    Handlers,
    ImageInput,
    TextInput,
    ToolContext,
    ToolError,
    tool,
)
from codex_app_server.protocol.messages import ServerRequest
from codex_app_server.testing import TOOL_MODES, Code, ModelServer, Text, ToolCall, ToolMode
from codex_app_server.testing.code_mode import MODELS
from codex_app_server.tools.executor import LIMIT, Executor
from codex_app_server.tools.toolbox import Toolbox, tools_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from codex_app_server.testing import Answer, ModelRequest

DOT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5Er"
    "kJggg=="
)
"""An image of one pixel."""

MOST_MS = 3
"""What a call may add to the runtime's own time."""


class Stage:
    """A client of either kind, and its model; one for many scenes."""

    def __init__(self, kind: str, codex_binary: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.answers: deque[Answer] = deque()
        self.model = ModelServer(default=lambda _: self.answers.popleft() if self.answers else Text("Done."))
        self.config = self.model.config(codex_bin=codex_binary, experimental_api=True)
        self.kind = kind
        self.codex = self.play(self.opened(self.config))

    async def opened(self, config: AppServerConfig) -> Any:
        if self.kind == "asyncio":
            return await AsyncCodex(config).__aenter__()
        return awaited(await asyncio.to_thread(Codex, config))

    @asynccontextmanager
    async def another(self, config: AppServerConfig) -> AsyncIterator[Any]:
        codex = await self.opened(config)
        try:
            yield codex
        finally:
            await codex.close()

    def play(self, scene: Any) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(scene, 60))

    async def outputs(self, tools: list[Any], *answers: Answer, mode: ToolMode = "direct") -> list[Any]:
        """What the model got back of its calls, in a new thread."""
        return await self.outputs_in(await self.thread(tools, mode), *answers)

    async def thread(self, tools: list[Any], mode: ToolMode = "direct", **options: Any) -> Any:
        return await self.codex.thread_start(tools=tools, model=MODELS[mode], **options)

    async def outputs_in(self, thread: Any, *answers: Answer) -> list[Any]:
        self.result = await thread.run(*self.script(*answers))
        return [*self.requests[-1].tool_outputs.values()]

    def script(self, *answers: Answer) -> tuple[str]:
        self.before = len(self.model.requests)
        self.answers = deque(answers)
        return ("go",)

    @property
    def requests(self) -> list[ModelRequest]:
        return self.model.requests[self.before :]

    @property
    def calls(self) -> list[Any]:
        return [item for item in self.result.items if item.type == "dynamicToolCall"]

    def close(self) -> None:
        self.play(self.codex.close())
        self.model.close()
        self.loop.close()


@pytest.fixture(scope="module", params=["threads", "asyncio"])
def stage(request: pytest.FixtureRequest, codex_binary: Path) -> Iterator[Stage]:
    """One runtime for all scenes of a kind."""
    stage = Stage(request.param, codex_binary)
    yield stage
    stage.close()


@tool
def weather(city: str, days: Annotated[int, Field(ge=1, le=7)] = 1) -> str:
    """Say how the weather will be."""
    return f"{city}: {days} days of rain"


@tool(namespace="shop", description="Buy something.")
async def buy(context: ToolContext, what: str) -> dict[str, str]:
    await asyncio.sleep(0)
    return {"bought": what, "by": context.call_id, "tool": f"{context.namespace}.{context.tool}"}


def meet(number: int, barrier: threading.Barrier) -> int:
    barrier.wait(20)
    return number


@pytest.mark.parametrize("mode", TOOL_MODES)
def test_plain_and_async_functions_are_called_with_what_the_model_passes(stage: Stage, mode: ToolMode) -> None:
    async def scene() -> None:
        calls = [
            ToolCall("weather", {"city": "Rome", "days": 2}),
            ToolCall("buy", {"what": "tea"}, namespace="shop"),
            ToolCall("weather", {"city": "Rome", "days": 9}),
        ]
        said, bought, refused = await stage.outputs([weather, buy], calls, mode=mode)
        assert said == "Rome: 2 days of rain"
        by_name = {(item.namespace, item.arguments.get("days")): item for item in stage.calls}
        item = by_name["shop", None]
        assert bought == f'{{"bought":"tea","by":"{item.id}","tool":"shop.buy"}}'
        assert "days: Input should be less than or equal to 7, not 9" in refused
        assert not by_name[None, 9].success
        told = str(stage.requests[0].body)
        assert "Say how the weather will be." in told
        assert "Buy something." in told

    stage.play(scene())


def test_a_call_costs_little_of_the_runtimes_time(stage: Stage) -> None:
    async def durations(call: ToolCall) -> list[int]:
        await stage.outputs([weather, buy], *[call] * 24)
        assert len(stage.calls) == 24
        return [item.duration_ms for item in stage.calls]

    async def scene() -> None:
        for call in (ToolCall("weather", {"city": "Rome"}), ToolCall("buy", {"what": "tea"}, namespace="shop")):
            thirds = []
            for _ in range(6):
                calls = sorted(await durations(call))
                thirds.append(calls[len(calls) // 3 - 1])
                if thirds[-1] <= MOST_MS:
                    break
            # What a call waits for, each one does; a busy machine is not so for two thirds of each of six turns.
            assert min(thirds) <= MOST_MS, thirds

    stage.play(scene())


@pytest.mark.parametrize("mode", TOOL_MODES)
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_hundred_calls_run_at_once(stage: Stage, kind: str, mode: ToolMode) -> None:
    barrier = threading.Barrier(100)
    alive = 0
    everybody = asyncio.Event()

    @tool(name="meet")
    def plain(number: int) -> int:
        barrier.wait(30)
        return number

    @tool(name="meet")
    async def in_loop(number: int) -> int:
        nonlocal alive
        alive += 1
        if alive == 100:
            everybody.set()
        await asyncio.wait_for(everybody.wait(), 30)
        return number

    async def scene() -> None:
        calls = [ToolCall("meet", {"number": number}) for number in range(100)]
        tools = [plain if kind == "plain" else in_loop]
        assert await stage.outputs(tools, calls, mode=mode) == [str(number) for number in range(100)]

    stage.play(scene())


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_tool_that_wants_to_be_called_by_few_is(stage: Stage, kind: str) -> None:
    alive: list[int] = []
    most: list[int] = []
    two = threading.Barrier(2, timeout=30)

    @tool(name="count", concurrency=2)
    def plain(number: int) -> None:
        alive.append(number)
        most.append(len(alive))
        two.wait()
        alive.remove(number)

    @tool(name="count", concurrency=2)
    async def in_loop(number: int) -> None:
        alive.append(number)
        most.append(len(alive))
        await asyncio.to_thread(two.wait)
        alive.remove(number)

    async def scene() -> None:
        calls = [ToolCall("count", {"number": number}) for number in range(8)]
        await stage.outputs([plain if kind == "plain" else in_loop], calls)
        assert len(most) == 8
        assert max(most) == 2

    stage.play(scene())


@pytest.mark.parametrize("mode", TOOL_MODES)
def test_what_a_function_raises_is_told_to_the_model(
    stage: Stage, mode: ToolMode, caplog: pytest.LogCaptureFixture
) -> None:
    errors = [
        ToolError("There is no such city."),
        ValueError("no"),
        SystemExit(3),
        asyncio.CancelledError(),
        StopIteration(5),
    ]

    @tool
    def fail(which: int) -> None:
        raise errors[which]

    @tool
    async def fail_later(which: int) -> None:
        await asyncio.sleep(0)
        raise errors[which]

    expected = [
        "There is no such city.",
        "ValueError: no",
        "SystemExit: 3",
        "The tool was cancelled.",
        "StopIteration: 5",
    ]
    in_loop = [*expected[:4], "RuntimeError: coroutine raised StopIteration"]

    async def scene() -> None:
        calls = [ToolCall(name, {"which": which}) for name in ("fail", "fail_later") for which in range(5)]
        assert await stage.outputs([fail, fail_later], calls, mode=mode) == expected + in_loop
        assert not any(item.success for item in stage.calls)

    stage.play(scene())
    assert "the tool fail failed; the model is told so" in caplog.text
    assert "no such city" not in caplog.text


def test_results_of_many_kinds(stage: Stage) -> None:
    @tool
    def give(what: str) -> Any:
        return {"nothing": None, "image": ["Look:", ImageInput(DOT)], "odd": object()}[what]

    @tool(max_bytes=100)
    def talk() -> str:
        return "words " * 1000

    async def scene() -> None:
        calls = [ToolCall("give", {"what": what}) for what in ("nothing", "image", "odd")]
        nothing, image, odd, long = await stage.outputs([give, talk], [*calls, ToolCall("talk")])
        assert not nothing
        assert [part["type"] for part in image] == ["input_text", "input_image"]
        assert odd.startswith("TypeError: the tool returned what JSON cannot say")
        assert len(long) <= 100
        assert "characters are left out here" in long

    stage.play(scene())


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_call_that_takes_too_long_ends(stage: Stage, kind: str) -> None:
    ended = threading.Event()

    @tool(name="sleep_on", timeout=0.05, concurrency=1)
    def plain(context: ToolContext) -> None:
        assert context.wait(20)
        ended.set()

    @tool(name="sleep_on", timeout=0.05, concurrency=1)
    async def in_loop() -> None:
        try:
            await asyncio.sleep(20)
        finally:
            ended.set()

    async def scene() -> None:
        said = await stage.outputs(
            [plain if kind == "plain" else in_loop], [ToolCall("sleep_on"), ToolCall("sleep_on")]
        )
        assert said == ["The tool gave no result within 0.05 s, and was stopped."] * 2
        assert await asyncio.to_thread(ended.wait, 10)

    stage.play(scene())


@pytest.mark.parametrize("mode", TOOL_MODES)
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_the_end_of_its_turn_cancels_a_call_or_lets_it_finish(stage: Stage, kind: str, mode: ToolMode) -> None:
    began, stopped = threading.Semaphore(0), threading.Event()
    go_on, finished = threading.Event(), threading.Event()

    @tool(name="long")
    def plain(context: ToolContext) -> None:
        began.release()
        if context.wait(20):
            stopped.set()

    @tool(name="long")
    async def in_loop() -> None:
        began.release()
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            stopped.set()
            raise

    @tool(name="must", on_turn_end="finish")
    def plain_must(context: ToolContext) -> None:
        began.release()
        assert go_on.wait(20)
        assert not context.is_cancelled
        finished.set()

    @tool(name="must", on_turn_end="finish")
    async def in_loop_must() -> None:
        began.release()
        assert await asyncio.to_thread(go_on.wait, 20)
        finished.set()

    async def scene() -> None:
        tools = [plain, plain_must] if kind == "plain" else [in_loop, in_loop_must]
        thread = await stage.thread(tools, mode)
        turn = await thread.turn(TextInput(*stage.script([ToolCall("long"), ToolCall("must")])))
        for _ in range(2):
            assert await asyncio.to_thread(began.acquire, timeout=20)
        await turn.interrupt()
        assert (await turn.run()).status.value == "interrupted"
        assert await asyncio.to_thread(stopped.wait, 20)
        assert not finished.is_set()
        go_on.set()
        assert await asyncio.to_thread(finished.wait, 20)

    stage.play(scene())


def test_in_code_a_call_may_outlive_its_turn(stage: Stage) -> None:
    began, stopped = threading.Event(), threading.Event()

    @tool
    async def long() -> None:
        began.set()
        try:
            await asyncio.sleep(20)
        finally:
            stopped.set()

    @tool
    async def until_it_began() -> bool:
        return await asyncio.to_thread(began.wait, 20)

    async def scene() -> None:
        code = Code("tools.long({}); text(`left, ${await tools.until_it_began({})}`)")
        (said,) = await stage.outputs([long, until_it_began], code, mode="code")
        assert said.endswith("left, true")
        assert await asyncio.to_thread(stopped.wait, 20)

    stage.play(scene())


def test_a_thread_that_is_resumed_or_forked_needs_its_tools_again(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        call = ToolCall("weather", {"city": "Rome"})
        config = stage.model.config(codex_bin=stage.config.codex_bin, experimental_api=True)
        missing, there = "this tool is not available", "Rome: 1 days of rain"
        async with stage.another(config) as codex:
            first = await codex.thread_start(tools=[weather])
            assert await stage.outputs_in(first, call) == [there]
            assert (await stage.outputs_in(await codex.thread_fork(first.id), call))[-1] == missing
            assert (await stage.outputs_in(await codex.thread_fork(first.id, tools=[weather]), call))[-1] == there
        async with stage.another(config) as codex:
            again = await codex.thread_resume(first.id)
            assert (await stage.outputs_in(again, call))[-1] == missing
            again = await codex.thread_resume(first.id, tools=[weather])
            assert (await stage.outputs_in(again, call))[-1] == there

    stage.play(scene())
    assert "pass the function to thread_resume or thread_fork: tools=[...]" in caplog.text
    assert "pass the function to thread_start, thread_resume or thread_fork: tools=[...]" in caplog.text


def test_a_thread_that_is_gone_keeps_no_tools(stage: Stage) -> None:
    async def scene() -> None:
        toolbox = bare(stage.codex)._driver.toolbox
        threads = [await stage.thread([weather]) for _ in range(2)]
        assert toolbox.of("") is None
        for thread, leave in zip(threads, ("archive", "delete"), strict=True):
            stage.script()
            await thread.run("go")
            assert toolbox.of(thread.id)
            await getattr(thread, leave)()
            while toolbox.of(thread.id):  # it is told of behind the answer
                await asyncio.sleep(0.01)

    stage.play(scene())


def test_a_thread_that_cannot_be_resumed_gets_no_tools(stage: Stage) -> None:
    async def scene() -> None:
        nobody = "01a21d19-8ca0-76a2-ad07-3074f5705bf5"
        with pytest.raises(Exception, match="thread/resume failed"):
            await stage.codex.thread_resume(nobody, tools=[weather])
        assert bare(stage.codex)._driver.toolbox.of(nobody) is None

    stage.play(scene())


def test_a_sub_agent_has_the_tools_of_the_thread_it_works_for(stage: Stage) -> None:
    threads: list[str] = []
    is_called = threading.Event()

    @tool
    def report(context: ToolContext) -> str:
        threads.append(context.thread_id)
        is_called.set()
        return "noted"

    def answer(request: ModelRequest) -> Answer:
        if request.body["input"][-1].get("type") == "agent_message":
            return ToolCall("report")
        has_spawned = any(item.get("name") == "spawn_agent" for item in request.body["input"])
        spawn = ToolCall("spawn_agent", {"task_name": "t", "message": "do it"}, namespace="collaboration")
        return Text("Done.") if has_spawned else spawn

    async def scene() -> None:
        thread = await stage.codex.thread_start(tools=[report], model="gpt-6.2-sol")
        stage.script()
        stage.model.add(*[answer] * 4)
        await thread.run("go")
        assert await asyncio.to_thread(is_called.wait, 20)
        assert threads != [thread.id]
        await asyncio.to_thread(stage.model.wait_for_requests, stage.before + 4)
        assert "noted" in stage.model.requests[-1].tool_outputs.values()

    stage.play(scene())


def test_handlers_answer_for_threads_without_functions(stage: Stage) -> None:
    spec = {"type": "function", "name": "raw", "description": "Raw.", "inputSchema": {"type": "object"}}

    async def scene() -> None:
        stage.codex.handlers = Handlers(tool_call=lambda call: f"handled {call.tool}")
        try:
            thread = await stage.codex.thread_start(dynamic_tools=[spec])
            assert await stage.outputs_in(thread, ToolCall("raw")) == ["handled raw"]
            both = await stage.codex.thread_start(tools=[weather], dynamic_tools=[spec])
            said = await stage.outputs_in(both, [ToolCall("weather", {"city": "Rome"}), ToolCall("raw")])
            assert said == ["Rome: 1 days of rain", "handled raw"]
        finally:
            stage.codex.handlers = Handlers()
        thread = await stage.codex.thread_start(dynamic_tools=[spec])
        assert await stage.outputs_in(thread, ToolCall("raw")) == ["this tool is not available"]

    stage.play(scene())


def test_more_calls_than_may_run_wait(stage: Stage) -> None:
    @tool
    async def breathe(number: int) -> int:
        await asyncio.sleep(0.01)
        return number

    async def scene() -> None:
        count = LIMIT + 20
        said = await stage.outputs([breathe], [ToolCall("breathe", {"number": number}) for number in range(count)])
        assert said == [str(number) for number in range(count)]

    stage.play(scene())


# Clients of their own.


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_closing_ends_calls_and_waits_for_those_that_are_to_finish(
    play: Callable[..., None], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    began, finished, cancelled = threading.Semaphore(0), threading.Event(), threading.Event()

    @tool(name="must", on_turn_end="finish")
    def plain_must() -> None:
        began.release()
        time.sleep(0.2)
        finished.set()

    @tool(name="must", on_turn_end="finish")
    async def in_loop_must() -> None:
        began.release()
        await asyncio.sleep(0.2)
        finished.set()

    @tool(name="may")
    def plain_may(context: ToolContext) -> None:
        began.release()
        if context.wait(20):
            cancelled.set()

    @tool(name="may")
    async def in_loop_may() -> None:
        began.release()
        try:
            await asyncio.sleep(20)
        finally:
            await asyncio.sleep(0.1)
            cancelled.set()

    async def scene(codex: Any, _: ModelServer) -> None:
        thread = await codex.thread_start(
            tools=[plain_must, plain_may] if kind == "plain" else [in_loop_must, in_loop_may]
        )
        await thread.turn(TextInput("go"))
        for _each in range(2):
            assert await asyncio.to_thread(began.acquire, timeout=20)
        await codex.close()
        assert finished.is_set()
        assert await asyncio.to_thread(cancelled.wait, 10)

    with caplog.at_level(logging.ERROR):
        play(scene, [ToolCall("must"), ToolCall("may")], experimental_api=True)
    assert not caplog.records


@pytest.mark.usefixtures("leaves_nothing")
def test_a_tool_may_close_the_client(play: Callable[..., None]) -> None:
    closed = threading.Event()

    async def scene(codex: Any, _: ModelServer) -> None:
        client = bare(codex)

        if isinstance(client, AsyncCodex):

            async def leave() -> None:
                try:
                    await client.close()
                finally:
                    closed.set()

        else:

            def leave() -> None:  # type: ignore[misc]  # one of two
                client.close()
                closed.set()

        thread = await codex.thread_start(tools=[tool(on_turn_end="finish")(leave)])
        with pytest.raises(Exception, match="the client was closed"):
            await thread.run("go")
        assert await asyncio.to_thread(closed.wait, 20)

    began = time.monotonic()
    play(scene, ToolCall("leave"), experimental_api=True)
    assert time.monotonic() - began < 9


def test_without_the_experimental_api_nothing_is_started(play: Callable[..., None]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        with pytest.raises(ExperimentalApiError, match=r"set AppServerConfig\(experimental_api=True\)"):
            await codex.thread_start(tools=[weather])
        with pytest.raises(ValueError, match="two tools are called weather"):
            await codex.thread_start(tools=[weather, weather])

    play(scene)


# Without a runtime.


def asked(turn_id: str = "turn") -> ServerRequest:
    params = {"threadId": "child", "turnId": turn_id, "callId": "1", "tool": "weather", "arguments": {"city": "Rome"}}
    return ServerRequest(1, "item/tool/call", params)  # type: ignore[arg-type]  # a dict of strings is JSON


def test_who_a_thread_works_for_is_asked_again_if_the_runtime_was_busy() -> None:
    said: list[Any] = []
    answers: deque[Any] = deque([TimeoutError("busy"), "parent"])

    async def parent(_: str) -> str | None:
        answer = answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    async def scene() -> None:
        toolbox = Toolbox()
        toolbox.put("parent", tools_of([weather]))
        executor = Executor(toolbox, lambda data: said.append(json.loads(data)["result"]["success"]), Handlers, parent)
        for number in range(3):
            executor.ask(asked())
            while len(said) == number:
                await asyncio.sleep(0)
        toolbox.forget({"threadId": "child"})
        assert toolbox.of("child") is None
        executor.close()
        executor.ask(asked())
        await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(scene(), 10))
    assert said == [False, True, True]


def test_a_call_that_is_asked_for_again_meanwhile_is_called_once() -> None:
    """So does a runtime, where a thread is resumed."""
    said: list[Any] = []
    called: list[str] = []

    async def scene() -> None:
        may_end = asyncio.Event()

        @tool(name="weather")
        async def slow(city: str) -> str:
            called.append(city)
            await may_end.wait()
            return "sunny"

        toolbox = Toolbox()
        toolbox.put("child", tools_of([slow]))
        executor = Executor(toolbox, lambda data: said.append(json.loads(data)["id"]), Handlers, lambda _: None)
        executor.ask(asked())
        executor.ask(asked())
        executor.ask(asked()._replace(id=2))
        while len(called) < 2:
            await asyncio.sleep(0)
        may_end.set()
        while len(said) < 2:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        executor.close()

    asyncio.run(asyncio.wait_for(scene(), 10))
    assert (called, said) == (["Rome"] * 2, [1, 2])


def test_a_turn_that_ends_while_that_is_asked_ends_the_call(caplog: pytest.LogCaptureFixture) -> None:
    said: list[Any] = []

    async def scene() -> None:
        is_asked = asyncio.Event()

        async def parent(_: str) -> str | None:
            is_asked.set()
            await asyncio.sleep(60)
            return None

        toolbox = Toolbox()
        executor = Executor(toolbox, lambda data: said.append(data.decode()), Handlers, parent)
        executor.ask(asked())
        await is_asked.wait()
        executor.turns_ended(["turn"])
        while not said:
            await asyncio.sleep(0)
        assert toolbox.of("child") is None

    asyncio.run(asyncio.wait_for(scene(), 10))
    assert "its turn has ended" in said[0]
    assert not caplog.records


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize("twin", ["sync", "aio"])
def test_what_is_called_after_the_end_is_not(twin: str) -> None:
    called: list[str] = []
    module = importlib.import_module(f"codex_app_server.{twin}.tools")

    @tool(name="weather")
    def never(city: str) -> None:
        called.append(city)

    async def scene() -> None:
        nobody: Any = lambda: None  # noqa: E731
        caller = module.ToolCaller(lambda data: called.append(data.decode()), Handlers, nobody)
        caller.toolbox.put("child", tools_of([never]))
        caller.close()
        caller.ask(asked())
        await asyncio.sleep(0.05)

    asyncio.run(scene())
    assert called == []


def test_tools_that_a_thread_is_given_while_its_parent_is_looked_for_are_its_tools(
    scripted: Callable[..., None],
) -> None:
    """A call may come before its thread is resumed here, and what is asked about that be answered after it was."""
    script = """
    def call(number):
        asked = {"threadId": "t", "turnId": "u", "callId": str(number), "tool": "ping", "arguments": {}}
        write({"id": number, "method": "item/tool/call", "params": asked})

    def pinged(number):
        said = read()
        assert said["id"] == number and said["result"]["success"], said

    greet()
    start = read()
    call(1)
    look = read()
    assert look["method"] == "thread/read", look
    write({"id": start["id"], "result": {"thread": {"id": "s"}}})
    write({"id": read()["id"], "result": {"thread": {"id": "t"}}})
    last = read()
    write({"id": look["id"], "result": {"thread": {"id": "t"}}})
    pinged(1)
    call(2)
    pinged(2)
    write({"id": last["id"], "result": {"data": []}})
    wait_for_end()
    """

    def ping() -> str:
        """Say that this is here."""
        return "pong"

    async def scene(codex: Any) -> None:
        await codex.thread_start(tools=[ping])
        await codex.thread_resume("t", tools=[ping])
        await codex.models()

    scripted(scene, script, experimental_api=True)
