"""What type checkers and editors make of the client: programs that use it, held to the strictest rules."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

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
"""
MISTAKES = (4, 7, 10, 13)
"""The lines of it that are wrong."""


def checked(program: Path, scratch: Path) -> subprocess.CompletedProcess[str]:
    """What pyright says of a file or directory."""
    config = scratch / "pyrightconfig.json"
    rules = {"include": [str(program)], "extraPaths": [str(SOURCE)], "typeCheckingMode": "strict"}
    config.write_text(json.dumps({**rules, "pythonVersion": "3.10"}), encoding="utf-8")
    command = [sys.executable, "-m", "basedpyright", "--project", str(config), "--pythonpath", sys.executable]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def checked_by_mypy(program: Path, scratch: Path) -> subprocess.CompletedProcess[str]:
    """What mypy says of a file."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--python-version=3.10", str(program)]
    environment = {**os.environ, "MYPYPATH": str(SOURCE), "MYPY_CACHE_DIR": str(scratch / "cache")}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)


def test_the_typed_program_says_every_public_name() -> None:
    words = set((TYPED / "public.py").read_text(encoding="utf-8").replace("(", " ").replace(",", " ").split())
    assert set(codex_app_server.__all__) <= words


def test_pyright_accepts_the_typed_programs(tmp_path: Path) -> None:
    """Mypy does too: it looks at this directory with everything else."""
    ran = checked(TYPED, tmp_path)
    assert ran.returncode == 0, ran.stdout


def test_pyright_catches_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG, encoding="utf-8")
    ran = checked(wrong, tmp_path)
    assert ran.returncode == 1
    for line in range(3, 7):
        assert f"wrong.py:{line}:" in ran.stdout, ran.stdout


def test_both_find_a_misspelled_method_and_a_misspelled_field_of_its_payload(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG_EVENTS, encoding="utf-8")
    for check in (checked, checked_by_mypy):
        ran = check(wrong, tmp_path)
        assert ran.returncode == 1, ran.stderr
        found = {int(line) for line in re.findall(r"wrong\.py:(\d+)(?::\d+)?(?: - |: )error", ran.stdout)}
        assert found == set(MISTAKES), ran.stdout[:2000]
