"""What type checkers and editors make of the client: programs that use it, held to the strictest rules."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from programs import ROOT

import codex_app_server

TYPED = Path(__file__).parent / "typed"
SOURCE = Path(codex_app_server.__file__).parents[1]

WRONG = """\
from codex_app_server import Codex, TextInput
codex = Codex()
thread = codex.thread_start(sandbox="everything")
thread.turn(b"words")
thread.run("go", no_such_option=1)
print(thread.run(TextInput("go")).no_such_attribute)
"""

WRONG_EVENTS = """\
from codex_app_server import Codex, TextInput
from codex_app_server.generated import AgentMessageDeltaNotification
for event in Codex().thread_start().turn(TextInput("go")).stream():
    if event.method == "item/agentMesage/delta":
        print("never")
    if event.method == "item/agentMessage/delta":
        print(event.payload.dleta)
    match event.payload:
        case AgentMessageDeltaNotification(delta=text):
            print(text.nonsense)
        case _:
            pass
    print(event.payload.delta)
# mypy: no-warn-unreachable
"""
MISTAKES = (4, 7, 10, 13)
"""The lines of it that are wrong."""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What pyright says of the typed programs and of those that are wrong."""
    scratch = tmp_path_factory.mktemp("pyright")
    for name, text in (("wrong.py", WRONG), ("wrong_events.py", WRONG_EVENTS)):
        (scratch / name).write_text(text, encoding="utf-8")
    config = scratch / "pyrightconfig.json"
    rules = {
        "include": [str(TYPED), "wrong.py", "wrong_events.py"],
        "extraPaths": [str(SOURCE)],
        "typeCheckingMode": "strict",
    }
    config.write_text(json.dumps({**rules, "pythonVersion": "3.10"}), encoding="utf-8")
    command = [sys.executable, "-m", "basedpyright", "--project", str(config), "--pythonpath", sys.executable]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    return re.findall(r"^ +(.+:\d+):\d+ - ", ran.stdout, re.MULTILINE)


def checked_by_mypy(program: Path) -> subprocess.CompletedProcess[str]:
    """What mypy says of a file, by the rules of this project: whoever has checked it has read the client already."""
    command = [sys.executable, "-m", "mypy", str(program)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT)


def test_the_typed_program_says_every_public_name() -> None:
    words = set((TYPED / "public.py").read_text(encoding="utf-8").replace("(", " ").replace(",", " ").split())
    assert set(codex_app_server.__all__) <= words


@pytest.mark.slow
def test_pyright_accepts_the_typed_programs(said: list[str]) -> None:
    """Mypy does too: it looks at this directory with everything else."""
    assert [place for place in said if "wrong" not in Path(place).name] == []


@pytest.mark.slow
def test_pyright_catches_what_is_wrong(said: list[str]) -> None:
    assert lines_of(said, "wrong.py") == set(range(3, 7))


@pytest.mark.slow
def test_both_find_a_misspelled_method_and_a_misspelled_field_of_its_payload(said: list[str], tmp_path: Path) -> None:
    assert lines_of(said, "wrong_events.py") == set(MISTAKES)
    program = tmp_path / "wrong_events.py"
    program.write_text(WRONG_EVENTS, encoding="utf-8")
    ran = checked_by_mypy(program)
    assert ran.returncode == 1, ran.stderr
    assert {int(line) for line in re.findall(r"wrong_events\.py:(\d+): error", ran.stdout)} == set(MISTAKES), ran.stdout


def lines_of(said: list[str], name: str) -> set[int]:
    """The lines of a file that were found wrong."""
    return {int(line) for path, _, line in (place.rpartition(":") for place in said) if Path(path).name == name}
