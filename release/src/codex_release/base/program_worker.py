"""Programs written in Python (pip, twine, check-wheel-contents), each run as often as is asked in one process.

The other side of a `worker.Worker`. They are run as ``python -m`` runs them, words in, exit code and what they say out;
nothing of their inside is used. What a program keeps for its next run in one process it keeps here too.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import runpy
import sys
import traceback
from typing import Any

from codex_release.base.machine import stand_back
from codex_release.base.programs import said_last
from codex_release.base.worker import serve

__all__ = ["main"]


def main() -> None:
    """Run what is asked for; with the word ``aside``, leave most of the processors' time to others."""
    if "aside" in sys.argv[2:]:
        stand_back()
    serve(_ran)


def _ran(order: dict[str, Any]) -> dict[str, Any]:
    """Run a ``module`` with ``words``: its exit ``code`` and what it ``said``.

    What it raised and did not catch is why it ``broke``; that it is not there is an ``error``.
    """
    if importlib.util.find_spec(order["module"]) is None:
        return {"error": f"{sys.executable} has no {order['module']}"}
    sys.argv = [order["module"], *order["words"]]
    said = io.StringIO()
    code: object = 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code
        except ImportError as error:  # it is not whole
            return {"error": said_last(str(error))}
        except Exception as error:
            return {"broke": said_last("".join(traceback.format_exception_only(type(error), error)))}
    if code is not None and not isinstance(code, int):  # what the interpreter prints at such an end
        said.write(str(code))
        code = 1
    return {"code": int(code or 0), "said": said.getvalue()}
