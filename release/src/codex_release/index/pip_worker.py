"""The other side of `resolution`: runs pip once for each question, in this process, and prints a line of JSON for each.

pip is run as ``python -m pip`` runs it, words in, exit code and report out; nothing of its inside is used. It may carry
over optional features from one run to the next, so all questions of a process ask for the same ones.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main() -> None:
    """Answer every question of the order whose file is named."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    order = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        del os.environ[name]
    os.environ.update(order["environ"])
    for words in order["words"]:
        code, said = _pip(words)
        answers.write(json.dumps(_answer(Path(order["report"]), code, said)) + "\n")
        answers.flush()


def _pip(words: list[str]) -> tuple[int, str]:
    """Run pip; its exit code and what it said."""
    sys.argv = ["pip", *words]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            runpy.run_module("pip", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            return (end.code if isinstance(end.code, int) else int(bool(end.code))), said.getvalue()
    return 0, said.getvalue()


def _answer(report: Path, code: int, said: str) -> dict[str, Any]:
    """The report, or the last complaint."""
    if code == 0 and report.is_file():
        found = json.loads(report.read_text(encoding="utf-8"))
        report.unlink()
        return {"reason": "", "report": found}
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return {"reason": (errors or lines or [f"pip ended with exit code {code}"])[-1]}
