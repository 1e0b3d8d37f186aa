"""How long to wait: what can be said, and that what cannot is refused before anything is sent."""

from __future__ import annotations

import asyncio
import math
import threading
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from awaited import bare

from codex_app_server import AppServerConfig, AppServerError, LimitExceededError, Limits, RequestTimeoutError
from codex_app_server.timeouts import LONGEST_S, seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.testing import ModelServer

WRONG = [(-1, ValueError), (-0.001, ValueError), (math.nan, ValueError), (-math.inf, ValueError), ("5", TypeError)]
WRONG += [(True, TypeError), (Decimal(1), TypeError), (1j, TypeError)]
LONG = [math.inf, 1e10, 1e300, 10**400]


@pytest.mark.parametrize(("value", "error"), WRONG)
def test_what_is_no_time_is_refused_by_its_name(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="my_limit"):
        seconds(value, "my_limit")
    with pytest.raises(error, match="request_timeout_s"):
        AppServerConfig(request_timeout_s=value)
    with pytest.raises(error, match="startup_timeout_s"):
        AppServerConfig(startup_timeout_s=value)


@pytest.mark.parametrize("value", LONG)
def test_what_is_for_ever_is_as_long_as_can_be_waited(value: Any) -> None:
    assert seconds(value, "limit") == LONGEST_S
    assert threading.Lock().acquire(timeout=seconds(value, "limit") or 0)
    assert AppServerConfig(request_timeout_s=value).request_timeout_s == LONGEST_S


def test_any_kind_of_number_will_do() -> None:
    assert [seconds(each, "limit") for each in (0, 1, 0.5, Fraction(1, 2))] == [0, 1, 0.5, 0.5]  # type: ignore[arg-type]
    assert seconds(None, "limit") is None


def test_a_wrong_time_starts_no_turn(play: Callable[..., None]) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        for value, error in WRONG:
            with pytest.raises(error, match="timeout"):
                await thread.run("x", timeout=value)
        assert not model.requests
        for value in LONG:
            assert (await thread.run("x", timeout=value)).is_completed
            turn = await thread.turn("x")
            assert (await turn.run(timeout=value)).is_completed
            assert (await turn.result(timeout=value)).is_completed
        turn = await thread.turn("x")
        for value, error in WRONG:
            with pytest.raises(error, match="timeout"):
                await turn.run(timeout=value)
        await asyncio.sleep(0)
        assert (await turn.run()).is_completed  # what was refused did not interrupt it

    play(scene, request_timeout_s=math.inf, startup_timeout_s=1e10)


# Stops answering where it is asked to do something.
STUCK = """
greet()
while (request := read())["method"] == "thread/list":
    write({"id": request["id"], "result": {"data": [{"id": "t", "status": {"type": "notLoaded"}}]}})
wait_for_end()
"""


async def entered(stream: Any) -> None:
    """The beginning of a stream of either kind."""
    if hasattr(stream, "__aenter__"):
        await stream.__aenter__()
    else:
        await asyncio.to_thread(stream.__enter__)


async def outcomes(mapped: Any) -> list[Any]:
    """Those of `map` of either kind."""
    if hasattr(mapped, "__aiter__"):
        return [outcome async for outcome in mapped]
    return await asyncio.to_thread(list, mapped)


def test_a_thread_that_is_not_taken_up_takes_no_longer_than_the_turn_may(scripted: Callable[..., None]) -> None:
    async def scene(codex: Any) -> None:
        (thread,) = [each async for each in codex.threads()]
        for begin in (thread.run, lambda _, timeout: entered(bare(thread).stream("x", timeout=timeout)), thread.review):
            with pytest.raises(RequestTimeoutError, match=r"thread/resume got no answer within 0\.\d+ s"):
                await begin("x", timeout=0.1)
        for begin in (thread.run, thread.turn, lambda _, **own: entered(bare(thread).stream("x", **own))):
            for own in ({"stall_timeout": 0.1}, {"limits": Limits(seconds=0.1)}):
                with pytest.raises(LimitExceededError, match="no turn was begun") as caught:
                    await begin("x", **own)
                assert caught.value.result is None

    scripted(scene, STUCK)


def test_a_run_of_many_takes_no_longer_than_it_may_where_no_thread_begins(scripted: Callable[..., None]) -> None:
    async def scene(codex: Any) -> None:
        for outcome in await outcomes(bare(codex).map(["a", "b"], timeout=0.1)):
            assert isinstance(outcome.error, TimeoutError)
            assert isinstance(outcome.error, AppServerError)
            assert str(outcome.error).startswith("thread/start got no answer within 0.")
        for value, error in WRONG:
            with pytest.raises(error, match="timeout"):
                await outcomes(bare(codex).map(["a"], timeout=value))

    scripted(scene, STUCK)


def test_the_time_of_all_calls_is_not_made_longer(scripted: Callable[..., None]) -> None:
    async def scene(codex: Any) -> None:
        (outcome,) = await outcomes(bare(codex).map(["a"], timeout=60))
        assert str(outcome.error) == "thread/start got no answer within 0.1 s"

    scripted(scene, STUCK, request_timeout_s=0.1)
