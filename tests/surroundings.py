"""Where tests run: Ctrl-C ends programs, a login shell answers, code is compiled once, garbage is soon looked through.

A plugin of pytest.

A program that a shell starts in the background (``nohup … &``) ignores Ctrl-C, and so do all that it starts. The
runtime runs commands in a login shell, and a person's own profile can ask, wait or print; so tests have a home that
holds whatever the person's home holds, but for what shells read when they start and what Codex keeps there. Hundreds of
programs start, and where a machine lets none keep its bytecode, each would compile again all that it imports; where a
framework that is tested with brings a plugin of pydantic, each would load that framework; and each runtime would ask
twice what system this is, of a script that starts eight programs to say so. Hundreds of tests collect the garbage to
see what is left behind, which takes a moment where the collector need not look at all that was there before the first
of them, and a third of a second where it must.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

_LEFT_OUT = (".bash*", ".profile", ".z*", ".login", ".logout", ".cshrc", ".tcshrc", ".kshrc", ".inputrc", ".codex")
_MADE = "CODEX_TESTS_HOME"
"""The environment variable that says where the home is, to the workers of this run."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Set all that, before anything is started."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "true"
    if sys.platform == "win32" or _MADE in os.environ:
        return
    home = Path(tempfile.mkdtemp(prefix="codex-tests-home-"))
    for entry in Path.home().iterdir():
        if not any(fnmatchcase(entry.name, pattern) for pattern in _LEFT_OUT):
            (home / entry.name).symlink_to(entry)
    os.environ.setdefault("XDG_CACHE_HOME", str(Path.home() / ".cache"))  # nothing is to be cached through a link
    (home / "few").mkdir()
    (home / "few" / "lsb_release").symlink_to("/bin/true")
    path = os.pathsep.join([str(home / "few"), os.environ.get("PATH", os.defpath)])
    os.environ.update({"HOME": str(home), "PATH": path, _MADE: str(home)})


def pytest_collection(session: pytest.Session) -> None:
    """What is imported and collected now stays to the end."""
    gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """From here on, garbage is what tests leave."""
    gc.enable()
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take the home away: the links, not what they lead to."""
    if not hasattr(config, "workerinput") and (home := os.environ.pop(_MADE, None)):
        shutil.rmtree(home, ignore_errors=True)
