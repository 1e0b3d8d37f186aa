"""Running build backends (PEP 517) one after another in one process of their own.

``python -m build`` starts a process for every hook, which takes a fifth of a second to import the backend before it
works for a fiftieth. The wheels of a release share one. Both sides are here: `Backend` asks; in its process `main`
builds.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codex_release.base.errors import BuildError
from codex_release.base.worker import Worker, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Backend", "main"]

_NEWEST_IN_GZIP = 2**32 - 1
_TIMEOUT_S = 600.0


class Backend(Worker):
    """A process that runs build backends in this environment; it starts with the first build.

    Args:
        epoch: the date of everything that is built, in seconds since 1970. Backends are told none after February 2106,
            which is all that the head of a gzip file can say; what is made of their work bears the date itself.
    """

    def __init__(self, epoch: int) -> None:
        super().__init__(__name__, str(min(epoch, _NEWEST_IN_GZIP)), timeout_s=_TIMEOUT_S)

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


def main() -> None:
    """Build until the input ends."""
    import build  # noqa: F401 - here, so that it is there when the first order comes

    os.environ["SOURCE_DATE_EPOCH"] = sys.argv[2]
    serve(_answer)


def _answer(order: Mapping[str, Any]) -> dict[str, str]:
    from build import ProjectBuilder

    try:
        builder = ProjectBuilder(order["project"], runner=_run)  # type: ignore[arg-type]
        return {"name": Path(builder.build(order["kind"], order["out"], order["settings"])).name}
    except (Exception, SystemExit) as error:
        cause = getattr(error, "exception", error)  # the backend's own, where there is one
        return {"error": traceback.format_exception_only(type(cause), cause)[-1].strip()}


def _run(command: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
    """Run the hook's script here, where the backend is imported already, in place of a new process."""
    _, script, *arguments = command
    with _as_in_a_new_process(cwd or ".", extra_environ or {}):
        sys.argv = [script, *arguments]
        runpy.run_path(script, run_name="__main__")


@contextlib.contextmanager
def _as_in_a_new_process(directory: str, environ: Mapping[str, str]) -> Iterator[None]:
    """A working directory and an environment; what is imported from a project must not serve the next one."""
    before = sys.argv, list(sys.path), list(sys.meta_path), Path.cwd(), dict(os.environ)
    os.environ.update(environ)
    os.chdir(directory)
    try:
        yield
    finally:
        sys.argv, sys.path[:], sys.meta_path[:] = before[:3]
        os.chdir(before[3])
        os.environ.clear()
        os.environ.update(before[4])
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(os.path.realpath(directory) + os.sep):
                del sys.modules[name]
