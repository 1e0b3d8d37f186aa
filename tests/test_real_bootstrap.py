"""Bootstrap of the real runtime, by its own lock: what runs afterwards, how fast, and what is left of a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from installations import MODULE, Place, bare_environment
from programs import PINNED, ROOT, codex_release, environment_with, finished
from programs import PUBLISHED as VERSION

from codex_release.bootstrap import ensure_runtime_package_installed
from codex_release.context import Context

pytestmark = pytest.mark.runtime


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, context: Context) -> Place:
    """An environment without pip that has the runtime."""
    made = bare_environment(tmp_path_factory.mktemp("bootstrap") / "env")
    assert ensure_runtime_package_installed(made.python) == VERSION
    return made


def test_codex_runs_from_its_script_and_as_a_module(place: Place, tmp_path: Path) -> None:
    home = {"CODEX_HOME": str(tmp_path)}
    assert PINNED in finished(place.scripts / "codex", "--version", env=home).stdout
    assert PINNED in finished(place.python, "-m", MODULE, "--version", env=home).stdout
    assert place.version() == VERSION


def test_nothing_to_do_takes_a_moment(place: Place) -> None:
    def seconds() -> float:
        begun = time.perf_counter()
        assert ensure_runtime_package_installed(place.python) == VERSION
        return time.perf_counter() - begun

    # The bound of `dev.py bench` is narrower; a machine that runs tests is busy.
    assert min(seconds() for _ in range(3)) < 1


def test_one_byte_of_many_is_noticed(place: Place) -> None:
    binary = place.site / MODULE / "bin" / "codex"
    before = binary.stat()
    with binary.open("r+b") as file:
        file.seek(before.st_size // 2)
        byte = file.read(1)
        file.seek(before.st_size // 2)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(binary, ns=(before.st_atime_ns, before.st_mtime_ns))
    said = json.loads(codex_release("bootstrap", "--python", place.python, "--json").stdout)
    assert said["installed"] is True
    assert place.version() == VERSION


def test_pip_takes_it_away_again(tmp_path: Path) -> None:
    python = environment_with(tmp_path / "env", None)
    root = Place(tmp_path / "env", python, Path(), Path())
    before = root.everything()
    ensure_runtime_package_installed(python)
    assert PINNED in finished(python.parent / "codex", "--version", env={"CODEX_HOME": str(tmp_path)}).stdout
    listed = json.loads(finished(python, "-m", "pip", "list", "--format", "json").stdout)
    assert {"name": "codex-cli-bin", "version": VERSION} in listed
    finished(python, "-m", "pip", "uninstall", "-q", "-y", "codex-cli-bin")
    assert root.everything() == before


@pytest.mark.skipif(sys.platform == "win32", reason="it needs POSIX")
def test_a_kill_at_any_time_leaves_nothing_or_all(context: Context, tmp_path: Path) -> None:
    place = bare_environment(tmp_path / "env")
    for delay_s in (0.2, 0.4, 0.5, 0.6, 0.8):
        argv = [sys.executable, "-m", "codex_release", "bootstrap", "--python", str(place.python)]
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(delay_s)
            process.send_signal(signal.SIGKILL)
        dist_infos = list(place.site.glob("*.dist-info"))
        assert bool(dist_infos) == (place.site / MODULE).exists()
    ensure_runtime_package_installed(place.python)
    assert place.version() == VERSION
