"""Trying again, and when not to."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from codex_app_server import RetryLimitExceededError, ServerBusyError, is_retryable_error, retry_on_overload
from codex_app_server.refusals import rpc_error

if TYPE_CHECKING:
    from collections.abc import Callable

BUSY = rpc_error(-32001, "slow down", {"codexErrorInfo": "server_overloaded"}, method="turn/start")
GIVEN_UP = rpc_error(-32001, "exceeded retry limit", {"codexErrorInfo": "server_overloaded"}, method="turn/start")


def failing(*errors: BaseException) -> Callable[[], str]:
    """Raises those errors, one a call, then gives a word."""
    left = list(errors)

    def op() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return op


def test_what_can_be_retried() -> None:
    assert isinstance(BUSY, ServerBusyError)
    assert isinstance(GIVEN_UP, RetryLimitExceededError)
    assert is_retryable_error(BUSY)
    assert not is_retryable_error(GIVEN_UP)
    assert not is_retryable_error(ValueError())
    assert not is_retryable_error(rpc_error(-32000, "something else", None, method="x"))
    assert is_retryable_error(rpc_error(-32001, "Server overloaded; retry later.", None, method="x"))
    deep: Any = "serverOverloaded"
    for _ in range(10_000):
        deep = [deep]
    assert is_retryable_error(rpc_error(-32050, "slow down", deep, method="x"))


def test_a_busy_server_is_asked_again() -> None:
    assert retry_on_overload(failing(BUSY, BUSY), initial_delay_s=0.01) == "done"


def test_the_last_failure_is_raised() -> None:
    with pytest.raises(ServerBusyError):
        retry_on_overload(failing(BUSY, BUSY, BUSY), initial_delay_s=0.01)
    with pytest.raises(ServerBusyError):
        retry_on_overload(failing(BUSY), max_attempts=1)


@pytest.mark.parametrize("error", [GIVEN_UP, ValueError("no")])
def test_what_cannot_succeed_is_raised_at_once(error: Exception) -> None:
    began = time.monotonic()
    with pytest.raises(type(error)):
        retry_on_overload(failing(error), initial_delay_s=5)
    assert time.monotonic() - began < 1


def test_waits_grow_up_to_a_limit() -> None:
    began = time.monotonic()
    retry_on_overload(failing(*[BUSY] * 4), max_attempts=5, initial_delay_s=0.02, max_delay_s=0.05, jitter_ratio=0)
    assert 0.16 <= time.monotonic() - began < 1  # 0.02 + 0.04 + 0.05 + 0.05


def test_an_async_operation_is_awaited() -> None:
    op = failing(BUSY, BUSY)

    async def later() -> str:
        return op()

    async def run() -> str:
        return await retry_on_overload(later, initial_delay_s=0.01)

    assert asyncio.run(run()) == "done"

    async def never() -> str:
        raise BUSY

    async def give_up() -> None:
        with pytest.raises(ServerBusyError):
            await retry_on_overload(never, initial_delay_s=0.01)

    asyncio.run(give_up())


def test_no_attempt_is_no_choice() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        retry_on_overload(failing(), max_attempts=0)
