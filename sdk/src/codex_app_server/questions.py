"""How to answer the runtime's questions: which function is called, what it may return, and how to say "no".

Pure decisions; the drivers run the functions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from codex_app_server._log import log_error, logger
from codex_app_server.models.encoding import encode_options
from codex_app_server.protocol.messages import METHOD_NOT_FOUND, encode_error, encode_result

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.approvals.deciding import Approving, Steps
    from codex_app_server.approvals.requests import ApprovalRequest
    from codex_app_server.handlers import Decision, Handlers
    from codex_app_server.protocol.messages import JsonValue, ServerRequest

__all__ = [
    "TOOL_CALL",
    "answer",
    "consult",
    "decline",
    "failed",
    "handler_of",
    "question",
    "without_thread",
]

TOOL_CALL = "item/tool/call"
"""The method with which the runtime asks to call a tool of this program."""


class _Rule(NamedTuple):
    """How one kind of question is answered.

    Attributes:
        handler: the name of the attribute of `Handlers`.
        decline: the answer that grants nothing; None if the protocol has no such answer.
        short: a function that makes the answer of a short form, and leaves a whole answer as it is.
        accept: a function that makes the answer for `True` of the question's parameters; `False` declines then. None
            if it is no yes-no question.
        remedy: what else helps if there is no handler, for the log.
    """

    handler: str
    decline: dict[str, JsonValue] | None = None
    short: Callable[[Any], object] = lambda given: given
    accept: Callable[[JsonValue], dict[str, JsonValue]] | None = None
    remedy: str = ""


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


def _says(**members: JsonValue) -> Callable[[JsonValue], dict[str, JsonValue]]:
    return lambda _: members


def _all_of_them(asked: JsonValue) -> dict[str, JsonValue]:
    """All the permissions that were asked for, and for this turn only."""
    return {"permissions": asked.get("permissions") if isinstance(asked, dict) else {}, "scope": "turn"}


_RULES = {
    "item/commandExecution/requestApproval": _Rule(
        "command_approval", {"decision": "decline"}, _as("decision"), _says(decision="accept")
    ),
    "item/fileChange/requestApproval": _Rule(
        "file_change_approval", {"decision": "decline"}, _as("decision"), _says(decision="accept")
    ),
    "item/permissions/requestApproval": _Rule(
        "permissions_approval", {"permissions": {}, "scope": "turn"}, accept=_all_of_them
    ),
    "item/tool/requestUserInput": _Rule("user_input", None, _answers),
    "mcpServer/elicitation/request": _Rule(
        "mcp_elicitation", {"action": "decline"}, _as("action"), _says(action="accept")
    ),
    TOOL_CALL: _Rule(
        "tool_call",
        {"success": False, "contentItems": [{"type": "inputText", "text": "this tool is not available"}]},
        _tool_text,
        remedy=", or pass the function to thread_start, thread_resume or thread_fork: tools=[...]",
    ),
    "account/chatgptAuthTokens/refresh": _Rule("token_refresh"),
    "attestation/generate": _Rule("attestation", None, _as("token")),
    "currentTime/read": _Rule("current_time", None, _as("currentTimeAt")),
    "applyPatchApproval": _Rule("patch_approval", {"decision": "abort"}, _as("decision"), _says(decision="approved")),
    "execCommandApproval": _Rule("exec_approval", {"decision": "abort"}, _as("decision"), _says(decision="approved")),
}


def consult(request: ServerRequest, handlers: Handlers, approving: Approving | None) -> Steps | None:
    """Find an answer: yields the functions to call, one after another, with their argument; returns the data to send.

    The rules of `AppServerConfig.approvals` are asked first. What none of them decides goes to the handler for it. What
    is asked is read at once, for who reads the runtime's output to call this: what it says next may be about another
    question.

    Returns:
        None if nobody is to be asked.
    """
    wanted = None if approving is None else approving.read(request)
    if wanted is None and handler_of(request, handlers) is None:
        return None
    return _consulted(request, handlers, approving, wanted)


def _consulted(
    request: ServerRequest, handlers: Handlers, approving: Approving | None, wanted: ApprovalRequest | None
) -> Steps:
    raised = None
    try:
        if approving is not None and wanted is not None:
            from codex_app_server.approvals.deciding import decide
            from codex_app_server.approvals.rules import wire

            decision = yield from decide(wanted, approving.rules)
            if decision is not None:
                data = encode_result(request.id, wire(wanted, decision.decision))
                approving.tell(decision)
                return data
        handler = handler_of(request, handlers, has_rules=bool(approving is not None and approving.rules))
        if handler is None:
            data = decline(request)
        else:
            given, raised = yield handler, question(request)
            data = answer(request, given) if raised is None else failed(request, raised)
    except GeneratorExit:  # nobody asks any more
        raise
    except BaseException as error:
        raised, data = error, failed(request, error)
    if approving is not None and wanted is not None:
        rule = _RULES[request.method].handler
        _tell(approving, wanted, data, f"Handlers.{rule}" if getattr(handlers, rule) is not None else "", raised)
    return data


def _tell(approving: Approving, wanted: ApprovalRequest, data: bytes, rule: str, error: BaseException | None) -> None:
    """Show observers what a handler decided, or that nothing did."""
    import json

    from codex_app_server.approvals.rules import ApprovalDecision

    result = json.loads(data).get("result") or {}
    word = result.get("decision", result.get("action"))
    decision: Decision = "decline"
    if isinstance(word, dict) or result.get("permissions"):
        decision = "acceptForSession" if result.get("scope") == "session" else "accept"
    elif word in {"accept", "acceptForSession", "cancel"}:
        decision = word
    approving.tell(ApprovalDecision(request=wanted, decision=decision, rule=rule, error=error))


def handler_of(
    request: ServerRequest, handlers: Handlers, *, has_rules: bool = False
) -> Callable[[Any], object] | None:
    """The handler to call; None, with a warning in the log, if there is none."""
    rule = _RULES.get(request.method)
    handler: Callable[[Any], object] | None = getattr(handlers, rule.handler) if rule else None
    if handler is None:
        who = "no rule decides and nobody handles" if has_rules else "nobody handles"
        remedy = f"; see Handlers.{rule.handler}{rule.remedy}" if rule else ""
        with contextlib.suppress(Exception):  # as in `log_error`
            logger().warning("the runtime asked for %s, which %s: declined%s", request.method, who, remedy)
    return handler


def question(request: ServerRequest) -> object:
    """The argument for the handler."""
    from codex_app_server.generated.registry import SERVER_REQUESTS
    from codex_app_server.models.model import decode

    return decode(SERVER_REQUESTS[request.method][0], request.params)


def answer(request: ServerRequest, given: object) -> bytes:
    """The data to send for what a handler returned. A value that is no answer declines, and is logged."""
    from codex_app_server.generated.registry import SERVER_REQUESTS
    from codex_app_server.models.model import Model, load

    rule = _RULES[request.method]
    if given is None or (given is False and rule.accept is not None):
        return decline(request)
    try:
        if given is True and rule.accept is not None:
            given = rule.accept(request.params)
        if not isinstance(given, Model):
            given = load(SERVER_REQUESTS[request.method][1]).model_validate(rule.short(given))
        return encode_result(request.id, encode_options(given))
    except (TypeError, ValueError) as error:
        log_error(error, "what Handlers.%s returned is no answer to %s: declined", rule.handler, request.method)
        return decline(request)


def decline(request: ServerRequest) -> bytes:
    """The data to send to decline: the protocol's "no", or an error (unsupported) if it has none for this question."""
    rule = _RULES.get(request.method)
    if rule is None or rule.decline is None:
        return encode_error(request.id, METHOD_NOT_FOUND, f"unsupported: this client does not handle {request.method}")
    return encode_result(request.id, rule.decline)


def failed(request: ServerRequest, error: BaseException) -> bytes:
    """The data to send when a handler raised an error, which is logged: the same as `decline`."""
    log_error(error, "the handler of %s failed: declined", request.method)
    return decline(request)


def without_thread(request: ServerRequest) -> bytes:
    """The data to send when no thread can be started to run a handler: the same as `decline`, and it is logged."""
    log_error(None, "no thread is to be had to ask the handler of %s in: declined", request.method)
    return decline(request)
