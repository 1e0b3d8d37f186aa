"""What the runtime is told when it asks, and that "no" is the default."""

from __future__ import annotations

import json
import logging
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from codex_app_server import Handlers
from codex_app_server.generated import (
    CommandExecutionRequestApprovalParams,
    CommandExecutionRequestApprovalResponse,
    DynamicToolCallResponse,
)
from codex_app_server.generated.registry import SERVER_REQUESTS
from codex_app_server.protocol.messages import ServerRequest
from codex_app_server.questions import answer, decline, handler_of, question

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
    ],
)
def test_short_and_whole_answers(method: str, given: object, result: object) -> None:
    assert said(method, given) == result


@pytest.mark.parametrize("given", ["yes", True, 5, {"decided": "accept"}, ["accept"], object()])
def test_what_is_no_answer_declines_and_is_logged(given: object, caplog: pytest.LogCaptureFixture) -> None:
    assert said(COMMAND, given) == {"decision": "decline"}
    assert "Handlers.command_approval" in caplog.text


def test_a_handler_is_given_a_model() -> None:
    params: Any = {"threadId": "t", "turnId": "u", "itemId": "i", "command": "ls", "novelty": 1}
    model = question(asked(COMMAND, params))
    assert isinstance(model, CommandExecutionRequestApprovalParams)
    assert (model.thread_id, model.command) == ("t", "ls")
