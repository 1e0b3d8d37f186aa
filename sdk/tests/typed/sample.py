"""What type checkers have to understand of the generated code; nobody runs it, ``mypy --strict`` reads it.

A line with ``type: ignore`` is a mistake that has to be found: an ignore that is not needed is an error itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from codex_app_server.generated import (
    AgentMessageThreadItem,
    ApiKeyLoginAccountParams,
    AskForApproval,
    CommandExecutionThreadItem,
    GranularAskForApproval,
    ReasoningEffort,
    SandboxMode,
    TextUserInput,
    ThreadItem,
    ThreadStartParams,
    ThreadStartResponse,
    Turn,
    TurnStartParams,
    TurnStartResponse,
    TurnStatus,
)
from codex_app_server.models.model import UnknownObject, decode

if TYPE_CHECKING:
    from codex_app_server.generated.amethods import AsyncMethods
    from codex_app_server.generated.methods import Methods
    from codex_app_server.protocol.messages import JsonValue


def items_are_told_apart(item: ThreadItem) -> str:
    if item.type == "agentMessage":
        message: AgentMessageThreadItem = item
        return message.text
    if item.type == "commandExecution":
        command: CommandExecutionThreadItem = item
        return command.command
    if isinstance(item, UnknownObject):
        raw: JsonValue = item.anything
        return str(raw)
    return item.text  # type: ignore[union-attr]  # not every kind of item has one


def fields_are_known(turn: Turn, response: ThreadStartResponse) -> None:
    status: TurnStatus = turn.status
    completed_at: int | None = turn.completed_at
    approval: AskForApproval | GranularAskForApproval = response.approval_policy
    effort: ReasoningEffort | None = response.reasoning_effort
    text: str | None = effort
    print(status is TurnStatus.in_progress, completed_at, approval == "never", text)
    turn.nonsense  # type: ignore[attr-defined]  # noqa: B018
    TurnStatus.nonsense  # type: ignore[attr-defined]  # noqa: B018


def models_are_built_by_name() -> None:
    TurnStartParams(thread_id="t", input=[TextUserInput(text="x")], approval_policy=AskForApproval.never)
    ThreadStartParams(sandbox=SandboxMode.read_only, config={"model": "x"})
    TurnStartParams(input=[])  # type: ignore[call-arg]  # thread_id is required
    TurnStartParams(thread_id=1, input=[])  # type: ignore[arg-type]
    TurnStartParams(thread_id="t", input=[], approval_policy="sometimes")  # type: ignore[arg-type]


def what_is_decoded_has_its_type(value: object) -> None:
    turn: Turn = decode(Turn, value)
    anything: object = decode("Turn", value)
    print(turn, anything)


def methods_take_and_give_types(client: Methods) -> None:
    started: ThreadStartResponse = client.thread_start(
        cwd=Path(), sandbox="read-only", approval_policy="on-request", config={"a": [1]}, runtime_workspace_roots=["/x"]
    )
    turn: TurnStartResponse = client.turn_start(
        thread_id=started.thread.id, input=[TextUserInput(text="x")], effort="high", summary="auto", output_schema={}
    )
    client.thread_list(cwd=[Path(), "/x"], source_kinds=["cli", "vscode"], sort_key="updated_at")
    client.account_login_start(params=ApiKeyLoginAccountParams(api_key="k"))
    client.thread_start(sandbox="nonsense")  # type: ignore[arg-type]
    client.thread_start(nonsense=1)  # type: ignore[call-arg]
    client.turn_start(input=[])  # type: ignore[call-arg]  # thread_id is required
    client.thread_archive("t")  # type: ignore[call-arg]  # options have names
    number: int = client.thread_read(thread_id="t")  # type: ignore[assignment]
    print(turn.turn.status, number)


async def so_do_their_twins(client: AsyncMethods) -> str:
    started = await client.thread_start(sandbox=SandboxMode.workspace_write)
    await client.thread_start(sandbox="nonsense")  # type: ignore[arg-type]
    return started.thread.id
