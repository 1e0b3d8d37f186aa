"""Programs and workers as forks: what tests start is one, and what becomes of the one becomes of the other."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from forked import Programs
from programs import codex_release

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there")]


@pytest.fixture(scope="module")
def programs() -> Iterator[Programs]:
    with tempfile.TemporaryDirectory() as directory:
        made = Programs(Path(directory))
        yield made
        made.close()


def worker(programs: Programs) -> list[str]:
    """The words that start one which builds."""
    return programs.stand_ins()["codex_release.base.worker.python_argv"]("codex_release.wheels.backend", "0")


def started(programs: Programs) -> tuple[subprocess.Popen[str], psutil.Process]:
    """A stand-in, and the fork it stands for, which answers already."""
    argv = worker(programs)
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("{}\n")
    process.stdin.flush()
    assert "error" in process.stdout.readline()
    (address,) = (word for word in argv if word.endswith("/forks"))
    theirs = [each for each in psutil.process_iter(["cmdline"]) if address in (each.info["cmdline"] or ())]
    return process, max((each for each in theirs if each.pid != process.pid), key=lambda each: len(each.parents()))


def test_what_tests_run_is_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    codex_release("matrix")
    monkeypatch.delattr("forked._run")  # by which all else is started
    codex_release("matrix")


def test_a_stand_in_that_is_killed_takes_its_fork_along(programs: Programs) -> None:
    process, fork = started(programs)
    with process:
        process.kill()
    fork.wait(10)


def test_a_stand_in_ends_as_its_fork_does(programs: Programs) -> None:
    process, fork = started(programs)
    with process:
        fork.kill()
        assert process.wait(10) == -signal.SIGKILL
    process, _ = started(programs)
    process.communicate("")
    assert process.returncode == 0


def test_one_that_is_killed_at_any_moment_harms_no_other(programs: Programs) -> None:
    for number in range(12):
        argv = worker(programs)
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as killed:
            with pytest.raises(subprocess.TimeoutExpired):
                killed.wait(0.005 * number)
            killed.kill()
    process, _ = started(programs)
    process.communicate("")
    assert process.returncode == 0
