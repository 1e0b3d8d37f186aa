"""Budgets on the real binary: what goes beyond them is interrupted, whoever reads, and the error says what there is."""

from __future__ import annotations

import asyncio
import math
import pickle
import textwrap
import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from awaited import awaited, bare

from codex_app_server import (
    AppServerConfig,
    AppServerError,
    Handlers,
    InvalidRequestError,
    LimitExceededError,
    Limits,
    Prices,
)
from codex_app_server.driving import Reading
from codex_app_server.limits import Meter, TurnMeter
from codex_app_server.protocol.messages import Notification
from codex_app_server.testing import TOOL_MODES, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from codex_app_server.generated.events import Event
    from codex_app_server.protocol.log import Cursor
    from codex_app_server.testing import ModelServer

    Play = Callable[..., None]

SLOW = Text("one two three four five six seven eight nine ten", delay_s=0.5)
ECHO = ToolCall("exec_command", {"cmd": "echo x"})
CALL = ToolCall("answer")


async def stopped(waiting: Any) -> LimitExceededError:
    with pytest.raises(LimitExceededError) as caught:
        await waiting
    return caught.value


async def followed(stream: Any) -> None:
    """A stream of either kind, from the beginning of its block to the end."""
    if hasattr(stream, "__aenter__"):
        async with stream:
            [event async for event in stream]
        return

    def follow() -> None:
        with stream:
            list(stream)

    await asyncio.to_thread(follow)


@pytest.mark.parametrize("mode", TOOL_MODES)
def test_a_command_too_many_ends_the_turn(play: Play, mode: str) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start(ephemeral=True)
        error = await stopped(thread.run("go", limits=Limits(commands=2)))
        assert (error.limit, error.allowed, error.used, error.scope) == ("commands", 2, 3, "run")
        assert error.result is not None
        assert [item.type for item in error.result.items].count("commandExecution") >= 2
        assert str(error) == (
            f"turn {error.result.turn_id} was interrupted: it took 3 of 2 (Limits.commands of the run)"
        )
        assert len(model.requests) == 3
        assert (await thread.run("again")).text == "Done."

    play(scene, ECHO, ECHO, ToolCall("exec_command", {"cmd": "sleep 20"}), mode=mode)


def test_tokens_of_a_thread_are_counted_over_its_turns(play: Play) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start(ephemeral=True, limits=Limits(tokens=40))
        await thread.run("one")
        await thread.run("two")
        error = await stopped(thread.run("three"))
        assert (error.limit, error.used, error.scope) == ("tokens", 45, "thread")
        refused = await stopped(thread.run("four"))
        assert refused.result is None
        assert "no turn was begun: Limits.tokens of the thread is 40" in str(refused)
        assert len(model.requests) == 3
        assert (await (await codex.thread_start(ephemeral=True)).run("other")).is_completed

    play(scene)


def test_a_client_has_one_budget_for_all_threads(play: Play) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        threads = [await codex.thread_start(ephemeral=True) for _ in range(3)]
        await asyncio.gather(*(thread.run("go") for thread in threads))
        for call in (threads[0].run("more"), threads[1].turn("more")):
            error = await stopped(call)
            assert (error.limit, error.scope, error.result) == ("turns", "client", None)
        assert len(model.requests) == 3

    play(scene, limits=Limits(turns=3))


def test_money_is_counted_by_its_prices(play: Play) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start(ephemeral=True)
        prices = Prices(input=1_000, output=8_000)  # 0.01 to read and 0.04 to write, each time
        error = await stopped(thread.run("go", limits=Limits(cost=0.12, prices=prices)))
        assert error.limit == "cost"
        assert error.used == pytest.approx(0.15)

    play(scene, ECHO, ECHO, ECHO, default=Text("word " * 20, delay_s=0.2))


@pytest.mark.parametrize("limits", [Limits(seconds=0.6), Limits(stall_timeout=0.3)], ids=["seconds", "stall_timeout"])
def test_time_is_up_whoever_reads(play: Play, limits: Limits) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start(ephemeral=True)
        begun = time.monotonic()
        error = await stopped(thread.run("run", limits=limits))
        assert error.result is not None
        assert error.result.status.value == "interrupted"
        assert "was interrupted" in str(error)
        turn = await thread.turn("nobody reads", limits=limits)
        assert (await stopped(turn.result())).limit == error.limit
        methods: list[str] = []
        turn = await thread.turn("streamed", limits=limits)

        async def follow() -> None:
            async for event in turn.stream():
                methods.append(event.method)  # noqa: PERF401 - what there was before it failed

        assert (await stopped(follow())).limit == error.limit
        assert methods[-1] == "turn/completed"

        assert (await stopped(followed(bare(thread).stream("in a block", limits=limits)))).limit == error.limit
        assert time.monotonic() - begun < 12

    play(scene, default=SLOW)


def test_a_stalled_turn_can_be_ended_by_the_call(play: Play) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start(ephemeral=True)
        error = await stopped(thread.run("go", stall_timeout=0.5))
        assert (error.limit, error.allowed) == ("stall_timeout", 0.5)
        assert "nothing happened for 0." in str(error)

    play(scene, Text("never", delay_s=30))


def test_asking_this_program_is_no_stall(play: Play, tmp_path: Path) -> None:
    async def later(_: object) -> bool:
        await asyncio.sleep(1.5)
        return True

    async def answer() -> str:
        await asyncio.sleep(1.5)
        return "42"

    async def scene(codex: Any, model: ModelServer) -> None:
        options = {"ephemeral": True, "cwd": tmp_path, "approval_policy": "untrusted"}
        thread = await codex.thread_start(tools=[answer], **options)
        assert (await thread.run("go", stall_timeout=1)).is_completed
        error = await stopped(thread.run("again", limits=Limits(tool_calls=1)))
        assert error.limit == "tool_calls"

    play(scene, ECHO, CALL, Text("So."), CALL, CALL, approvals=[later], experimental_api=True)


def test_others_in_a_turn_learn_of_it_as_an_interruption(play: Play) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start(ephemeral=True)
        turn = await thread.turn("go")
        limited = asyncio.ensure_future(stopped(thread.run("more", limits=Limits(seconds=1))))
        assert (await turn.run()).status.value == "interrupted"
        assert (await limited).limit == "seconds"

    play(scene, default=SLOW)


BEGINS = """
greet()
request = read()
write({"id": request["id"], "result": {"thread": {"id": "t"}}})
request = read()
write({"id": request["id"], "result": {"turn": {"id": "u"}}})
"""

STOPS = """
while (request := read())["method"] != "turn/interrupt":
    pass
write({"id": request["id"], "result": {}})
write({"method": "turn/completed", "params": {"threadId": "t", "turn": {"id": "u", "status": "interrupted"}}})
wait_for_end()
"""


@pytest.mark.slow
def test_what_is_silent_after_an_answer_is_so_since_the_answer(scripted: Play) -> None:
    script = """
    about = {"threadId": "t", "turnId": "u", "itemId": "i"}
    write({"id": 1, "method": "item/commandExecution/requestApproval", "params": about})
    read()
    time.sleep(0.7)
    write({"method": "turn/completed", "params": {"threadId": "t", "turn": {"id": "u", "status": "completed"}}})
    wait_for_end()
    """

    async def later(_: object) -> bool:
        await asyncio.sleep(1.8)
        return True

    async def scene(codex: Any) -> None:
        assert (await (await codex.thread_start()).run("go", stall_timeout=2)).is_completed

    scripted(scene, BEGINS + textwrap.dedent(script), handlers=Handlers(command_approval=later))


def test_a_runtime_that_does_not_stop_is_left(scripted: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    for twin in ("sync", "aio"):
        monkeypatch.setattr(f"codex_app_server.{twin}.watching._GRACE_S", 0.3)

    async def scene(codex: Any) -> None:
        turn = await (await codex.thread_start()).turn("go", limits=Limits(stall_timeout=0.1))
        waiting = turn.run(), turn.result(), turn.result(timeout=10)
        errors = await asyncio.gather(*map(stopped, waiting))
        late = [await stopped(turn.result()), await stopped(turn.run())]
        for error in (*errors, *late):
            assert "nothing happened" in str(error)
            assert error.result is not None

    scripted(scene, BEGINS + "wait_for_end()")


@pytest.mark.parametrize("limits", [Limits(stall_timeout=0.2), Limits(seconds=0.2)], ids=["stall", "time"])
def test_a_runtime_that_does_not_begin_a_turn_exceeds_limits_too(scripted: Play, limits: Limits) -> None:
    script = """
    greet()
    request = read()
    write({"id": request["id"], "result": {"thread": {"id": "t"}}})
    wait_for_end()
    """

    async def scene(codex: Any) -> None:
        thread = await codex.thread_start()
        for begin in (thread.run, thread.turn, lambda _, limits: followed(bare(thread).stream("go", limits=limits))):
            error = await stopped(begin("go", limits=limits))
            assert (error.scope, error.result) == ("run", None)
            assert "the runtime did not answer for 0." in str(error) or limits.stall_timeout is None

    scripted(scene, script)


def test_a_watch_that_falls_behind_still_counts(scripted: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    script = """
    tell = lambda method, **params: write({"method": method, "params": {"threadId": "t", "turnId": "u", **params}})
    for number in range(3):
        tell("item/started", item={"type": "commandExecution", "id": str(number)})
    """

    taken, has_fallen = Reading.taken, threading.Event()

    def falling(reading: Reading, cursor: Cursor) -> list[Event]:
        events = taken(reading, cursor)
        if not events or has_fallen.is_set():
            return events
        has_fallen.set()
        cursor.cut_off()
        return []

    async def scene(codex: Any) -> None:
        turn = await (await codex.thread_start()).turn("go", limits=Limits(commands=2))
        assert (await stopped(turn.result())).used == 3
        assert has_fallen.is_set()

    monkeypatch.setattr(Reading, "taken", falling)
    scripted(scene, BEGINS + textwrap.dedent(script) + STOPS)


@pytest.mark.parametrize("ending", [STOPS, "wait_for_end()"], ids=["it stops", "it does not"])
def test_what_cannot_be_counted_does_not_go_on(
    scripted: Play, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, ending: str
) -> None:
    for twin in ("sync", "aio"):
        monkeypatch.setattr(f"codex_app_server.{twin}.watching._GRACE_S", 0.3)
    script = """
    item = {"type": "commandExecution", "id": ["no", "word"]}
    write({"method": "item/started", "params": {"threadId": "t", "turnId": "u", "item": item}})
    """

    async def scene(codex: Any) -> None:
        turn = await (await codex.thread_start()).turn("go", limits=Limits(commands=2))
        for reading in (turn.run(), turn.result()):
            with pytest.raises(AppServerError, match="could not be counted: TypeError") as caught:
                await reading
            assert isinstance(caught.value.__cause__, TypeError)
        assert "the watch over limits failed" in caplog.text  # for a turn that nobody reads

    scripted(scene, BEGINS + textwrap.dedent(script) + ending)


@pytest.mark.parametrize("way", ["run", "turn"])
def test_a_turn_that_nobody_can_watch_does_not_go_on(scripted: Play, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    def no_more_threads(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    for twin in ("sync", "aio"):
        monkeypatch.setattr(f"codex_app_server.{twin}.watching.Aside", no_more_threads)
    script = """
    told = []
    while (request := read())["method"] != "ask":
        told.append(request["method"])
    write({"id": request["id"], "result": told})
    wait_for_end()
    """

    async def scene(codex: Any) -> None:
        thread = await codex.thread_start()
        with pytest.raises(RuntimeError, match="can't start new thread"):
            await getattr(thread, way)("go", limits=Limits(commands=2))
        assert await awaited(bare(codex).client).request("ask") == ["turn/interrupt"]

    scripted(scene, BEGINS + textwrap.dedent(script))


def test_a_turn_that_is_refused_or_does_not_begin_is_not_counted(scripted: Play) -> None:
    script = """
    greet()
    for number in range(4):
        request = read()
        if request["method"] == "thread/start":
            write({"id": request["id"], "result": {"thread": {"id": "t"}}})
        else:
            write({"id": request["id"], "error": {"code": -32600, "message": "not now"}})
    wait_for_end()
    """

    async def scene(codex: Any) -> None:
        meter = bare(codex)._driver.reading.meter
        thread = await codex.thread_start(limits=Limits(turns=0))
        assert (await stopped(thread.run("go"))).scope == "thread"
        thread = await codex.thread_start()
        for begin in (thread.run, thread.turn):
            with pytest.raises(InvalidRequestError, match="not now"):
                await begin("go")
        assert meter.refusal(0.0) is None

    scripted(scene, script, limits=Limits(turns=1))


class TestWords:
    def test_limits_are_numbers(self) -> None:
        with pytest.raises(TypeError, match=r"Limits\.tokens must be a number"):
            Limits(tokens="many")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="limits must be Limits"):
            AppServerConfig(limits=5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="from 0 on"):
            Limits(seconds=-1)
        with pytest.raises(ValueError, match="stall_timeout must be greater than 0"):
            Limits(stall_timeout=0)
        with pytest.raises(ValueError, match=r"needs Limits\.prices"):
            Limits(cost=1)
        with pytest.raises(TypeError, match="Did you mean 'tokens'"):
            Limits(token=1)  # type: ignore[call-arg]

    def test_prices_are_numbers_that_count(self) -> None:
        tokens = {"inputTokens": 3_000_000, "cachedInputTokens": 1_000_000, "outputTokens": 500_000}
        for money in (float, Decimal):
            prices = Prices(input=money("1.25"), output=money(10), cached_input=money("0.125"))
            assert Limits(cost=0.5, prices=prices).prices is prices
            assert prices.of(tokens) == 2.5 + 0.125 + 5
        assert Prices(input=1, output=0).of(tokens) == 3
        wrong: list[Any] = ["1.25", True, None, 1j]
        for value in wrong:
            with pytest.raises(TypeError, match=r"Prices\.output must be a number, not"):
                Prices(input=1, output=value)
        for value in (-1, math.nan, math.inf, Decimal("NaN"), Decimal(-1)):
            with pytest.raises(ValueError, match=r"Prices\.cached_input must be a finite number from 0 on"):
                Prices(input=1, output=1, cached_input=value)
        with pytest.raises(TypeError, match=r"Limits\.prices must be Prices, not"):
            Limits(prices={"input": 1})  # type: ignore[arg-type]

    def test_the_error_can_be_pickled(self) -> None:
        error = pickle.loads(pickle.dumps(LimitExceededError("tokens", 1, 2, "run")))
        assert (error.limit, error.allowed, error.used, error.scope, error.result) == ("tokens", 1, 2, "run", None)

    def test_a_turn_that_two_calls_share_counts_once(self) -> None:
        meter = Meter(Limits(tokens=100), "thread")
        usage: Any = {"total": {"totalTokens": 1_060}, "last": {"totalTokens": 60}}
        turns = [TurnMeter([meter], "u", 0.0) for _ in range(2)]
        for turn in turns:
            turn.add(Notification("thread/tokenUsage/updated", {"tokenUsage": usage}))
            turn.add(Notification("thread/tokenUsage/updated", {"tokenUsage": usage}))
        assert meter.excess(0.0) is None
        for turn in turns:
            turn.end(1.0)
        later: Any = {"total": {"totalTokens": 1_101}}
        turns[0].add(Notification("thread/tokenUsage/updated", {"tokenUsage": later}))
        excess = meter.excess(1.0)
        assert excess is not None
        assert excess.used == 101

    def test_what_is_told_again_does_not_count_again(self) -> None:
        meter = Meter(Limits(tokens=60, commands=1), "run")
        turn = TurnMeter([meter], "u", 0.0)
        item: Any = {"item": {"type": "commandExecution", "id": "1"}}
        for total in (60, 40, 60):
            usage: Any = {"tokenUsage": {"total": {"totalTokens": total}, "last": {"totalTokens": total}}}
            turn.add(Notification("thread/tokenUsage/updated", usage))
            turn.add(Notification("item/completed", item))
        assert meter.excess(0.0) is None

    def test_seconds_of_turns_at_once_add_up(self) -> None:
        meter = Meter(Limits(seconds=10), "client")
        for name in ("a", "b"):
            meter.begin(name, 0.0)
        assert meter.left_s(1.0) == 4.0
        meter.end("a", 4.0)
        assert meter.excess(5.9) is None
        excess = meter.excess(6.0)
        assert excess is not None
        assert excess.limit == "seconds"
