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

    The agent is told, as JSON, Codex's answer, what it did in short, and if it came to nothing, why. The SDK has no
    events for what goes on inside of a tool: `observers` are shown it.

    Args:
        codex: which; it stays open, and belongs to one event loop.
        name: what the agent calls the tool.
        description: what the agent is told of it.
        thread: options for `AsyncCodex.thread_start`: where Codex works, and what it may do there.
        persistent: whether all tasks are of one thread, one after another, and know of each other; otherwise each has
            an ephemeral thread of its own, and they may run at once.
        limits: how much a task may take; then it is interrupted.
        timeout: how long a task may take, in seconds; then it is interrupted. None is without limit.
        observers: functions that are shown what happens meanwhile.

    Raises:
        TypeError, ValueError: if `codex` or `timeout` will not do.
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
