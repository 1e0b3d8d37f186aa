"""Codex as a tool of a PydanticAI agent that has another model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_ai import Tool, ToolReturn

from codex_app_server.integrations.delegating import DESCRIPTION, SCHEMA, Delegate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_app_server.aio.codex import AsyncCodex
    from codex_app_server.limits import Limits
    from codex_app_server.observers import Observers

__all__ = ["codex_tool"]


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
) -> Tool[Any]:
    """A tool that has Codex do a task, for the `tools` of an agent, or of a `FunctionToolset`.

        agent = Agent("openai:gpt-5", tools=[codex_tool(codex, thread={"cwd": "app"}, timeout=300)])

    The agent is told Codex's answer, what it did in short, and if it came to nothing, why. The whole
    `TurnResult.to_dict()` is the `metadata` of the `ToolReturnPart`.

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

    async def hand_over(task: str) -> ToolReturn[Any]:
        report = await delegate.run(task)
        return ToolReturn(report.to_dict(), metadata=None if report.result is None else report.result.to_dict())

    made: Tool[Any] = Tool.from_schema(hand_over, name, description, SCHEMA)
    return made
