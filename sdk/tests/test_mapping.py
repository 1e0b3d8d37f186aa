"""Many prompts at once, on the real runtime, with clients of both kinds."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
import traceback
import weakref
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from awaited import awaited, bare, outcomes_of
from pydantic import AfterValidator, BaseModel

import codex_app_server
from codex_app_server import (
    Codex,
    MapProgress,
    Observers,
    OutputValidationError,
    TransportClosedError,
    TurnFailedError,
    WaitTimeoutError,
)
from codex_app_server.mapping.journal import Journal
from codex_app_server.mapping.outcomes import MapOutcome
from codex_app_server.mapping.plan import Plan
from codex_app_server.testing import Failure, ModelServer, Text

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("leaves_nothing")


@dataclass
class Number:
    value: int


def said(request: Any) -> str:
    return str(request.texts[-1])


def echo(request: Any) -> Text:
    return Text(f"you said {said(request)}")


def test_each_prompt_has_its_outcome_in_order_if_that_is_asked_for(play: Callable[..., None]) -> None:
    told: list[MapProgress] = []

    async def scene(codex: Any, _: ModelServer) -> None:
        prompts = [f"p{number}" for number in range(12)]
        outcomes = [outcome async for outcome in outcomes_of(codex, iter(prompts), concurrency=4)]
        assert sorted(outcome.index for outcome in outcomes) == list(range(12))
        assert all(outcome.unwrap().final_response == f"you said p{outcome.index}" for outcome in outcomes)
        ordered = [outcome async for outcome in outcomes_of(codex, prompts, in_order=True, progress=told.append)]
        assert [outcome.prompt for outcome in ordered] == prompts
        assert told[-1] == MapProgress(12, 0, 12)

    play(scene, default=echo)


def test_no_more_than_so_many_run_at_a_time_and_prompts_are_taken_as_there_is_room(play: Callable[..., None]) -> None:
    taken: list[int] = []

    def prompts() -> Any:
        for number in range(30):
            taken.append(number)
            yield f"p{number}"

    async def scene(codex: Any, model: ModelServer) -> None:
        outcomes = outcomes_of(codex, prompts(), concurrency=3)
        await anext(outcomes)
        await asyncio.sleep(0.5)  # nobody takes: it does not run ahead
        assert len(taken) <= 12
        assert len([outcome async for outcome in outcomes]) == 29
        assert len(model.requests) == 30

    play(scene, default=echo)


def test_what_was_busy_is_tried_again_and_what_fails_is_an_outcome(play: Callable[..., None]) -> None:
    tries: dict[str, int] = {}

    def answer(request: Any) -> Any:
        tries[said(request)] = tries.get(said(request), 0) + 1
        if said(request) == "wrong":
            return Failure(400, "wrong")
        return Failure(503) if tries[said(request)] == 1 else Text("fine")

    async def scene(codex: Any, _: ModelServer) -> None:
        outcomes = {outcome.prompt: outcome async for outcome in outcomes_of(codex, ["busy", "wrong"])}
        assert outcomes["busy"].unwrap().text == "fine"
        assert (outcomes["busy"].attempts, outcomes["wrong"].attempts) == (2, 1)
        with pytest.raises(TurnFailedError, match="wrong"):
            outcomes["wrong"].unwrap()

    play(scene, default=answer)


def test_a_prompt_that_cannot_be_sent_is_an_outcome_and_the_others_go_on(
    play: Callable[..., None], tmp_path: Path
) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        prompts = ["a", "b\ud800", "c"]
        listed = outcomes_of(codex, prompts, in_order=True, journal=tmp_path / "done.jsonl")
        outcomes = [outcome async for outcome in listed]
        assert [outcome.error is None for outcome in outcomes] == [True, False, True]
        with pytest.raises(ValueError, match="which is no Unicode"):
            outcomes[1].unwrap()

    play(scene, default=echo)


def test_an_outcome_that_failed_keeps_where_it_did_and_not_what_was_said() -> None:
    class Said:
        """What a turn has said: weak references take no list."""

    held: list[weakref.ref[Said]] = []

    def run() -> None:
        said = Said()
        held.append(weakref.ref(said))
        try:
            time.sleep(-1)
        except ValueError:
            raise WaitTimeoutError("too late") from None

    plan = Plan(["one"], concurrency=1, retries=0, thread=None, output_type=None, run=None)
    try:
        run()
    except WaitTimeoutError as error:
        outcome = plan.failed(plan.job("one"), error, 1)
    assert held[0]() is None
    assert "in run\n" in "".join(traceback.format_exception(outcome.error))


def test_a_thread_that_nobody_can_go_on_with_is_left_when_its_prompt_is_done(play: Callable[..., None]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        async def is_left(outcome: MapOutcome[Any]) -> bool:
            result = outcome.result or outcome.error.result  # type: ignore[union-attr]  # one of them
            answer = await awaited(codex.client).thread_unsubscribe(thread_id=result.thread_id)
            return bool(answer.status != "unsubscribed")

        async for outcome in outcomes_of(codex, ["one", "two", "three"], run={"output_schema": {"type": "object"}}):
            assert isinstance(outcome.error, [TurnFailedError, OutputValidationError, type(None)][outcome.index])
            assert await is_left(outcome)
        async for outcome in outcomes_of(codex, ["four"], thread={"ephemeral": False}):
            assert not await is_left(outcome)

    answers = {"one": Failure(400, "wrong"), "three": Text("{}")}
    play(scene, default=lambda request: answers.get(said(request), Text("no JSON")))


def test_outputs_are_of_the_type_that_is_asked_for(play: Callable[..., None]) -> None:
    def answer(request: Any) -> Text:
        return Text('{"value": "x"}' if "bad" in request.texts[-1] or "bad" in request.texts[0] else '{"value": 7}')

    async def scene(codex: Any, _: ModelServer) -> None:
        outcomes = {each.prompt: each async for each in each_of(codex)}
        assert outcomes["good"].unwrap().output == Number(7)
        assert isinstance(outcomes["bad"].error, OutputValidationError)

    def each_of(codex: Any) -> Any:
        return outcomes_of(codex, ["good", "bad"], output_type=Number, retries=0)

    play(scene, default=answer)


def test_how_often_a_reply_is_asked_for_again_may_be_set_apart(play: Callable[..., None]) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        for options, attempts, asked in (
            ({"run": {"retries": 0}}, 2, 2),  # busy once, and one reply
            ({"retries": 1}, 2, 3),
            ({"retries": 1, "run": {"retries": 2}}, 2, 4),
        ):
            tries.clear()
            before = len(model.requests)
            (outcome,) = [outcome async for outcome in outcomes_of(codex, ["a"], output_type=Number, **options)]
            assert isinstance(outcome.error, OutputValidationError)
            assert (outcome.attempts, len(model.requests) - before) == (attempts, asked)
        tries.append("not busy")
        schema = {"output_schema": {"type": "object"}, "retries": 1}
        before = len(model.requests)
        (outcome,) = [outcome async for outcome in outcomes_of(codex, ["a"], retries=0, run=schema)]
        assert isinstance(outcome.error, OutputValidationError)
        assert len(model.requests) - before == 2

    def answer(_: Any) -> Any:
        tries.append("")
        return Failure(503) if len(tries) == 1 else Text("no JSON")

    tries: list[str] = []
    play(scene, default=answer)


def test_a_journal_has_what_is_done_and_the_rest_is_run(play: Callable[..., None], tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"

    def answer(request: Any) -> Any:
        return Failure(400, "no") if said(request) == "c" and broken else Text('{"value": 7}')

    async def scene(codex: Any, model: ModelServer) -> None:
        options: dict[str, Any] = {"journal": journal, "output_type": Number, "in_order": True}
        first = [outcome async for outcome in outcomes_of(codex, ["a", "b", "a", "c"], **options)]
        assert [outcome.error is None for outcome in first] == [True, True, True, False]
        broken.clear()
        asked = len(model.requests)
        with journal.open("ab") as file:
            file.write(b'{"key": "half of a li')  # what a kill leaves
        again = [outcome async for outcome in outcomes_of(codex, ["c", "a", "d", "b", "a"], **options)]
        assert [outcome.is_reused for outcome in again] == [False, True, False, True, True]
        assert [outcome.unwrap().output for outcome in again] == [Number(7)] * 5
        assert len(model.requests) == asked + 2
        same = {**options, "timeout": 60.0, "thread": {"observers": Observers()}}
        assert [outcome.is_reused async for outcome in outcomes_of(codex, ["a"], **same)] == [True]
        other = {**options, "output_type": None}
        assert not [outcome async for outcome in outcomes_of(codex, ["a"], **other) if outcome.is_reused]
        read = [json.loads(line) for line in journal.read_text().splitlines() if line.endswith("}")]
        assert [line["prompt"][0]["text"] for line in read if "error" in line] == ["c"]

    broken = [True]
    play(scene, default=answer)
    journal.unlink()


class Price(BaseModel):
    cents: Annotated[int, AfterValidator(lambda value: value * 100)]
    unit: Annotated[str, AfterValidator(lambda text: {"€": EURO}[text])]


EURO = object()  # which no JSON can say


def test_a_journal_gives_back_what_the_replies_were_read_as(play: Callable[..., None], tmp_path: Path) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        for is_reused in (False, True, True):
            options: dict[str, Any] = {"journal": tmp_path / "journal.jsonl", "output_type": Price}
            (outcome,) = [outcome async for outcome in outcomes_of(codex, ["What is it?"], **options)]
            price = outcome.unwrap().output
            assert (price.cents, price.unit, outcome.is_reused) == (500, EURO, is_reused)
        lone = {"journal": tmp_path / "lone.jsonl", "run": {"output_schema": {"type": "object"}}}
        (outcome,) = [outcome async for outcome in outcomes_of(codex, ["half a letter"], **lone)]
        assert outcome.unwrap().output == {"half": "\ud800"}

    def answer(request: Any) -> Text:
        return Text('{"half": "\\ud800"}' if "half" in said(request) else '{"cents": 5, "unit": "€"}')

    play(scene, default=answer)


def test_to_leave_the_loop_interrupts_what_is_being_done(play: Callable[..., None]) -> None:
    def answer(request: Any) -> Text:
        return Text("at once") if said(request) == "p0" else Text("word " * 200, delay_s=0.1)

    async def scene(codex: Any, _: ModelServer) -> None:
        began = time.monotonic()
        mapped = bare(codex).map([f"p{number}" for number in range(9)], concurrency=3)
        if hasattr(mapped, "__aiter__"):
            assert (await anext(mapped)).index == 0
            await mapped.aclose()
        else:
            assert (await asyncio.to_thread(next, mapped)).index == 0
            await asyncio.to_thread(mapped.close)
        assert time.monotonic() - began < 10
        assert (await (await codex.thread_start()).run("p0")).text == "at once"

    play(scene, default=answer)


def test_what_the_callers_iterator_raises_and_the_end_of_the_connection_end_it(play: Callable[..., None]) -> None:
    def prompts() -> Any:
        yield "a"
        raise KeyError("mine")

    async def scene(codex: Any, _: ModelServer) -> None:
        with pytest.raises(KeyError, match="mine"):
            async for _ in outcomes_of(codex, prompts()):
                pass
        await codex.close()
        with pytest.raises(TransportClosedError):
            async for _ in outcomes_of(codex, ["a", "b"]):
                pass

    play(scene, default=echo)


def test_wrong_options_are_refused_at_once(play: Callable[..., None]) -> None:
    wrongs: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"concurrency": 0}, ValueError, "concurrency must be 1 or more, not 0"),
        ({"retries": True}, TypeError, "retries must be a whole number"),
        ({"run": {"retries": -1}}, ValueError, "retries of run must be 0 or more, not -1"),
        ({"run": {"retries": 1}}, TypeError, "needs output_type or output_schema"),
        ({"run": {"timeout": 60}}, TypeError, "timeout is an option of map itself, not of run"),
        ({"prompts": "one"}, TypeError, "prompts must be several, not one string"),
    ]

    async def scene(codex: Any, _: ModelServer) -> None:
        for options, error, words in wrongs:
            with pytest.raises(error, match=words):
                bare(codex).map(**{"prompts": ["a"], **options})

    play(scene)


def test_who_stands_in_the_callers_iterator_holds_up_nobody(codex_binary: Path) -> None:
    waiting: SimpleQueue[str | None] = SimpleQueue()
    waiting.put("a")
    began = time.monotonic()
    with ModelServer(default=echo) as model, Codex(model.config(codex_bin=codex_binary)) as codex:
        for outcome in codex.map(iter(waiting.get, None), concurrency=2):
            assert outcome.prompt == "a"
            break
        mapped = codex.map(iter(waiting.get, None), concurrency=2)
        threading.Timer(0.3, codex.close).start()
        with pytest.raises(TransportClosedError, match="the prompts were not all run"):
            next(mapped)
    assert time.monotonic() - began < 4
    for _ in range(4):
        waiting.put(None)


def test_a_journal_says_so_if_it_cannot_hold_an_outcome_unless_it_is_closed(
    play: Callable[..., None], tmp_path: Path
) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        result = await (await codex.thread_start()).run("a")
        journal = Journal(tmp_path / "journal.jsonl", None)
        with pytest.raises(ValueError, match="serialize"):
            journal.add("key", MapOutcome(0, "a", replace(result, output=object())))
        journal.add("key", MapOutcome(0, "a", result))
        journal.close()
        journal.add("key", MapOutcome(0, "a", result))
        assert len((tmp_path / "journal.jsonl").read_bytes().splitlines()) == 1

    play(scene)


INTERRUPTED = """
import os, signal, sys, threading
from codex_app_server import AppServerConfig, Codex
config = AppServerConfig(codex_bin=sys.argv[1], codex_home=sys.argv[2])
with Codex(config) as codex:
    try:
        for outcome in codex.map([f"p{n}" for n in range(50)], concurrency=4, journal=sys.argv[3]):
            print(outcome.index, flush=True)
            if outcome.index == 0:
                threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there a program cannot send itself Ctrl-C alone")
def test_ctrl_c_ends_it_and_the_journal_goes_on(codex_binary: Path, tmp_path: Path) -> None:
    def answer(request: Any) -> Text:
        return Text("at once") if said(request) == "p0" or not slow else Text("word " * 200, delay_s=0.1)

    slow = [True]
    journal = tmp_path / "journal.jsonl"
    with ModelServer(default=answer) as model:
        config = model.config(codex_bin=codex_binary)
        home = str((config.env or {})["CODEX_HOME"])
        ran = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(INTERRUPTED), str(codex_binary), home, str(journal)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(codex_app_server.__file__).parents[1])},
        )
        assert (ran.stdout.splitlines()[-1], ran.stderr) == ("interrupted", "")
        assert ran.returncode == 0
        slow.clear()
        with Codex(config) as codex:
            outcomes = list(codex.map([f"p{number}" for number in range(3)], journal=journal, in_order=True))
    assert [outcome.is_reused for outcome in outcomes] == [True, False, False]
