from __future__ import annotations

import os
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from codex_app_server import AppServerClient, AppServerConfig, AsyncAppServerClient, AsyncCodex, Codex, read_only


@pytest.mark.parametrize("name", ["launch_args_override", "config_overrides"])
def test_one_string_is_no_list_of_strings(name: str) -> None:
    wrong: dict[str, Any] = {name: "model=x"}
    with pytest.raises(TypeError, match=f"{name} must be a sequence"):
        AppServerConfig(**wrong)


def test_one_rule_is_no_list_of_rules() -> None:
    with pytest.raises(TypeError, match=r"approvals must be a list of rules, not read_only; write \[read_only\]"):
        AppServerConfig(approvals=read_only)  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(TypeError, match=r"approvals must be a list of rules, not True$"):
        AppServerConfig(approvals=True)  # type: ignore[arg-type]  # likewise


@pytest.mark.parametrize("client", [Codex, AsyncCodex, AppServerClient, AsyncAppServerClient])
@pytest.mark.parametrize("wrong", ["sk-key", {}, AppServerConfig])
def test_a_client_takes_nothing_else_and_does_not_show_it(client: Any, wrong: object) -> None:
    with pytest.raises(TypeError, match=r"config must be an AppServerConfig, e\.g\. .*, not ") as caught:
        client(wrong)
    assert "sk-key" not in str(caught.value)


def test_an_override_has_a_key_and_a_value() -> None:
    with pytest.raises(ValueError, match="'model' is not of the form key=value"):
        AppServerConfig(config_overrides=["a=1", "model"])


def test_a_command_line_names_a_program() -> None:
    with pytest.raises(ValueError, match="launch_args_override is empty"):
        AppServerConfig(launch_args_override=())


def test_the_environment_is_not_shown() -> None:
    assert "secret" not in repr(AppServerConfig(env={"OPENAI_API_KEY": "secret"}))


@pytest.mark.parametrize("name", ["", "A=B", "A\0B"])
def test_a_name_that_no_variable_can_have_is_told_at_once(name: str) -> None:
    with pytest.raises(ValueError, match=r"env: .* is no name of a variable"):
        AppServerConfig(env={name: "x"})


@pytest.mark.parametrize("value", ["hunter2\0", *(["hunter2\ud800"] if os.name == "posix" else [])])
def test_a_value_that_no_variable_can_have_is_told_by_its_name(value: str) -> None:
    with pytest.raises(ValueError, match="env: what 'MY_KEY' is set to has a character") as caught:
        AppServerConfig(env={"MY_KEY": value})
    assert "hunter2" not in str(caught.value)


def test_it_is_frozen_and_takes_names_only() -> None:
    config: Any = AppServerConfig()
    with pytest.raises(FrozenInstanceError):
        config.cwd = "elsewhere"
    with pytest.raises(TypeError):
        AppServerConfig("codex")  # type: ignore[call-arg]  # the point of the test
