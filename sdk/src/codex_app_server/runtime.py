"""Which program is the runtime, and how it is called.

The executable is the one that the configuration names, or that of the installed ``codex-cli-bin``. `PATH` is not
searched: a program there may be of any version, and this client is made for one.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from codex_app_server.errors import RuntimeNotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from codex_app_server.config import AppServerConfig

__all__ = ["find_executable", "launch_command", "launch_environment"]

_NEEDED = ("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "TEMP", "TMP") if sys.platform == "win32" else ()
"""The variables without which no program runs."""

_NAME_ONE = "name an executable: AppServerConfig(codex_bin=...), on the command line --codex-bin"
_FREEZE_ONE = f"freeze it with the package codex-cli-bin, or {_NAME_ONE}"
_INSTALL_ONE = f"install the package codex-cli-bin in the version this client is pinned to, or {_NAME_ONE}"
_MEND_ONE = f"make it executable, or {_NAME_ONE}"


def find_executable(config: AppServerConfig) -> Path:
    """The Codex executable to run, as an absolute path.

    Raises:
        RuntimeNotFoundError: if there is none, or `AppServerConfig.codex_bin` is no executable file.
    """
    if config.codex_bin is not None:
        return _executable(config.codex_bin, "codex_bin", _NAME_ONE)
    try:
        from codex_cli_bin import bundled_codex_path
    except ImportError as error:
        if getattr(sys, "frozen", False):
            problem, remedy = "the application was frozen without a Codex runtime", _FREEZE_ONE
        else:
            problem, remedy = "no Codex runtime is installed", _INSTALL_ONE
        raise RuntimeNotFoundError(f"{problem}; {remedy}") from error
    try:
        path = bundled_codex_path()
    except FileNotFoundError as error:
        raise RuntimeNotFoundError(f"{error}; or {_NAME_ONE}") from error  # it brings its own remedy
    return _executable(path, "the executable of codex-cli-bin", _INSTALL_ONE)


def launch_command(config: AppServerConfig) -> list[str]:
    """The command line of the runtime, program first.

    Raises:
        RuntimeNotFoundError: as `find_executable`.
    """
    if config.launch_args_override is not None:
        return list(config.launch_args_override)
    overrides = [word for override in config.overrides() for word in ("--config", override)]
    strict = ["--strict-config"] if config.strict else []
    return [str(find_executable(config)), *overrides, "app-server", *strict]


def launch_environment(config: AppServerConfig) -> dict[str, str] | None:
    """The environment of the runtime; None if it inherits that of this process without a change."""
    if config.inherit_env is True and not config.env and config.codex_home is None:
        return None
    changed = dict(config.env or {})
    if config.codex_home is not None:
        # Absolute, because the runtime would look it up from its own working directory.
        changed["CODEX_HOME"] = os.path.abspath(config.codex_home)  # noqa: PTH100 - `Path` costs 4 ms
    inherited = dict(os.environ)
    if sys.platform == "win32":
        # Names have no case there, and `os.environ` says them in capitals: PATH and Path must not both be passed.
        changed = {name.upper(): value for name, value in changed.items()}
    if config.inherit_env is not True:
        names = [*(config.inherit_env or ()), *_NEEDED]
        kept = {name.upper() if sys.platform == "win32" else name for name in names}
        inherited = {name: value for name, value in inherited.items() if name in kept}
    return {name: value for name, value in {**inherited, **changed}.items() if value is not None}


def _executable(name: str | os.PathLike[str], role: str, otherwise: str) -> Path:
    """The absolute path of an executable; `otherwise` is what to do if there is none."""
    from pathlib import Path  # not at the top: whoever gives a whole command line does without its 4 ms

    # Absolute, because a relative program would be looked up from the `cwd` that the runtime is given.
    path = Path(name).absolute()
    if path.is_dir():
        problem = "is a directory"
    elif not path.is_file():
        problem = "does not exist"
    elif not os.access(path, os.X_OK):
        problem, otherwise = "is not executable", _MEND_ONE
    else:
        return path
    raise RuntimeNotFoundError(f"{role} {path} {problem}; {otherwise}")
