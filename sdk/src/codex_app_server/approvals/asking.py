"""Asking the person at the terminal; nothing is allowed that they did not see.

Where nobody can be asked the answer is no, and a line says so. So is every answer but a clear yes.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from codex_app_server.approvals.requests import CommandApproval, FileChangeApproval, McpToolApproval
from codex_app_server.terminal import Terminal, lines_of, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codex_app_server.approvals.requests import ApprovalRequest, FileChange
    from codex_app_server.approvals.rules import ApprovalRule
    from codex_app_server.handlers import Decision
    from codex_app_server.protocol.messages import JsonValue

__all__ = ["AskOnTerminal", "ask_on_terminal", "change_lines", "told_changes"]

_QUESTION = "Allow it? [y]es, [a]lways in this session, [N]o:"
_PAGE, _WIDTH = 20, 80


class AskOnTerminal:
    """A rule that asks a person, and decides everything.

    Args:
        terminal: where to ask; without it, standard input and error.
    """

    def __init__(self, terminal: Terminal | None = None) -> None:
        self._terminal = terminal

    def __call__(self, request: ApprovalRequest) -> Decision:
        """Show the request, and wait for the answer."""
        terminal = self._terminal or Terminal(sys.stdin, sys.stdout, sys.stderr)
        wish, subject, lines = _shown(request)
        if not terminal.can_ask:
            about = f": {shortened(subject)}" if subject else ""
            terminal.note(f"declined, for this is no terminal and nobody can be asked: to {wish}{about}")
            return "decline"
        because = [f"  because: {request.reason}"] if request.reason else []
        shown = [f"Codex wants to {wish}:", *lines, *because]
        if sum(1 + len(line) // _WIDTH for line in shown) > _PAGE:  # its beginning may be out of sight
            shown.append(f"Codex wants to {wish}: the {len(shown) - 1} lines above")
        answer = terminal.ask(shown, _QUESTION)
        if answer in {"y", "yes"}:
            return "accept"
        return "acceptForSession" if answer in {"a", "always"} else "decline"

    def __repr__(self) -> str:
        """How it is written."""
        return "ask_on_terminal"


ask_on_terminal: ApprovalRule = AskOnTerminal()
"""Ask the person at the terminal of this program. The question is on standard error, the answer on standard input."""


def _shown(request: ApprovalRequest) -> tuple[str, str, list[str]]:
    """What is wanted, of what in one text, and the lines that say all of it."""
    if isinstance(request, CommandApproval):
        return _shown_command(request)
    if isinstance(request, FileChangeApproval):
        lines = change_lines(request.changes) or ["    (it does not say which)"]
        if request.grant_root is not None:
            lines.append(f"  and, for the whole session, any file below {request.grant_root}")
        return "change files", told_changes(request.changes), lines
    if isinstance(request, McpToolApproval):
        tool, spelled = f"{request.server}/{request.tool}", _spelled(request.arguments)
        return "call a tool", tool, [f"    {tool}", *(f"    {line}" for line in lines_of(spelled))]
    spelled = _spelled(request.permissions)
    return "have more permissions", spelled, [f"    {spelled}", f"  in {request.cwd}"]


def _shown_command(request: CommandApproval) -> tuple[str, str, list[str]]:
    if request.network is not None:
        context = request.params.get("networkApprovalContext")
        wish = f"connect to {request.network} ({context.get('protocol') if isinstance(context, dict) else ''})"
    else:
        known = {"command": "run a command", "writeStdin": "type into a running command"}
        wish = known.get(request.kind, f"run a command ({request.kind})")
    lines = [f"    {line}" for line in lines_of(request.command)]
    if request.cwd is not None:
        lines.append(f"  in {request.cwd}")
    if request.permissions is not None:
        lines.append(f"  with these permissions: {_spelled(request.permissions)}")
    return wish, request.command, lines


def told_changes(changes: Iterable[FileChange]) -> str:
    """Changes in a few words, e.g. ``add a.txt, delete b.txt``."""
    return ", ".join(map(_told, changes))


def change_lines(changes: Iterable[FileChange]) -> list[str]:
    """Changes with their diffs: all of them, however long, for all of them are allowed."""
    lines = []
    for change in changes:
        lines += [f"    {_told(change)}", *(f"      {line}" for line in lines_of(change.said))]
    return lines


def _told(change: FileChange) -> str:
    return f"move {change.path} to {change.move_to}" if change.move_to else f"{change.kind} {change.path}"


def _spelled(value: Mapping[str, JsonValue]) -> str:
    """All of it, as JSON: nothing that is granted may be left unsaid."""
    kept = {name: each for name, each in value.items() if each is not None}
    return json.dumps(kept, ensure_ascii=False)
