"""Running a runtime's entrypoint where that can be: on this machine by itself, or by an emulator called in front of it.

What can run what, and what it can be asked, stands in `release/targets.toml`; nothing is registered with the system.
Whoever calls it has proven the files to be the locked ones: this module judges no bytes. What an emulator cannot do is
no fault of an executable, so the target counts as read only then, with the reason.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from codex_release.base.errors import CheckError, ReleaseError
from codex_release.base.programs import Ran, found, run
from codex_release.base.watch import watching

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from codex_release.facts.targets import Catalog, Target

__all__ = ["Run", "run_entrypoint"]

_ANSWER_S = 120.0
"""An emulator translates three hundred megabytes as it goes."""
_GONE_S = 10.0
_HELLO = {"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "codex-release", "version": "1"}}}


@dataclass(frozen=True)
class _Ask:
    """One question: the words after the entrypoint, what is written to it, and where its answer has the version."""

    words: tuple[str, ...]
    request: bytes
    version: re.Pattern[bytes]


_ASKS = {
    "--version": _Ask(("--version",), b"", re.compile(rb"^codex-cli (\S+)\s*$")),
    "initialize": _Ask(
        ("app-server",),
        json.dumps(_HELLO).encode() + b"\n",
        re.compile(rb'"id":\s*1,.*"userAgent":\s*"[^"/]+/([^ "]+)'),
    ),
}


@dataclass(frozen=True)
class Run:
    """What became of running one target's entrypoint.

    Attributes:
        target: its triple.
        asked: what it was asked and answered rightly; nothing if it was only read.
        by: what ran it: ``this machine``, or the emulator with its version.
        reason: why it was only read.
        seconds: how long the answers took.
    """

    target: str
    asked: tuple[str, ...] = ()
    by: str = ""
    reason: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        """As a person reads it."""
        return f"{' and '.join(self.asked)}, run by {self.by}" if self.asked else f"only read: {self.reason}"


class _UnableError(ReleaseError):
    """The machine or the emulator cannot run it; says why."""


@dataclass(frozen=True)
class _Runner:
    """How this machine runs a target's executables.

    Attributes:
        name: what runs them, for a person.
        argv: the words in front of an executable.
        asks: what they can be asked.
        unable: the exit codes that say that the runner lacks something; of a signal, 128 and its number.
        environ: the variables that the runner needs, as ``NAME=value``.
    """

    name: str
    argv: tuple[str, ...]
    asks: tuple[str, ...]
    unable: tuple[str, ...] = ()
    environ: tuple[str, ...] = ()


def run_entrypoint(root: Path, target: Target, catalog: Catalog, version: str, environ: Mapping[str, str]) -> Run:
    """Ask a runtime what it can be asked here.

    Args:
        root: its tree, with the modes of its roles.
        target: what it is for.
        catalog: the data file.
        version: the release it has to say it is, as Codex writes it.
        environ: what it sees of this process's environment.

    Raises:
        CheckError: if it fails, or answers anything else.
    """
    begun = time.perf_counter()
    try:
        runner = _runner(target, catalog, environ)
        with _scratch() as scratch:
            own = dict(each.replace("{scratch}", scratch).split("=", 1) for each in runner.environ)
            for ask in runner.asks:
                entrypoint = root / target.fill(catalog.layout.entrypoint)
                _hold(ask, runner, entrypoint, version, {**environ, "CODEX_HOME": scratch, **own})
    except _UnableError as error:
        return Run(target.triple, reason=str(error))
    return Run(target.triple, runner.asks, runner.name, seconds=round(time.perf_counter() - begun, 2))


def _runner(target: Target, catalog: Catalog, environ: Mapping[str, str]) -> _Runner:
    """What runs a target's executables here.

    Raises:
        _UnableError: if nothing does.
    """
    if target.is_host:
        return _Runner("this machine", (), catalog.asks)
    emulator = target.emulator
    if emulator is None:
        raise _UnableError("no emulator runs it")
    path = environ.get("PATH", "")
    program = next((at for name in emulator.programs if (at := found(name, path))), None)
    if program is None:
        raise _UnableError(f"{emulator.programs[0]} is not installed (Debian's package {emulator.package})")
    name = Path(program).name
    said = run([program, "--version"], timeout_s=_ANSWER_S, error=_UnableError, environ=environ).text
    match = re.search(r"\b(\d+)\.[\d.]*\d", said)
    if match is None or int(match[1]) < emulator.oldest:
        raise _UnableError(f"it takes {name} {emulator.oldest} or newer, this is {match[0] if match else 'another'}")
    asks = tuple(each for each in catalog.asks if each in emulator.asks)
    return _Runner(f"{name} {match[0]}", (program,), asks, emulator.unable, emulator.environ)


def _hold(ask: str, runner: _Runner, entrypoint: Path, version: str, environ: Mapping[str, str]) -> None:
    """Whether it answers one question with its version, and then ends well.

    Raises:
        CheckError: if it does not.
        _UnableError: if that is not its fault.
    """
    question, answered = _ASKS[ask], None
    name = f"{entrypoint.name} {' '.join(question.words)}, run by {runner.name},"
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(
                [*runner.argv, entrypoint, *question.words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=environ,
            )
        except OSError as error:
            raise _UnableError(f"it cannot be started: {error}") from error
        with process, watching(_ANSWER_S, process.kill) as watch:
            asking, answers = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
            with contextlib.suppress(OSError):  # it is gone already; its exit code says why
                asking.write(question.request)
                asking.flush()
            answered = next(filter(None, map(question.version.search, answers)), None)
            with contextlib.suppress(OSError):
                asking.close()  # not before: who sees the end of its questions may end without an answer
            process.wait()
        complaints.seek(0)
        ran = Ran(name, None if watch.is_lost else process.returncode, b"", complaints.read(), _ANSWER_S)
    ended = str(ran.code if ran.code is None or ran.code >= 0 else 128 - ran.code)
    if ended in runner.unable:
        raise _UnableError(f"{runner.name} cannot run it (exit code {ended})")
    if ran.failure:
        raise CheckError(ran.failure)
    if answered is None:
        raise CheckError(f"{name} does not say its version")
    if (said := answered[1].decode("utf-8", "replace")) != version:
        raise CheckError(f"{name} says it is {said}, not {version}")


@contextlib.contextmanager
def _scratch() -> Iterator[str]:
    """A directory, removed even while an emulator's server still writes to it, as Wine's does for some seconds."""
    directory = tempfile.mkdtemp(prefix="codex-run-")
    try:
        yield directory
    finally:
        deadline = time.monotonic() + _GONE_S
        shutil.rmtree(directory, ignore_errors=True)
        while Path(directory).exists() and time.monotonic() < deadline:
            time.sleep(0.05)
            shutil.rmtree(directory, ignore_errors=True)
