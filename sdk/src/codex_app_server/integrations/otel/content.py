"""What was said, as the conventions write it down: for those alone who have asked for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codex_app_server.protocol.messages import JsonValue

__all__ = ["arguments_of", "prompt", "reply", "result_of"]

_ARGUMENTS = {
    "collabAgentToolCall": ("prompt",),
    "commandExecution": ("command", "cwd"),
    "fileChange": ("changes",),
    "imageView": ("path",),
    "webSearch": ("query",),
}
"""The members of an item that the model has passed, where they are not its ``arguments``."""

_RESULTS = {"commandExecution": "aggregatedOutput", "dynamicToolCall": "contentItems", "webSearch": "results"}
"""The member that has what came of it, where that is not its ``result``."""


def prompt(given: object) -> str:
    """What a turn was begun with, of the ``input`` of its request."""
    parts: list[object] = []
    for each in given if isinstance(given, (list, tuple)) else []:
        if isinstance(each, dict):
            is_text = each.get("type") == "text"
            parts.append({"type": "text", "content": each.get("text")} if is_text else dict(each))
    return _json([{"role": "user", "parts": parts}])


def reply(texts: Iterable[str], reason: str) -> str:
    """What the agent has said, and why it ended."""
    parts = [{"type": "text", "content": text} for text in texts]
    return _json([{"role": "assistant", "parts": parts, "finish_reason": reason}])


def arguments_of(item: dict[str, JsonValue]) -> str | None:
    """What a tool was called with, if the item says it."""
    names = _ARGUMENTS.get(str(item.get("type")))
    found: Any = item.get("arguments") if names is None else {name: item.get(name) for name in names}
    return None if found is None else _json(found)


def result_of(item: dict[str, JsonValue]) -> str | None:
    """What came of it, likewise."""
    found = item.get(_RESULTS.get(str(item.get("type")), "result"))
    found = item.get("error") if found is None else found
    return found if found is None or isinstance(found, str) else _json(found)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
