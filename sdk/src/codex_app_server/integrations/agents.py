"""Codex as a tool of an agent of the OpenAI Agents SDK; needs the extra ``agents``."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from codex_app_server.extras import lacking
from codex_app_server.integrations.delegating import DESCRIPTION, SCHEMA, Delegate, Report

try:
    from agents import FunctionTool
except ImportError as error:
    raise lacking("agents", error) from error

from pydantic import BaseModel, ConfigDict, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agents.tool_context import ToolContext
    from pydantic_core import ErrorDetails

    from codex_app_server.aio.codex import AsyncCodex
    from codex_app_server.limits import Limits
    from codex_app_server.observers import Observers

__all__ = ["codex_tool"]


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")

    task: str


def codex_tool(
    codex: AsyncCodex,
    *,
    name: str = "codex",
    description: str = DESCRIPTION,
    thread: Mapping[str, Any] | None = None,
    persistent: bool = False,
    limits: Limits | None = None,
    timeout: float | None = 600.0,
    observers: Observers | None = None,
) -> FunctionTool:
    """A tool that has Codex do a task, for the `tools` of an agent.

        agent = Agent("Lead", tools=[codex_tool(codex, thread={"cwd": "app"}, timeout=300)])

    The result of the tool, as JSON, has Codex's answer, a short list of what it did, and the reason if the task failed.
    The SDK has no events for what happens inside a tool; use `observers` to see it.

    Args:
        codex: the client that runs the tasks. It is not closed, and belongs to one event loop.
        name: the tool's name for the agent.
        description: the tool's description for the agent.
        thread: options for `AsyncCodex.thread_start`: where Codex works, and what it may do there.
        persistent: whether all tasks run in one thread, one after another, so that each knows those before it.
            Otherwise each has an ephemeral thread of its own, and several may run at once.
        limits: how much a task may use; beyond that it is interrupted.
        timeout: how long a task may take, in seconds; then it is interrupted. None is without limit.
        observers: functions that are shown what happens during a task.

    Raises:
        TypeError, ValueError: if `codex` is no client for asyncio, or `timeout` is no number of seconds.
    """
    delegate = Delegate(
        codex, thread=thread, persistent=persistent, limits=limits, timeout=timeout, observers=observers
    )

    async def invoke(_: ToolContext[Any], arguments: str) -> str:
        try:
            task = _Arguments.model_validate_json(arguments).task
        except ValidationError as error:  # the model is to try again, as with the SDK's own tools
            return Report("", [], "; ".join(_said(each) for each in error.errors()), None).to_json()
        return (await delegate.run(task)).to_json()

    return FunctionTool(name, description, deepcopy(SCHEMA), invoke)  # which the SDK may write into


def _said(wrong: ErrorDetails) -> str:
    return f"{'.'.join(map(str, wrong['loc'])) or 'the arguments'}: {wrong['msg']}"
