"""The program ``codex-release``: words to commands, answers and failures to people, machines and exit codes.

It exits with 0, with 1 when something did not hold, and with 2 when the words make no sense. An expected failure is
one line on standard error; Ctrl-C leaves nothing half-written, nor does a signal that ends programs, as a cancelled CI
job sends it.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import errno
import gc
import importlib
import io
import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from codex_release.base.errors import DiskError, ReleaseError
from codex_release.base.shown import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

__all__ = ["main"]

_ROAD = {
    "pin a release": {
        "lock": "write the lock for a version, or check it",
        "bump": "move the pin to a newer Codex release, and say what changes",
        "protocol-diff": "show what changed in the protocol, and what can break users",
        "generate-types": "write the client's typed protocol layer, or check it",
    },
    "get its runtimes": {
        "fetch": "download runtimes and verify them",
        "inspect": "show what executables are and what they need",
        "bootstrap": "install the pinned runtime into an environment",
        "cache": "list, prune or clear the download cache",
    },
    "make its wheels": {
        "build": "build runtime wheels, and the client pinned to them",
        "check": "check wheels and sdists, offline",
        "stage-runtime": "make a directory that python -m build turns into a runtime wheel",
        "stage-sdk": "make the same of the client, pinned to a runtime",
    },
    "publish them": {
        "matrix": "list the platforms and the CI machines that build them",
        "stage-verification": "make directories in which cibuildwheel tests finished wheels",
        "rehearse": "rehearse the whole release on this machine",
        "publish": "upload a release, runtimes first and the client last",
        "verify-index": "check a published release as its users see it",
        "report": "write a report about finished files beside them",
    },
}
"""What there is, by the stations of a release. It stands here so that no command is loaded to be listed."""

_COMMANDS = {name: said for commands in _ROAD.values() for name, said in commands.items()}
_ENDING = ("SIGTERM", "SIGHUP", "SIGBREAK")
"""What asks a program to end, beside Ctrl-C; no system has them all."""


def main(argv: Sequence[str] | None = None, *, script: Path | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after the program's name; those of this process if not given.
        script: the entry script in a checkout, if that is what was started: it tells where the checkout is.

    Returns:
        the exit code.
    """
    atexit.register(gc.freeze)  # or the interpreter looks through all that was loaded before it ends
    _make_streams_writable()
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with _ended_in_order():
            with _answering():  # --help
                arguments = _parser(words[0] if words else "").parse_args(words)
            return _run(arguments, script)
    except ReleaseError as error:
        _complain(str(error), error.problems)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our answer has left; the interpreter must not complain about it while it flushes.
        _let_go_of(sys.stdout)
        _let_go_of(sys.stderr)
        return 1
    except OSError as error:  # a full disk, a directory that is not ours: the machine's word, not a bug
        _complain(str(error), ())
        return 1
    except KeyboardInterrupt as error:
        number = error.args[0] if error.args else signal.SIGINT
        _complain("interrupted" if number == signal.SIGINT else f"ended by {number.name}", ())
        return int(128 + number)


def _make_streams_writable() -> None:
    """Let an answer be written wherever it goes: what a reader cannot show must not end the work with a traceback.

    A stream that was closed (``>&-``, a service without a console) leads nowhere then. What its encoding does not have,
    a byte in a path or a letter that is none on a Windows console, is written as an escape.
    """
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # in this order each gets its own number, so that no file that is opened later does
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - no path on Windows
        elif name != "stdin" and isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


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
        from codex_release.context import open_context

        names = tuple(arguments.source)
        with open_context(find_workspace, source_names=names, lock_path=arguments.lock_file) as context:
            report = begun(context)
    with _answering():
        show(report, as_json=arguments.json)
    if report.problem:
        _complain(report.problem, report.problems)
    return 0 if report.ok else 1


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """A block that writes to standard output; at its end all of it is there, which nobody is told of later."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        if sys.platform == "win32" and error.errno == errno.EINVAL:
            raise BrokenPipeError from error  # which is what Windows may call an invalid argument
        _let_go_of(sys.stdout)
        raise DiskError(
            f"the answer cannot be written to standard output: {error.strerror or error}",
            remedy="make room where it leads to, and run this again",
        ) from error


def _let_go_of(stream: TextIO) -> None:
    """Have the interpreter not try once more, when it ends, to write what could not be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextlib.contextmanager
def _ended_in_order() -> Iterator[None]:
    """A block that signals end in the way of Ctrl-C: what it runs is ended with it, and its scratch directories go.

    A second one of the kind ends it at once: what runs in threads, a download, is waited for. Signals that are handled
    or ignored already (nohup) stay so.
    """
    if threading.current_thread() is not threading.main_thread():  # only there can it be said
        yield
        return

    def end(number: int, _: FrameType | None) -> NoReturn:
        signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt(signal.Signals(number))

    known = [signal.Signals[name] for name in _ENDING if name in signal.Signals.__members__]
    taken = [each for each in known if signal.getsignal(each) is signal.SIG_DFL]
    for each in taken:
        signal.signal(each, end)
    try:
        yield
    finally:
        for each in taken:
            signal.signal(each, signal.SIG_DFL)


class _Parser(argparse.ArgumentParser):
    """A parser that complains in a line that can be seen, whatever the words are."""

    def error(self, message: str) -> NoReturn:
        super().error(visible(message))


class _Version(argparse.Action):
    """``--version``, which is looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import codex_release

        sys.stdout.write(f"codex-release {codex_release.__version__}\n")
        parser.exit()


def _parser(wanted: str) -> argparse.ArgumentParser:
    """A parser that knows all commands by name, and the arguments of the wanted one."""
    parser = _Parser(
        prog="codex-release",
        description="Turns a Codex release into verified Python wheels.",
        epilog=_listed(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version of this toolkit and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", help="one of the commands below")
    for name, said in _COMMANDS.items():
        if name != wanted:
            commands.add_parser(name)
            continue
        module = _module(name)
        about = (module.__doc__ or "").partition(": ")[2].replace("``", "")  # python -OO leaves no docstrings
        command = commands.add_parser(name, description=about or said)
        module.register(command)
        command.add_argument("--json", action="store_true", help="print the result as JSON")
        command.add_argument(
            "--repo",
            type=Path,
            metavar="DIR",
            help="the checkout to work on; if not given, the script's own or the one around the working directory",
        )
        command.add_argument(
            "--lock-file",
            type=Path,
            metavar="FILE",
            help="the lock file; if not given, release/runtime.lock.toml of the checkout",
        )
        command.add_argument(
            "--source",
            action="append",
            default=[],
            metavar="S",
            help="where runtimes come from: github, npm or a directory of archives; repeatable, asked in the order "
            "given (default: CODEX_RELEASE_SOURCES, else github, npm)",
        )
    return parser


def _listed() -> str:
    """Every command with what it does, station by station."""
    width = max(map(len, _COMMANDS)) + 2
    lines = [
        line
        for station, commands in _ROAD.items()
        for line in ("", f"to {station}:", *(f"  {name:{width}}{said}" for name, said in commands.items()))
    ]
    return "\n".join([*lines[1:], "", "codex-release COMMAND --help shows the options of a command."])


def _module(command: str) -> Any:
    return importlib.import_module(f"codex_release.commands.{command.replace('-', '_')}")


def _complain(text: str, problems: Sequence[str]) -> None:
    """One line, below those of several problems; where nobody can be told, the exit code still says it."""
    try:
        if len(problems) > 1:
            sys.stderr.writelines(f"- {_one_line(each)}\n" for each in problems)
        sys.stderr.write(f"codex-release: {_one_line(text)}\n")
    except OSError:
        _let_go_of(sys.stderr)


def _one_line(text: str) -> str:
    return visible(" ".join(text.split()))
