"""``codex`` and ``python -m codex_cli_bin``: run the bundled executable in this process's place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import NoReturn

from codex_cli_bin import bundled_codex_path

__all__ = ["main"]


def main() -> NoReturn:
    """Run Codex with the arguments of this process, and end as it ends."""
    try:
        codex = str(bundled_codex_path())
    except FileNotFoundError as error:
        sys.exit(str(error))
    argv = [codex, *sys.argv[1:]]
    if os.name != "nt":
        os.execv(codex, argv)  # noqa: S606 - the very point: no shell, no second process
    # Windows has no exec. Ctrl-C reaches every process of the console: Codex decides what it means, not Python.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(subprocess.call(argv))


if __name__ == "__main__":
    main()
