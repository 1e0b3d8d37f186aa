"""What type checkers and editors make of the client: programs that use it, held to the strictest rules."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What pyright says of the typed programs and of the one that is wrong."""
    scratch = tmp_path_factory.mktemp("pyright")
    (scratch / "wrong.py").write_text(WRONG, encoding="utf-8")
    config = scratch / "pyrightconfig.json"
    rules = {"include": [str(TYPED), "wrong.py"], "extraPaths": [str(SOURCE)], "typeCheckingMode": "strict"}
    config.write_text(json.dumps({**rules, "pythonVersion": "3.10"}), encoding="utf-8")
    command = [sys.executable, "-m", "basedpyright", "--project", str(config), "--pythonpath", sys.executable]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    return re.findall(r"^ +(.+:\d+):\d+ - ", ran.stdout, re.MULTILINE)


def test_the_typed_program_says_every_public_name() -> None:
    words = set((TYPED / "public.py").read_text(encoding="utf-8").replace("(", " ").replace(",", " ").split())
    assert set(codex_app_server.__all__) <= words


@pytest.mark.slow
def test_pyright_accepts_the_typed_programs(said: list[str]) -> None:
    """Mypy does too: it looks at this directory with everything else."""
    assert [place for place in said if "wrong.py" not in place] == []


@pytest.mark.slow
def test_pyright_catches_what_is_wrong(said: list[str]) -> None:
    found = {int(place.rpartition(":")[2]) for place in said if "wrong.py" in place}
    assert found == set(range(3, 7))
