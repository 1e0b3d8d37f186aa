from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from codex_app_server import AppServerConfig, RuntimeNotFoundError
from codex_app_server.runtime import _NEEDED, find_executable, launch_command, launch_environment

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "codex.exe" if sys.platform == "win32" else "codex"


@pytest.fixture
def executable(tmp_path: Path) -> Path:
    path = tmp_path / NAME
    path.touch(mode=0o755)
    return path


def install(monkeypatch: pytest.MonkeyPatch, bundled_codex_path: Callable[[], Path]) -> None:
    module = ModuleType("codex_cli_bin")
    module.bundled_codex_path = bundled_codex_path  # type: ignore[attr-defined]  # made up here
    monkeypatch.setitem(sys.modules, "codex_cli_bin", module)


def test_the_configured_executable_goes_first(executable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, lambda: Path("elsewhere"))

    assert find_executable(AppServerConfig(codex_bin=executable)) == executable
    assert find_executable(AppServerConfig(codex_bin=str(executable))) == executable


def test_else_it_is_the_installed_one(executable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, lambda: executable)

    assert find_executable(AppServerConfig()) == executable


def test_a_relative_path_means_the_callers_directory(executable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(executable.parent)

    assert find_executable(AppServerConfig(codex_bin=NAME, cwd="/")) == executable


def test_path_is_not_searched(executable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(executable.parent))
    monkeypatch.setitem(sys.modules, "codex_cli_bin", None)

    with pytest.raises(RuntimeNotFoundError) as caught:
        find_executable(AppServerConfig())

    assert "install the package codex-cli-bin" in str(caught.value)
    assert "AppServerConfig(codex_bin=...)" in str(caught.value)


def test_a_frozen_application_is_not_told_to_install_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "codex_cli_bin", None)
    monkeypatch.setattr(sys, "frozen", True, raising=False)

    with pytest.raises(RuntimeNotFoundError, match=r"was frozen without .*; freeze it with .* codex-cli-bin, or name"):
        find_executable(AppServerConfig())


def test_an_installation_without_its_payload_is_told_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def bundled_codex_path() -> Path:
        raise FileNotFoundError("bin/codex is missing; reinstall it")

    install(monkeypatch, bundled_codex_path)

    with pytest.raises(RuntimeNotFoundError, match=r"bin/codex is missing; reinstall it; or name an executable"):
        find_executable(AppServerConfig())


def test_a_path_to_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeNotFoundError, match=r"codex_bin .*nothing does not exist; .*codex_bin=\.\.\."):
        find_executable(AppServerConfig(codex_bin=tmp_path / "nothing"))


def test_a_path_to_a_directory(tmp_path: Path) -> None:
    with pytest.raises(RuntimeNotFoundError, match="is a directory"):
        find_executable(AppServerConfig(codex_bin=tmp_path))


@pytest.mark.skipif(sys.platform == "win32", reason="there are no execute permissions on Windows")
def test_a_path_to_a_file_that_may_not_run(executable: Path) -> None:
    executable.chmod(0o644)

    with pytest.raises(RuntimeNotFoundError, match="is not executable"):
        find_executable(AppServerConfig(codex_bin=executable))


def test_overrides_stand_before_the_command(executable: Path) -> None:
    config = AppServerConfig(codex_bin=executable, config_overrides=['model="m"', "a.b=1"])

    expected = [str(executable), "--config", 'model="m"', "--config", "a.b=1", "app-server"]
    assert launch_command(config) == expected


def test_a_whole_command_line_is_taken_as_it_is() -> None:
    assert launch_command(AppServerConfig(launch_args_override=("ssh", "host", "codex"))) == ["ssh", "host", "codex"]


def test_variables_are_added_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INHERITED", "1")
    monkeypatch.setenv("CHANGED", "1")

    environment = launch_environment(AppServerConfig(env={"CHANGED": "2", "ADDED": "3"}))

    assert environment == {**os.environ, "CHANGED": "2", "ADDED": "3"}
    assert launch_environment(AppServerConfig()) is None


def test_variables_that_are_none_are_taken_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INHERITED", "1")

    environment = launch_environment(AppServerConfig(env={"INHERITED": None, "NEVER_THERE": None, "ADDED": ""}))

    assert environment == {**{name: value for name, value in os.environ.items() if name != "INHERITED"}, "ADDED": ""}


def test_the_environment_may_be_left_out_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEX_TEST_A", "1")
    monkeypatch.setenv("CODEX_TEST_B", "2")

    def given(**options: Any) -> dict[str, str]:
        environment = launch_environment(AppServerConfig(**options)) or {}
        return {name: value for name, value in environment.items() if name not in _NEEDED}

    assert given(inherit_env=False) == {}
    assert given(inherit_env=["CODEX_TEST_A", "CODEX_TEST_NONE"]) == {"CODEX_TEST_A": "1"}
    assert given(inherit_env=False, env={"CODEX_TEST_C": "3", "CODEX_TEST_D": None}) == {"CODEX_TEST_C": "3"}
    assert given(inherit_env=["CODEX_TEST_B"], env={"CODEX_TEST_B": "4"}) == {"CODEX_TEST_B": "4"}


def test_the_home_is_absolute_for_the_runtime_may_work_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = launch_environment(AppServerConfig(codex_home="home", env={"CODEX_HOME": "other"}))
    assert environment is not None
    assert environment["CODEX_HOME"] == str(tmp_path / "home")
