"""What Codex wants to do, as the editor's person is asked about it; and what the answer grants."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import acp
from acp import schema

from codex_app_server.approvals.requests import CommandApproval, FileChangeApproval, McpToolApproval
from codex_app_server.integrations.acp.updates import changed

if TYPE_CHECKING:
    from acp.helpers import ToolCallContentVariant

    from codex_app_server.approvals.requests import ApprovalRequest
    from codex_app_server.handlers import Decision

__all__ = ["decided", "options", "wanted"]


def wanted(request: ApprovalRequest) -> schema.ToolCallUpdate:
    """The call that is asked about, with all that is to judge."""
    call = schema.ToolCallUpdate(tool_call_id=request.item_id or "approval", status="pending", kind="other")
    content: list[ToolCallContentVariant] = [_said(request.reason)] if request.reason else []
    if isinstance(request, FileChangeApproval):
        call.kind = "edit"
        call.title = f"Change whatever is below {request.grant_root}" if request.grant_root else "Edit files"
        paths = [path for change in request.changes for path in (change.path, change.move_to) if path is not None]
        call.locations = [schema.ToolCallLocation(path=path) for path in paths]
        for change in request.changes:
            content += [_said(f"It wants to move {change.path} to {change.move_to}.")] if change.move_to else []
            content += changed(change)
    elif isinstance(request, McpToolApproval):
        call.title = f"{request.server}.{request.tool}"
        call.raw_input = dict(request.arguments)
    elif isinstance(request, CommandApproval):
        call.kind = "execute"
        known = {"command": request.command, "writeStdin": f"Type into: {request.command}"}
        call.title = known.get(request.kind, f"{request.kind}: {request.command}")
        call.raw_input = {"command": request.command, "cwd": request.cwd}
        content += [_said(f"It wants to connect to {request.network}.")] if request.network else []
        content += [_said(f"It wants: {json.dumps(request.permissions)}")] if request.permissions else []
    else:
        call.title = f"Have more permissions: {json.dumps(request.permissions)}"
    call.content = content
    return call


def options(request: ApprovalRequest) -> list[schema.PermissionOption]:
    """What may be answered. Nothing is granted for longer than the session."""
    offered = [schema.PermissionOption(option_id="accept", name="Allow", kind="allow_once")]
    if isinstance(request, CommandApproval | FileChangeApproval) or _can_be_remembered(request):
        name = "Allow for this session"
        offered.append(schema.PermissionOption(option_id="acceptForSession", name=name, kind="allow_always"))
    return [*offered, schema.PermissionOption(option_id="decline", name="Reject", kind="reject_once")]


def decided(answer: schema.RequestPermissionResponse, request: ApprovalRequest) -> Decision:
    """What an answer means; whatever was not offered grants nothing."""
    if isinstance(answer.outcome, schema.AllowedOutcome):
        granted: tuple[Decision, ...] = ("accept", "acceptForSession")
        for word in granted:
            if answer.outcome.option_id == word and word in {each.option_id for each in options(request)}:
                return word
    return "decline"


def _can_be_remembered(request: ApprovalRequest) -> bool:
    return isinstance(request, McpToolApproval) and request.can_be_remembered


def _said(text: str) -> ToolCallContentVariant:
    return acp.tool_content(acp.text_block(text))
