"""Running the commands of the client in tests: as processes of their own, also at a terminal, and in this one."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import psutil
import pytest
from until import until

from codex_app_server.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codex_app_server.testing import ModelServer

__all__ = ["AtTerminal", "command", "home_of", "running", "said", "told"]

TIMEOUT_S = 60.0


def command(*words: str | Path) -> list[str]:
    """The command line of one of the commands."""
    return [sys.executable, "-m", "codex_app_server", *map(str, words)]


def said(
    *words: str | Path, env: Mapping[str, str] | None = None, stdin: str = "", code: int = 0
) -> subprocess.CompletedProcess[str]:
    """What a command says; it must end with the exit code, and never with a traceback."""
    ran = subprocess.run(
        command(*words),
        input=stdin,
        env={**os.environ, **(env or {})},
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )
    return _ended_well(ran, code)


def told(
    *words: str | Path, env: Mapping[str, str] | None = None, stdin: str = "", code: int = 0
) -> subprocess.CompletedProcess[str]:
    """The same of a command in this process, where nothing has to be loaded for it."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        files = [stack.enter_context(TemporaryFile("w+", encoding="utf-8")) for _ in range(3)]
        for name, file in zip(("stdin", "stdout", "stderr"), files, strict=True):
            patch.setattr(sys, name, file)
        for name, value in (env or {}).items():
            patch.setenv(name, value)
        files[0].write(stdin)
        files[0].seek(0)
        try:
            ended = main([*map(str, words)])
        except SystemExit as end:  # words that make no sense
            ended = int(end.code or 0)
        for file in files:
            file.seek(0)
        _, out, err = (file.read() for file in files)
    return _ended_well(subprocess.CompletedProcess(words, ended, out, err), code)


def _ended_well(ran: subprocess.CompletedProcess[str], code: int) -> subprocess.CompletedProcess[str]:
    assert ran.returncode == code, f"{ran.args}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    assert "Traceback" not in ran.stderr
    return ran


def home_of(model: ModelServer, settings: str = "", features: str = "") -> dict[str, str]:
    """The environment in which Codex asks that model, with more settings of its ``config.toml``."""
    env = {name: str(value) for name, value in (model.config().env or {}).items()}
    config = Path(env["CODEX_HOME"]) / "config.toml"
    written = config.read_text(encoding="utf-8")
    config.write_text(f"{settings}\n{written}\n{features}\n", encoding="utf-8")  # which ends with its features
    return env


def running(word: str | Path) -> list[int]:
    """The processes that have a word in their command line."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(str(word) in each for each in words):
            found.append(process.pid)
    return found


class AtTerminal:
    """A program whose input and output are a terminal of its own (POSIX).

    Args:
        argv: its command line.
        env: more variables.
    """

    def __init__(self, argv: Iterable[str | Path], env: Mapping[str, str]) -> None:
        import pty

        self.shown = ""
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [*map(str, argv)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, **env},
            start_new_session=True,
        )
        os.close(theirs)

    def type(self, text: str) -> None:
        """What a person types."""
        os.write(self._ours, text.encode())

    def wait_for(self, text: str) -> None:
        """Wait until the text is shown, after what was waited for before."""
        begin = len(self.shown)
        until(lambda: self._read() and text in self.shown[begin:])

    def interrupt(self) -> None:
        """As Ctrl-C does, which reaches the foreground of the terminal."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Wait for the command to end; its exit code."""
        try:
            until(lambda: self._read() and self._process.poll() is not None)
            self._read()
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._ours)
        assert "Traceback" not in self.shown
        return self._process.returncode

    def _read(self) -> bool:
        while select.select([self._ours], [], [], 0.02)[0]:
            try:
                data = os.read(self._ours, 65536)
            except OSError:  # Linux says so when the other end is closed
                data = b""
            if not data:
                break
            self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return True
