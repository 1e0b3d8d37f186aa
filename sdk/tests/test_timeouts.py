"""How long to wait: what can be said, and that what cannot is refused before anything is sent."""

from __future__ import annotations

import asyncio
import math
import threading
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from codex_app_server import AppServerConfig
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
