"""The commands of ``python -m codex_app_server``: the words they take, and what becomes of what goes wrong.

They exit with 0, with 1 if it did not work, with 2 for words that make no sense, and with 130 after Ctrl-C. A failure
that can be expected is one line on stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from codex_app_server.errors import AppServerError
from codex_app_server.terminal import line_of, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_FAILED, _INTERRUPTED = 1, 130
_STDERR = 2
_SANDBOXES = ("read-only", "workspace-write", "danger-full-access")


def main(words: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        words: of the command line, without the program; those of this process if not given.

    Returns:
        the exit code.
    """
    _complete_streams()
    options = _parser().parse_args(words)
    for stream in (sys.stdout, sys.stderr):
        # What a model says need not be sayable in the terminal's encoding.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # both are text files here
    try:
        return _doctor(options) if options.command == "doctor" else _run(options)
    except AppServerError as error:
        sys.stderr.write(f"error: {line_of(error)}\n")
        return _FAILED
    except BrokenPipeError:
        _give_up_stdout()
        return _FAILED
    except OSError as error:  # a full disk behind stdout, for one
        _give_up_stdout()
        sys.stderr.write(f"error: {visible(str(error))}\n")
        return _FAILED
    except KeyboardInterrupt:
        # Not by way of the `Terminal`: a question that is still open there holds its lock.
        sys.stderr.write("\ninterrupted\n" if sys.stderr.isatty() else "interrupted\n")
        return _INTERRUPTED


def _doctor(options: argparse.Namespace) -> int:
    from codex_app_server.cli.doctor import as_json, as_text, examine

    findings = examine(options.codex_bin)
    print(as_json(findings) if options.json else as_text(findings), flush=True)
    return 0 if findings.is_usable else _FAILED


def _run(options: argparse.Namespace) -> int:
    from codex_app_server.cli.run import RunOptions, run
    from codex_app_server.terminal import Terminal

    given = sys.stdin.buffer.read() if options.prompt == "-" else options.prompt.encode(errors="replace")
    prompt = given.decode("utf-8-sig", errors="replace").strip()  # what is not Unicode cannot be sent
    if not prompt:
        sys.stderr.write("error: the prompt is empty\n")
        return 2
    return run(
        RunOptions(
            prompt=prompt,
            is_json=options.json,
            is_embedded=options.embedded,
            cwd=options.directory,
            model=options.model,
            sandbox=options.sandbox,
            codex_bin=options.codex_bin,
        ),
        Terminal(sys.stdin, sys.stdout, sys.stderr),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m codex_app_server", description="Drives Codex from a terminal.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    doctor = commands.add_parser("doctor", help="say what is installed, and what is wrong with it")
    doctor.add_argument("--json", action="store_true", help="print one JSON object")

    run = commands.add_parser("run", help="have Codex do something, and watch it")
    run.add_argument("prompt", help="what to do; - reads it from standard input")
    run.add_argument("--json", action="store_true", help="print every event as a line of JSON")
    run.add_argument("--embedded", action="store_true", help="with a scripted model: no account, no network")
    run.add_argument("-C", dest="directory", type=_directory, metavar="DIR", help="where to work; here if not given")
    run.add_argument("--model", help="which model; that of Codex's settings if not given")
    run.add_argument("--sandbox", choices=_SANDBOXES, help="what commands may do without asking")

    for command in (doctor, run):
        command.add_argument("--codex-bin", metavar="PATH", help="another Codex executable than the installed one")
    return parser


def _directory(word: str) -> Path:
    path = Path(word).absolute()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{word} is not a directory")
    return path


def _complete_streams() -> None:
    """Have three standard streams, whatever the program was started with: those that are closed lead nowhere.

    Else the next thing that is opened, a pipe or a socket, would get the number of a standard stream.
    """
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    while (nowhere := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(nowhere)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - as long as the program


def _give_up_stdout() -> None:
    """Nobody reads it any more: what the interpreter still wants to flush into it at its end goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
