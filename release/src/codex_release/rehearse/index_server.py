"""The other side of `local_index`: devpi-server in a process that ends when whoever started it does.

Its standard input is the lifeline: it holds nothing, but it closes when the starting process ends, in whatever way.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings

__all__ = ["main"]

_HASHING = ("--argon2-memory-cost", "8", "--argon2-parallelism", "1", "--argon2-time-cost", "1")
"""Passwords for a server that lives for minutes need no hash that takes ten seconds to start with."""


def main() -> None:
    """Make an empty server directory and serve it until the input ends.

    The last two words are the directory and the port; the first line of the input is its administrator's password.
    """
    directory, port = sys.argv[2:]
    password = sys.stdin.readline().strip()
    threading.Thread(target=_end_with_the_input, daemon=True).start()
    warnings.simplefilter("ignore")  # of the frameworks below; the log is for what went wrong
    from devpi_server.init import init
    from devpi_server.main import main as serve

    where = ("--serverdir", directory)
    code = init(argv=["devpi-init", *where, "--no-root-pypi", "--root-passwd", password])
    if code:
        sys.exit(code)
    # Offline: it must never ask another index. With metadata beside the wheels (PEP 658), as large indexes serve it.
    address = ("--host", "127.0.0.1", "--port", port)
    sys.exit(serve(argv=["devpi-server", *where, *_HASHING, *address, "--offline-mode", "--enable-core-metadata"]))


def _end_with_the_input() -> None:
    while os.read(0, 1024):  # not through its buffer, whose lock the interpreter wants when it ends
        pass
    os._exit(0)  # its threads do not watch for anything, and nothing of it is kept
