"""What happens in a thread, as the editor is told of it: events of the runtime to updates of a session.

It takes the runtime's words as plain values, and whatever it does not know it leaves out. It asks nobody and sends
nothing.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import acp
from acp import schema

from codex_app_server.approvals.requests import changes_of
from codex_app_server.rendering import fenced
from codex_app_server.streaming import Words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypeAlias

    from acp.helpers import ToolCallContentVariant

    from codex_app_server.approvals.requests import FileChange
    from codex_app_server.protocol.messages import Notification

    Update: TypeAlias = (
        schema.UserMessageChunk
        | schema.AgentMessageChunk
        | schema.AgentThoughtChunk
        | schema.ToolCallStart
        | schema.ToolCallProgress
        | schema.AgentPlanUpdate
        | schema.SessionInfoUpdate
        | schema.UsageUpdate
    )
    Item: TypeAlias = Mapping[str, Any]

__all__ = ["Updates", "changed", "spoken"]

_OUTPUT = 64 * 1024
"""So much of what a command writes is shown, in characters; the end of it."""

_ACTIONS: dict[str, schema.ToolKind] = {"read": "read", "listFiles": "search", "search": "search"}
_KINDS: dict[str, schema.ToolKind] = {
    "commandExecution": "execute",
    "fileChange": "edit",
    "mcpToolCall": "other",
    "dynamicToolCall": "other",
    "webSearch": "fetch",
    "imageView": "read",
    "imageGeneration": "other",
    "collabAgentToolCall": "other",
}
"""The items that are calls of tools, and what editors take them for."""

_STATUSES: dict[str, schema.ToolCallStatus] = {
    "inProgress": "in_progress",
    "completed": "completed",
    "failed": "failed",
    "declined": "failed",
}
_STEPS: dict[str, schema.PlanEntryStatus] = {
    "pending": "pending",
    "inProgress": "in_progress",
    "completed": "completed",
}


class Updates:
    """Takes the events of one turn, one after another, and gives what the editor is to be told."""

    def __init__(self) -> None:
        self._words = Words()
        self._thoughts: set[str] = set()  # items whose thoughts were streamed
        self._output: dict[str, str] = {}  # what commands wrote
        self._shown: dict[str, int] = {}  # how much they had written when it was last shown

    def of(self, event: Notification) -> Iterator[Update]:
        """What an event is to the editor: mostly one update, or none."""
        params = event.params if isinstance(event.params, dict) else {}
        given = params.get("item")
        item: Item = given if isinstance(given, dict) else {}
        if words := self._words.of(event):
            yield acp.update_agent_message_text(words)
        elif event.method in {"item/reasoning/summaryTextDelta", "item/reasoning/textDelta"}:
            self._thoughts.add(str(params.get("itemId")))
            yield acp.update_agent_thought_text(str(params.get("delta") or ""))
        elif event.method == "item/commandExecution/outputDelta":
            yield from self._written(str(params.get("itemId")), str(params.get("delta") or ""))
        elif event.method == "item/started":
            if item.get("type") in _KINDS:
                yield started(item)
        elif event.method == "item/completed":
            yield from self._completed(item)
        elif event.method == "turn/plan/updated":
            steps = params.get("plan")
            yield acp.update_plan(_entry(step) for step in (steps if isinstance(steps, list) else []))
        elif event.method == "thread/name/updated":
            yield schema.SessionInfoUpdate(session_update="session_info_update", title=_text(params, "threadName"))
        elif event.method == "thread/tokenUsage/updated":
            yield from _usage(params.get("tokenUsage"))

    def _completed(self, item: Item) -> Iterator[Update]:
        if item.get("type") in _KINDS:
            yield ended(item)
        elif item.get("type") == "reasoning" and str(item.get("id")) not in self._thoughts:
            yield from _thoughts(item)

    def _written(self, item_id: str, text: str) -> Iterator[Update]:
        """The whole output takes the place of what was shown: it is shown again when it has grown by a quarter."""
        output = self._output[item_id] = (self._output.get(item_id, "") + text)[-2 * _OUTPUT :]
        self._shown[item_id] = self._shown.get(item_id, 0) + len(text)
        if self._shown[item_id] * 5 > len(output):
            self._shown[item_id] = 0
            yield acp.update_tool_call(item_id, content=_output(output))


def spoken(item: Item) -> Iterator[Update]:
    """An item of a thread that was there before, as if it happened now."""
    kind = item.get("type")
    if kind == "userMessage":
        for part in item.get("content") or []:
            if isinstance(part, dict) and part.get("type") == "text":
                yield acp.update_user_message_text(str(part.get("text")))
    elif kind == "agentMessage":
        yield acp.update_agent_message_text(str(item.get("text") or ""))
    elif kind == "reasoning":
        yield from _thoughts(item)
    elif kind in _KINDS:
        yield started(item)
        yield ended(item)


def started(item: Item) -> schema.ToolCallStart:
    """A call of a tool, as it begins."""
    return acp.start_tool_call(
        str(item.get("id")),
        _title(item),
        kind=_kind(item),
        status="in_progress",
        content=_content(item) or None,
        locations=_locations(item) or None,
        raw_input=item.get("arguments", item.get("command")),
    )


def ended(item: Item) -> schema.ToolCallProgress:
    """The same, as it has ended."""
    status = _STATUSES.get(str(item.get("status")), "completed")
    return acp.update_tool_call(
        str(item.get("id")),
        status="failed" if item.get("exitCode") or item.get("error") else status,
        content=_content(item) or None,
        raw_output=item.get("result") or item.get("contentItems") or item.get("error"),
    )


def changed(change: FileChange) -> Iterator[schema.FileEditToolCallContent]:
    """A change of a file: the file as a whole if it is new or gone, else one piece for each hunk."""
    path = change.move_to or change.path
    if change.kind == "add":
        yield acp.tool_diff_content(path, change.said)
    elif change.kind == "delete":
        yield acp.tool_diff_content(path, "", change.said)
    else:
        for hunk in _hunks(change.said):
            before = "".join(line[1:] for line in hunk if line[:1] in " -")
            after = "".join(line[1:] for line in hunk if line[:1] in " +")
            yield acp.tool_diff_content(path, after, before)


def _hunks(said: str) -> list[list[str]]:
    hunks: list[list[str]] = []
    for line in io.StringIO(said):  # which parts lines at line feeds alone, as a diff does
        if line.startswith("@@"):
            hunks.append([])
        elif hunks and line[:1] != "\\":
            hunks[-1].append(line)
    return hunks


def _content(item: Item) -> list[ToolCallContentVariant]:
    kind = item.get("type")
    if kind == "fileChange":
        return [piece for change in changes_of(item.get("changes")) for piece in changed(change)]
    if kind == "commandExecution" and (output := item.get("aggregatedOutput")):
        return _output(str(output))
    if kind in {"mcpToolCall", "dynamicToolCall"}:
        result = item.get("result")
        parts = result.get("content") if isinstance(result, dict) else item.get("contentItems")
        texts = [str(part["text"]) for part in parts or [] if isinstance(part, dict) and "text" in part]
        return [acp.tool_content(acp.text_block(text)) for text in texts]
    return []


def _output(text: str) -> list[ToolCallContentVariant]:
    shown = text if len(text) <= _OUTPUT else f"[…]\n{text[-_OUTPUT:]}"
    return [acp.tool_content(acp.text_block(fenced(shown, "")))]


def _title(item: Item) -> str:
    kind = item.get("type")
    if kind == "fileChange":
        return "Edit " + ", ".join(change.move_to or change.path for change in changes_of(item.get("changes")))
    if kind in {"mcpToolCall", "dynamicToolCall"}:
        where = item.get("server") or item.get("namespace")
        return ".".join(str(part) for part in (where, item.get("tool")) if part)
    if kind == "imageView":
        return f"Look at {item.get('path')}"
    return str(item.get("command") or item.get("query") or item.get("tool") or kind)


def _kind(item: Item) -> schema.ToolKind:
    """What a command only looks at is no execution to an editor; a hint, which nothing is decided by."""
    actions = [_ACTIONS.get(str(action.get("type"))) for action in item.get("commandActions") or []]
    if actions and actions[0] is not None and all(action == actions[0] for action in actions):
        return actions[0]
    return _KINDS[str(item.get("type"))]


def _locations(item: Item) -> list[schema.ToolCallLocation]:
    paths = [change.move_to or change.path for change in changes_of(item.get("changes"))]
    paths += [str(action["path"]) for action in item.get("commandActions") or [] if action.get("path")]
    if item.get("type") == "imageView":
        paths.append(str(item.get("path")))
    return [schema.ToolCallLocation(path=path) for path in paths]


def _thoughts(item: Item) -> Iterator[Update]:
    for text in item.get("summary") or item.get("content") or []:
        yield acp.update_agent_thought_text(str(text))


def _entry(step: Any) -> schema.PlanEntry:
    said = step if isinstance(step, dict) else {}
    return acp.plan_entry(str(said.get("step") or ""), status=_STEPS.get(str(said.get("status")), "pending"))


def _usage(usage: Any) -> Iterator[Update]:
    last = usage.get("last") if isinstance(usage, dict) else None
    size = usage.get("modelContextWindow") if isinstance(usage, dict) else None
    used = last.get("totalTokens") if isinstance(last, dict) else None
    if isinstance(used, (int, float)) and isinstance(size, int):
        yield schema.UsageUpdate(session_update="usage_update", used=int(used), size=size)


def _text(params: Mapping[str, Any], name: str) -> str | None:
    found = params.get(name)
    return found if isinstance(found, str) else None
