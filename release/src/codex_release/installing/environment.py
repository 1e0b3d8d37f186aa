"""Where an installation goes: the directories of an interpreter's environment, or an isolated one.

The interpreter itself says where its packages go; no layout is guessed.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codex_release.base.errors import RuntimeSetupError
from codex_release.base.programs import found, run
from codex_release.installing import interpreter

__all__ = ["Environment"]

_OLDEST = (3, 10)
_REMEDY = f"name a Python of {_OLDEST[0]}.{_OLDEST[1]} or newer with --python"
_ANSWER_S = 60.0
_ISOLATED_SCRIPTS = "bin"
"""Where ``pip install --target`` puts scripts too, on every system."""


@dataclass(frozen=True)
class Environment:
    """A place for packages.

    Attributes:
        python: the interpreter that scripts run with.
        site: the directory of packages and their metadata.
        scripts: the directory of scripts.
        is_isolated: whether `site` is a directory that `python` does not look into by itself.
        is_managed: whether the system's package manager keeps it for itself (PEP 668).
    """

    python: Path
    site: Path
    scripts: Path
    is_isolated: bool = False
    is_managed: bool = False

    @classmethod
    def of(cls, python: str | os.PathLike[str], install_target: str | os.PathLike[str] | None = None) -> Environment:
        """The environment of an interpreter.

        Args:
            python: the interpreter: a path, or a name on PATH.
            install_target: an isolated directory for packages instead of its own.

        Raises:
            RuntimeSetupError: if it cannot be asked, or is too old.
        """
        answer = _asked(python)
        executable = Path(answer["executable"])
        if tuple(answer["version"]) < _OLDEST:
            version = ".".join(map(str, answer["version"]))
            raise RuntimeSetupError(f"{python} is Python {version}, which is too old", remedy=_REMEDY)
        if answer["system"] != sys.platform:
            raise RuntimeSetupError(
                f"{python} runs on {answer['system']}, but this is {sys.platform}",
                remedy="run codex-release on the system that the interpreter is for",
            )
        if install_target is not None:
            site = Path(install_target).absolute()
            return cls(executable, site, site / _ISOLATED_SCRIPTS, is_isolated=True)
        return cls(executable, Path(answer["site"]), Path(answer["scripts"]), is_managed=answer["managed"])


def _asked(python: str | os.PathLike[str]) -> dict[str, Any]:
    """What an interpreter says of itself; for the running one, no process is started."""
    path = found(python)
    if path is None:
        raise RuntimeSetupError(f"there is no interpreter {python}", remedy="name one with --python")
    # Not by what links lead to: that is the same file for every virtual environment of one Python.
    if os.path.normcase(Path(path).absolute()) == os.path.normcase(sys.executable):
        return interpreter.described()
    ran = run([path, "-I", interpreter.__file__], timeout_s=_ANSWER_S, error=RuntimeSetupError, name="it")
    if not ran.failure:
        with contextlib.suppress(ValueError):
            # Paths are bytes to begin with; another locale, or Python's UTF-8 mode, reads them differently there.
            described: dict[str, Any] = json.loads(os.fsdecode(ran.output))
            return described
    raise RuntimeSetupError(
        f"{python} does not say where its packages go: {ran.failure or 'it printed no answer'}", remedy=_REMEDY
    )
