"""The client against the real Codex executable: without an account, and without a network."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from awaited import bare

from codex_app_server import (
    AppServerClient,
    AppServerConfig,
    ConfigurationError,
    JsonRpcError,
    TransportClosedError,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("leaves_nothing")


@pytest.fixture
def config(codex_binary: Path, home: dict[str, str]) -> AppServerConfig:
    return AppServerConfig(codex_bin=codex_binary, env=home)


def test_the_handshake_tells_the_version(codex_binary: Path, config: AppServerConfig) -> None:
    said = subprocess.run([codex_binary, "--version"], check=True, capture_output=True, text=True).stdout

    with AppServerClient(config) as client:
        assert client.metadata.server_version == said.split()[-1]
        assert client.metadata.server_name == "codex_app_server_sdk"
        assert client.metadata.user_agent is not None
        assert client.metadata.user_agent.startswith(f"codex_app_server_sdk/{client.metadata.server_version} (")


def test_any_name_of_the_client_leaves_the_version_readable(codex_binary: Path, home: dict[str, str]) -> None:
    config = AppServerConfig(codex_bin=codex_binary, env=home, client_name="my 1/2 tool")
    with AppServerClient(config) as client:
        assert client.metadata.server_name == "my 1/2 tool"
        assert client.metadata.server_version is not None
        assert client.metadata.server_version.count(".") >= 2


def test_a_refused_name_is_an_error(codex_binary: Path, home: dict[str, str]) -> None:
    with pytest.raises(JsonRpcError, match=r"initialize failed: Invalid clientInfo\.name"):
        AppServerClient(AppServerConfig(codex_bin=codex_binary, env=home, client_name="two\nlines"))


def test_calls_and_their_errors(config: AppServerConfig) -> None:
    with AppServerClient(config) as client:
        answer = client.request("account/read", {})
        assert isinstance(answer, dict)
        assert answer["account"] is None
        with pytest.raises(JsonRpcError, match=r"no/such/method failed: this runtime does not know") as caught:
            client.request("no/such/method", {})
        assert caught.value.code == -32600


def test_calls_from_many_threads(config: AppServerConfig) -> None:
    with AppServerClient(config) as client, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.request("account/read", {}), range(64)))

    assert answers == [answers[0]] * 64


def test_overrides_reach_the_configuration(codex_binary: Path, home: dict[str, str]) -> None:
    overrides = ['model="overridden"', "model_reasoning_effort=low"]
    with AppServerClient(AppServerConfig(codex_bin=codex_binary, env=home, config_overrides=overrides)) as client:
        answer = client.request("config/read", {})

    assert isinstance(answer, dict)
    assert isinstance(answer["config"], dict)
    assert answer["config"]["model"] == "overridden"
    assert answer["config"]["model_reasoning_effort"] == "low"


def test_an_override_that_codex_refuses_ends_the_start_with_its_words(codex_binary: Path, home: dict[str, str]) -> None:
    config = AppServerConfig(codex_bin=codex_binary, env=home, config_overrides=["model=3"])
    with pytest.raises(ConfigurationError, match="expected a string") as caught:
        AppServerClient(config)

    assert caught.value.path == "model"


@pytest.mark.parametrize("allowed", [True, False])
def test_experimental_methods_are_an_option(codex_binary: Path, home: dict[str, str], allowed: bool) -> None:
    with AppServerClient(AppServerConfig(codex_bin=codex_binary, env=home, experimental_api=allowed)) as client:
        if allowed:
            assert isinstance(client.request("collaborationMode/list", {}), dict)
        else:
            with pytest.raises(JsonRpcError, match="requires experimentalApi"):
                client.request("collaborationMode/list", {})


def test_it_leaves_by_itself_when_closed(config: AppServerConfig) -> None:
    client = AppServerClient(config)
    client.close()
    client.close()

    assert bare(client)._driver._transport._process.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals on Windows")
def test_a_killed_runtime_fails_the_calls(config: AppServerConfig) -> None:
    with AppServerClient(config) as client:
        bare(client)._driver._transport._process.kill()
        bare(client)._driver._transport._watcher.join(10)
        with pytest.raises(TransportClosedError, match="ended by SIGKILL") as caught:
            client.request("account/read", {})

        assert caught.value.exit_code == -9
