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

    The result of the tool has Codex's answer, a short list of what it did, and the reason if the task failed. The whole
    `TurnResult.to_dict()` is the `metadata` of the `ToolReturnPart`.

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

    async def hand_over(task: str) -> ToolReturn[Any]:
        report = await delegate.run(task)
        return ToolReturn(report.to_dict(), metadata=None if report.result is None else report.result.to_dict())

    made: Tool[Any] = Tool.from_schema(hand_over, name, description, SCHEMA)
    return made
