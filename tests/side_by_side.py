"""Runs many short programs at once, each in a process, a directory and an environment of its own: a script.

``python side_by_side.py MODULE`` reads a JSON list of programs from stdin, ``{"text", "cwd", "env"}``, and writes what
each printed, a traceback included. The module and all its names are imported once, and the processes are forks where
there is such a thing, so what a client takes to import is paid for once. It knows of no client itself.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import multiprocessing
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

AT_ONCE = 4
LIMIT_S = 60.0


def run(program: dict[str, Any], output: str) -> None:
    """Be that program; what it says goes into a file."""
    os.environ.update(program["env"])
    os.chdir(program["cwd"])
    with Path(output).open("w", encoding="utf-8") as said, contextlib.redirect_stdout(said):
        try:
            exec(compile(program["text"], "program", "exec"), {"__name__": "__main__"})
        except BaseException:
            traceback.print_exc(file=said)


def results(programs: list[dict[str, Any]], directory: Path) -> list[str]:
    """What programs print that run at once."""
    forks = "fork" in multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("fork" if forks else "spawn")
    outputs = [directory / str(number) for number in range(len(programs))]
    running = [
        context.Process(target=run, args=(each, str(file))) for each, file in zip(programs, outputs, strict=True)
    ]
    for process in running:
        process.start()
    for process in running:
        process.join(LIMIT_S)
        process.kill()
        process.join()
    return [file.read_text(encoding="utf-8") for file in outputs]


if __name__ == "__main__":
    client = importlib.import_module(sys.argv[1])
    for name in getattr(client, "__all__", ()):
        getattr(client, name)  # which may import it only now
    given = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as scratch:
        waves = [results(given[start : start + AT_ONCE], Path(scratch)) for start in range(0, len(given), AT_ONCE)]
    json.dump([each for wave in waves for each in wave], sys.stdout)
