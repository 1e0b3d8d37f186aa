"""``threads``, ``review`` and ``exec``: what a terminal wants of Codex beside a turn."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack, suppress
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, TextIO

from codex_app_server.cli.run import RunOptions, configured
from codex_app_server.config import AppServerConfig
from codex_app_server.errors import AppServerError, TurnFailedError
from codex_app_server.sync.codex import Codex
from codex_app_server.terminal import pieces_of, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from codex_app_server.generated import ReviewTarget, SandboxPolicy
    from codex_app_server.sync.command import Command
    from codex_app_server.terminal import Terminal

__all__ = ["execute", "review", "show_threads"]

_POLICIES = {
    "read-only": {"type": "readOnly"},
    "workspace-write": {"type": "workspaceWrite"},
    "danger-full-access": {"type": "dangerFullAccess"},
}
_NO_LIMIT = 1 << 40


def show_threads(
    terminal: Terminal,
    *,
    codex_bin: str | None,
    cwd: Path | None,
    archived: bool,
    search: str | None,
    limit: int,
    is_json: bool,
) -> int:
    """List the threads that are stored, a line for each; returns the exit code."""
    with Codex(AppServerConfig(codex_bin=codex_bin)) as codex:
        for thread in islice(codex.threads(cwd=cwd, archived=archived, search=search), limit):
            info = thread.info
            if is_json:
                terminal.say(json.dumps(info.model_dump(mode="json", by_alias=True, exclude_unset=True)) + "\n")
                continue
            when = datetime.fromtimestamp(info.updated_at).astimezone().strftime("%Y-%m-%d %H:%M")
            terminal.say(f"{thread.id}  {when}  {shortened(thread.name or thread.preview or '-')}\n")
    return 0


def review(options: RunOptions, target: ReviewTarget | str | None, terminal: Terminal) -> int:
    """Have changes reviewed, and print what was found; returns the exit code."""
    with ExitStack() as stack:
        codex = stack.enter_context(Codex(configured(options, terminal, stack)))
        thread = codex.thread_start(cwd=options.cwd, model=options.model, sandbox="read-only")
        try:
            terminal.say(thread.review(target).text + "\n")
        except TurnFailedError as error:
            terminal.note(f"error: the review {shortened(error.result.failure or '')}")
            return 1
    return 0


def execute(
    argv: Sequence[str],
    *,
    codex_bin: str | None,
    cwd: Path | None,
    sandbox: str | None,
    timeout: float | None,
    stdin: TextIO | None,
    stdout: BinaryIO,
    stderr: BinaryIO,
) -> int:
    """Run a command in the sandbox of Codex, with these streams; returns its exit code."""
    with Codex(AppServerConfig(codex_bin=codex_bin)) as codex:
        command = codex.command(
            argv,
            cwd=cwd,
            sandbox_policy=_policy(sandbox),
            stdin=stdin is not None,
            timeout=timeout,
            output_limit=_NO_LIMIT,
        )
        command._fold.is_kept = False  # noqa: SLF001 - it may go on for ever, and is written on
        with command:
            if stdin is not None:
                threading.Thread(target=_feed, args=(command, stdin), daemon=True).start()
            for piece in command.stream():
                stream = stdout if piece.stream == "stdout" else stderr
                stream.write(piece.data)
                stream.flush()
            return command.wait().exit_code


def _policy(sandbox: str | None) -> SandboxPolicy | None:
    if sandbox is None:
        return None
    from codex_app_server.generated import SandboxPolicy

    return SandboxPolicy.model_validate(_POLICIES[sandbox])


def _feed(command: Command, stdin: TextIO) -> None:
    """Hand on what comes in, and that it ends; the command may end before it does."""
    with suppress(AppServerError, ValueError, RuntimeError):
        with suppress(OSError):  # what cannot be read has ended
            for data in pieces_of(stdin):
                command.write(data)
        command.close_stdin()
