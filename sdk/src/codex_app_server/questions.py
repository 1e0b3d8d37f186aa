"""What to answer the runtime's questions: which function is asked, what its answer means, and what "no" is.

Pure decisions; who runs the functions, and where, is the drivers' business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from codex_app_server._log import logger
from codex_app_server.models.encoding import encode_options
from codex_app_server.protocol.messages import METHOD_NOT_FOUND, encode_error, encode_result

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.handlers import Handlers
    from codex_app_server.protocol.messages import JsonValue, ServerRequest

__all__ = ["answer", "decline", "handler_of", "question"]


class _Rule(NamedTuple):
    """How one kind of question is answered.

    Attributes:
        handler: the attribute of `Handlers`.
        decline: the answer that grants nothing; None if the protocol has none.
        short: turns a short form into the answer, and leaves an answer as it is.
    """

    handler: str
    decline: dict[str, JsonValue] | None = None
    short: Callable[[Any], object] = lambda given: given


def _as(member: str) -> Callable[[Any], object]:
    """The short form that is one member of the answer."""
    return lambda given: given if isinstance(given, Mapping) else {member: given}


def _tool_text(given: Any) -> object:
    if isinstance(given, Mapping):
        return given
    return {"success": True, "contentItems": [{"type": "inputText", "text": given}]}


def _answers(given: Any) -> object:
    """Answers by question; one alone need not be a list."""
    if "answers" in given:
        return given
    return {
        "answers": {key: {"answers": [said] if isinstance(said, str) else list(said)} for key, said in given.items()}
    }


_RULES = {
    "item/commandExecution/requestApproval": _Rule("command_approval", {"decision": "decline"}, _as("decision")),
    "item/fileChange/requestApproval": _Rule("file_change_approval", {"decision": "decline"}, _as("decision")),
    "item/permissions/requestApproval": _Rule("permissions_approval", {"permissions": {}, "scope": "turn"}),
    "item/tool/requestUserInput": _Rule("user_input", None, _answers),
    "mcpServer/elicitation/request": _Rule("mcp_elicitation", {"action": "decline"}, _as("action")),
    "item/tool/call": _Rule(
        "tool_call",
        {"success": False, "contentItems": [{"type": "inputText", "text": "this tool is not available"}]},
        _tool_text,
    ),
    "account/chatgptAuthTokens/refresh": _Rule("token_refresh"),
    "attestation/generate": _Rule("attestation", None, _as("token")),
    "currentTime/read": _Rule("current_time", None, _as("currentTimeAt")),
    "applyPatchApproval": _Rule("patch_approval", {"decision": "abort"}, _as("decision")),
    "execCommandApproval": _Rule("exec_approval", {"decision": "abort"}, _as("decision")),
}


def handler_of(request: ServerRequest, handlers: Handlers) -> Callable[[Any], object] | None:
    """The function to ask; None, with a line in the log, if there is none."""
    rule = _RULES.get(request.method)
    handler: Callable[[Any], object] | None = getattr(handlers, rule.handler) if rule else None
    if handler is None:
        remedy = f"; see Handlers.{rule.handler}" if rule else ""
        logger().warning("the runtime asked for %s, which nobody handles: declined%s", request.method, remedy)
    return handler


def question(request: ServerRequest) -> object:
    """What the function is given."""
    from codex_app_server.generated.registry import SERVER_REQUESTS
    from codex_app_server.models.model import decode

    return decode(SERVER_REQUESTS[request.method][0], request.params)


def answer(request: ServerRequest, given: object) -> bytes:
    """What to send for what a function returned; what makes no sense declines, and is logged."""
    from codex_app_server.generated.registry import SERVER_REQUESTS
    from codex_app_server.models.model import Model, load

    if given is None:
        return decline(request)
    rule = _RULES[request.method]
    try:
        if not isinstance(given, Model):
            given = load(SERVER_REQUESTS[request.method][1]).model_validate(rule.short(given))
        return encode_result(request.id, encode_options(given))
    except (TypeError, ValueError):
        logger().exception("what Handlers.%s returned is no answer to %s: declined", rule.handler, request.method)
        return decline(request)


def decline(request: ServerRequest) -> bytes:
    """What to send when nothing is granted: the protocol's "no", else that this is not supported."""
    rule = _RULES.get(request.method)
    if rule is None or rule.decline is None:
        return encode_error(request.id, METHOD_NOT_FOUND, f"unsupported: this client does not handle {request.method}")
    return encode_result(request.id, rule.decline)
