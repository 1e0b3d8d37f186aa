"""Decide what Codex may do, with a policy of your own."""

from __future__ import annotations

import shlex
import sys
import tempfile
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, Codex, Handlers
from codex_app_server.generated import CommandExecutionRequestApprovalParams

ALLOWED = {"mkdir reports"}  # whole commands, for `mkdir reports; rm -rf .` begins just as innocently
SHELLS = {"bash", "sh", "zsh", "powershell", "pwsh"}


def decide(request: CommandExecutionRequestApprovalParams) -> Literal["accept", "decline"]:
    """The policy; it runs beside the stream of events, so it may take its time."""
    # What runs is a shell with flags and the command as its last word.
    shell, *flags, command = shlex.split(request.command or "") or ["", ""]
    is_plain = PureWindowsPath(shell).stem in SHELLS and all(flag.startswith("-") for flag in flags)
    answer: Literal["accept", "decline"] = "accept" if is_plain and command in ALLOWED else "decline"
    print(f"{answer}: {command}")
    return answer


def main(config: AppServerConfig) -> None:
    # Nothing is granted by itself: file changes, for which there is no handler here, are declined.
    config = replace(config, handlers=Handlers(command_approval=decide))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        with Codex(config) as codex:
            # "untrusted" asks before every command that is not known to only read.
            thread = codex.thread_start(cwd=directory, approval_policy="untrusted", sandbox="workspace-write")
            result = thread.run("Run `mkdir reports`, then `touch reports/one.txt`. What worked?", timeout=300)
            print(result.final_response)
        print("left in the directory:", *sorted(path.name for path in Path(directory).rglob("*")))


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
