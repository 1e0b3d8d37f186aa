"""``python -m codex_app_server doctor`` on the real binary."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import pytest
from command_line import home_of, running, said, told
from programs import PINNED, PUBLISHED

from codex_app_server.cli.doctor import _pep440, as_text, examine
from codex_app_server.generated.registry import CLIENT_REQUESTS, NOTIFICATIONS, OLDER
from codex_app_server.testing import ModelServer

SECRET = "sk-not-to-be-shown"
METHODS, EVENTS = len(CLIENT_REQUESTS), len(NOTIFICATIONS.keys() - OLDER)


def test_a_sound_installation(codex_binary: Path, codex_model_server: ModelServer) -> None:
    ran = said("doctor", "--codex-bin", codex_binary, env=home_of(codex_model_server))
    assert f"Python    {platform.python_version()} " in ran.stdout
    assert f"runtime   {PINNED}, {codex_binary}\n" in ran.stdout
    assert (
        f"made for {PINNED}; the runtime knows {METHODS} of {METHODS} methods and {EVENTS} of {EVENTS} notifications"
        in ran.stdout
    )
    assert "login     none; the model provider of the settings needs none" in ran.stdout
    assert ran.stdout.endswith("\n\nEverything fits.\n")
    assert ran.stderr == ""
    assert not running(codex_binary)
    assert codex_model_server.requests == []


def test_the_same_for_a_program(codex_binary: Path, codex_model_server: ModelServer) -> None:
    env = home_of(codex_model_server)
    found = json.loads(told("doctor", "--json", "--codex-bin", codex_binary, env=env).stdout)
    assert found["is_usable"] is True
    assert found["runtime_path"] == str(codex_binary)
    assert found["runtime_version"] == PINNED
    assert found["protocol"] == {
        "schema_version": PINNED,
        "methods": {"total": METHODS, "unknown": []},
        "notifications": {"total": EVENTS, "unknown": []},
    }
    assert found["login"] == {"account": None, "plan": None, "is_needed": False}
    assert found["home"] == env["CODEX_HOME"]
    assert found["problems"] == []


def test_nobody_is_logged_in(codex_binary: Path, home: dict[str, str]) -> None:
    ran = told("doctor", "--codex-bin", codex_binary, env=home)
    assert "login     none\n" in ran.stdout
    assert ran.stdout.endswith(f"warning: nobody is logged in; log in with: {codex_binary} login\n")


def test_of_a_login_the_kind_is_shown_and_no_secret(codex_binary: Path, home: dict[str, str]) -> None:
    (Path(home["CODEX_HOME"]) / "auth.json").write_text(json.dumps({"OPENAI_API_KEY": SECRET}), encoding="utf-8")
    text = told("doctor", "--codex-bin", codex_binary, env=home).stdout
    found = told("doctor", "--json", "--codex-bin", codex_binary, env=home).stdout
    assert "login     apiKey\n" in text
    assert json.loads(found)["login"]["account"] == "apiKey"
    assert SECRET not in text + found


def test_broken_settings_are_a_warning(codex_binary: Path, home: dict[str, str]) -> None:
    config = Path(home["CODEX_HOME"]) / "config.toml"
    config.write_text("x = [", encoding="utf-8")
    ran = told("doctor", "--codex-bin", codex_binary, env=home)
    (line,) = (line for line in ran.stdout.splitlines() if line.startswith("warning: the settings"))
    assert line.startswith("warning: the settings cannot be read: ")
    assert str(config) in line
    assert line.endswith("; correct them; until then Codex uses its defaults")


@pytest.mark.parametrize("as_json", [False, True])
def test_no_runtime_is_an_error(tmp_path: Path, as_json: bool) -> None:
    words = ["doctor", "--codex-bin", str(tmp_path / "nothing"), *(["--json"] if as_json else [])]
    ran = told(*words, code=1)
    if as_json:
        found = json.loads(ran.stdout)
        assert found["is_usable"] is False
        assert found["runtime_path"] is None
        what = found["problems"][0]["what"]
    else:
        (what,) = (line for line in ran.stdout.splitlines() if line.startswith("error: "))
    assert "nothing does not exist; name an executable" in what
    assert "--codex-bin" in what


def test_a_runtime_that_does_not_start_is_an_error_with_its_words(codex_binary: Path, tmp_path: Path) -> None:
    ran = told("doctor", "--codex-bin", codex_binary, env={"CODEX_HOME": str(tmp_path / "none")}, code=1)
    (line,) = (line for line in ran.stdout.splitlines() if line.startswith("error: "))
    assert "exited with code 1; it said: Error: CODEX_HOME points to" in line
    assert "backtrace" not in line


@pytest.fixture
def pinned(tmp_path: Path) -> dict[str, str]:
    """The environment of an installation that is pinned to the locked release."""
    directory = tmp_path / "site" / f"codex_app_server_sdk-{PUBLISHED}.dist-info"
    directory.mkdir(parents=True)
    lines = ["Metadata-Version: 2.4", "Name: codex-app-server-sdk", f"Version: {PUBLISHED}"]
    lines += ["Requires-Dist: pydantic<3,>=2.7", f"Requires-Dist: codex-cli-bin=={PUBLISHED}", ""]
    (directory / "METADATA").write_text("\n".join(lines), encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(directory.parent), os.environ.get("PYTHONPATH")]))
    return {"PYTHONPATH": path}


def test_the_pin_of_a_release_is_held_to_the_runtime(
    codex_binary: Path, home: dict[str, str], pinned: dict[str, str]
) -> None:
    ran = said("doctor", "--codex-bin", codex_binary, env={**home, **pinned})
    assert f"client    {PUBLISHED}, pinned to codex-cli-bin=={PUBLISHED}, as found" in ran.stdout

    metadata = next(Path(pinned["PYTHONPATH"].split(os.pathsep)[0]).glob("*/METADATA"))
    metadata.write_text(
        metadata.read_text(encoding="utf-8").replace(f"bin=={PUBLISHED}", "bin==0.170.0a3"), encoding="utf-8"
    )
    ran = said("doctor", "--codex-bin", codex_binary, env={**home, **pinned})
    assert f"warning: the runtime is {PINNED}, but this client is made for 0.170.0a3; without --codex-bin" in ran.stdout
    found = json.loads(said("doctor", "--json", "--codex-bin", codex_binary, env={**home, **pinned}).stdout)
    assert (found["pin"], found["fits_pin"]) == ("0.170.0a3", False)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0.169.0", "0.169.0"),
        ("0.115.0-alpha.11", "0.115.0a11"),
        ("1.0.0-beta.2", "1.0.0b2"),
        ("1.0.0-rc.1", "1.0.0rc1"),
    ],
)
def test_versions_are_compared_as_packages_have_them(version: str, expected: str) -> None:
    assert _pep440(version) == expected


def test_a_user_without_a_home_is_examined_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    monkeypatch.delenv("CODEX_HOME", raising=False)
    findings = examine("nowhere")
    assert findings.home is None
    assert "home      unknown" in as_text(findings)
