"""Does the installed runtime work here? cibuildwheel runs this with every Python and libc that a wheel promises.

It asks as little as it can of the place: the standard library, no network, no account, a home of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from importlib import metadata
from pathlib import Path
from typing import IO, Any, cast

import codex_cli_bin

__all__ = ["main"]

_ANSWER_S = 60


def main() -> None:
    """Hold the package's functions, its console script and an app-server handshake against what they promise.

    Raises:
        SystemExit: with what does not hold.
    """
    version = metadata.version(codex_cli_bin.PACKAGE_NAME)
    _hold(codex_cli_bin.__version__ == version, f"__version__ is {codex_cli_bin.__version__}, metadata says {version}")
    root, codex = codex_cli_bin.bundled_package_dir(), codex_cli_bin.bundled_codex_path()
    _hold(root == Path(codex_cli_bin.__file__).parent, f"the runtime is in {root}, not in the package")
    release = json.loads((root / "codex-package.json").read_text(encoding="utf-8"))["version"]
    helpers = codex_cli_bin.bundled_path_dir()
    for helper in sorted(helpers.iterdir()) if helpers else ():
        print(_said([str(helper), "--version"]).splitlines()[0])
    for command in ([str(codex)], ["codex"], [sys.executable, "-m", "codex_cli_bin"]):
        said = _said([*command, "--version"])
        print(said)
        _hold(said.split()[-1] == release, f"{command} --version says {said!r}, the package is of {release}")
    answer = _handshake(codex)
    print(answer["userAgent"])
    _hold(f"/{release} " in answer["userAgent"], f"the app-server says it is {answer['userAgent']}, not {release}")


def _said(command: list[str]) -> str:
    """What a command prints."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "CODEX_HOME": home}
        ran = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment, timeout=_ANSWER_S, check=False
        )
    _hold(ran.returncode == 0, f"{command} ended with {ran.returncode}")
    return ran.stdout.decode("utf-8").strip()


def _handshake(codex: Path) -> dict[str, Any]:
    """What the app-server answers to ``initialize``."""
    client = {"name": "codex-cli-bin", "title": "installed.py", "version": "0"}
    request = {"id": 1, "method": "initialize", "params": {"clientInfo": client}}
    # It may still write to its home while it ends; what it leaves there goes with the machine.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        server = subprocess.Popen(
            [codex, "app-server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "CODEX_HOME": home},
        )
        deadline = threading.Timer(_ANSWER_S, server.kill)
        deadline.start()
        try:
            # Its input stays open until it has answered.
            sending, receiving = cast("IO[bytes]", server.stdin), cast("IO[bytes]", server.stdout)
            sending.write(json.dumps(request).encode() + b"\n")
            sending.flush()
            for line in receiving:
                message = json.loads(line)
                if message.get("id") == 1:
                    result: dict[str, Any] = message["result"]
                    return result
        finally:
            deadline.cancel()
            server.kill()
            server.communicate()
    sys.exit("the app-server does not answer initialize")


def _hold(promise: bool, otherwise: str) -> None:
    if not promise:
        sys.exit(otherwise)


if __name__ == "__main__":
    main()
