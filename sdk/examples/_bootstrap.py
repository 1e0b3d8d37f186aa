"""What every example begins with: a client and a runtime that are there, and a configuration to run them with.

Importing this module makes ``codex_app_server`` importable, from the checkout if it is not installed, and installs the
pinned runtime into the environment of the running interpreter if it has none, or another one. When all is there, that
is a look at two files: the toolkit is only loaded if there is something to do.

`example_config` then decides who answers: the model of the person's own Codex, or a scripted one inside the example.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codex_app_server import AppServerConfig

__all__ = ["example_config"]

CHECKOUT = Path(__file__).resolve().parent.parent.parent
SETUP = "run `python3 scripts/dev.py setup` in the checkout, then the example with `.venv/bin/python`"


@contextmanager
def example_config(script: str) -> Iterator[AppServerConfig]:
    """The configuration to run an example with.

    With a login, it is that of the person's own Codex. Without one, or with ``--embedded`` on the command line, turns
    are just as real, but an embedded model says what `_embedded` scripts for the example.

    Args:
        script: the example's ``__file__``.
    """
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--embedded", action="store_true", help="let a scripted model answer, offline")
    is_embedded: bool = parser.parse_args().embedded
    from codex_app_server import AppServerConfig, AppServerError

    try:
        if not is_embedded and _has_login():
            yield AppServerConfig()
            return
        if not is_embedded:
            print("no Codex login found: an embedded model answers, as with --embedded", file=sys.stderr, flush=True)
        from _embedded import ANSWERS

        from codex_app_server.testing import ModelServer

        with ModelServer(*ANSWERS[Path(script).resolve().parent.name]) as model:
            yield model.config()
    except AppServerError as error:
        sys.exit(str(error))
    except ImportError as error:  # a demo's environment has what the toolkit needs, and not all that the client does
        sys.exit(f"{error}: {SETUP}")
    except KeyboardInterrupt:
        sys.exit(130)


def _has_login() -> bool:
    """Whether Codex, with the settings it has here, can reach a model; only the runtime itself knows.

    It may keep a login in a file or in the system's keyring, or be set to a provider that wants none. What it does not
    read, as app-server, are API keys in environment variables.
    """
    home = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex")
    if not home.is_dir():
        return False  # nobody has used Codex here, and asking would make the directory
    from codex_app_server import Codex

    with Codex() as codex:
        answer = codex.client.request("account/read", {})
    return isinstance(answer, dict) and not (answer.get("account") is None and answer.get("requiresOpenaiAuth"))


def _prepare_client() -> None:
    if find_spec("codex_app_server") is None:
        sys.path.insert(0, str(CHECKOUT / "sdk" / "src"))
    if find_spec("pydantic") is None:
        sys.exit(f"the client needs pydantic, which this Python ({sys.executable}) has not: {SETUP}")


def _prepare_runtime() -> None:
    if _installed_version() == _pinned_version():
        return
    # The checkout's own toolkit and lock, wherever one starts from and whatever toolkit is installed.
    sys.path.insert(0, str(CHECKOUT / "release" / "src"))
    from codex_release.bootstrap import RuntimeSetupError, ensure_runtime_package_installed

    try:
        ensure_runtime_package_installed(sys.executable, checkout=CHECKOUT)
    except RuntimeSetupError as error:
        sys.exit(str(error))
    except ImportError as error:
        sys.exit(f"the runtime is to be installed, but {error.name} is missing in this Python: {SETUP}")


def _installed_version() -> str | None:
    """The version of the runtime that this interpreter can import; None if there is none, or part of it is missing."""
    try:
        from codex_cli_bin import bundled_codex_path, bundled_package_dir

        bundled_codex_path()
        descriptor = json.loads((bundled_package_dir() / "codex-package.json").read_bytes())
    except (ImportError, FileNotFoundError):
        return None
    version: str | None = descriptor.get("version")
    return version


def _pinned_version() -> str:
    """The version that is wanted, in whichever spelling; the toolkit, which knows them all, has the last word."""
    if version := os.environ.get("CODEX_PYTHON_RUNTIME_VERSION"):
        return version
    # A program writes the lock, one key a line, so that this needs no parser (Python 3.10 has none).
    with (CHECKOUT / "release" / "runtime.lock.toml").open(encoding="utf-8") as lock:
        return next(line.split('"')[1] for line in lock if line.startswith("version = "))


for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, TextIOWrapper):  # models write what an old console cannot show, which is no reason to stop
        stream.reconfigure(errors="replace")
_prepare_client()
_prepare_runtime()
