"""A ``codex-release`` that kills itself: ``python killed_at.py N DIRECTORY WORDS…``.

Right before the Nth time that it changes something below the directory, it gets SIGKILL. If it comes to its end first,
it prints what the changes were, as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys

import filelock  # noqa: F401 - what it tries in a directory of its own as it is loaded is no change of ours

from codex_release.cli import main

_CHANGES = {"os.mkdir", "os.rename", "os.chmod", "os.remove", "os.rmdir", "shutil.rmtree", "open"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def kill_at(number: int, directory: str) -> list[str]:
    """Arm the kill; the list tells the changes so far."""
    changes: list[str] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event not in _CHANGES or (
            event == "open" and not (isinstance(arguments[2], int) and arguments[2] & _WRITING)
        ):
            return
        # Whoever deletes a tree names its files relative to an open directory.
        relative = event in {"os.remove", "os.rmdir"} and arguments[1] != -1
        if relative or str(arguments[0]).startswith(directory):
            changes.append(event)
            if len(changes) == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    return changes


if __name__ == "__main__":
    made = kill_at(int(sys.argv[1]), sys.argv[2])
    code = main(sys.argv[3:])
    sys.stdout.write(json.dumps(made) + "\n")
    sys.exit(code)
