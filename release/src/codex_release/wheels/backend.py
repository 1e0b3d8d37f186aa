"""Running build backends (PEP 517) one after another in one process of their own.

``python -m build`` starts a process for every hook, which takes a fifth of a second to import the backend before it
works for a fiftieth. The wheels of a release share one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_release.base.errors import BuildError
from codex_release.base.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Backend"]

_NEWEST_IN_GZIP = 2**32 - 1
_TIMEOUT_S = 600.0


class Backend(Worker):
    """A process that runs build backends in this environment; it starts with the first build.

    Args:
        epoch: the date of everything that is built, in seconds since 1970. Backends are told none after February 2106,
            which is all that the head of a gzip file can say; what is made of their work bears the date itself.
    """

    def __init__(self, epoch: int) -> None:
        super().__init__("codex_release.wheels.backend_worker", str(min(epoch, _NEWEST_IN_GZIP)), timeout_s=_TIMEOUT_S)

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
        answer = self.ask(
            {"kind": kind, "project": str(project.absolute()), "out": str(out.absolute()), "settings": settings}
        )
        if "error" in answer:
            raise BuildError(f"the {kind} of {project} cannot be built: {answer['error']}")
        return out / str(answer["name"])
