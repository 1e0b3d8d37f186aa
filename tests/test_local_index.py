"""A package index of one's own on 127.0.0.1: there when the block begins, gone when it ends, however it ends."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
from programs import finished
from until import has_ended, until

from codex_release.base.errors import RehearsalError
from codex_release.rehearse import local_index as room
from codex_release.rehearse.local_index import IndexStage, LocalIndex, local_index

pytestmark = [pytest.mark.index, pytest.mark.usefixtures("started_from_nothing")]

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="it needs POSIX")

HOLDS_ONE = """\
import sys, time
from pathlib import Path
from codex_release.rehearse.local_index import local_index
with local_index(Path(sys.argv[1])) as index:
    print(index.process_id, flush=True)
    time.sleep(60)
"""


def uploaded(stage: IndexStage, *files: Path) -> None:
    words = ("--non-interactive", "--disable-progress-bar", "-u", "", "-p", "", "--repository-url", stage.upload_url)
    finished(sys.executable, "-m", "twine", "upload", *words, *files)


def wheel(directory: Path, name: str, requires: str = "") -> Path:
    """A small wheel with nothing in it."""
    path = directory / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def test_what_is_uploaded_is_listed_with_digest_and_metadata(devpi: LocalIndex, tmp_path: Path) -> None:
    stage = devpi.stage("listed")
    assert httpx.get(f"{stage.simple_url}thing/", trust_env=False).status_code == 404
    uploaded(stage, wheel(tmp_path, "thing"))
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    (file,) = httpx.get(f"{stage.simple_url}thing/", headers=accept, trust_env=False).json()["files"]
    assert file["filename"] == "thing-1.0-py3-none-any.whl"
    assert len(file["hashes"]["sha256"]) == 64
    assert file["core-metadata"]


def test_other_bytes_under_a_name_that_is_there_are_refused(devpi: LocalIndex, tmp_path: Path) -> None:
    stage = devpi.stage("refusing")
    uploaded(stage, wheel(tmp_path, "thing"))
    other = wheel(tmp_path, "thing", "other")
    ran = subprocess.run(
        [sys.executable, "-m", "twine", "upload", "-u", "", "-p", "", "--repository-url", stage.upload_url, other],
        capture_output=True,
        timeout=60,
    )
    assert ran.returncode == 1
    assert b"409" in ran.stdout + ran.stderr


def test_an_index_serves_what_its_bases_have(devpi: LocalIndex, tmp_path: Path) -> None:
    below = devpi.stage("below")
    above = devpi.stage("above", bases=["below"])
    uploaded(below, wheel(tmp_path, "thing"))
    uploaded(above, wheel(tmp_path, "other", "thing"))
    target = tmp_path / "installed"
    pip = (sys.executable, "-m", "pip", "install", "-q", "--target", target, "--index-url", above.simple_url, "other")
    finished(*pip, env={"PIP_CONFIG_FILE": os.devnull, "NO_PROXY": "127.0.0.1"})
    assert {path.name for path in target.glob("*.dist-info")} == {"thing-1.0.dist-info", "other-1.0.dist-info"}


def test_a_name_that_is_taken_is_refused(devpi: LocalIndex) -> None:
    devpi.stage("twice")
    with pytest.raises(RehearsalError, match=r"cannot create twice: it answered 4\d\d"):
        devpi.stage("twice")


def test_it_ends_with_its_block_also_when_that_fails(tmp_path: Path) -> None:
    with contextlib.suppress(ZeroDivisionError), local_index(tmp_path) as index:
        assert psutil.pid_exists(index.process_id)
        raise ZeroDivisionError
    assert not psutil.pid_exists(index.process_id)


def interrupt(holder: subprocess.Popen[bytes]) -> None:
    holder.send_signal(signal.SIGINT)


def kill(holder: subprocess.Popen[bytes]) -> None:
    holder.kill()


@pytest.mark.parametrize("end", [pytest.param(interrupt, marks=posix_only), kill])
def test_it_ends_with_the_program_that_holds_it(tmp_path: Path, end: Callable[[subprocess.Popen[bytes]], None]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_ONE, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as holder:
        assert holder.stdout is not None
        server = int(holder.stdout.readline())
        assert psutil.pid_exists(server)
        end(holder)
        holder.wait(timeout=30)
    # The server must not outlive the program that started it.
    until(lambda: has_ended(server))


def test_a_port_that_another_program_took_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter([taken.getsockname()[1], room._free_port()])
        monkeypatch.setattr(room, "_free_port", lambda: next(ports))
        with local_index(tmp_path) as index:
            assert index.url != f"http://127.0.0.1:{taken.getsockname()[1]}"
            index.stage("works")


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    for attempt in (1, 2, 3):
        (tmp_path / f"devpi-{attempt}").write_text("in the way")
    said = r"devpi-server does not start on 127\.0\.0\.1: .+; look at .*devpi\.log"
    with pytest.raises(RehearsalError, match=said), local_index(tmp_path):
        pass


def test_without_devpi_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RehearsalError, match=r"pip install codex-release\[rehearse\]"), local_index(tmp_path):
        pass
