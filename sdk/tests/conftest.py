"""What the client's tests share: scripted peers, a throw-away home, and a check that nothing is left behind.

The fixture `codex_binary`, the path of a real executable, belongs to the whole project and is not defined here.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import sys
import textwrap
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import psutil
import pytest
from awaited import KINDS, connected

from codex_app_server import AppServerConfig, Codex
from codex_app_server.testing import ModelServer, Text, server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codex_app_server.testing import ToolMode

_DONE = Text("Done.")

PRELUDE = """
import json, os, subprocess, sys, time

def read():
    line = sys.stdin.readline()
    return json.loads(line) if line else None

def write(message):
    sys.stdout.write((message if isinstance(message, str) else json.dumps(message, separators=(",", ":"))) + "\\n")
    sys.stdout.flush()

def complain(text):
    sys.stderr.write(text)
    sys.stderr.flush()

def greet(user_agent="peer/1.2.3 (Test)"):
    request = read()
    assert request["method"] == "initialize", request
    write({"id": request["id"], "result": {"userAgent": user_agent, "params": request["params"], "pid": os.getpid()}})
    assert read() == {"method": "initialized"}

def wait_for_end():
    while read() is not None:
        pass
"""


@pytest.fixture(autouse=True)
def little_to_do(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    one_certificate: Path,
) -> None:
    """A runtime has less to do for a test.

    Its working directory has no repository, of which it would ask ``git`` a dozen things in each turn. The system knows
    of one certificate, where it would read all of them three times in each turn. The homes of a `ModelServer` come with
    databases, which take a runtime half of its start to make.
    """
    monkeypatch.chdir(tmp_path_factory.getbasetemp())
    monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))
    if "codex_binary" in request.fixturenames:
        monkeypatch.setenv("SSL_CERT_DIR", str(one_certificate.parent))  # in which no more are found
        databases = request.getfixturevalue("databases")

        def new_home() -> Path:
            home = empty()
            for path in databases:
                shutil.copy(path, home)
            return home

        empty = server._new_home
        monkeypatch.setattr(server, "_new_home", new_home)


@pytest.fixture(scope="session")
def one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of those that the web is asked with, the first."""
    path = tmp_path_factory.mktemp("certificates") / "one.pem"
    first, end, _ = certifi.contents().partition("-----END CERTIFICATE-----")
    path.write_text(f"{first}{end}\n", encoding="ascii")
    return path


@pytest.fixture(scope="session")
def databases(codex_binary: Path) -> Iterator[list[Path]]:
    """What a runtime makes in an empty home, and finds in all homes after that."""
    with ModelServer() as model:
        Codex(model.config(codex_bin=codex_binary)).close()
        (home,) = model._homes
        yield list(home.glob("*.sqlite"))


@pytest.fixture
def peer(tmp_path: Path) -> Callable[..., AppServerConfig]:
    """Makes the configuration of an app-server that does what a script says, with the words of `PRELUDE`."""

    def make(script: str, **options: object) -> AppServerConfig:
        path = tmp_path / "peer.py"
        path.write_text(PRELUDE + textwrap.dedent(script), encoding="utf-8")
        command = [sys.executable, "-I", "-S", "-X", "utf8", str(path)]
        return AppServerConfig(launch_args_override=command, **options)  # type: ignore[arg-type]  # passed through

    return make


@pytest.fixture(params=KINDS)
def play(request: pytest.FixtureRequest, codex_binary: Path) -> Callable[..., None]:
    """Plays a scene with a client of either kind, on the real binary and an embedded model."""

    def run(scene: Any, *answers: Any, default: Any = _DONE, mode: ToolMode = "direct", **options: Any) -> None:
        async def acted() -> None:
            with ModelServer(*answers, default=default, mode=mode) as model:
                async with connected(request.param, model.config(codex_bin=codex_binary, **options)) as codex:
                    await asyncio.wait_for(scene(codex, model), 60)

        asyncio.run(acted())

    return run


@pytest.fixture(params=KINDS)
def scripted(request: pytest.FixtureRequest, peer: Callable[..., AppServerConfig]) -> Callable[..., None]:
    """Plays a scene with a client of either kind, and an app-server that does what a script says."""

    def run(scene: Any, script: str, **options: Any) -> None:
        async def acted() -> None:
            async with connected(request.param, peer(script, **options)) as codex:
                await asyncio.wait_for(scene(codex), 60)

        asyncio.run(acted())

    return run


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The environment that gives a real runtime an empty home of its own."""
    directory = tmp_path / "home"
    directory.mkdir()
    return {"CODEX_HOME": str(directory)}


@pytest.fixture
def leaves_nothing() -> Iterator[None]:
    """The test must end with no thread, descriptor or child process that it did not begin with.

    What was there before it may end meanwhile, and is not looked through again, neither at its end nor by later tests.
    """
    gc.collect()  # what an earlier one left to the collector would be missed afterwards
    gc.freeze()  # only what this test makes is looked through at its end: all there is takes a tenth of a second
    threads, descriptors = set(threading.enumerate()), _open_descriptors()
    children = set(psutil.Process().children())  # with those that ended and nobody asked how
    yield
    for thread in set(threading.enumerate()) - threads:
        thread.join(1)  # asyncio's own, which waited for a process that is gone, may just be on its way out
    assert not set(threading.enumerate()) - threads
    gc.collect()
    assert not _open_descriptors() - descriptors
    assert not set(psutil.Process().children()) - children


def _open_descriptors() -> set[tuple[int, int, int]]:
    """The number of each, and which file that is; none on Windows."""
    found = set()
    for path in [] if sys.platform == "win32" else list(Path("/dev/fd").iterdir()):
        with suppress(OSError):  # that of the listing is closed by now
            status = os.fstat(int(path.name))
            found.add((int(path.name), status.st_dev, status.st_ino))
    return found
