"""Processes that are asked again and again: they answer, or it is told why not."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from codex_release.base.worker import Worker

PROGRAM = """
import os, sys, threading, time

def say(word):
    print(word, len(sys.argv))
    print("aside", file=sys.stderr)

if __name__ == "__main__":
    say(sys.argv[1])
    {"fails": lambda: sys.exit(3), "complains": lambda: sys.exit("a reason"), "breaks": lambda: [][0],
     "dies": lambda: os._exit(4), "hangs": lambda: time.sleep(60), "shouts": lambda: os.write(1, b"loud"),
     "reads": lambda: print(sys.stdin.readlines()), "refuses": lambda: sys.exit(True),
     "lacks": lambda: __import__("nowhere_to_be_found"),
     "lingers": lambda: threading.Thread(target=time.sleep, args=(60,)).start(),
    }.get(sys.argv[1], int)()
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "asked_program.py").write_text(PROGRAM)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "asked_program"


def asked(worker: Worker, program: str, word: str) -> dict[str, Any]:
    return worker.ask({"module": program, "words": [word]})


def test_a_program_is_run_as_often_as_wanted(program: str) -> None:
    with Worker("codex_release.base.worker", timeout_s=20) as worker:
        assert asked(worker, program, "one") == {"code": 0, "said": "one 2\naside\n"}
        assert asked(worker, program, "fails") == {"code": 3, "said": "fails 2\naside\n"}
        assert asked(worker, program, "complains") == {"code": 1, "said": "complains 2\naside\na reason"}
        assert asked(worker, program, "refuses") == {"code": 1, "said": "refuses 2\naside\n"}
        assert asked(worker, program, "breaks") == {"broke": "IndexError: list index out of range"}
        assert asked(worker, program, "lacks") == {"error": "No module named 'nowhere_to_be_found'"}
        assert asked(worker, "nowhere_to_be_found", "") == {"error": f"{sys.executable} has no nowhere_to_be_found"}
        assert asked(worker, program, "reads") == {"code": 0, "said": "reads 2\naside\n[]\n"}
        assert asked(worker, program, "shouts") == {"code": 0, "said": "shouts 2\naside\n"}


@pytest.mark.usefixtures("started_from_nothing")
def test_one_that_does_not_end_with_its_input_is_ended(program: str) -> None:
    with Worker("codex_release.base.worker", timeout_s=1) as worker:
        assert asked(worker, program, "lingers") == {"code": 0, "said": "lingers 2\naside\n"}
    assert worker.start().returncode


@pytest.mark.usefixtures("started_from_nothing")
def test_what_is_no_answer_is_none(program: str, tmp_path: Path) -> None:
    (tmp_path / "talking.py").write_text("def main():\n    print('Hello')\n    input()\n    input()\n")
    with Worker("talking", timeout_s=20) as worker:
        assert asked(worker, program, "one") == {"error": "its process said what is no answer: Hello"}


def test_one_that_dies_is_told_and_stays_dead(program: str) -> None:
    with Worker("codex_release.base.worker", timeout_s=20) as worker:
        for word in ("dies", "one"):
            said = asked(worker, program, word)
            assert said == {"error": "its process died with exit code 4: it does not say why"}


def test_one_that_hangs_is_ended(program: str) -> None:
    with Worker("codex_release.base.worker", timeout_s=0.5) as worker:
        for word in ("hangs", "one"):
            assert asked(worker, program, word) == {"error": "its process gave no answer for 0 s"}


def test_one_that_cannot_start_says_so(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codex_release.base.worker.python_argv", lambda *_: [os.devnull])
    with Worker("codex_release.base.worker", timeout_s=20) as worker:
        assert "its process cannot be started: " in str(asked(worker, program, "one"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all processes compete")
@pytest.mark.usefixtures("started_from_nothing")
def test_one_aside_leaves_the_processors_to_others(program: str) -> None:
    with Worker("codex_release.base.worker", "aside", timeout_s=20) as worker:
        asked(worker, program, "one")
        process = worker.start()
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == 10
