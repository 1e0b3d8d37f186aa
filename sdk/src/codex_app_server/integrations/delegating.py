"""A task that another agent gives to Codex: a turn with limits, and a report that the other agent's model can read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from codex_app_server.errors import AppServerError, LimitExceededError, TurnFailedError, WaitTimeoutError
from codex_app_server.timeouts import end_after, left_until, seconds
from codex_app_server.tools.results import cut

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_app_server.aio.codex import AsyncCodex
    from codex_app_server.aio.thread import AsyncThread
    from codex_app_server.limits import Limits
    from codex_app_server.observers import Observers
    from codex_app_server.protocol.messages import JsonValue
    from codex_app_server.results import RunResult

__all__ = ["DESCRIPTION", "SCHEMA", "Delegate", "Report", "for_asyncio"]

DESCRIPTION = (
    "Have Codex, a coding agent with a shell, do a task in its working directory: read, write and run code. It answers "
    "when it is done, and says what it did."
)
_TASK = "What is to be done, with all that has to be known for it: Codex has not seen this conversation."
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"task": {"type": "string", "description": _TASK}},
    "required": ["task"],
    "additionalProperties": False,
}
"""The arguments of the tool, strictly."""

_ITEMS = {
    "commandExecution": ("command", "exitCode", "status"),
    "fileChange": ("changes", "status"),
    "mcpToolCall": ("server", "tool", "status"),
    "dynamicToolCall": ("tool", "success"),
    "webSearch": ("query",),
}
"""What was done, by the type of its item, and which of its members a model is told."""

_MOST_ITEMS = 50
_MOST_BYTES = 12_000


@dataclass(frozen=True)
class Report:
    """The result of a task.

    Attributes:
        answer: Codex's answer; empty if it gave none.
        items: what Codex did, in short; the last 50 items at most.
        failure: why the task failed; None if it did not.
        result: the whole turn; None if there was none.
    """

    answer: str
    items: list[dict[str, JsonValue]]
    failure: str | None
    result: RunResult[Any] | None

    def to_dict(self) -> dict[str, Any]:
        """The report for a model, as JSON values."""
        said = {"answer": cut(self.answer, _MOST_BYTES), "items": self.items}
        return said if self.failure is None else {**said, "failure": self.failure}

    def to_json(self) -> str:
        """The same as text."""
        return to_json(self.to_dict()).decode()


class Delegate:
    """Gives tasks to Codex.

    Args:
        codex: the client that runs the tasks. It is not closed, and belongs to one event loop.
        thread: options for `AsyncCodex.thread_start`.
        persistent: whether all tasks run in one thread, one after another, so that each knows those before it.
            Otherwise each has an ephemeral thread of its own.
        limits: how much a task may use.
        timeout: how long a task may take, in seconds, the wait for those before it included; None is without limit.
        observers: functions that are shown what happens.

    Raises:
        TypeError, ValueError: if `codex` is no client for asyncio, or `timeout` is no number of seconds.
    """

    def __init__(
        self,
        codex: AsyncCodex,
        *,
        thread: Mapping[str, Any] | None,
        persistent: bool,
        limits: Limits | None,
        timeout: float | None,
        observers: Observers | None,
    ) -> None:
        self._codex = for_asyncio(codex)
        self._options = {"ephemeral": not persistent, **(thread or {})}
        self._is_persistent = persistent
        self._run: dict[str, Any] = {"limits": limits, "observers": observers}
        self._timeout = seconds(timeout, "timeout")
        self._thread: AsyncThread | None = None
        self._turns = asyncio.Lock()  # a second turn of a thread would only join the first

    async def run(self, task: str) -> Report:
        """Have a task done. If the wait for it is cancelled, its turn is interrupted.

        Raises:
            AppServerError: if Codex cannot be asked at all.
        """
        end = end_after(self._timeout)
        try:
            if not self._is_persistent:
                return _report(await self._done(await self._begun(end), task, end))
            await asyncio.wait_for(self._turns.acquire(), left_until(end))
            try:
                if self._thread is None:
                    self._thread = await self._begun(end)
                return _report(await self._done(self._thread, task, end))
            finally:
                self._turns.release()
        except (LimitExceededError, TurnFailedError) as error:
            return _report(error.result, str(error))
        except WaitTimeoutError:
            return self._too_late()
        except AppServerError:  # of which some are a TimeoutError too, of other limits than the task's
            raise
        except (TimeoutError, asyncio.TimeoutError):
            return self._too_late()

    def _too_late(self) -> Report:
        return _report(None, f"It was not done within {self._timeout:g} s, and was stopped.")

    async def _begun(self, end: float | None) -> AsyncThread:
        return await asyncio.wait_for(self._codex.thread_start(**self._options), left_until(end))

    async def _done(self, thread: AsyncThread, task: str, end: float | None) -> RunResult[Any]:
        run: Any = thread.run if self._is_persistent else thread._run_only  # noqa: SLF001 - its own
        result: RunResult[Any] = await run(task, timeout=left_until(end), **self._run)
        return result


def for_asyncio(codex: object) -> AsyncCodex:
    """The same, if it is a client for asyncio.

    Raises:
        TypeError: if it is not.
    """
    from codex_app_server.aio.codex import AsyncCodex

    if not isinstance(codex, AsyncCodex):
        raise TypeError(f"codex must be an AsyncCodex, not {type(codex).__name__}")
    return codex


def _report(result: RunResult[Any] | None, failure: str | None = None) -> Report:
    told = {} if result is None else result.to_dict()
    items = told.get("items")
    done = [
        {"type": kind, **{name: item.get(name) for name in _ITEMS[kind]}}
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict) and isinstance(kind := item.get("type"), str) and kind in _ITEMS
    ]
    answer = "" if result is None else result.final_response or result.text
    return Report(answer, [_short(each) for each in done[-_MOST_ITEMS:]], failure, result)


def _short(item: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Of changes the paths, of words not too many."""
    changes = item.get("changes")
    if isinstance(changes, list):
        item["changes"] = [f"{each.get('kind', {}).get('type')} {each.get('path')}" for each in changes]  # type: ignore[union-attr]
    return {name: cut(value, 500) if isinstance(value, str) else value for name, value in item.items()}
