"""Turns in a block, on the real runtime, with both kinds of client."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from awaited import bare, each
from until import until_it_holds

from codex_app_server import (
    AsyncCodex,
    AsyncThread,
    AsyncTurnStream,
    Notification,
    OutputValidationError,
    TransportClosedError,
    TurnStatus,
    WaitTimeoutError,
)
from codex_app_server.streaming import Words
from codex_app_server.testing import TOOL_MODES, Failure, ModelServer, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from codex_app_server.testing import ToolMode

pytestmark = pytest.mark.usefixtures("leaves_nothing")

SLOW = Text("word " * 300, delay_s=0.02)


@asynccontextmanager
async def followed(thread: Any, *given: Any, **options: Any) -> AsyncIterator[Any]:
    """The block of a stream, of either kind of client."""
    stream = bare(thread).stream(*given, **options)
    if hasattr(stream, "__aenter__"):
        async with stream as entered:
            yield entered
        return
    entered = await asyncio.to_thread(stream.__enter__)
    try:
        yield entered
    except BaseException as error:
        await asyncio.to_thread(stream.__exit__, type(error), error, error.__traceback__)
        raise
    await asyncio.to_thread(stream.__exit__, None, None, None)


async def read(thread: Any, begun: Callable[[Any], Any], **options: Any) -> Any:
    """Follow a turn to its end, and say when it has begun."""
    async with followed(thread, "Go", **options) as stream:
        if asyncio.iscoroutine(told := begun(stream)):
            await told
        async for _ in each(stream):
            pass
    return stream


def is_interrupted(stream: Any) -> bool:
    return bool(stream.result.status == TurnStatus.interrupted)


@pytest.mark.parametrize("mode", TOOL_MODES)
def test_events_words_and_items_come_from_one_stream(play: Callable[..., None], mode: ToolMode) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        thread = await codex.thread_start()
        async with followed(thread, "Go") as stream:
            first = await anext(each(stream))
            assert first.method == "turn/started"
            kinds = []
            async for item in each(stream.items()):
                kinds.append(item.type)
                if item.type == "commandExecution":
                    break
            assert kinds == ["userMessage", "agentMessage", "commandExecution"]
            assert [words async for words in each(stream.text())] == ["It ", "is ", "done."]
            assert [event async for event in each(stream)] == []
        result = stream.result
        assert result is stream.result
        assert (result.status, result.final_response, result.output) == (TurnStatus.completed, "It is done.", None)
        assert [item.type for item in result.items] == [*kinds, "agentMessage"]

    call = ToolCall("exec_command", {"cmd": "true"})
    play(scene, (Text("First."), call), Text("It is done."), mode=mode)


@pytest.mark.parametrize("mode", TOOL_MODES)
def test_a_result_has_the_whole_diff_and_all_tokens(play: Callable[..., None], mode: ToolMode, tmp_path: Path) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        thread = await codex.thread_start(cwd=tmp_path, sandbox="danger-full-access", approval_policy="never")
        await thread.run("First")
        result = await thread.run("Go")
        assert result.diff.startswith("diff --git a/one.txt b/one.txt\nnew file")
        assert "+++ b/two.txt" in result.diff
        assert [change.path for item in result.file_changes() for change in item.changes] == [
            str(tmp_path / "one.txt"),
            str(tmp_path / "two.txt"),
        ]
        assert (result.tokens.total_tokens, result.usage.token_usage.total.total_tokens) == (45, 60)
        assert result.duration > 0
        assert "````diff\n" not in result.to_markdown()
        assert "```diff\ndiff --git" in result.to_markdown()

    def patch(name: str) -> ToolCall:
        lines = f"*** Begin Patch\n*** Add File: {name}\n+hello\n*** End Patch\n"
        return ToolCall("exec_command", {"cmd": f"apply_patch <<'EOF'\n{lines}EOF\n"})

    play(scene, Text("First."), patch("one.txt"), patch("two.txt"), Text("Done."), mode=mode)


def test_to_leave_early_interrupts_the_turn(play: Callable[..., None]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        thread = await codex.thread_start()
        async with followed(thread, "Go") as stream:
            async for words in each(stream.text()):
                assert words == "word "
                break
            assert stream.result.text.startswith("word ")
            assert not stream.result.is_completed
        await until_it_holds(lambda: is_interrupted(stream))
        assert stream.result.text.startswith("word ")
        assert (await thread.run("Again")).final_response == "Done."

    play(scene, SLOW)


def test_so_does_an_error_and_a_time_that_passes(play: Callable[..., None]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        thread = await codex.thread_start()
        with pytest.raises(LookupError):
            async with followed(thread, "Go") as stream:
                raise LookupError
        await until_it_holds(lambda: is_interrupted(stream))
        begun: list[Any] = []
        with pytest.raises(WaitTimeoutError, match="did not end in time"):
            await read(thread, begun.append, timeout=0.4)
        (stream,) = begun
        await until_it_holds(lambda: is_interrupted(stream))

    play(scene, SLOW, SLOW)


def test_a_cancelled_task_takes_its_turn_along(codex_binary: Path) -> None:
    async def follow(thread: AsyncThread, begun: asyncio.Future[AsyncTurnStream[None]]) -> None:
        async with thread.stream("Go") as stream:
            async for _ in stream.text():
                if not begun.done():
                    begun.set_result(stream)

    async def scene() -> None:
        with ModelServer(SLOW) as model:
            async with AsyncCodex(model.config(codex_bin=codex_binary)) as codex:
                begun: asyncio.Future[AsyncTurnStream[None]] = asyncio.get_running_loop().create_future()
                task = asyncio.create_task(follow(await codex.thread_start(), begun))
                stream = await begun
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await until_it_holds(lambda: is_interrupted(stream))

    asyncio.run(scene())


def test_whoever_else_is_at_the_turn_keeps_it(play: Callable[..., None]) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        async with followed(thread, "Go") as stream:
            await asyncio.to_thread(model.wait_for_requests, 1)
            other = asyncio.create_task(thread.run("And more"))
            async for words in each(stream.text()):
                if words == "nine ":
                    break
        result = await other
        assert result.status == TurnStatus.completed
        assert stream.result.turn_id == result.turn_id

    play(scene, Text("one two three four five six seven eight nine ten eleven", delay_s=0.05), Text("More."))


def test_the_turn_of_a_stream_can_be_steered_and_interrupted(play: Callable[..., None]) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        async with followed(thread, ["Go"], effort="low") as stream:
            turn = stream.turn
            await asyncio.to_thread(model.wait_for_requests, 1)
            interrupted = turn.interrupt()
            await (interrupted if asyncio.iscoroutine(interrupted) else asyncio.sleep(0))
            methods = [event.method async for event in each(stream)]
        assert methods[-1] == "turn/completed"
        assert stream.result.failure == "interrupted"
        assert turn.id == stream.result.turn_id

    play(scene, SLOW)


def test_the_reply_of_a_stream_is_a_value_too(play: Callable[..., None]) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        async with followed(thread, "Go", output_type=int) as stream:
            assert "".join([words async for words in each(stream.text())]) == '{"result": 5}'
        assert stream.result.output == 5
        stream = await read(thread, bare, output_type=dict[str, int], strict=False)
        assert stream.result.output == {"a": 1}
        stream = await read(thread, bare, output_type=int)
        with pytest.raises(OutputValidationError):
            stream.result  # noqa: B018  # it is looked at when it is wanted
        with pytest.raises(TypeError, match="strict=False"):
            bare(thread).stream("Go", output_type=dict[str, int])
        assert len(model.requests) == 3

    play(scene, Text('{"result": 5}'), Text('{"a": 1}'), Text('{"result": "x"}'))


def test_a_stream_is_one_block_with_one_turn(play: Callable[..., None]) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        unused = bare(thread).stream("Go")
        for name in ("turn", "result"):
            with pytest.raises(RuntimeError, match="has not begun"):
                getattr(unused, name)
        assert not model.requests
        async with followed(thread, "Go") as stream:
            with pytest.raises(RuntimeError, match="one turn"):
                await (stream.__aenter__() if hasattr(stream, "__aenter__") else asyncio.to_thread(stream.__enter__))
        with pytest.raises(TypeError):
            bare(thread).stream(b"bytes")

    play(scene)


def test_a_failed_turn_says_so_in_its_result_and_a_lost_connection_in_the_loop(play: Callable[..., None]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        thread = await codex.thread_start()
        stream = await read(thread, bare, output_type=int)
        assert stream.result.status == TurnStatus.failed
        assert stream.result.output is None
        with pytest.raises(TransportClosedError):
            await read(thread, lambda _: codex.close())

    play(scene, Failure(400, "no"), SLOW)


def test_words_of_a_message_that_was_not_streamed_come_at_its_end() -> None:
    words = Words()
    told: list[tuple[str, Any]] = [
        ("item/agentMessage/delta", {"itemId": "a", "delta": "Hello "}),
        ("item/agentMessage/delta", {"itemId": "a", "delta": "there."}),
        ("item/completed", {"item": {"type": "agentMessage", "id": "a", "text": "Hello there."}}),
        ("item/completed", {"item": {"type": "agentMessage", "id": "b", "text": "All at once."}}),
        ("item/completed", {"item": {"type": "hologram", "id": "c", "text": "?"}}),
        ("item/completed", {"item": None}),
        ("item/agentMessage/delta", None),
    ]
    said = [words.of(Notification(method, params)) for method, params in told]
    assert said == ["Hello ", "there.", "", "All at once.", "", "", ""]
