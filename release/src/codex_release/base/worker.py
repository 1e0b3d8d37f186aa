"""Processes that work for this one, asked again and again: a line of JSON for each order, and one for each answer.

Starting an interpreter and importing takes many times as long as what is then asked for. Both sides are here: `Worker`
asks; in its process the ``main`` of a module has `serve` answer. That of this module runs programs written in Python
(pip, twine, check-wheel-contents), each as often as is asked: as ``python -m`` runs them, words in, exit code and what
they say out; nothing of their inside is used. What a program keeps for its next run in one process it keeps here too.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import io
import json
import os
import runpy
import subprocess
import sys
import tempfile
import threading
import traceback
from typing import IO, TYPE_CHECKING, Any, cast

from codex_release.base.machine import stand_back
from codex_release.base.programs import python_argv, said_last
from codex_release.base.watch import watching

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self

__all__ = ["Worker", "main", "serve"]


class Worker:
    """A process that runs a module's ``main``; it starts with `start` or the first order, and ends with the block.

    Args:
        module: whose ``main`` calls `serve`.
        words: for it, from ``sys.argv[2]`` on.
        timeout_s: how long an answer may take, in seconds.
        environ: its environment, if not this process's.
    """

    def __init__(self, module: str, *words: str, timeout_s: float, environ: Mapping[str, str] | None = None) -> None:
        self._module, self._words = module, words
        self._timeout_s = timeout_s
        self._environ = environ
        self._turn = threading.RLock()
        self._process: subprocess.Popen[str] | None = None
        self._ended = ""
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: object, __: object) -> None:
        if self._process is not None:
            if error is not None:
                self._process.kill()
            with watching(self._timeout_s, self._process.kill):
                self._process.communicate()  # the end of its input is the end of its work
        self._complaints.close()

    def start(self) -> subprocess.Popen[str]:
        """The process, started by now, so that it is ready when it is asked for something.

        Raises:
            OSError, ValueError: if it cannot be started.
        """
        with self._turn:
            if self._process is None:
                self._process = subprocess.Popen(
                    python_argv(self._module, *self._words),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._complaints,
                    encoding="utf-8",
                    env=self._environ,
                )
            return self._process

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Its answer; waits for its turn.

        Args:
            order: what JSON can say.

        Returns:
            the answer; if there is none, the reason by the name of ``error``.
        """
        with self._turn:
            try:
                process = self.start()
            except (OSError, ValueError) as error:
                self._ended = f"its process cannot be started: {error}"
            answer = None if self._ended else self._answer(json.dumps(order), process)
            return {"error": self._ended} if answer is None else answer

    def _answer(self, order: str, process: subprocess.Popen[str]) -> dict[str, Any] | None:
        """What it says to an order; if it ends instead, that is noted, for whoever asks next too."""
        said = ""
        orders, answers = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
        with watching(self._timeout_s, process.kill) as watch:
            with contextlib.suppress(OSError, ValueError):
                orders.write(order + "\n")
                orders.flush()
                said = answers.readline()
                return cast("dict[str, Any]", json.loads(said))
            if said.endswith("\n"):
                process.kill()
            process.wait()
        self._complaints.seek(0)
        complaint = said_last(self._complaints.read().decode("utf-8", "replace")) or "it does not say why"
        if watch.is_lost:
            self._ended = f"its process gave no answer for {self._timeout_s:.0f} s"
        elif said.endswith("\n"):
            self._ended = f"its process said what is no answer: {said_last(said)}"
        else:
            self._ended = f"its process died with exit code {process.returncode}: {complaint}"
        return None


def serve(answer: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """Answer every order that comes, until the input ends."""
    orders, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what is printed on the way is no answer, and orders are nobody's input
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for line in orders:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()
    gc.freeze()  # or the interpreter looks through all that was loaded before it ends: a tenth of a second of waiting


def main() -> None:
    """Run the programs that are asked for; with the word ``aside``, leave most of the processors' time to others."""
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
