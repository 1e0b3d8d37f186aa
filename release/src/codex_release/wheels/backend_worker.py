"""The other side of `backend`: builds as it is asked to."""

from __future__ import annotations

import contextlib
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from build import ProjectBuilder

from codex_release.base.worker import serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["main"]


def main() -> None:
    """Build until the input ends."""
    os.environ["SOURCE_DATE_EPOCH"] = sys.argv[2]
    serve(_answer)


def _answer(order: Mapping[str, Any]) -> dict[str, str]:
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
