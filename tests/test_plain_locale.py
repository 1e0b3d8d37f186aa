"""Paths with letters that are not ASCII, under a locale that knows none of them, as containers often have it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import archives
import pytest
from fake_release import lay_out
from installations import MODULE, Place, bare_environment
from programs import ROOT, codex_release, finished

PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
VERSION = archives.VERSION
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="paths are text there, in every locale")
pytestmark = posix_only


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return bare_environment(tmp_path / "Umgebung für ж" / "env")


class Checkout:
    """A release in miniature below a directory of such a name, worked on in processes of that locale."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root, self.archives = lay_out(directory)
        self.ran("lock", VERSION)

    def ran(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        env = {**PLAIN, "CODEX_RELEASE_CACHE": str(self.directory / "cache")}
        return codex_release(*words, "--repo", self.root, "--source", self.archives, env=env)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "Größe ж")


@pytest.mark.slow
def test_the_runtime_is_installed_found_and_run(checkout: Checkout, place: Place, tmp_path: Path) -> None:
    words = ("bootstrap", "--python", place.python, "--json")
    assert json.loads(checkout.ran(*words).stdout)["installed"] is True
    assert place.version() == VERSION
    assert json.loads(checkout.ran(*words).stdout)["installed"] is False
    for program in ([place.scripts / "codex"], [place.python, "-m", MODULE]):
        finished(*program, env=PLAIN)
    # The client finds it too.
    code = (
        "from codex_app_server import AppServerConfig as C; from codex_app_server.runtime import find_executable as f"
    )
    said = finished(
        place.python, "-c", f"{code}; print(ascii(f(C())))", env={**PLAIN, "PYTHONPATH": str(ROOT / "sdk/src")}
    )
    assert said.stdout.startswith("PosixPath(")
    binary = place.site / MODULE / "bin" / "codex"
    binary.unlink()
    for program in ([place.scripts / "codex"], [place.python, "-m", MODULE]):
        assert finished(*program, env=PLAIN, code=127).stderr.count("\n") == 1
    target = tmp_path / "getrennt für ж"
    checkout.ran(*words[:3], "--install-target", target)
    finished(target / "bin" / "codex", env=PLAIN)


@pytest.mark.slow
def test_the_running_interpreter_is_served_too(checkout: Checkout, place: Place) -> None:
    code = "import sys; from codex_release.bootstrap import *; print(ensure_runtime_package_installed(sys.executable))"
    env = {
        **PLAIN,
        "PYTHONPATH": os.pathsep.join(
            [str(ROOT / "release/src"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
        ),
        "CODEX_RELEASE_CACHE": str(checkout.directory / "cache"),
        "CODEX_RELEASE_SOURCES": str(checkout.archives),
    }
    assert finished(place.python, "-c", code, cwd=checkout.root, env=env).stdout.strip() == VERSION
    assert place.version() == VERSION


@pytest.mark.slow
def test_directories_are_staged_and_wheels_built_and_checked(checkout: Checkout, tmp_path: Path) -> None:
    out = tmp_path / "Ausgabe für ж"
    host = archives.CATALOG.host().triple
    checkout.ran("build", "--out", out / "dist")
    wheels = sorted((out / "dist").glob(f"{MODULE}-*.whl"))
    checkout.ran("check", *wheels)
    checkout.ran("fetch", "--out", out / "trees")
    checkout.ran("stage-runtime", out / "runtime", out / "trees" / host, "--runtime-version", VERSION)
    checkout.ran("stage-sdk", out / "sdk", "--runtime-version", VERSION)
    checkout.ran("stage-verification", out / "verification", *wheels)
    for staged in ("runtime", "sdk"):
        finished(sys.executable, "-m", "build", "--no-isolation", "--wheel", out / staged, env=PLAIN)
    (built,) = (out / "runtime" / "dist").glob("*.whl")
    checkout.ran("check", built)
