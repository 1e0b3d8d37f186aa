"""The program ``codex-release``: words to commands, answers and failures to people, machines and exit codes.

It exits with 0, with 1 when something did not hold, and with 2 when the words make no sense. An expected failure is
one line on standard error; Ctrl-C leaves nothing half-written.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codex_release.base.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_COMMANDS = (
    "lock",
    "fetch",
    "inspect",
    "stage-runtime",
    "stage-sdk",
    "stage-verification",
    "generate-types",
    "protocol-diff",
    "bump",
    "build",
    "check",
    "report",
    "verify-index",
    "rehearse",
    "matrix",
    "cache",
    "bootstrap",
    "publish",
)
_INTERRUPTED = 128 + signal.SIGINT


def main(argv: Sequence[str] | None = None, *, script: Path | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after the program's name; those of this process if not given.
        script: the entry script in a checkout, if that is what was started: it tells where the checkout is.

    Returns:
        the exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # A command's module is loaded if it is asked for; all of them are if the question is what there is.
    parser = _parser(words[:1] if words[:1] and words[0] in _COMMANDS else _COMMANDS)
    arguments = parser.parse_args(words)
    try:
        return _run(arguments, script)
    except ReleaseError as error:
        sys.stderr.write(f"codex-release: {_one_line(str(error))}\n")
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our answer has left; the interpreter must not complain about it while it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a full disk, a directory that is not ours: the machine's word, not a bug
        sys.stderr.write(f"codex-release: {_one_line(str(error))}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("codex-release: interrupted\n")
        return _INTERRUPTED


def _run(arguments: argparse.Namespace, script: Path | None) -> int:
    # What a command needs is imported once it is known to be wanted: --help answers at once.
    from codex_release.commands.answer import Answer, show
    from codex_release.facts.workspace import Workspace

    def find_workspace() -> Workspace:
        return Workspace.find(repo=arguments.repo, script=script, cwd=Path.cwd())

    command = _module(arguments.command)
    # A command may look first whether there is anything to do; then it gives its report, or what to go on with.
    begun = command.begin(arguments, find_workspace) if hasattr(command, "begin") else partial(command.run, arguments)
    if isinstance(begun, Answer):
        report = begun
    else:
        from codex_release.fetching.context import open_context

        names = tuple(arguments.source)
        with open_context(find_workspace, source_names=names, lock_path=arguments.lock_file) as context:
            report = begun(context)
    show(report, as_json=arguments.json)
    if report.problem:
        sys.stderr.write(f"codex-release: {_one_line(report.problem)}\n")
    return 0 if report.ok else 1


def _parser(names: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="codex-release", description="Turns a Codex release into verified Python wheels."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in names:
        module = _module(name)
        command = commands.add_parser(name, help=module.HELP, description=module.__doc__.partition(": ")[2])
        module.register(command)
        command.add_argument("--json", action="store_true", help="answer in JSON")
        command.add_argument("--repo", type=Path, metavar="DIR", help="the checkout; found by itself if not given")
        command.add_argument("--lock-file", type=Path, metavar="FILE", help="another lock than the checkout's")
        command.add_argument(
            "--source",
            action="append",
            default=[],
            metavar="S",
            help="github, npm or a directory of archives; repeatable, asked in this order (github, npm)",
        )
    return parser


def _module(command: str) -> Any:
    return importlib.import_module(f"codex_release.commands.{command.replace('-', '_')}")


def _one_line(text: str) -> str:
    return " ".join(text.split())
