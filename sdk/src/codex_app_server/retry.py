"""Try again when the runtime is overloaded: exponential backoff with jitter, for plain and for async calls."""

from __future__ import annotations

import random
import time
from inspect import isawaitable
from typing import TYPE_CHECKING, TypeVar, overload

from codex_app_server.errors import PoolFullError, RetryLimitExceededError, ServerBusyError, TurnFailedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator
    from typing import Any

__all__ = ["backoff", "is_retryable_error", "retry_on_overload"]

_T = TypeVar("_T")


def is_retryable_error(error: BaseException) -> bool:
    """Whether the same call may succeed later.

    This is so if the runtime was overloaded and has not itself given up trying (`RetryLimitExceededError`), if a turn
    failed because the model's server was busy (429, 503, ...) or could not be reached, and if a pool was full.
    """
    if isinstance(error, TurnFailedError):
        return error.is_retryable
    return isinstance(error, (PoolFullError, ServerBusyError)) and not isinstance(error, RetryLimitExceededError)


@overload
def retry_on_overload(
    op: Callable[[], Coroutine[Any, Any, _T]],
    *,
    max_attempts: int = 3,
    initial_delay_s: float = 0.25,
    max_delay_s: float = 2.0,
    jitter_ratio: float = 0.2,
) -> Coroutine[Any, Any, _T]: ...
@overload
def retry_on_overload(
    op: Callable[[], _T],
    *,
    max_attempts: int = 3,
    initial_delay_s: float = 0.25,
    max_delay_s: float = 2.0,
    jitter_ratio: float = 0.2,
) -> _T: ...
def retry_on_overload(
    op: Callable[[], object],
    *,
    max_attempts: int = 3,
    initial_delay_s: float = 0.25,
    max_delay_s: float = 2.0,
    jitter_ratio: float = 0.2,
) -> object:
    """Call a function, and call it again if it fails with an error of which `is_retryable_error` is true.

    Args:
        op: the function, without arguments. If it returns an awaitable, `retry_on_overload` has to be awaited, too.
        max_attempts: how often to call it at most.
        initial_delay_s: how long to wait after the first failure, in seconds; twice as long after each further one.
        max_delay_s: the longest wait, in seconds, before `jitter_ratio` is applied.
        jitter_ratio: by which part of it a wait is made longer or shorter at random, so that many clients do not try
            again at the same moment: with 0.2, by up to a fifth.

    Returns:
        what `op` returns.

    Raises:
        ValueError: if `max_attempts` is less than one.
        Exception: what the last call raised. An error of any other kind is raised at once.
    """
    if max_attempts < 1:
        raise ValueError(f"max_attempts must be at least 1, not {max_attempts}")
    delays = backoff(max_attempts - 1, initial_delay_s, max_delay_s, jitter_ratio)
    while True:
        try:
            outcome = op()
        except Exception as error:
            delay = next(delays, None)
            if delay is None or not is_retryable_error(error):
                raise
            time.sleep(delay)
        else:
            return _awaited(op, outcome, delays) if isawaitable(outcome) else outcome


async def _awaited(op: Callable[[], object], outcome: Awaitable[object], delays: Iterator[float]) -> object:
    import asyncio  # whoever awaits has it already

    while True:
        try:
            return await outcome
        except Exception as error:
            delay = next(delays, None)
            if delay is None or not is_retryable_error(error):
                raise
            await asyncio.sleep(delay)
        again = op()
        if not isawaitable(again):
            return again
        outcome = again


def backoff(count: int, initial: float = 0.25, longest: float = 8.0, jitter: float = 0.2) -> Iterator[float]:
    """How long to wait each time, in seconds."""
    for number in range(count):
        delay = min(initial * 2**number, longest)
        yield max(0.0, delay * (1 + random.uniform(-jitter, jitter)))  # noqa: S311 - nothing secret hangs on it
