"""Code mode: what a model says to a runtime that gives it one tool, which runs JavaScript.

For most models of its catalogue the runtime offers ``functions.exec`` alone, with all else as functions inside of it.
`script` writes what such a model would write to have tools called, all at once, and `outputs` reads back which of them
gave what, so that a test says and sees the same in both modes.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Literal, TypeAlias

__all__ = [
    "MODELS",
    "NAMESPACE",
    "TOOL_MODES",
    "ToolMode",
    "calls_in",
    "in_code",
    "named",
    "offered",
    "outputs",
    "script",
]

ToolMode: TypeAlias = 'Literal["direct", "code"]'
Offered: TypeAlias = "frozenset[tuple[str, str]]"

TOOL_MODES: tuple[ToolMode, ToolMode] = ("direct", "code")
"""The ways in which a runtime gives tools to a model: each by itself, or as functions of one that runs JavaScript."""

MODELS: Mapping[ToolMode, str] = {"direct": "gpt-5", "code": "gpt-5.6-luna"}
"""A model of each mode: one that the runtime's catalogue does not know, and the one of it with the shortest prompt."""

NAMESPACE = "functions"
"""Where the tool that runs JavaScript belongs."""

_HEADING = re.compile(r"^### `(\w+)`", re.MULTILINE)
"""Where the description of the tool that runs JavaScript begins to tell of another one."""

_CALL = re.compile(r"^  \(\) => tools\.(\w+)\(", re.MULTILINE)

_EXEC = (NAMESPACE, "exec")
_MARK = "// calls: "
_EMPTY = "\n"
_SCRIPT = f"""\
{_MARK}%s
const calls = [
%s
];
for (const said of await Promise.allSettled(calls.map(async (call) => call()))) {{
  const output = said.status === "fulfilled" ? said.value : String(said.reason);
  if (typeof output === "string" && output.startsWith("data:image/")) image(output);
  else text(output === "" ? {json.dumps(_EMPTY)} : output);
}}
"""


def offered(body: Mapping[str, Any]) -> Offered | None:
    """Which tools a request in code mode offers beside JavaScript, by namespace and name; None in direct mode."""
    found = {
        (group.get("name", ""), tool.get("name", ""))
        for item in body.get("input", [])
        if item.get("type") == "additional_tools"
        for group in item.get("tools", [])
        for tool in group.get("tools", [])
    }
    return frozenset(found - {_EXEC}) if _EXEC in found else None


def named(body: Mapping[str, Any]) -> frozenset[str]:
    """The tools that a request offers, in either mode, by their names in JavaScript."""
    groups = [item for item in body.get("input", []) if item.get("type") == "additional_tools"]
    found: set[str] = set()
    waiting: list[tuple[Any, str | None]] = [
        (tool, None) for group in [body, *groups] for tool in group.get("tools") or []
    ]
    while waiting:
        tool, namespace = waiting.pop()
        name = str(tool.get("name") or tool.get("type"))
        if tool.get("type") == "namespace":
            waiting += [(each, None if name == NAMESPACE else name) for each in tool.get("tools", [])]
        elif (NAMESPACE, name) == _EXEC and tool.get("type") == "custom":
            found.update(_HEADING.findall(str(tool.get("description"))))
        else:
            found.add(in_code(name, namespace))
    return frozenset(found)


def in_code(name: str, namespace: str | None) -> str:
    """What a tool is called in JavaScript."""
    return re.sub(r"\W", "_", name if namespace is None else f"{namespace}__{name}", flags=re.ASCII)


def script(calls: Iterable[tuple[str, str, str | None, Mapping[str, object]]]) -> str:
    """JavaScript that has tools called at once, and gives what each gave, or why it failed.

    Args:
        calls: for each its id, the tool's name and namespace, and its arguments.
    """
    calls = list(calls)
    lines = [
        f"  () => tools.{in_code(name, namespace)}({json.dumps(dict(arguments))}),"
        for _, name, namespace, arguments in calls
    ]
    return _SCRIPT % (" ".join(call[0] for call in calls), "\n".join(lines))


def calls_in(item: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The ids of the calls in a ``custom_tool_call`` that `script` has written, and the names of the tools."""
    written = str(item.get("input"))
    head, _, rest = written.partition("\n")
    return list(zip(head.removeprefix(_MARK).split(), _CALL.findall(rest))) if head.startswith(_MARK) else []  # noqa: B905


def outputs(item: Mapping[str, Any], written: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """What tools gave by the ids of their calls, from the output of JavaScript.

    Of what `script` has not written, and if it was broken off, the id is that of the script, and the output its text.

    Args:
        item: the ``custom_tool_call_output``.
        written: the scripts, by their ids.
    """
    given, call_id = item.get("output"), item["call_id"]
    head, _, _ = written.get(call_id, "").partition("\n")
    ids = head.removeprefix(_MARK).split() if head.startswith(_MARK) else [call_id]
    if isinstance(given, list):
        said = [part.get("text", part) for part in given]
        if len(said) == len(ids) + 1 and head.startswith(_MARK):
            yield from zip(ids, ["" if each == _EMPTY else each for each in said[1:]], strict=True)
            return
        given = "".join(map(str, said))
    for each in ids:
        yield each, given
