"""What a configuration does to the real runtime."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codex_app_server import AppServerConfig, AsyncCodex, Codex, ConfigurationError
from codex_app_server.testing import ModelServer, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("leaves_nothing")

KEY = "sk-of-nobody"


@pytest.fixture(params=["threads", "asyncio"])
def start(request: pytest.FixtureRequest) -> Callable[[AppServerConfig], None]:
    def started(config: AppServerConfig) -> None:
        async def later() -> None:
            async with AsyncCodex(config):
                pass

        if request.param == "asyncio":
            asyncio.run(later())
        else:
            with Codex(config):
                pass

    return started


def home_of(config: AppServerConfig) -> Path:
    return Path(str((config.env or {})["CODEX_HOME"]))


def test_a_key_reaches_the_model_and_nothing_else(codex_binary: Path) -> None:
    """It is in no file, no environment and no command line, and no command that the agent runs sees it."""
    look = ToolCall("exec_command", {"cmd": "env"})
    with ModelServer(look, default=Text("Hi.")) as model:
        embedded = model.config(codex_bin=codex_binary)
        home = home_of(embedded)
        (home / "config.toml").write_text('model_provider = "elsewhere"\n[model_providers.elsewhere]\nname = "x"\n')
        config = replace(embedded, api_key=KEY, base_url=f"{model.url}/v1", config={"analytics": {"enabled": False}})
        assert KEY not in repr(config)
        with Codex(config) as codex:
            account = codex.client.account_read().account
            thread = codex.thread_start(sandbox="danger-full-access", approval_policy="never", cwd=home)
            assert thread.run("Say hi.", timeout=30).final_response == "Hi."
        assert str(account.type) == "apiKey"  # type: ignore[union-attr]
        assert [request.headers["authorization"] for request in model.requests] == [f"Bearer {KEY}"] * 2
        assert "PATH=" in str(model.requests[1].tool_outputs)
        assert KEY not in str(model.requests[1].tool_outputs)
        assert not [path for path in home.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
        assert not (home / "auth.json").exists()


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"config": {"sandbox_mode": "nonsense"}}, "sandbox_mode"),
        ({"config": {"projects": {"/a.b": {"trust_level": "nonsense"}}}}, "projects./a.b.trust_level"),
        ({"config": {"tui": {"nonsense": 1}}, "strict": True}, "tui.nonsense"),
        ({"features": {"nonsense": True}, "strict": True}, "features.nonsense"),
    ],
)
def test_a_wrong_setting_is_told_with_its_path(
    start: Callable[..., None], codex_binary: Path, home: dict[str, str], options: dict[str, Any], path: str
) -> None:
    with pytest.raises(ConfigurationError, match="the runtime refuses its configuration") as caught:
        start(AppServerConfig(codex_bin=codex_binary, codex_home=home["CODEX_HOME"], **options))
    assert caught.value.path == path
    assert path in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "words", "path"),
    [
        ("model = 5", r"config\.toml:1:9: invalid type: integer `5`, expected a string", None),
        ("nonsense = 1", r"config\.toml:1:1: unknown configuration field `nonsense`", "nonsense"),
        ("model = ", r"config\.toml:1:9: string values must be quoted", None),
    ],
)
def test_so_is_one_in_the_persons_own_settings(
    codex_binary: Path, home: dict[str, str], settings: str, words: str, path: str | None
) -> None:
    (Path(home["CODEX_HOME"]) / "config.toml").write_text(settings)
    with pytest.raises(ConfigurationError, match=words) as caught:
        Codex(AppServerConfig(codex_bin=codex_binary, codex_home=home["CODEX_HOME"], strict=True))
    assert caught.value.path == path


def test_settings_reach_the_runtime_and_tables_are_merged(codex_binary: Path, home: dict[str, str]) -> None:
    directory = Path(home["CODEX_HOME"])
    (directory / "config.toml").write_text('[projects."/x"]\ntrust_level = "trusted"\n')
    config = AppServerConfig(
        codex_bin=codex_binary,
        codex_home=directory,
        config={"model": 'a "model"', "projects": {"/y.z": {"trust_level": "untrusted"}}},
        features={"goals": False},
        config_overrides=['model="another"'],
    )
    with Codex(config) as codex:
        read: Any = codex.client.request("config/read", {})
    assert read["config"]["model"] == "another"
    assert read["config"]["projects"] == {"/x": {"trust_level": "trusted"}, "/y.z": {"trust_level": "untrusted"}}
    assert read["config"]["features"]["goals"] is False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"base_url": "http://127.0.0.1/v1"}, "base_url needs an api_key"),
        ({"api_key": ""}, "api_key is empty"),
        ({"launch_args_override": ["codex"], "api_key": "x"}, "has no place for api_key"),
        ({"launch_args_override": ["codex"], "strict": True}, "has no place for strict"),
        ({"config": {"a": {"token": "x"}}}, "looks like a secret"),
    ],
)
def test_what_cannot_work_or_is_not_safe_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AppServerConfig(**options)


def test_a_key_of_another_type_is_not_shown() -> None:
    with pytest.raises(TypeError, match="api_key must be str or None, not bytes"):
        AppServerConfig(api_key=KEY.encode())  # type: ignore[arg-type]
    wrongs: list[dict[str, Any]] = [{"env": [("A", KEY)]}, {"env": KEY}, {"env": {(KEY,): "x"}}, {"config": [KEY]}]
    for wrong in wrongs:
        with pytest.raises(TypeError) as caught:
            AppServerConfig(**wrong)
        assert KEY not in str(caught.value)
    with pytest.raises(TypeError, match="features: goals is True or False"):
        AppServerConfig(features={"goals": "on"})  # type: ignore[dict-item]
