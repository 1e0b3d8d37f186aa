from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codex_app_server.protocol.handshake import InitializeResult, initialize_params

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue


def said(answer: JsonValue, client_name: str = "me") -> tuple[str | None, str | None]:
    result = InitializeResult.from_answer(answer, client_name=client_name)
    return result.server_name, result.server_version


@pytest.mark.parametrize(
    ("user_agent", "name", "version"),
    [
        ("me/0.169.0 (Debian 12.0.0; x86_64) xterm (me; 1.0)", "me", "0.169.0"),
        ("me/0.170.0-alpha.2 (x)", "me", "0.170.0-alpha.2"),
        ("codex-cli/0.115.0", "codex-cli", "0.115.0"),
        ("Codex Desktop/0.169.0 (Mac OS 15.0; arm64) unknown (me; 1.0)", "Codex Desktop", "0.169.0"),
        ("a/b/0.169.0 (x)", "a/b", "0.169.0"),
        ("something else", None, None),
        ("", None, None),
    ],
)
def test_name_and_version_come_from_the_user_agent(user_agent: str, name: str | None, version: str | None) -> None:
    assert said({"userAgent": user_agent}) == (name, version)


@pytest.mark.parametrize("client_name", ["a/b", "two words", "my 1/2 tool", "ünï"])
def test_a_client_may_be_called_anything(client_name: str) -> None:
    answer: JsonValue = {"userAgent": f"{client_name}/0.169.0 (Debian 12.0.0; x86_64) xterm ({client_name}; 1.0)"}

    assert said(answer, client_name) == (client_name, "0.169.0")


def test_what_the_server_says_of_itself_goes_first() -> None:
    answer: JsonValue = {"userAgent": "me/0.1 (x)", "serverInfo": {"name": "codex", "version": "0.2"}}

    assert said(answer) == ("codex", "0.2")


def test_half_an_answer_is_completed_from_the_user_agent() -> None:
    assert said({"userAgent": "me/0.1 (x)", "serverInfo": {"name": "codex"}}) == ("codex", "0.1")


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"userAgent": 5, "serverInfo": "x"}])
def test_what_was_not_said_is_none(answer: JsonValue) -> None:
    assert InitializeResult.from_answer(answer, client_name="me") == InitializeResult(None, None, None)


def test_the_client_names_itself() -> None:
    assert initialize_params(name="me", title="Me", version="1", experimental_api=True) == {
        "clientInfo": {"name": "me", "title": "Me", "version": "1"},
        "capabilities": {"experimentalApi": True},
    }
