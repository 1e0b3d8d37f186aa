"""What came of a turn, to read: as Markdown, of plain JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from codex_app_server.protocol.messages import JsonValue

__all__ = ["fenced", "markdown"]


def markdown(result: Mapping[str, JsonValue], facts: Sequence[str], failure: str | None) -> str:
    """A result as Markdown.

    Args:
        result: as `TurnResult.to_dict` gives it.
        facts: how it ended, and what it took, each in a few words.
        failure: why it did not complete, if so.
    """
    answer = result["final_response"] or result["text"]
    items = result["items"]
    deeds = [deed for item in (items if isinstance(items, list) else ()) if (deed := _deed(item))]
    diff = result["diff"]
    parts = [
        str(answer or ""),
        fenced(failure, "text") if failure is not None else "",
        "\n".join(deeds),
        fenced(diff, "diff") if isinstance(diff, str) and diff else "",
        f"*{', '.join(facts)}*",
    ]
    return "\n\n".join(filter(None, parts))


def fenced(text: str, language: str) -> str:
    """A block of code, with a fence that does not occur in it."""
    longest = max(map(len, re.findall("`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _deed(item: JsonValue) -> str:
    """A line about an item; none about what is only said."""
    if not isinstance(item, dict):
        return ""
    match item.get("type"):
        case "commandExecution":
            return f"- ran {_code(item.get('command'))}: {_outcome(item, item.get('exitCode'))}"
        case "fileChange":
            return f"- changed {', '.join(map(_code, _paths(item.get('changes'))))}: {_outcome(item)}"
        case "mcpToolCall":
            return f"- called {_code(item.get('tool'))} of {_code(item.get('server'))}: {_outcome(item)}"
        case "dynamicToolCall":
            return f"- called {_code(item.get('tool'))}: {_outcome(item)}"
        case "webSearch":
            return f"- searched the web for {_code(item.get('query'))}"
    return ""


def _paths(changes: JsonValue) -> list[JsonValue]:
    return [each.get("path") for each in changes if isinstance(each, dict)] if isinstance(changes, list) else []


def _outcome(item: Mapping[str, JsonValue], code: JsonValue = None) -> str:
    return f"{item.get('status')}, exit code {code}" if code else str(item.get("status"))


def _code(text: JsonValue) -> str:
    """Words as code, on one line."""
    words = " ".join(str(text).split())
    longest = max(map(len, re.findall("`+", words)), default=0)
    mark = "`" * (longest + 1)
    return f"{mark} {words} {mark}" if longest else f"{mark}{words}{mark}"
