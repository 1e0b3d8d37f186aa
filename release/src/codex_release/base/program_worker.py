"""Programs written in Python (pip, twine, check-wheel-contents), each run as often as is asked in one process.

The other side of a `worker.Worker`. They are run as ``python -m`` runs them, words in, exit code and what they say out;
nothing of their inside is used. What a program keeps for its next run in one process it keeps here too.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import runpy
import sys
import traceback
from typing import Any

from codex_release.base.machine import stand_back
from codex_release.base.worker import serve

__all__ = ["main"]


def main() -> None:
    """Run what is asked for; ``aside`` as the word for it leaves the processors to others."""
    if "aside" in sys.argv[2:]:
        stand_back()
    serve(_ran)


def _ran(order: dict[str, Any]) -> dict[str, Any]:
    """Run a ``module`` with ``words``, and with ``environ`` beside its own: its exit ``code`` and what it ``said``.

    What it raised and did not catch is why it ``broke``; that it is not there is an ``error``.
    """
    if importlib.util.find_spec(order["module"]) is None:
        return {"error": f"{sys.executable} has no {order['module']}"}
    os.environ.update(order["environ"])
    sys.argv = [order["module"], *order["words"]]
    said = io.StringIO()
    code: object = 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code
        except Exception as error:
            return {"broke": traceback.format_exception_only(type(error), error)[-1].strip()}
    if isinstance(code, str):  # what the interpreter prints at such an end
        said.write(code)
        code = 1
    return {"code": code if isinstance(code, int) else int(code is not None), "said": said.getvalue()}
