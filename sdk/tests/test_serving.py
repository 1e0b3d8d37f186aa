"""``codex-app-server-sdk serve``: an app-server for other programs, with a token, for as long as the command runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from command_line import command, home_of, told
from until import has_ended, until

from codex_app_server import AppServerConfig, Codex
from codex_app_server.remote.serving import AppServer
from codex_app_server.testing import ModelServer, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals, modes and sockets")


@contextmanager
def served(model: ModelServer, *words: str | Path) -> Iterator[subprocess.Popen[str]]:
    env = {**os.environ, **home_of(model)}
    process = subprocess.Popen(
        command("serve", *words), env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@posix
@pytest.mark.parametrize("ending", ["SIGTERM", "SIGHUP"])
def test_it_says_where_it_is_and_ends_with_the_command(codex_binary: Path, ending: str) -> None:
    before = signal.signal(number := getattr(signal, ending), signal.SIG_DFL)  # these tests may run below `nohup`
    with ModelServer() as model, served(model, "--codex-bin", codex_binary) as process:
        url, token_file = line(process), Path(line(process))
        assert token_file.stat().st_mode & 0o777 == 0o600
        with Codex(AppServerConfig(url=url, token=token_file.read_text)) as codex:
            assert codex.thread_start(ephemeral=True).run("Hello.").final_response == "Done."
        (server,) = psutil.Process(process.pid).children()
        process.send_signal(number)
        assert process.wait(30) == 0
        until(lambda: has_ended(server.pid))
        assert not token_file.exists()
    signal.signal(number, before)


@posix
def test_it_ends_when_the_app_server_does(codex_binary: Path, tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    with ModelServer() as model, served(model, "--codex-bin", codex_binary, "--token-file", token_file) as process:
        assert line(process).startswith("ws://127.0.0.1:")
        assert line(process) == str(token_file)
        (server,) = psutil.Process(process.pid).children()
        server.kill()
        _, error = process.communicate(timeout=30)
    assert process.returncode == 1
    assert error.startswith("error: the runtime was ended by SIGKILL; it said: ")
    assert error.count("\n") == 1
    assert token_file.exists()  # it is the person's


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can do that")
def test_it_leaves_nobody_behind_when_it_is_killed(codex_binary: Path) -> None:
    with ModelServer() as model, served(model, "--codex-bin", codex_binary) as process:
        assert line(process)
        (server,) = psutil.Process(process.pid).children()
        process.kill()
        until(lambda: has_ended(server.pid))


@posix
def test_a_socket_in_the_file_system_needs_no_token(codex_binary: Path, tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/s"
    with ModelServer() as model, served(model, "--codex-bin", codex_binary, "--listen", url) as process:
        assert line(process) == url
        with Codex(AppServerConfig(url=url)) as codex:
            assert codex.metadata.server_version
        more = told("serve", "--codex-bin", codex_binary, "--listen", url, env=home_of(model), code=1)
        assert (more.stdout, more.stderr) == ("", f"error: another program listens at {url} already\n")
        (server,) = psutil.Process(process.pid).children()
        process.kill()  # the socket stays
        server.kill()
        until(lambda: has_ended(server.pid))
        with served(model, "--codex-bin", codex_binary, "--listen", url) as another:
            assert line(another) == url
            with Codex(AppServerConfig(url=url)) as codex:
                assert codex.metadata.server_version


@posix
def test_to_end_it_ends_the_turns_that_run_there(codex_binary: Path) -> None:
    with ModelServer(default=Text("one two " * 200, delay_s=0.1)) as model:
        config = model.config(codex_bin=codex_binary)
        with AppServer(config, "ws://127.0.0.1:0", None) as server, Codex(AppServerConfig(url=server.url)) as codex:
            next(iter(codex.thread_start().turn("Count.").stream()))
            server.close()
            assert server.process.returncode == 0  # it was not killed


def test_what_it_cannot_do_is_said_in_a_line(codex_binary: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"
        with ModelServer() as model:
            words = ("--codex-bin", codex_binary, "--listen", url)
            assert told("serve", *words, env=home_of(model), code=1).stderr.startswith("error: ")
            words = ("--codex-bin", codex_binary, "--listen", "ws://localhost:0")
            assert "expected `ws://IP:PORT`" in told("serve", *words, env=home_of(model), code=1).stderr
    assert "speaks no TLS itself" in told("serve", "--listen", "wss://127.0.0.1:1", code=2).stderr
    open_to_all = tmp_path / "token"
    open_to_all.write_text("secret")
    open_to_all.chmod(0o644)
    if sys.platform != "win32":
        found = told("serve", "--codex-bin", codex_binary, "--token-file", open_to_all, code=1).stderr
        assert "may be read by others" in found
