"""``codex`` and ``python -m codex_cli_bin``: run the bundled executable in this process's place.

It ends as Codex ends; where there is no executable, with 127, and where it cannot be run, with 126, as shells do.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import NoReturn

from codex_cli_bin import bundled_codex_path

__all__ = ["main"]

_CANNOT_RUN, _NOT_FOUND = 126, 127
_SIGN = 1 << 31


def main() -> NoReturn:
    """Run Codex with the arguments of this process, and end as it ends."""
    try:
        codex = str(bundled_codex_path())
    except FileNotFoundError as error:
        _refuse(str(error), _NOT_FOUND)
    try:
        _run([codex, *sys.argv[1:]])
    except OSError as error:
        may_run = os.stat(codex).st_mode & 0o111  # noqa: PTH116 - it is text already
        remedy = "" if may_run else "; its file has lost the permission to run: give it back with chmod +x"
        _refuse(f"{codex} cannot be run: {error.strerror or error}{remedy}", _CANNOT_RUN)


def _run(argv: list[str]) -> NoReturn:
    if os.name != "nt":
        os.execv(argv[0], argv)  # noqa: S606 - the very point: no shell, no second process
    # Windows has no exec. Ctrl-C reaches every process of the console: Codex decides what it means, not Python.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = subprocess.call(argv)
    # Of a crash, or of Ctrl-C, it has the highest of 32 bits set. Older Pythons end with -1 where a number does not fit
    # into a C long, which has a sign there; with the sign, the bits are the same.
    sys.exit(code if code < _SIGN else code - 2 * _SIGN)


def _refuse(line: str, code: int) -> NoReturn:
    try:
        print(f"codex: {line}", file=sys.stderr, flush=True)
    except OSError:  # on a full disk, say: the code tells it too
        sys.stderr = None
    sys.exit(code)


if __name__ == "__main__":
    main()
