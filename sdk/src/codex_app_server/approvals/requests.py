"""The runtime's requests for approval, each as a plain value that says all there is to judge.

A request is read leniently, for another version of the runtime may say more or less; what is not said is not known, and
no convenience grants what is not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from codex_app_server.approvals.commands import commands_of, words_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_app_server.approvals.commands import Word
    from codex_app_server.protocol.messages import JsonValue, ServerRequest

__all__ = [
    "METHODS",
    "ApprovalRequest",
    "CommandApproval",
    "FileChange",
    "FileChangeApproval",
    "McpToolApproval",
    "PermissionsApproval",
    "changes_of",
    "request_of",
]


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What every request for approval has.

    Attributes:
        thread_id: the id of the thread that it is about.
        turn_id: the id of the turn, if the runtime says it.
        item_id: the id of the item, if the runtime says it.
        reason: why the agent asks, in its own words.
        permanent: what could be granted for good; no rule of this package ever does that.
        params: everything that the runtime said, as plain JSON values.
    """

    thread_id: str
    turn_id: str | None = None
    item_id: str | None = None
    reason: str | None = None
    permanent: tuple[str, ...] = ()
    params: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class CommandApproval(_Request):
    """The agent wants to run a command. It may run outside of the sandbox; the runtime does not say whether.

    Attributes:
        command: the whole command line, with the shell that runs it.
        cwd: the directory to run it in.
        kind: ``command``, or ``writeStdin`` if something is to be typed into a running command, or another word of the
            runtime.
        permissions: the permissions that it wants beyond the sandbox, as the runtime says them.
        network: the host that it wants to connect to, if that is what is asked.
    """

    command: str = ""
    cwd: str | None = None
    kind: str = "command"
    permissions: Mapping[str, JsonValue] | None = None
    network: str | None = None

    @property
    def parts(self) -> tuple[tuple[str, ...], ...] | None:
        """The commands of the line, each as its words without quotes; None if they cannot be told for certain."""
        words = self._words
        return None if words is None else tuple(tuple(word.text for word in part) for part in words)

    @property
    def runs(self) -> tuple[tuple[Word, ...], ...]:
        """The parts as words that also say what the shell may expand; empty if more is asked than to run them."""
        is_more = self.kind != "command" or self.permissions is not None or self.network is not None
        return () if is_more else self._words or ()

    @cached_property
    def _words(self) -> tuple[tuple[Word, ...], ...] | None:
        return _agreed(commands_of(self.command), self.params.get("commandActions"))


@dataclass(frozen=True, kw_only=True)
class FileChange:
    """A change that the agent wants to make to a file.

    Attributes:
        path: the path of the file.
        kind: ``add``, ``update`` or ``delete``, or another word of the runtime.
        move_to: the path that the file is to be moved to, if any.
        said: the change as the runtime says it: the hunks of a diff for an update, else the content of the file.
    """

    path: str
    kind: str
    move_to: str | None = None
    said: str = ""

    @property
    def diff(self) -> str:
        """What changes, as a unified diff with its headers."""
        return _unified(self.path, self.kind, self.move_to, self.said)


@dataclass(frozen=True, kw_only=True)
class FileChangeApproval(_Request):
    """The agent wants to change files.

    Attributes:
        changes: the change of each file; empty if they are not known.
        grant_root: the directory below which the agent wants to change anything it likes, if it asks for that.
    """

    changes: tuple[FileChange, ...] = ()
    grant_root: str | None = None

    @property
    def diff(self) -> str:
        """All the changes, as one unified diff."""
        return "".join(change.diff for change in self.changes)


@dataclass(frozen=True, kw_only=True)
class PermissionsApproval(_Request):
    """The agent wants more permissions for what follows.

    Attributes:
        permissions: which ones, as the runtime says them.
        cwd: the directory that they are about.
    """

    permissions: Mapping[str, JsonValue] = field(default_factory=dict)
    cwd: str | None = None


@dataclass(frozen=True, kw_only=True)
class McpToolApproval(_Request):
    """The agent wants to call a tool of an MCP server.

    Attributes:
        server: the server's name in Codex's settings.
        tool: the tool's name.
        arguments: the arguments of the call.
        can_be_remembered: whether the tool can be allowed for the whole session.
    """

    server: str = ""
    tool: str = ""
    arguments: Mapping[str, JsonValue] = field(default_factory=dict)
    can_be_remembered: bool = False


ApprovalRequest: TypeAlias = CommandApproval | FileChangeApproval | PermissionsApproval | McpToolApproval
"""A request for approval, of one of these kinds. Each has a `thread_id`, `turn_id` and `item_id`, the agent's `reason`,
what could be granted for good (`permanent`; no rule of this package does that), and everything that the runtime said
(`params`)."""

_COMMAND = "item/commandExecution/requestApproval"
_FILES = "item/fileChange/requestApproval"
_PERMISSIONS = "item/permissions/requestApproval"
_ELICITATION = "mcpServer/elicitation/request"
METHODS = frozenset({_COMMAND, _FILES, _PERMISSIONS, _ELICITATION})
"""The protocol's methods that ask for approval, the last one among other things."""


def request_of(asked: ServerRequest, changes: JsonValue = None) -> ApprovalRequest | None:
    """The request for approval that a question of the runtime is; None if it is another question.

    Args:
        asked: the question.
        changes: those of the item that it is about, if it is a file change.
    """
    params = asked.params if isinstance(asked.params, dict) else {}
    if asked.method == _COMMAND:
        return _command(params)
    if asked.method == _FILES:
        root = _said(params, "grantRoot")
        return FileChangeApproval(
            **_common(params),
            permanent=(f"changes below {root}",) if root else (),
            changes=changes_of(changes),
            grant_root=root,
        )
    if asked.method == _PERMISSIONS:
        return PermissionsApproval(
            **_common(params), permissions=_object(params, "permissions") or {}, cwd=_text(params, "cwd")
        )
    return _tool(params) if asked.method == _ELICITATION else None


def _command(params: Mapping[str, JsonValue]) -> CommandApproval:
    context = params.get("networkApprovalContext")
    host = context.get("host") if isinstance(context, dict) else context
    more = params.get("additionalPermissions")
    prefix = params.get("proposedExecpolicyAmendment")
    hosts = params.get("proposedNetworkPolicyAmendments")
    return CommandApproval(
        **_common(params),
        permanent=(
            *([f"commands that begin with: {' '.join(map(str, prefix))}"] if isinstance(prefix, list) else []),
            *(f"network: {each}" for each in (hosts if isinstance(hosts, list) else [])),
        ),
        command=_text(params, "command") or "",
        cwd=_text(params, "cwd"),
        kind=_said(params, "kind") or "command",
        permissions=more if isinstance(more, dict) or more is None else {"additionalPermissions": more},
        network=None if context is None else str(host),
    )


def _agreed(words: tuple[tuple[Word, ...], ...] | None, actions: JsonValue) -> tuple[tuple[Word, ...], ...] | None:
    """The same, unless the runtime has read a command out of the line that is none of them."""
    spelled = {tuple(word.text for word in part) for part in words or ()}
    for action in actions if isinstance(actions, list) else []:
        command = str(action.get("command")) if isinstance(action, dict) else ""
        read = {tuple(word.text for word in part) for part in words_of(command) or ()}
        if not (read and read <= spelled) and tuple(command.split()) not in spelled:
            return None
    return words


def _tool(params: Mapping[str, JsonValue]) -> McpToolApproval | None:
    meta = _object(params, "_meta") or {}
    schema = _object(params, "requestedSchema") or {}
    tool, server = _text(meta, "tool_name"), _text(params, "serverName")
    if meta.get("codex_approval_kind") != "mcp_tool_call" or not tool or not server or schema.get("properties"):
        return None
    offered = meta.get("persist")
    words = offered if isinstance(offered, list) else [offered]
    return McpToolApproval(
        **_common(params),
        permanent=(f"the tool {tool} of {server}",) if "always" in words else (),
        server=server,
        tool=tool,
        arguments=_object(meta, "tool_params") or {},
        can_be_remembered="session" in words,
    )


def changes_of(changes: JsonValue) -> tuple[FileChange, ...]:
    """The changes of a ``fileChange`` item; none if it cannot be said of each which files it touches."""
    read = [_change(each) for each in changes] if isinstance(changes, list) else []
    known = tuple(each for each in read if each is not None)
    return known if len(known) == len(read) else ()


def _change(change: JsonValue) -> FileChange | None:
    fields = change if isinstance(change, dict) else {}
    kind = _object(fields, "kind") or {}
    path, to = fields.get("path"), kind.get("move_path")
    if not isinstance(path, str) or not (to is None or isinstance(to, str)):
        return None
    return FileChange(path=path, kind=str(kind.get("type") or "change"), move_to=to, said=str(fields.get("diff") or ""))


def _unified(path: str, kind: str, to: str | None, said: str) -> str:
    """A unified diff of what the runtime says: of an update the hunks, of other changes the file's content."""
    if kind in {"add", "delete"}:
        lines = said.split("\n")
        is_ended = lines[-1] == ""
        sign, count = ("+" if kind == "add" else "-"), len(lines) - is_ended
        ranges = f"@@ -0,0 +1,{count} @@" if kind == "add" else f"@@ -1,{count} +0,0 @@"
        body = "".join(f"{sign}{line}\n" for line in lines[:count])
        said = (
            f"{ranges}\n{body}{'' if is_ended else chr(92) + ' No newline at end of file' + chr(10)}" if count else ""
        )
    elif said and not said.endswith("\n"):
        said += "\n"
    before = "/dev/null" if kind == "add" else path
    after = "/dev/null" if kind == "delete" else to or path
    return f"--- {before}\n+++ {after}\n{said}"


def _common(params: Mapping[str, JsonValue]) -> dict[str, Any]:
    return {
        "thread_id": _text(params, "threadId") or "",
        "turn_id": _text(params, "turnId"),
        "item_id": _text(params, "itemId"),
        "reason": _text(params, "reason"),
        "params": params,
    }


def _text(params: Mapping[str, JsonValue], name: str) -> str | None:
    found = params.get(name)
    return found if isinstance(found, str) else None


def _said(params: Mapping[str, JsonValue], name: str) -> str | None:
    """As `_text`, but what is there and is no text is not nothing: more is asked then than this client can read."""
    found = params.get(name)
    return found if isinstance(found, str) or found is None else repr(found)


def _object(params: Mapping[str, JsonValue], name: str) -> dict[str, JsonValue] | None:
    found = params.get(name)
    return found if isinstance(found, dict) else None
