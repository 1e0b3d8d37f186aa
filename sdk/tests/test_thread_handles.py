"""Threads as handles: lists of them, what they know, and what becomes of them, on the real binary."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from awaited import awaited, bare

from codex_app_server import InvalidRequestError, TextInput, ThreadInfo, TurnInfo
from codex_app_server.handles import threads as pure
from codex_app_server.testing import ModelServer, Text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("leaves_nothing")


async def every(handles: Any) -> list[Any]:
    return [each async for each in handles]


def test_a_handle_knows_what_was_said_of_it(play: Callable[..., None], tmp_path: Path) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        thread = await codex.thread_start(cwd=tmp_path)
        assert (thread.name, thread.cwd, thread.model) == (None, str(tmp_path), "gpt-5")
        assert (thread.status, thread.preview) == ("idle", "")
        assert isinstance(thread.info, ThreadInfo)
        assert thread.info.id == thread.id
        await thread.run("How long is the wall?")
        await thread.set_name("walls")
        assert (thread.name, thread.preview) == ("walls", "")
        await thread.read()
        assert (thread.name, thread.preview) == ("walls", "How long is the wall?")
        for other in (await codex.thread_resume(thread.id), *await every(codex.threads())):
            assert (other.id, other.name, other.cwd, other.model) == (thread.id, "walls", str(tmp_path), "gpt-5")

    play(scene)


def test_threads_are_listed_page_by_page_and_only_as_far_as_is_looked(
    play: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pure, "PAGE", 2)
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()

    async def scene(codex: Any, _: ModelServer) -> None:
        assert await codex.thread_last() is None
        assert await every(codex.threads()) == []
        begun = []
        for number, cwd in enumerate((here, there, here, here, here)):
            thread = await codex.thread_start(cwd=cwd)
            await thread.run(f"number {number}")
            begun.append(thread.id)
        asked: list[str] = []
        call = bare(codex)._driver.call

        def noted(method: str, *rest: Any) -> Any:
            asked.append(method)
            return call(method, *rest)

        monkeypatch.setattr(bare(codex)._driver, "call", noted)
        assert {each.id for each in await every(codex.threads())} == set(begun)
        assert asked == ["thread/list"] * 3
        assert [each.preview async for each in codex.threads(cwd=there)] == ["number 1"]
        assert [each.preview async for each in codex.threads(search="number 3")] == ["number 3"]
        asked.clear()
        async for each in codex.threads(cwd=here):
            assert each.preview
            break
        assert asked == ["thread/list"]
        await (await codex.thread_resume(begun[0])).archive()
        assert [each.id async for each in codex.threads(archived=True)] == [begun[0]]
        assert len(await every(codex.threads(cwd=here))) == 3
        last = await codex.thread_last(cwd=there)
        assert last.id == begun[1]
        assert await codex.thread_last(cwd=tmp_path) is None

    play(scene)


def test_a_thread_of_an_earlier_process_goes_on_when_it_is_spoken_to(codex_binary: Path) -> None:
    from codex_app_server import Codex

    with ModelServer(default=Text("Yes.")) as model:
        config = model.config(codex_bin=codex_binary)
        with Codex(config) as codex:
            codex.thread_start().run("first")
        with Codex(config) as codex:
            thread = codex.thread_last()
            assert thread is not None
            assert thread.status == "notLoaded"
            assert [turn.status for turn in thread.turns()] == ["completed"]
            assert thread.turn("second").run().is_completed
            assert thread.status == "idle"
        with Codex(config) as codex:
            (thread,) = codex.threads()
            assert thread.review("all of it").text == "Yes."
        with Codex(config) as codex:
            (thread,) = codex.threads()
            with thread.stream("streamed") as stream:
                assert "".join(stream.text()) == "Yes."
        with Codex(config) as codex:
            (thread,) = codex.threads()
            assert thread.run("third").text == "Yes."
            assert {"first", "second", "third"} <= set(model.requests[-1].texts)


def test_turns_forks_and_what_is_taken_back(play: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pure, "PAGE", 2)

    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        assert await every(thread.turns()) == []
        results = [await thread.run(each) for each in ("one", "two", "three")]
        turns = await every(thread.turns())
        assert all(isinstance(turn, TurnInfo) for turn in turns)
        assert [turn.id for turn in turns] == [result.turn_id for result in results]
        assert [turn.items[0].content[0].text for turn in turns] == ["one", "two", "three"]
        assert [turn.id async for turn in thread.turns(newest_first=True)] == [turn.id for turn in turns][::-1]

        fork = await thread.fork(developer_instructions="Be brief.")
        assert fork.id != thread.id
        assert fork.preview == "one"
        assert fork.info.forked_from_id == thread.id
        await fork.revert(before=turns[1].id)
        assert len(await every(fork.turns())) == 1
        await thread.revert(before=results[2])
        await thread.run("four")
        said = model.requests[-1].texts
        assert ("two" in said, "three" in said, "four" in said) == (True, False, True)
        with pytest.raises(InvalidRequestError, match="turn not found"):
            await thread.revert(before="no turn")

        await fork.delete()
        assert [each.id for each in await every(codex.threads())] == [thread.id]
        with pytest.raises(InvalidRequestError, match="no rollout found"):
            await fork.delete()

    play(scene)


def test_a_running_turn_is_interrupted_when_it_is_taken_back(play: Callable[..., None]) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        await thread.run("one")
        turn = await thread.turn(TextInput("two"))
        await asyncio.to_thread(model.wait_for_requests, 2)
        await thread.revert(before=turn)
        assert (await turn.run(timeout=20)).status == "interrupted"
        assert [each.items[0].content[0].text for each in await every(thread.turns())] == ["one"]

    play(scene, Text("Done."), Text("a b c d e f", delay_s=0.5))


def test_what_an_ephemeral_thread_cannot_is_refused(play: Callable[..., None]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        thread = await codex.thread_start(ephemeral=True)
        await thread.run("one")
        assert thread.info.ephemeral is True
        for refused in (thread.delete, thread.archive, thread.fork):
            with pytest.raises(InvalidRequestError):
                await refused()
        with pytest.raises(InvalidRequestError, match="ephemeral"):
            await every(thread.turns())

    play(scene)


def test_several_may_speak_to_a_stored_thread_at_once(codex_binary: Path) -> None:
    from codex_app_server import AsyncCodex

    async def scene(model: ModelServer) -> None:
        config = model.config(codex_bin=codex_binary)
        async with AsyncCodex(config) as codex:
            await (await codex.thread_start()).run("first")
        async with AsyncCodex(config) as codex:
            thread = await codex.thread_last()
            assert thread is not None
            results = await asyncio.gather(*(thread.run(each) for each in ("second", "third")))
            assert all(result.is_completed for result in results)

    with ModelServer() as model:
        asyncio.run(scene(model))


def test_nothing_is_taken_for_granted() -> None:
    assert pure.known_from(None) == pure.known_from({"thread": 5}) == {}
    assert pure.known_from({"thread": {"id": "a", "model": None}, "model": "m"}) == {
        "id": "a",
        "model": "m",
        "turns": [],
    }
    assert pure.page_of({"data": 5}) == pure.page_of(5) == ([], None)
    assert pure.state_of({"status": "odd"}) is None
    assert awaited(5) == 5
