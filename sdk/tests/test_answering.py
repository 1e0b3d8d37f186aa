"""What the runtime is told when it asks, and that "no" is the default."""

from __future__ import annotations

import json
import logging
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from codex_app_server import ApprovalDecision, Handlers, approve_all
from codex_app_server.approvals.deciding import Approving
from codex_app_server.generated import (
    CommandExecutionRequestApprovalParams,
    CommandExecutionRequestApprovalResponse,
    DynamicToolCallResponse,
)
from codex_app_server.generated.registry import SERVER_REQUESTS
from codex_app_server.protocol.messages import ServerRequest
from codex_app_server.questions import answer, consult, decline, handler_of, question

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue

COMMAND = "item/commandExecution/requestApproval"


def asked(method: str, params: JsonValue = None) -> ServerRequest:
    return ServerRequest(7, method, params or {})


def said(method: str, given: object) -> Any:
    message = json.loads(answer(asked(method), given))
    assert message["id"] == 7
    return message.get("result", message.get("error"))


def test_every_question_of_the_protocol_has_a_handler() -> None:
    class Everything:
        def __getattr__(self, name: str) -> Any:
            return lambda _: name

    found = [handler_of(asked(method), Everything()) for method in SERVER_REQUESTS]  # type: ignore[arg-type]
    names = [handler(None) for handler in found if handler]
    assert sorted(map(str, names)) == sorted(field.name for field in fields(Handlers))


@pytest.mark.parametrize("method", SERVER_REQUESTS)
def test_declining_grants_nothing(method: str) -> None:
    message = json.loads(decline(asked(method)))
    if "error" in message:
        assert "unsupported" in message["error"]["message"]
        return
    words = json.dumps(message["result"])
    assert "accept" not in words
    assert "approved" not in words
    assert "true" not in words


def test_an_unknown_question_is_not_supported(caplog: pytest.LogCaptureFixture) -> None:
    request = asked("some/day")
    with caplog.at_level(logging.WARNING, "codex_app_server"):
        assert handler_of(request, Handlers()) is None
    assert "some/day" in caplog.text
    assert json.loads(decline(request))["error"]["code"] == -32601


@pytest.mark.parametrize(
    ("method", "given", "result"),
    [
        (COMMAND, "accept", {"decision": "accept"}),
        (COMMAND, {"decision": "acceptForSession"}, {"decision": "acceptForSession"}),
        (COMMAND, CommandExecutionRequestApprovalResponse(decision="cancel"), {"decision": "cancel"}),
        (COMMAND, None, {"decision": "decline"}),
        ("item/fileChange/requestApproval", "accept", {"decision": "accept"}),
        ("mcpServer/elicitation/request", "cancel", {"action": "cancel"}),
        ("item/tool/requestUserInput", {"q": "yes"}, {"answers": {"q": {"answers": ["yes"]}}}),
        ("item/tool/requestUserInput", {"q": ["a", "b"]}, {"answers": {"q": {"answers": ["a", "b"]}}}),
        ("item/tool/call", "42", {"success": True, "contentItems": [{"type": "inputText", "text": "42"}]}),
        (
            "item/tool/call",
            DynamicToolCallResponse(success=False, content_items=[]),
            {"success": False, "contentItems": []},
        ),
        ("attestation/generate", "token", {"token": "token"}),
        ("currentTime/read", 5, {"currentTimeAt": 5}),
        ("execCommandApproval", "approved", {"decision": "approved"}),
        (COMMAND, True, {"decision": "accept"}),
        (COMMAND, False, {"decision": "decline"}),
        ("item/fileChange/requestApproval", True, {"decision": "accept"}),
        ("item/fileChange/requestApproval", False, {"decision": "decline"}),
        ("item/permissions/requestApproval", False, {"permissions": {}, "scope": "turn"}),
        ("mcpServer/elicitation/request", True, {"action": "accept"}),
        ("mcpServer/elicitation/request", False, {"action": "decline"}),
        ("applyPatchApproval", True, {"decision": "approved"}),
        ("execCommandApproval", False, {"decision": "abort"}),
    ],
)
def test_short_and_whole_answers(method: str, given: object, result: object) -> None:
    assert said(method, given) == result


@pytest.mark.parametrize("given", ["yes", 5, {"decided": "accept"}, ["accept"], object()])
def test_what_is_no_answer_declines_and_is_logged(given: object, caplog: pytest.LogCaptureFixture) -> None:
    assert said(COMMAND, given) == {"decision": "decline"}
    assert "Handlers.command_approval" in caplog.text


def test_a_handler_is_given_a_model() -> None:
    params: Any = {"threadId": "t", "turnId": "u", "itemId": "i", "command": "ls", "novelty": 1}
    model = question(asked(COMMAND, params))
    assert isinstance(model, CommandExecutionRequestApprovalParams)
    assert (model.thread_id, model.command) == ("t", "ls")


def test_yes_to_permissions_grants_those_that_were_asked_for_in_this_turn() -> None:
    wanted: Any = {"permissions": {"network": {"enabled": True}}, "reason": "to look"}
    message = json.loads(answer(asked("item/permissions/requestApproval", wanted), True))
    assert message["result"] == {"permissions": {"network": {"enabled": True}}, "scope": "turn"}


@pytest.mark.parametrize("request_id", ["\ud800", 'q"\\', "é", 10**30])
def test_any_id_is_answered_as_it_came(request_id: int | str) -> None:
    request = ServerRequest(request_id, COMMAND, {})
    for line in (answer(request, "accept"), decline(request), decline(request._replace(method="some/day"))):
        assert json.loads(line)["id"] == request_id


def test_a_question_of_a_name_that_no_bytes_can_say_is_refused_all_the_same() -> None:
    refused = json.loads(decline(asked("\ud800")))["error"]
    assert (refused["code"], "\\ud800" in refused["message"]) == (-32601, True)


def test_an_answer_that_the_runtime_could_not_read_declines(caplog: pytest.LogCaptureFixture) -> None:
    deep: Any = None
    for _ in range(200):
        deep = [deep]
    given = {"action": "accept", "content": {"a": deep}}
    assert said("mcpServer/elicitation/request", given) == {"action": "decline"}
    assert "levels" in caplog.text


@pytest.mark.parametrize("rules", [[approve_all], []], ids=["a rule", "a handler"])
def test_who_is_not_asked_any_more_has_decided_nothing(rules: Any, caplog: pytest.LogCaptureFixture) -> None:
    approving = Approving(rules)
    decisions: list[object] = []
    approving.watchers.append(decisions.append)
    steps = consult(asked(COMMAND, {"command": "ls"}), Handlers(command_approval=lambda _: True), approving)
    assert steps is not None
    next(steps)
    steps.close()
    assert (decisions, caplog.records) == ([], [])


def test_each_question_is_about_what_was_said_before_it() -> None:
    approving = Approving([approve_all])

    def steps_after(path: str | None) -> Any:
        if path is not None:
            change: Any = {"path": path, "kind": {"type": "add"}, "diff": ""}
            approving.note({"turnId": "u", "item": {"type": "fileChange", "id": "i", "changes": [change]}})
        return consult(asked("item/fileChange/requestApproval", {"turnId": "u", "itemId": "i"}), Handlers(), approving)

    steps = [steps_after(path) for path in ("/a", "/b", None)]
    requests: list[Any] = [next(each)[1] for each in steps]
    assert [[change.path for change in request.changes] for request in requests] == [["/a"], ["/b"], []]


@pytest.mark.parametrize("error", [ValueError("oh"), GeneratorExit("oh")], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("asks", ["a rule", "a handler"])
def test_what_was_raised_is_told_with_the_decision(asks: str, error: BaseException) -> None:
    approving = Approving([approve_all] if asks == "a rule" else [])
    decisions: list[ApprovalDecision] = []
    approving.watchers.append(decisions.append)
    steps = consult(asked(COMMAND, {"command": "ls"}), Handlers(command_approval=lambda _: True), approving)
    assert steps is not None
    next(steps)
    with pytest.raises(StopIteration) as ended:
        steps.send((None, error))
    assert json.loads(ended.value.value)["result"] == {"decision": "decline"}
    (decision,) = decisions
    assert (decision.decision, decision.error) == ("decline", error)
