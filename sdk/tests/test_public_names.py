from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import codex_app_server

SOURCE = str(Path(codex_app_server.__file__).parents[1])


def run(program: str) -> str:
    """What a fresh interpreter prints."""
    program = f"import sys; sys.path.insert(0, {SOURCE!r}); {program}"
    return subprocess.run([sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True).stdout


def test_every_public_name_is_there() -> None:
    for name in codex_app_server.__all__:
        assert getattr(codex_app_server, name) is not None
    assert set(codex_app_server.__all__) <= set(dir(codex_app_server))
    assert list(codex_app_server._HOMES) == codex_app_server.__all__


def test_a_star_import_works() -> None:
    assert "AppServerClient" in run("from codex_app_server import *; print(dir())")


def test_what_programs_for_the_sdk_before_this_one_import_is_there() -> None:
    assert codex_app_server.TurnHandle is codex_app_server.Turn
    assert codex_app_server.AsyncTurnHandle is codex_app_server.AsyncTurn
    assert codex_app_server.InitializeResponse is codex_app_server.InitializeResult
    assert codex_app_server.TurnCompletedNotification is codex_app_server.TurnCompletedNotificationPayload


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'codex_app_server' has no attribute 'Nothing'"):
        codex_app_server.Nothing  # noqa: B018  # the access is the test


def test_the_version_is_that_of_the_installed_package() -> None:
    try:
        expected = metadata.version("codex-app-server-sdk")
    except metadata.PackageNotFoundError:
        expected = "0+unknown"
    assert codex_app_server.__version__ == expected


def test_importing_the_package_imports_nothing_else() -> None:
    program = "before = set(sys.modules); import codex_app_server; print(sorted(set(sys.modules) - before))"

    assert run(program).strip() == "['codex_app_server']"


def test_the_client_loads_no_heavy_module() -> None:
    heavy = {"asyncio", "concurrent.futures", "importlib.metadata", "logging", "pydantic", "ssl", "urllib.request"}
    program = "before = set(sys.modules); from codex_app_server import *; print(*sorted(set(sys.modules) - before))"
    program = program.replace("*;", "AppServerClient, AppServerConfig, TransportClosedError;")

    assert not heavy & set(run(program).split())
