"""Running the measured programs: from outside, each a process of its own, with nothing of the checkout on its path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

MEASURED = Path(__file__).resolve().parent / "measured"
REPLAY = Path(__file__).resolve().parent / "replay.py"
MIB = 2**20


@dataclass(frozen=True)
class Reading:
    """What it took to read some turns.

    Attributes:
        cpu_s: the processor time of the client's process, user and system, in seconds.
        events: how many events it read.
        grown: how far its memory (RSS) rose above what it was before, in MiB; 0 if nobody looked.
    """

    cpu_s: float
    events: int
    grown: float

    @property
    def cpu_us_per_event(self) -> float:
        """In microseconds."""
        return self.cpu_s / self.events * 1e6


def wall(python: Path, code: str) -> float:
    """How long an interpreter takes to run some code, from its start to its end, in seconds."""
    begun = time.perf_counter()
    subprocess.run([str(python), "-I", "-c", code], check=True)
    return time.perf_counter() - begun


def memory(python: Path, code: str) -> tuple[float, bool]:
    """The memory (RSS, in MiB) of an interpreter that ran some code, and whether pydantic is loaded in it."""
    code += "\nimport sys\nprint('pydantic' in sys.modules, flush=True)\nsys.stdin.readline()"
    with _piped([str(python), "-I", "-c", code]) as process:
        loaded = _line(process) == "True"
        size = psutil.Process(process.pid).memory_info().rss / MIB
        process.communicate("\n")
    return size, loaded


def first_result(python: Path, program: str, codex: Path, environment: Mapping[str, str]) -> tuple[float, str]:
    """How long a script takes from its start to its first line, in seconds; and that line."""
    begun = time.perf_counter()
    with _piped([str(python), "-I", str(MEASURED / program), str(codex)], environment) as process:
        said = _line(process)
        seconds = time.perf_counter() - begun
        process.communicate()
    return seconds, said


def read(
    python: Path,
    *,
    side: str,
    driver: str,
    turns: int = 1,
    deltas: int,
    repeat: int = 1,
    websocket: bool = False,
    work_us: float = 0,
    watched: bool = False,
) -> Reading:
    """Have turns of the replayed server read, by `measured/stream.py`, which says what the arguments are."""
    order = {
        "side": side,
        "driver": driver,
        "server": replay("--turns", str(turns), "--deltas", str(deltas)),
        "turns": turns,
        "deltas": deltas,
        "repeat": repeat,
        "websocket": websocket,
        "work_us": work_us,
        "watched": watched,
    }
    with _piped([str(python), "-I", str(MEASURED / "stream.py"), json.dumps(order)]) as process:
        _line(process)
        with _Watch(process, watched=watched) as watch:
            figures = json.loads(_line(process))
        process.communicate("\n")
    return Reading(figures["cpu_s"], figures["events"], watch.grown)


def approval(python: Path, *, driver: str, deltas: int, is_read: bool) -> float:
    """How long an approval takes, by `measured/approval.py`, in seconds."""
    server = replay("--turns", "2", "--deltas", str(deltas), "--question")
    order = {"driver": driver, "server": server, "deltas": deltas, "is_read": is_read}
    with _piped([str(python), "-I", str(MEASURED / "approval.py"), json.dumps(order)]) as process:
        found: float = json.loads(_line(process))["seconds"]
        process.communicate()
    return found


def mapped(python: Path, codex: Path, environment: Mapping[str, str], *numbers: int) -> float:
    """How long many turns take, by `measured/pooled.py`, which says what the numbers are; in seconds."""
    home = environment["CODEX_HOME"]
    command = [str(python), "-I", str(MEASURED / "pooled.py"), str(codex), home, *map(str, numbers)]
    with _piped(command, environment) as process:
        seconds = float(_line(process))
        process.communicate()
    return seconds


def replay(*options: str) -> list[str]:
    """The command line of the replayed server, the same for both sides."""
    return [sys.executable, "-I", "-S", str(REPLAY), *options]


class _Watch:
    """Looks at a process's memory ten times a second, from when it goes on to when it says something again."""

    def __init__(self, process: subprocess.Popen[str], *, watched: bool) -> None:
        self.grown = 0.0
        self._process = process
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look) if watched else None

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._watched = psutil.Process(self._process.pid)
            self._before = self._watched.memory_info().rss
            self._thread.start()
            stdin = cast("IO[str]", self._process.stdin)
            stdin.write("\n")
            stdin.flush()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        done = False
        while not done:
            done = self._done.wait(0.1)  # and once more at the end: it waits there
            self.grown = max(self.grown, (self._watched.memory_info().rss - self._before) / MIB)


def _piped(command: list[str], environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )


def _line(process: subprocess.Popen[str]) -> str:
    """The next line it prints.

    Raises:
        ChildProcessError: if it ends instead.
    """
    line = cast("IO[str]", process.stdout).readline()
    if not line:
        command: Any = process.args
        raise ChildProcessError(f"{command} failed with exit code {process.wait()}")
    return line.strip()
