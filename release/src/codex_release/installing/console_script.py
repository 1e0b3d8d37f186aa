"""The program that an entry point becomes (the entry points specification): a script, on Windows behind a launcher.

The launchers are those of the ``installer`` library.
"""

from __future__ import annotations

import io
import os
import shlex
import zipfile
from typing import TYPE_CHECKING, Literal

from installer.scripts import Script

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_release.facts.targets import Target
    from codex_release.installing.environment import Environment

__all__ = ["console_script"]

_LONGEST_SHEBANG = 127
"""What the oldest kernels read of a first line, in bytes."""
_BODY = """\
import sys
{search}from {module} import {function}

if __name__ == "__main__":
    sys.exit({function}())
"""
_SEARCH = """\
from pathlib import Path

sys.path.insert(0, str(Path({place}).resolve().parent.parent))
"""
_LAUNCHERS: Mapping[str, Literal["win-amd64", "win-arm64"]] = {"amd64": "win-amd64", "arm64": "win-arm64"}


def console_script(name: str, entry_point: str, environment: Environment, target: Target) -> tuple[str, bytes]:
    """The file of an entry point.

    Args:
        name: the program's name.
        entry_point: ``module:function``.
        environment: whose interpreter runs it; where that does not look into the directory of packages by itself, the
            script tells it to.
        target: the machine.

    Returns:
        its file name and its bytes.
    """
    module, _, function = entry_point.partition(":")
    on_windows = target.format == "pe"
    search = _SEARCH.format(place="sys.argv[0]" if on_windows else "__file__") if environment.is_isolated else ""
    body = _BODY.format(search=search, module=module, function=function).encode()
    python = str(environment.python)
    if not on_windows:
        return name, _shebang(python) + body
    file, plain = Script(name, module, function, "console").generate(python, _LAUNCHERS[target.arch])
    start = b"#!" + python.encode()
    launcher = plain.rpartition(start)[0]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py"), body)
    return file, launcher + start + b"\n" + packed.getvalue()


def _shebang(python: str) -> bytes:
    """The first line; one that kernels cannot read begins a script of the shell and of Python at once."""
    line = os.fsencode(f"#!{python}\n")  # the bytes of the path, whatever this process reads them as
    if b" " not in line and len(line) <= _LONGEST_SHEBANG:
        return line
    return os.fsencode(f"#!/bin/sh\n'''exec' {shlex.quote(python)} \"$0\" \"$@\"\n' '''\n")
