"""Codex, its threads and turns on the real binary, the same with threads and with asyncio."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import zlib
from struct import pack
from typing import TYPE_CHECKING, Any

import pytest
from awaited import awaited, bare, stepwise
from until import until_it_holds

from codex_app_server import (
    AppServerError,
    AsyncCodex,
    EventOverflowError,
    ExperimentalApiError,
    ImageInput,
    InvalidRequestError,
    JsonRpcError,
    LocalImageInput,
    MentionInput,
    MethodNotFoundError,
    SkillInput,
    Subscription,
    TextInput,
    ThreadStartParams,
    TransportClosedError,
    TurnFailedError,
    WaitTimeoutError,
)
from codex_app_server.generated import AgentMessageThreadItem
from codex_app_server.testing import Failure, ModelServer, Text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("leaves_nothing")

# Has a page for each model: of the hidden ones too, three, else without end.
PAGES = """
greet()
while (request := read()) is not None:
    number = int(request["params"].get("cursor") or 0)
    more = number < 2 or not request["params"]["includeHidden"]
    page = {"data": [{"id": f"m{number}"}], "nextCursor": str(number + 1) if more else None, "etag": 7}
    write({"id": request["id"], "result": page})
"""


async def collected(turn: Any) -> list[Any]:
    return [event async for event in turn.stream()]


async def _until(events: Any, last: str) -> Any:
    async for event in events:
        yield event
        if event.method == last:
            return


def picture(red: int) -> bytes:
    """A PNG of one pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    pixel = zlib.compress(bytes([0, red, 0, 0]))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", pixel)
        + chunk(b"IEND", b"")
    )


class TestTurns:
    def test_run_gives_text_items_usage_and_status(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start()
            result = await thread.run("Say hello")

            assert result.text == result.final_response == "Hello there."
            assert result.status == "completed"
            assert result.error is None
            assert result.thread_id == thread.id
            assert result.usage.token_usage.last.total_tokens == 15
            assert [item.type for item in result.items] == ["userMessage", "agentMessage"]
            message = result.items[-1]
            assert isinstance(message, AgentMessageThreadItem)
            assert message.text == "Hello there."
            assert "Say hello" in model.requests[0].texts

        play(scene, Text("Hello there."))

    def test_stream_gives_every_event_to_the_end(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            turn = await (await codex.thread_start()).turn(TextInput("go"))
            events = await collected(turn)

            assert events[0].method == "turn/started"
            assert events[0].payload.turn.id == turn.id
            assert events[-1].method == "turn/completed"
            deltas = [event.payload.delta for event in events if event.method == "item/agentMessage/delta"]
            assert deltas == ["a ", "b ", "c"]

        play(scene, Text("a b c"))

    def test_what_the_options_of_a_turn_set_stays_set_but_for_its_schema(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start()
            schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
            await thread.run("go", model="another", effort="low", output_schema=schema)
            await thread.run("on")
            one, two = (request.body for request in model.requests)
            assert one["model"] == two["model"] == "another"
            assert one["reasoning"]["effort"] == two["reasoning"]["effort"] == "low"
            assert "format" in one["text"]
            assert "format" not in two.get("text", {})

        play(scene, Text("{}"), Text("Done."))

    def test_a_turn_may_have_any_number_of_consumers(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            turn = await (await codex.thread_start()).turn(TextInput("go"))
            both = await asyncio.gather(collected(turn), collected(turn), turn.run())
            assert both[0] == both[1] == await collected(turn)
            assert both[0][-1].method == "turn/completed"
            for result in (both[2], await turn.run(), await turn.result()):
                assert (result.text, result.final_response) == ("a b c", "a b c")
                assert result.is_completed

        play(scene, Text("a b c", delay_s=0.05))

    def test_who_speaks_while_a_turn_runs_joins_it(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            thread = await codex.thread_start()
            one, two = await asyncio.gather(thread.run("one"), thread.run("two"))
            assert one.turn_id == two.turn_id
            assert one.text == two.text != ""
            assert one.is_completed

        play(scene, default=Text("a b c d e f", delay_s=0.1))

    def test_a_turn_stops_when_the_last_one_gives_up(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            turn = await (await codex.thread_start()).turn(TextInput("go"))
            one = asyncio.ensure_future(turn.run(timeout=0.3))
            two = asyncio.ensure_future(turn.run(timeout=0.9))
            with pytest.raises(TimeoutError):
                await one
            assert not two.done()
            with pytest.raises(TimeoutError):
                await two
            assert str((await turn.result(timeout=20)).status) == "interrupted"

        play(scene, Text("word " * 200, delay_s=0.1))

    def test_a_turn_is_stopped_in_its_first_moments_too(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            thread = await codex.thread_start()
            for timeout in (0.0, 0.001, 0.01):
                turn = await thread.turn(TextInput("go"))
                with pytest.raises(TimeoutError):
                    await turn.run(timeout=timeout)
                assert str((await turn.result(timeout=20)).status) == "interrupted"
            turn = await thread.turn(TextInput("go"))
            await turn.interrupt()
            assert str((await turn.result(timeout=20)).status) == "interrupted"

        play(scene, default=Text("word " * 200, delay_s=0.1))

    def test_a_failed_turn_says_so_and_thread_run_raises(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            thread = await codex.thread_start()
            turn = await thread.turn(TextInput("go"))
            result = await turn.run()
            assert result.status == "failed"
            assert result.error.message
            with pytest.raises(TurnFailedError, match="failed") as caught:
                await thread.run("again")
            assert caught.value.result.status == "failed"
            assert (await thread.run("and again")).text == "fine"

        play(scene, Failure(500), Failure(429), Text("fine"))

    def test_steering_adds_to_a_running_turn(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, model: ModelServer) -> None:
            turn = await (await codex.thread_start()).turn(TextInput("go"))
            await asyncio.to_thread(model.wait_for_requests, 1)
            await turn.steer(TextInput("more of that"))
            result = await turn.run()
            assert result.status == "completed"
            assert "more of that" in model.requests[-1].texts

        play(scene, Text("one two three four", delay_s=0.1))

    def test_interrupting_ends_a_turn(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, model: ModelServer) -> None:
            turn = await (await codex.thread_start()).turn(TextInput("go"))
            await asyncio.to_thread(model.wait_for_requests, 1)
            await turn.interrupt()
            assert (await turn.run()).status == "interrupted"

        play(scene, Text("word " * 200, delay_s=0.1))

    def test_a_timeout_interrupts_and_leaves_the_thread_usable(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start()
            with pytest.raises(WaitTimeoutError, match="did not end in time"):
                await thread.run("go", timeout=0.5)
            assert (await thread.run("again", timeout=20)).text == "fine"
            assert len(model.requests) == 2

        play(scene, Text("word " * 200, delay_s=0.1), Text("fine"))

    def test_who_speaks_after_one_who_gave_up_at_once_gets_a_turn_of_its_own(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start()
            for timeout in (0.0005, 0.002, 0.005):
                with pytest.raises(TimeoutError):
                    await thread.run("Wait.", timeout=timeout)
                result = await thread.run("Answer.", timeout=20)
                assert (str(result.status), result.text) == ("completed", "at once")

        def answer(request: Any) -> Text:
            return Text("at once") if request.texts[-1] == "Answer." else Text("word " * 200, delay_s=0.1)

        play(scene, default=answer)

    def test_who_has_a_turn_and_was_not_asked_yet_keeps_it(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start()
            turn = await thread.turn(TextInput("go"))
            with pytest.raises(TimeoutError):
                await thread.run("more", timeout=0.3)
            assert (await turn.run(timeout=20)).is_completed

        play(scene, default=Text("a b c d e f", delay_s=0.1))

    def test_many_turns_at_once_do_not_mix(self, play: Callable[..., None]) -> None:
        def echo(request: Any) -> Text:
            return Text(f"you said {request.texts[-1]}")

        async def scene(codex: Any, _: ModelServer) -> None:
            async def one(number: int) -> str:
                thread = await codex.thread_start(ephemeral=True)
                return (await thread.run(f"number {number}")).text  # type: ignore[no-any-return]

            texts = await asyncio.gather(*(one(number) for number in range(50)))
            assert texts == [f"you said number {number}" for number in range(50)]

        play(scene, default=echo)

    def test_what_is_not_read_in_time_overflows(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start()
            turn = await thread.turn(TextInput("go"))
            await asyncio.to_thread(model.wait_for_requests, 1)
            while not bare(turn)._first[0].has_overflowed:
                await codex.models()  # its answer comes behind the events, so the client has to read them
            with pytest.raises(EventOverflowError, match="more than 5 events"):
                await collected(turn)

        play(scene, Text("a b c d e f g h i j k l m n o p", delay_s=0.02), max_buffered_events=5)


class TestInputs:
    def test_pictures_reach_the_model(self, play: Callable[..., None], tmp_path: Path) -> None:
        path = tmp_path / "red.png"
        path.write_bytes(picture(255))
        url = "data:image/png;base64," + base64.b64encode(picture(128)).decode()

        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start()
            await thread.run([TextInput("look"), ImageInput(url), LocalImageInput(path)])
            images = [
                part["image_url"]
                for item in model.requests[0].body["input"]
                for part in item.get("content", [])
                if part.get("type") == "input_image"
            ]
            assert len(images) == 2
            assert all(image.startswith("data:image/png;base64,") for image in images)

        play(scene)

    def test_skills_and_mentions_are_taken(self, play: Callable[..., None], tmp_path: Path) -> None:
        skill = tmp_path / "SKILL.md"
        skill.write_text("---\nname: greet\ndescription: greets\n---\nSay hello.", encoding="utf-8")

        async def scene(codex: Any, _: ModelServer) -> None:
            thread = await codex.thread_start()
            given = [TextInput("$greet"), SkillInput("greet", skill), MentionInput("app", "app://x")]
            assert (await thread.run(given)).status == "completed"

        play(scene)

    def test_a_schema_for_the_answer_is_passed_on(self, play: Callable[..., None]) -> None:
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}

        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start()
            await thread.run("count", output_schema=schema)
            assert model.requests[0].body["text"]["format"]["schema"] == schema

        play(scene, Text('{"n": 1}'))

    def test_options_of_thread_and_turn_reach_the_model(self, play: Callable[..., None], tmp_path: Path) -> None:
        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start(
                cwd=tmp_path, developer_instructions="be brief", sandbox="read-only", approval_policy="never"
            )
            await thread.run("go", model="gpt-5-mini", effort="high", summary="concise")
            body = model.requests[0].body
            assert body["model"] == "gpt-5-mini"
            assert body["reasoning"]["effort"] == "high"
            assert "be brief" in str(body)

        play(scene)

    def test_turn_takes_inputs_only(self, play: Callable[..., None]) -> None:
        wrongs: list[Any] = [b"text", 5, None, {"text": "a"}, [TextInput("a"), b"b"], [["a"]]]

        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start()
            for wrong in wrongs:
                with pytest.raises(TypeError, match="an input is made of"):
                    await thread.turn(wrong)
            assert not model.requests

        play(scene)


class TestThreads:
    def test_the_life_of_a_thread(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            thread = await codex.thread_start()
            await thread.run("first")
            await thread.set_name("my thread")
            assert thread.id in [each.id for each in (await codex.thread_list(limit=10)).data]

            read = (await thread.read(include_turns=True)).thread
            assert read.name == "my thread"
            assert len(read.turns) == 1

            fork = await codex.thread_fork(thread.id)
            assert fork.id != thread.id
            await fork.run("in the fork")

            await codex.thread_archive(thread.id)
            assert thread.id not in [each.id for each in (await codex.thread_list()).data]
            assert (await codex.thread_unarchive(thread.id)).id == thread.id

            resumed = await codex.thread_resume(thread.id)
            assert (await resumed.run("second")).status == "completed"
            assert len((await resumed.read(include_turns=True)).thread.turns) == 2

        play(scene)

    def test_no_turn_begins_in_a_thread_that_was_left_and_is_not_resumed(self, play: Callable[..., None]) -> None:
        """The runtime would say nothing of it, and whoever waits for it would wait for ever."""

        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start()
            await thread.run("first")
            await awaited(codex.client).thread_unsubscribe(thread_id=thread.id)
            for begin in (thread.run, thread.turn):
                with pytest.raises(AppServerError, match=f"has left the thread {thread.id} "):
                    await begin("nobody hears it")
            with pytest.raises(AppServerError, match=f"has left the thread {thread.id} "):
                await thread.review()
            assert len(model.requests) == 1
            resumed = await codex.thread_resume(thread.id)
            assert (await resumed.run("second")).status == (await thread.run("third")).status == "completed"

        play(scene)

    def test_a_turn_that_runs_in_a_thread_that_is_left_fails_and_says_why(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            thread = await codex.thread_start()
            await thread.run("this is stored, so that the thread can be resumed")
            turn = await thread.turn("this takes longer than anybody waits")
            await awaited(codex.client).thread_unsubscribe(thread_id=thread.id)

            result = await turn.run()

            assert (result.status, result.turn_id) == ("failed", turn.id)
            assert f"has left the thread {thread.id} " in result.failure
            assert (await codex.thread_resume(thread.id)).id == thread.id

        play(scene, Text("soon"), Text("too late", delay_s=30))

    def test_a_model_of_the_parameters_will_do(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            client = awaited(codex.client)
            started = await client.request("thread/start", ThreadStartParams(ephemeral=True))
            assert started["thread"]["ephemeral"] is True
            assert (await client.thread_loaded_list()).data == [started["thread"]["id"]]

        play(scene)

    def test_what_is_experimental_is_refused_before_it_is_sent(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            with pytest.raises(ExperimentalApiError, match="experimental_api=True"):
                await awaited(codex.client).project_list()
            with pytest.raises(ExperimentalApiError, match="dynamicTools"):
                await codex.thread_start(dynamic_tools=[])
            assert (await codex.thread_start()).id

        play(scene)

    def test_compacting_is_a_turn_of_its_own(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start()
            await thread.run("first")
            told = codex.client.subscribe(thread_id=thread.id)
            await thread.compact()
            events = stepwise(iter(told)) if isinstance(told, Subscription) else aiter(told)
            assert "turn/completed" in [event.method async for event in _until(events, "turn/completed")]
            assert len(model.requests) == 2
            assert (await thread.run("second", timeout=20)).status == "completed"

        play(scene)

    def test_models_are_listed(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            shown = (await codex.models()).data
            every = (await codex.models(include_hidden=True)).data
            assert shown
            assert {model.id for model in shown} <= {model.id for model in every}

        play(scene)

    def test_models_are_listed_to_the_last_page(self, scripted: Callable[..., None]) -> None:
        async def scene(codex: Any) -> None:
            listed = await codex.models(include_hidden=True)
            assert [model.id for model in listed.data] == ["m0", "m1", "m2"]
            assert (listed.next_cursor, listed.model_extra) == (None, {"etag": 7})
            with pytest.raises(AppServerError, match="the answer to model/list has more than 100 pages"):
                await codex.models()

        scripted(scene, PAGES)

    def test_what_does_not_exist_is_an_error(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            with pytest.raises(JsonRpcError):
                await codex.thread_resume("00000000-0000-0000-0000-000000000000")
            with pytest.raises(MethodNotFoundError):
                await awaited(codex.client).request("no/such/method", {})
            with pytest.raises(InvalidRequestError):
                await codex.thread_archive("not an id")

        play(scene)


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals")
def test_a_runtime_that_is_killed_ends_every_wait(play: Callable[..., None]) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        turn = await (await codex.thread_start()).turn(TextInput("go"))
        await asyncio.to_thread(model.wait_for_requests, 1)
        waiting = asyncio.ensure_future(turn.run())
        await until_it_holds(lambda: bare(turn)._log.waiting)
        os.kill(_process_of(bare(codex)), signal.SIGKILL)
        with pytest.raises(TransportClosedError) as caught:
            await asyncio.wait_for(waiting, 2)
        assert caught.value.exit_code == -signal.SIGKILL

    play(scene, Text("word " * 100, delay_s=0.1))


def _process_of(codex: Any) -> int:
    process = codex._driver._transport._process
    return process.get_pid() if isinstance(codex, AsyncCodex) else process.pid  # type: ignore[no-any-return]


def test_a_cancelled_run_interrupts_its_turn(codex_binary: Path) -> None:
    async def run() -> None:
        def slowly(request: Any) -> Text:
            return Text("word " * 200, delay_s=0.1) if request.texts[-1] == "go" else Text("fine")

        with ModelServer(default=slowly) as model:
            async with AsyncCodex(model.config(codex_bin=codex_binary)) as codex:
                thread = await codex.thread_start()
                for wait in (0.0, 0.005, None):  # before the turn is announced, about then, and after
                    asked = len(model.requests)
                    task = asyncio.create_task(thread.run("go"))
                    if wait is None:
                        await asyncio.to_thread(model.wait_for_requests, asked + 1)
                    else:
                        await asyncio.sleep(wait)
                    task.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await task
                assert (await thread.run("again", timeout=20)).text == "fine"
                turns = (await thread.read(include_turns=True)).thread.turns
                assert [turn.status for turn in turns][-1] == "completed"
                assert "inProgress" not in [turn.status for turn in turns]

    asyncio.run(run())
