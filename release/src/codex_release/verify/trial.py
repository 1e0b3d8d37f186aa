"""Trying what was released, as a user would: a fresh environment, an installation, and what is installed answers.

It knows of no index and no checkout: it is told what to install and from where, and all that it starts runs in the new
environment, where nothing of this one can be imported. It says what it saw; whether that is right, others judge.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codex_release.base.errors import TrialError
from codex_release.base.programs import answer, found, said_last
from codex_release.base.table import read_json
from codex_release.base.words import counted
from codex_release.facts.versions import printed_version
from codex_release.index.resolution import ResolvedFile, reported

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


__all__ = ["CodexAnswer", "Trial"]

_INSTALL_S = 900.0
"""Two hundred megabytes over a slow line, and their unpacking."""
_ANSWER_S = 120.0
_LOOPBACK = "127.0.0.1,localhost"
_SECRET = re.compile("TOKEN|PASSW|SECRET|CREDENTIAL|API_?KEY|^ACTIONS_|^TWINE_|^NPM_CONFIG_", re.IGNORECASE)
"""The names of variables that give access, GitHub's for its jobs among them."""

_HANDSHAKE = """\
import json, sys
from codex_app_server import AppServerClient, AppServerConfig
with AppServerClient(AppServerConfig(env={"CODEX_HOME": sys.argv[1]})) as client:
    found = client.metadata
    print(json.dumps([found.server_name, found.server_version, found.user_agent]))
"""
_TURN = """\
import json, time
begun = time.perf_counter()
from codex_app_server import Codex, TextInput
from codex_app_server.testing import ModelServer, Text
with ModelServer(Text("Hello from Codex itself, with a scripted model.")) as model, Codex(model.config()) as codex:
    times, pieces = [], []
    for event in codex.thread_start().turn(TextInput("Say hello.")).stream():
        if event.method == "item/agentMessage/delta":
            times.append(time.perf_counter() - begun)
            pieces.append(event.payload.delta)
    print(json.dumps(["".join(pieces), len(pieces), times[0]]))
"""


@dataclass(frozen=True)
class CodexAnswer:
    """What something installed said.

    Attributes:
        asked: what it was asked.
        text: what it answered, as a person reads it.
        version: the release it says it is, if it was asked for that.
        seconds: how long it took.
    """

    asked: str
    text: str
    version: str | None
    seconds: float


@dataclass(frozen=True)
class Trial:
    """A fresh environment.

    Attributes:
        python: its interpreter.
        environ: what programs in it get to see of this process's environment.
    """

    python: Path
    environ: Mapping[str, str]

    @classmethod
    def begin(cls, directory: Path, environ: Mapping[str, str]) -> Trial:
        """Make the environment, with pip and nothing else, of the Python that runs this.

        Args:
            directory: where it goes; what is there is replaced.
            environ: this process's environment.

        Raises:
            TrialError: if this Python cannot make environments.
        """
        shutil.rmtree(directory, ignore_errors=True)
        try:
            venv.EnvBuilder(with_pip=True, symlinks=os.name != "nt").create(directory)
        except subprocess.CalledProcessError as error:
            raise TrialError(
                f"a fresh environment cannot be made in {directory}: its pip cannot be installed: "
                f"{said_last(str(error.output, 'utf-8', 'replace')) or error}",
                remedy="look whether this Python has ensurepip; some systems package it apart",
            ) from error
        python = directory.absolute() / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        return cls(python, _fit(environ))

    def download(self, requirements: Path, into: Path) -> list[Path]:
        """Download the wheels that a file of pinned and hashed requirements asks for here, from where pip is set to.

        Args:
            requirements: the file.
            into: the directory that they go to.

        Raises:
            TrialError: if pip does not find one of them with its digest.
        """
        options = ("--require-hashes", "--requirement", requirements.absolute(), "--dest", into.absolute())
        self._pip("download", *options, environ=self.environ)
        return sorted(into.iterdir())

    def install(self, requirements: Sequence[str], settings: Mapping[str, str]) -> tuple[ResolvedFile, ...]:
        """Install with pip, wheels only; everything comes over the wire, nothing out of pip's cache.

        Args:
            requirements: what to install.
            settings: pip's whole configuration as variables, among them which index to ask; what this process has of it
                is not seen.

        Returns:
            all that was installed, dependencies too.

        Raises:
            TrialError: if pip does not find or cannot install it.
        """
        with tempfile.TemporaryDirectory(prefix="codex-trial-") as scratch:
            report = Path(scratch) / "report.json"
            options = ("--no-cache-dir", "--report", report)
            others = {name: value for name, value in self.environ.items() if not name.startswith("PIP_")}
            self._pip("install", *options, *requirements, environ={**others, **settings})
            return reported(read_json(report.read_bytes(), "what pip reports of the installation", TrialError))

    def codex_version(self) -> CodexAnswer:
        """``codex --version``, by the console script that came with the runtime."""
        codex = found("codex", str(self.python.parent))
        if codex is None:
            raise TrialError(
                f"the runtime installed no program named codex into {self.python.parent}",
                remedy="look whether its wheel has entry_points.txt: codex-release check",
            )
        with tempfile.TemporaryDirectory(prefix="codex-home-") as home:
            begun = time.perf_counter()
            environ = {**self.environ, "CODEX_HOME": home}
            said = self._ran("codex --version", [codex, "--version"], _ANSWER_S, environ).strip()
        return CodexAnswer("codex --version", said, printed_version(said), time.perf_counter() - begun)

    def handshake(self) -> CodexAnswer:
        """The client's ``initialize`` with the runtime it is pinned to."""
        begun = time.perf_counter()
        name, version, agent = self._script("initialize", _HANDSHAKE)
        return CodexAnswer("initialize", f"{name} {version} ({agent})", version, time.perf_counter() - begun)

    def turn(self) -> CodexAnswer:
        """A whole turn of the real runtime, streamed; the model is the one that the client embeds for tests."""
        begun = time.perf_counter()
        text, deltas, first = self._script("a turn", _TURN)
        said = f"{text} ({counted(deltas, 'delta')}, the first after {first:.2f} s)"
        return CodexAnswer("turn", said, None, time.perf_counter() - begun)

    def _pip(self, command: str, *words: str | Path, environ: Mapping[str, str]) -> None:
        """Run the environment's pip, which never asks back and builds nothing."""
        quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
        argv = [self.python, "-m", "pip", *quiet, command, "--only-binary", ":all:", *words]
        self._ran(f"pip {command}", argv, _INSTALL_S, environ)

    def _script(self, name: str, script: str) -> Any:
        """What a script in the environment says, as JSON."""
        with tempfile.TemporaryDirectory(prefix="codex-home-") as home:
            # -P is not known to Python 3.10; from an empty directory nothing else can be imported either.
            said = self._ran(name, [self.python, "-c", script, home], _ANSWER_S, self.environ, Path(home))
        try:
            return json.loads(said)
        except ValueError as error:
            raise TrialError(
                f"{name} in a fresh environment answered no JSON: {said_last(said) or 'nothing'}"
            ) from error

    def _ran(
        self,
        name: str,
        argv: Sequence[str | Path],
        timeout_s: float,
        environ: Mapping[str, str],
        cwd: Path | None = None,
    ) -> str:
        """What a program of the environment prints."""
        return answer(
            argv,
            timeout_s=timeout_s,
            error=TrialError,
            name=f"{name} in a fresh environment",
            environ=environ,
            cwd=cwd or self.python.parent,
        )


def _fit(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment that leads to no other Python's packages, nor loopback through a proxy, and has no secrets.

    What is tried came off an index: it needs none of what a release is published with.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if name.upper() not in {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CODEX_HOME"} and not _SECRET.search(name)
    }
    exempt = kept.get("NO_PROXY") or kept.get("no_proxy")
    kept["NO_PROXY"] = kept["no_proxy"] = f"{exempt},{_LOOPBACK}" if exempt else _LOOPBACK
    return kept
