"""The pytest fixture, in a pytest of its own: where the client is installed, it is just there."""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from programs import ROOT, environment_with, finished

COLLECTED = """
import sys

import pytest

heavy = {*(f"codex_app_server.{name}" for name in ("testing", "sync.codex", "sync.driver")), "http.server", "pydantic"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)

def test_is_fresh(codex_model_server):
    import urllib.request
    from codex_app_server.testing import ModelServer, Text

    assert type(codex_model_server) is ModelServer
    assert codex_model_server.requests == []
    codex_model_server.add(Text("hi"))
    request = urllib.request.Request(codex_model_server.url + "/v1/responses", data=b"{}")
    assert b"hi" in urllib.request.urlopen(request, timeout=10).read()

def test_is_fresh_again(codex_model_server):
    assert codex_model_server.requests == []

@pytest.mark.parametrize("codex_tool_mode", ["direct", "code"])
def test_runs_in_both_modes(codex_model_server, codex_tool_mode):
    from pathlib import Path

    home = codex_model_server.config().env["CODEX_HOME"]
    assert ('model = "gpt-5"' in Path(home, "config.toml").read_text()) == (codex_tool_mode == "direct")

def test_leaves_nothing():
    import threading
    assert "codex model server" not in [thread.name for thread in threading.enumerate()]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with tests that use the fixture, and no conftest."""
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "test_it.py").write_text(COLLECTED, encoding="utf-8")
    return directory


def pytest_says(python: str | Path, project: Path, *words: str, code: int = 0) -> str:
    env = {"PYTEST_ADDOPTS": "", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    # What else is installed beside the client is not there at its users', and imports what it likes.
    plugins = {plugin.name for plugin in entry_points(group="pytest11")} - {"codex_app_server.pytest_plugin"}
    words = ("-q", "-W", "error", *(word for name in sorted(plugins) for word in ("-p", f"no:{name}")), *words)
    words = ("-p", "no:cacheprovider", *words)
    return finished(python, "-m", "pytest", *words, cwd=project, env=env, code=code).stdout


@pytest.mark.slow
def test_it_is_there_without_a_word(project: Path) -> None:
    assert "5 passed" in pytest_says(sys.executable, project)
    assert "codex_model_server" in pytest_says(sys.executable, project, "--fixtures")


def test_it_can_be_left_out(project: Path) -> None:
    assert "fixture 'codex_model_server' not found" in pytest_says(
        sys.executable, project, "-p", "no:codex_app_server.pytest_plugin", code=1
    )


def test_to_name_it_as_well_does_no_harm(project: Path) -> None:
    (project / "conftest.py").write_text('pytest_plugins = ["codex_app_server.pytest_plugin"]\n', encoding="utf-8")
    assert "5 passed" in pytest_says(sys.executable, project)


@pytest.mark.index
def test_it_comes_with_the_installed_wheel(project: Path, tmp_path: Path) -> None:
    finished(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, "sdk", cwd=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    python = environment_with(tmp_path / "env", None, wheel, f"pytest=={pytest.__version__}")
    assert "5 passed" in pytest_says(python, project)
