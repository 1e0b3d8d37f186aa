"""What a tool may be called: the runtime's rules, and what it would accept to everybody's surprise."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BUILT_IN", "check_name", "check_namespace", "check_no_duplicates", "qualified"]

BUILT_IN = frozenset(
    {
        "apply_patch",
        "close_agent",
        "create_goal",
        "exec",
        "exec_command",
        "followup_task",
        "get_goal",
        "image_gen",
        "image_generation",
        "interrupt_agent",
        "list_agents",
        "list_mcp_resource_templates",
        "list_mcp_resources",
        "local_shell",
        "read_mcp_resource",
        "request_permissions",
        "request_user_input",
        "request_user_input_async",
        "resume_agent",
        "send_input",
        "send_message",
        "send_message_to_user_async",
        "shell",
        "shell_command",
        "sleep",
        "spawn_agent",
        "tool_search",
        "update_goal",
        "update_plan",
        "view_image",
        "wait",
        "wait_agent",
        "web_search",
        "write_stdin",
    }
)
"""The runtime's own tools (0.171.0). It does not refuse another tool of that name, which then takes their place."""

_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_LONGEST_NAME = 128
_LONGEST_NAMESPACE = 64
_LONGEST_DESCRIPTION = 1024


def check_name(name: str, namespace: str | None, where: str) -> None:
    """Refuse what the runtime refuses, and what would take the place of a tool of its own.

    Raises:
        ValueError: naming the tool, the rule, and what to do.
    """
    _check(name, _LONGEST_NAME, f"the name of {where}")
    if namespace is None and name in BUILT_IN:
        raise ValueError(
            f"the name {name!r} of {where} is that of a tool of the runtime, whose place it would take: give it "
            "another one, @tool(name=...), or a namespace"
        )


def check_namespace(name: str, description: str) -> None:
    """The same for a namespace."""
    _check(name, _LONGEST_NAMESPACE, "a namespace")
    if len(description) > _LONGEST_DESCRIPTION:
        raise ValueError(
            f"the description of the namespace {name} has {len(description)} characters, and may have "
            f"{_LONGEST_DESCRIPTION}"
        )


def check_no_duplicates(names: Iterable[tuple[str | None, str]]) -> None:
    """Refuse tools that have the same name, or would have in JavaScript, where a model may call them.

    Raises:
        ValueError: naming both.
    """
    seen: dict[str, str] = {}
    for namespace, name in names:
        spelled = qualified(namespace, name, "__")
        in_code = spelled.replace("-", "_")
        if seen.get(in_code) == spelled:
            raise ValueError(f"two tools are called {spelled}: give one of them another name, @tool(name=...)")
        if in_code in seen:
            raise ValueError(
                f"the tools {seen[in_code]} and {spelled} are the same in code, where - becomes _: rename one of them"
            )
        seen[in_code] = spelled


def qualified(namespace: str | None, name: str, by: str = ".") -> str:
    """A tool's name with its namespace before it."""
    return name if namespace is None else f"{namespace}{by}{name}"


def _check(name: str, longest: int, what: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{what} must be of letters, digits, _ and -, not {name!r}: say another one, @tool(name=...)")
    if len(name) > longest:
        raise ValueError(f"{what} must not be longer than {longest} characters, as {name!r} is")
    if name == "mcp" or name.startswith("mcp__"):
        raise ValueError(f"{what} must not be that of an MCP server, as {name!r} is: say another one, @tool(name=...)")
