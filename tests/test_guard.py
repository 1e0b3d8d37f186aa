"""The tests' own guard: without a mark that allows it, a test finds no other host, no cache and no index."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from programs import TIMEOUT_S

HERE = Path(__file__).parent
REACHES = """
import contextlib, os, socket, pytest
from needs import needs

@pytest.fixture
@needs("network")
def allowed():
    return None

def test_by_itself():
    with contextlib.suppress(OSError):  # as a program does that tries again later
        socket.create_connection(("192.0.2.1", 9), 0.01)

def test_by_name():
    with contextlib.suppress(OSError):
        socket.getaddrinfo("host.invalid", 443)

def test_of_the_loopback():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        assert os.environ["HTTPS_PROXY"] == "http://127.0.0.1:9"

def test_with_a_fixture_that_needs_it(allowed):
    assert "HTTPS_PROXY" not in os.environ
    with contextlib.suppress(OSError):
        socket.create_connection(("192.0.2.1", 9), 0.01)
"""


@pytest.mark.slow
def test_only_a_test_that_says_so_reaches_another_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    path = tmp_path / "test_reaches.py"
    path.write_text(REACHES, encoding="utf-8")
    words = ("-p", "guard", "-p", "no:cacheprovider", "-W", "ignore", "-q", path)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *map(str, words)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    failed = {line.split(" - ")[0].rpartition("::")[2] for line in ran.stdout.splitlines() if line.startswith("FAILED")}
    assert failed == {"test_by_itself", "test_by_name"}
    assert "the test reached for: " in ran.stdout
    assert "socket.getaddrinfo host.invalid" in ran.stdout
    assert "2 failed, 2 passed" in ran.stdout
