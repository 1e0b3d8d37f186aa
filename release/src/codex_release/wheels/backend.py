"""Running build backends (PEP 517) one after another in one process of their own.

``python -m build`` starts a process for every hook, which takes a fifth of a second to import the backend before it
works for a fiftieth. The wheels of a release share one.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from typing import IO, TYPE_CHECKING, cast

from codex_release.base.errors import BuildError
from codex_release.base.programs import said_last, worker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from typing_extensions import Self

__all__ = ["Backend"]

_NEWEST_IN_GZIP = 2**32 - 1


class Backend:
    """A process that runs build backends in this environment; it starts with the first build.

    Args:
        epoch: the date of everything that is built, in seconds since 1970. Backends are told none after February 2106,
            which is all that the head of a gzip file can say; what is made of their work bears the date itself.
    """

    def __init__(self, epoch: int) -> None:
        self._epoch = min(epoch, _NEWEST_IN_GZIP)
        self._turn = threading.RLock()
        self._process: subprocess.Popen[str] | None = None
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: object, __: object) -> None:
        if self._process is not None:
            if error is not None:
                self._process.kill()
            self._process.communicate()  # the end of its input is the end of its work
        self._complaints.close()

    def start(self) -> subprocess.Popen[str]:
        """The process, started by now, so that it is ready when the first build is asked for."""
        with self._turn:
            if self._process is None:
                self._process = subprocess.Popen(
                    worker("codex_release.wheels.backend_worker", str(self._epoch)),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._complaints,
                    encoding="utf-8",
                )
            return self._process

    def build(self, kind: str, project: Path, out: Path, settings: Mapping[str, str] | None = None) -> Path:
        """Have a distribution built; waits for its turn.

        Args:
            kind: ``wheel`` or ``sdist``.
            project: the staged directory.
            out: where the file goes.
            settings: config settings for the backend.

        Returns:
            the file.

        Raises:
            BuildError: if the backend fails, with the last line of what it said.
        """
        out.mkdir(parents=True, exist_ok=True)
        order = {"kind": kind, "project": str(project.absolute()), "out": str(out.absolute()), "settings": settings}
        with self._turn:
            said = self._ask(json.dumps(order))
            answer: dict[str, str] = json.loads(said) if said else {"error": self._last_words()}
        if "error" in answer:
            raise BuildError(f"the {kind} of {project} cannot be built: {answer['error']}")
        return out / answer["name"]

    def _ask(self, order: str) -> str:
        process = self.start()
        orders, answers = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
        try:
            orders.write(order + "\n")
            orders.flush()
            return answers.readline()
        except OSError:
            return ""

    def _last_words(self) -> str:
        """What the process said before it died."""
        self._complaints.seek(0)
        said = said_last(self._complaints.read().decode("utf-8", "replace"))
        return f"its process died: {said or 'it does not say why'}"
