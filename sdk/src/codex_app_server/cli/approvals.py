"""Asking the person before Codex does what needs a permission; nothing is allowed that they did not see.

Where nobody can be asked the answer is no, and a line says so. So is every answer but a clear yes.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from codex_app_server.cli.terminal import lines_of, shortened
from codex_app_server.handlers import Handlers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from codex_app_server.cli.terminal import Terminal
    from codex_app_server.generated import (
        AdditionalPermissionProfile,
        CommandExecutionRequestApprovalParams,
        FileChangeRequestApprovalParams,
        PermissionsRequestApprovalParams,
        RequestPermissionProfile,
    )
    from codex_app_server.protocol.messages import JsonValue

__all__ = ["Approvals", "change_lines", "changes_of"]

_QUESTION = "Allow it? [y]es, [a]lways in this session, [N]o:"
_ITEM_WAIT_S = 1.0
_PAGE = 20


class Approvals:
    """The handlers of a run, for a person at a terminal.

    Args:
        terminal: where to ask.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._changes: dict[str, JsonValue] = {}
        self._came = threading.Condition()

    @property
    def handlers(self) -> Handlers:
        """What the runtime's questions are answered by."""
        return Handlers(
            command_approval=self._command, file_change_approval=self._files, permissions_approval=self._permissions
        )

    def note_changes(self, item_id: str, changes: JsonValue) -> None:
        """Keep what an item is about to change: the question about it does not say it again."""
        with self._came:
            self._changes[item_id] = changes
            self._came.notify_all()

    def _command(self, request: CommandExecutionRequestApprovalParams) -> Literal["accept", "acceptForSession"] | None:
        network = request.network_approval_context
        if network is not None:
            wish = f"connect to {network.host} ({_word(network.protocol)})"
        else:
            wish = {"writeStdin": "type into a running command"}.get(_word(request.kind), "run a command")
        lines = [f"    {line}" for line in lines_of(request.command or "")]
        if request.cwd is not None:
            lines.append(f"  in {request.cwd}")
        if request.additional_permissions is not None:
            lines.append(f"  with these permissions: {_spelled(request.additional_permissions)}")
        return _decision(self._asked(wish, request.command or "", lines, request.reason))

    def _files(self, request: FileChangeRequestApprovalParams) -> Literal["accept", "acceptForSession"] | None:
        with self._came:
            # The event that tells of the item may come a moment after the question.
            self._came.wait_for(lambda: request.item_id in self._changes, _ITEM_WAIT_S)
            changes = self._changes.get(request.item_id)
        lines = change_lines(changes) or ["    (it does not say which)"]
        if request.grant_root is not None:
            lines.append(f"  and, for the whole session, any file below {request.grant_root}")
        return _decision(self._asked("change files", changes_of(changes), lines, request.reason))

    def _permissions(self, request: PermissionsRequestApprovalParams) -> Mapping[str, object] | None:
        spelled = _spelled(request.permissions)
        lines = [f"    {spelled}", f"  in {request.cwd}"]
        answer = self._asked("have more permissions", spelled, lines, request.reason)
        if _decision(answer) is None:
            return None
        return {"permissions": json.loads(spelled), "scope": "session" if answer == "a" else "turn"}

    def _asked(self, wish: str, subject: str, lines: list[str], reason: str | None) -> str:
        """What the person says; no if there is none."""
        if not self._terminal.can_ask:
            about = f": {shortened(subject)}" if subject else ""
            self._terminal.note(f"declined, for this is no terminal and nobody can be asked: to {wish}{about}")
            return "n"
        because = [f"  because: {reason}"] if reason else []
        shown = [f"Codex wants to {wish}:", *lines, *because]
        if len(shown) > _PAGE:  # its beginning may be out of sight
            shown.append(f"Codex wants to {wish}: the {len(shown) - 1} lines above")
        return self._terminal.ask(shown, _QUESTION)


def changes_of(changes: JsonValue) -> str:
    """The changes of a ``fileChange`` item in a few words, e.g. ``add a.txt, delete b.txt``."""
    return ", ".join(f"{kind} {path}" for kind, path, _ in _each(changes))


def change_lines(changes: JsonValue) -> list[str]:
    """The changes of a ``fileChange`` item with their diffs: all of them, however long, for all of them are allowed."""
    lines = []
    for kind, path, diff in _each(changes):
        lines.append(f"    {kind} {path}")
        lines += [f"      {line}" for line in lines_of(diff)]
    return lines


def _each(changes: JsonValue) -> list[tuple[str, str, str]]:
    """Kind, path and diff of each change; nothing is taken for granted, another runtime may say it otherwise."""
    found = []
    for change in changes if isinstance(changes, list) else []:
        fields = change if isinstance(change, dict) else {}
        kind = fields.get("kind")
        to = kind.get("move_path") if isinstance(kind, dict) else None
        word = str(kind.get("type")) if isinstance(kind, dict) else "change"
        path = f"{fields.get('path')} to {to}" if to else str(fields.get("path"))
        found.append(("move" if to else word, path, str(fields.get("diff") or "")))
    return found


def _decision(answer: str) -> Literal["accept", "acceptForSession"] | None:
    if answer in {"y", "yes"}:
        return "accept"
    return "acceptForSession" if answer in {"a", "always"} else None


def _word(word: object) -> str:
    """A word of the protocol, which is a plain string where this client does not know it."""
    return str(getattr(word, "value", word))


def _spelled(permissions: AdditionalPermissionProfile | RequestPermissionProfile) -> str:
    """All of them, as JSON: nothing that is granted may be left unsaid."""
    return json.dumps(permissions.model_dump(mode="json", by_alias=True, exclude_none=True, warnings=False))
