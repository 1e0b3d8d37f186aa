"""Handlers that end oddly, and too many questions: each is answered, and the client goes on."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, MagicMock, Mock

import pytest
from awaited import KINDS, awaited, bare, connected
from until import until

from codex_app_server import AppServerConfig, AsyncCodex, Codex, Handlers, TransportClosedError
from codex_app_server.workers import LIMIT, Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    Peer = Callable[..., AppServerConfig]

pytestmark = pytest.mark.usefixtures("leaves_nothing")

# Asks so often when told to, and gives the answers back as the result.
ASKING = """
greet()
while (request := read()) is not None:
    ids = json.loads(request["params"]["ids"])
    for each in ids:
        write({"id": each, "method": "item/commandExecution/requestApproval", "params": {"command": "ls"}})
    answers = [read() for _ in ids]
    write({"id": request["id"], "result": answers})
"""


@pytest.fixture(params=KINDS)
def answers(request: pytest.FixtureRequest, peer: Peer) -> Callable[..., list[Any]]:
    """What the runtime is answered to questions with these ids, by a client of either kind."""

    def play(handler: Any, ids: list[Any]) -> list[Any]:
        config = peer(ASKING, handlers=Handlers(command_approval=handler))

        async def acted() -> Any:
            async with connected(request.param, config) as codex:
                asking = awaited(bare(codex).client).request("ask", {"ids": json.dumps(ids)})
                return await asyncio.wait_for(asking, 60)

        said: list[Any] = asyncio.run(acted())
        return said

    return play


def raising(error: BaseException) -> Callable[[Any], Any]:
    def handler(_: Any) -> Any:
        raise error

    return handler


def raising_later(error: BaseException) -> Callable[[Any], Any]:
    async def handler(_: Any) -> Any:
        await asyncio.sleep(0)
        raise error

    return handler


async def awaits_what_was_cancelled(_: Any) -> Any:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    future.cancel()
    return await future


async def cancels_itself(_: Any) -> Any:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(60)


ODD = [StopIteration("odd"), asyncio.CancelledError("odd"), SystemExit("odd"), KeyboardInterrupt("odd"), OSError("odd")]
ODD += [GeneratorExit("odd"), StopAsyncIteration("odd")]


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("make", [raising, raising_later])
def test_whatever_a_handler_raises_declines_and_is_logged(
    answers: Callable[..., list[Any]], make: Any, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    (said,) = answers(make(error), ["q"])
    assert said == {"id": "q", "result": {"decision": "decline"}}
    assert "requestApproval failed: declined" in caplog.text


@pytest.mark.parametrize("handler", [awaits_what_was_cancelled, cancels_itself])
def test_only_closing_cancels(answers: Callable[..., list[Any]], handler: Any) -> None:
    assert [said["result"] for said in answers(handler, ["q"])] == [{"decision": "decline"}]


def test_logging_that_fails_keeps_nobody_waiting(
    answers: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_logger() -> Any:
        raise OSError("the disk is full")

    monkeypatch.setattr("codex_app_server.questions.logger", no_logger)
    (said,) = answers(raising(ValueError()), ["q"])
    assert said["result"] == {"decision": "decline"}


@pytest.mark.parametrize(("given", "decision"), [(True, "accept"), (False, "decline")])
def test_yes_and_no_are_answers(answers: Callable[..., list[Any]], given: bool, decision: str) -> None:
    assert [said["result"]["decision"] for said in answers(lambda _: given, ["q"])] == [decision]


@pytest.mark.parametrize("mock", [Mock, MagicMock, AsyncMock])
def test_a_mock_is_a_function_like_any_other(answers: Callable[..., list[Any]], mock: type[Mock]) -> None:
    handler = mock(return_value=True)
    assert [said["result"]["decision"] for said in answers(handler, ["q"])] == ["accept"]
    handler.assert_called_once()


@pytest.mark.parametrize("odd", ["\ud800", "", -1, 2**70])
def test_any_id_is_answered(answers: Callable[..., list[Any]], odd: Any) -> None:
    assert [said["id"] for said in answers(lambda _: "accept", [odd])] == [odd]


def test_three_thousand_questions_at_once_where_few_threads_are_to_be_had(
    answers: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()
    asked: list[Any] = []
    started = threading.Thread.start
    count = [0]

    def start(thread: threading.Thread) -> None:
        if "handler" in thread.name:
            count[0] += 1
            if count[0] > 5:
                release.set()
                raise RuntimeError("can't start new thread")
        started(thread)

    def slow(request: Any) -> str:
        asked.append(request)
        release.wait(30)
        return "accept"

    monkeypatch.setattr(threading.Thread, "start", start)
    said = answers(slow, list(range(3_000)))
    decisions = [each["result"]["decision"] for each in said]
    assert {each["id"] for each in said} == set(range(3_000))
    assert decisions.count("accept") == len(asked) >= 5
    assert "no thread" in caplog.text


def test_more_questions_than_threads_wait_for_their_turn(answers: Callable[..., list[Any]]) -> None:
    at_once, most, lock = [0], [0], threading.Lock()
    full = threading.Event()

    def decide(_: Any) -> bool:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
            if most[0] == LIMIT:
                full.set()
        full.wait(30)
        with lock:
            at_once[0] -= 1
        return True

    said = answers(decide, list(range(300)))
    assert [each["result"]["decision"] for each in said] == ["accept"] * 300
    assert most[0] == LIMIT


@pytest.mark.parametrize("is_async", [False, True])
def test_closing_gives_up_what_waits(peer: Peer, is_async: bool) -> None:
    """A handler that is at it goes on, and its thread ends with it."""
    release, busy = threading.Event(), threading.Semaphore(0)

    def think(_: Any) -> None:
        busy.release()
        release.wait(30)

    asking = """
greet()
for number in range(200):
    write({"id": number, "method": "item/commandExecution/requestApproval", "params": {"command": "ls"}})
wait_for_end()
"""
    config = peer(asking, handlers=Handlers(command_approval=think))

    async def scene() -> None:
        async with AsyncCodex(config):
            for _ in range(LIMIT):
                await asyncio.to_thread(busy.acquire)

    if is_async:
        asyncio.run(scene())
    else:
        with Codex(config):
            for _ in range(LIMIT):
                busy.acquire()
    release.set()


def test_a_handler_may_close_its_client_and_goes_on(peer: Peer) -> None:
    went_on: list[bool] = []

    async def scene() -> None:
        codex = AsyncCodex(peer(ASKING))

        async def close(_: Any) -> None:
            await codex.close()
            await asyncio.sleep(0.05)  # a cancelled task would end here
            went_on.append(True)

        codex.handlers = Handlers(command_approval=close)
        with pytest.raises(TransportClosedError):
            await codex.client.request("ask", {"ids": "[1]"})
        while not went_on:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(scene(), 30))


class TestWorkers:
    def test_a_thread_that_is_idle_takes_the_next_job(self) -> None:
        workers = Workers("handler of a test")
        names = []
        done = threading.Semaphore(0)

        def job() -> None:
            names.append(threading.current_thread())
            done.release()

        for _ in range(50):
            assert workers.put(job)
            assert done.acquire(timeout=10)
        assert len(set(names)) < 10
        workers.close()
        workers.close()
        assert not workers.put(lambda: None)

    def test_they_do_not_hold_what_is_done(self) -> None:
        class Thing:
            pass

        workers, thing, done = Workers("handler of a test"), Thing(), threading.Event()
        seen = weakref.ref(thing)
        workers.put(partial(id, thing))
        workers.put(done.set)
        del thing
        done.wait(10)
        workers.close()
        gc.collect()
        until(lambda: seen() is None)  # another thread may just be on its way out of the job
