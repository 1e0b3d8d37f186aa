"""An app-server that outlives its clients: one begins a turn and goes, another one comes and sees what became of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, Codex

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.platform == "win32":  # there `terminate` would end the command alone, and not what it started
    _FLAGS, _END = subprocess.CREATE_NEW_PROCESS_GROUP, signal.CTRL_BREAK_EVENT
else:
    _FLAGS, _END = 0, signal.SIGTERM


@contextmanager
def served(config: AppServerConfig) -> Iterator[AppServerConfig]:
    """An app-server, as `codex-app-server-sdk serve` starts it, and how to connect to it."""
    more = {name: text for name, text in (config.env or {}).items() if text is not None}
    # The client may be the checkout's own, which only this process knows of.
    environment = {**os.environ, **more, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "codex_app_server", "serve"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, creationflags=_FLAGS) as server:
        output = cast("IO[str]", server.stdout)
        url, token_file = (output.readline().strip() for _ in range(2))
        try:
            yield AppServerConfig(url=url, token=Path(token_file).read_text(encoding="ascii"))
        finally:
            server.send_signal(_END)


def main(config: AppServerConfig) -> None:
    with served(config) as remote:
        with Codex(remote) as codex:
            thread = codex.thread_start(sandbox="read-only", approval_policy="never")
            turn = thread.turn("Count from one to seventeen, in words.")
            print("begun, and gone")
        with Codex(remote) as codex:
            thread = codex.thread_resume(thread.id)
            print("somebody else comes, and the turn is", next(iter(thread.turns())).status)
            while (last := next(iter(thread.turns()))).status == "inProgress":
                time.sleep(0.1)
            print(f"now it is {last.status}, and is the same: {last.id == turn.id}")
            print(thread.run("And back?").final_response)


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
