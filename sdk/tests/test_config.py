from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from codex_app_server import AppServerConfig


@pytest.mark.parametrize("name", ["launch_args_override", "config_overrides"])
def test_one_string_is_no_list_of_strings(name: str) -> None:
    wrong: dict[str, Any] = {name: "model=x"}
    with pytest.raises(TypeError, match=f"{name} must be a sequence"):
        AppServerConfig(**wrong)


def test_an_override_has_a_key_and_a_value() -> None:
    with pytest.raises(ValueError, match="'model' is not of the form key=value"):
        AppServerConfig(config_overrides=["a=1", "model"])


def test_a_command_line_names_a_program() -> None:
    with pytest.raises(ValueError, match="launch_args_override is empty"):
        AppServerConfig(launch_args_override=())


def test_the_environment_is_not_shown() -> None:
    assert "secret" not in repr(AppServerConfig(env={"OPENAI_API_KEY": "secret"}))


def test_it_is_frozen_and_takes_names_only() -> None:
    config: Any = AppServerConfig()
    with pytest.raises(FrozenInstanceError):
        config.cwd = "elsewhere"
    with pytest.raises(TypeError):
        AppServerConfig("codex")  # type: ignore[call-arg]  # the point of the test
