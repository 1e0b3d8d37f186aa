"""The commands of ``codex-app-server-sdk``: their arguments, and how failures are reported.

They exit with 0, with 1 if something failed, with 2 for arguments that make no sense, with 130 after Ctrl-C, and with
128 and its number after a signal to end; ``exec`` exits with the exit code of its command, and ``serve`` with 0 after
Ctrl-C, which is how it ends. A failure that can be expected is one line on stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from codex_app_server._version import __version__
from codex_app_server.cli import interrupts
from codex_app_server.errors import AppServerError
from codex_app_server.terminal import line_of, pieces_of, visible
from codex_app_server.timeouts import seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_app_server.cli.run import RunOptions

__all__ = ["main"]

_FAILED, _SIGNALLED = 1, 128
_STDERR = 2
_SANDBOXES = ("read-only", "workspace-write", "danger-full-access")


def main(words: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        words: the arguments, without the program; those of this process if not given.

    Returns:
        the exit code.
    """
    _complete_streams()
    options = _parser().parse_args(words)
    for stream in (sys.stdout, sys.stderr):
        # What a model says need not be sayable in the terminal's encoding.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # both are text files here
    ended: list[signal.Signals] = []
    try:
        with interrupts.heeded(ended):
            return _COMMANDS[options.command](options)
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
        said, number = (f"ended by {ended[0].name}", ended[0]) if ended else ("interrupted", signal.SIGINT)
        sys.stderr.write(f"\n{said}\n" if sys.stderr.isatty() else f"{said}\n")
        return _SIGNALLED + number


def _doctor(options: argparse.Namespace) -> int:
    from codex_app_server.cli.doctor import as_json, as_text, examine

    findings = examine(options.codex_bin)
    print(as_json(findings) if options.json else as_text(findings), flush=True)
    return 0 if findings.is_usable else _FAILED


def _run(options: argparse.Namespace) -> int:
    from codex_app_server.cli.run import run
    from codex_app_server.terminal import Terminal

    if options.command == "resume" and options.prompt is None:
        options.thread, options.prompt = "", options.thread  # one word: the last thread of this directory
    if options.command == "resume" and not options.thread:
        options.directory = options.directory or _here()
    given = _all_of_stdin() if options.prompt == "-" else _meant(options.prompt).encode(errors="replace")
    options.prompt = given.decode("utf-8-sig", errors="replace").strip()  # what is not Unicode cannot be sent
    if not options.prompt:
        sys.stderr.write("error: the prompt is empty\n")
        return 2
    return run(_run_options(options), Terminal(sys.stdin, sys.stdout, sys.stderr))


def _run_options(options: argparse.Namespace) -> RunOptions:
    from codex_app_server.cli.run import RunOptions

    return RunOptions(
        prompt=options.prompt or "",
        is_json=getattr(options, "json", False),
        is_embedded=options.embedded,
        cwd=options.directory,
        model=options.model,
        sandbox=getattr(options, "sandbox", None),
        codex_bin=options.codex_bin,
        schema=getattr(options, "output_schema", None),
        thread_id=_replaced(getattr(options, "thread", None)),
    )


def _all_of_stdin() -> bytes:
    if sys.stdin.isatty():  # on Windows only the stream knows how to read a terminal
        return sys.stdin.buffer.read()
    return b"".join(pieces_of(sys.stdin))


def _replaced(word: str | None) -> str | None:
    """The same in Unicode, which is all that can be sent."""
    return None if word is None else _meant(word).encode(errors="replace").decode()


def _meant(word: str) -> str:
    """The same in Unicode, if its bytes are UTF-8: where the system's encoding is ASCII, Python does not read them."""
    try:
        return word.encode(errors="surrogateescape").decode()
    except UnicodeError:
        return word


def _threads(options: argparse.Namespace) -> int:
    from codex_app_server.cli.more import show_threads
    from codex_app_server.terminal import Terminal

    return show_threads(
        Terminal(sys.stdin, sys.stdout, sys.stderr),
        codex_bin=options.codex_bin,
        cwd=options.directory,
        archived=options.archived,
        search=options.search,
        limit=options.limit,
        is_json=options.json,
    )


def _review(options: argparse.Namespace) -> int:
    from codex_app_server.cli.more import review
    from codex_app_server.generated import BaseBranchReviewTarget, CommitReviewTarget, ReviewTarget
    from codex_app_server.terminal import Terminal

    options.prompt = _replaced(options.prompt)
    target: ReviewTarget | str | None = options.prompt
    if options.base is not None:
        target = BaseBranchReviewTarget(branch=options.base)
    elif options.commit is not None:
        target = CommitReviewTarget(sha=options.commit)
    return review(_run_options(options), target, Terminal(sys.stdin, sys.stdout, sys.stderr))


def _exec(options: argparse.Namespace) -> int:
    from codex_app_server.cli.more import execute

    if options.directory is None:
        _here()  # or the runtime would never answer
    return execute(
        options.argv,
        codex_bin=options.codex_bin,
        cwd=options.directory,
        sandbox=options.sandbox,
        timeout=options.timeout,
        stdin=None if sys.stdin.isatty() else sys.stdin,
        stdout=sys.stdout.buffer,
        stderr=sys.stderr.buffer,
    )


def _acp(options: argparse.Namespace) -> int:
    from codex_app_server.config import AppServerConfig

    try:
        from codex_app_server.integrations.acp.agent import run_stdio
    except ImportError as error:
        sys.stderr.write(f"error: {error}\n")
        return _FAILED
    interrupts.run(lambda: run_stdio(AppServerConfig(codex_bin=options.codex_bin)))
    return 0


def _serve(options: argparse.Namespace) -> int:
    from codex_app_server.cli.serve import serve

    return serve(
        options.listen,
        token_file=options.token_file,
        codex_bin=options.codex_bin,
        cwd=options.directory,
        out=sys.stdout,
    )


_COMMANDS = {
    "doctor": _doctor,
    "run": _run,
    "resume": _run,
    "threads": _threads,
    "review": _review,
    "exec": _exec,
    "acp": _acp,
    "serve": _serve,
}


class _Parser(argparse.ArgumentParser):
    """A parser that complains in a line that can be seen, whatever the words are."""

    def error(self, message: str) -> NoReturn:
        super().error(visible(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="codex-app-server-sdk", description="Use Codex from a terminal.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def added(name: str, about: str, usage: str | None = None) -> argparse.ArgumentParser:
        words = f"{about[0].upper()}{about[1:]}."
        return commands.add_parser(name, help=about, description=words, usage=usage and f"%(prog)s [-h] {usage}")

    doctor = added("doctor", "show what is installed, and what is wrong with it")
    doctor.add_argument("--json", action="store_true", help="print the findings as one JSON object")

    run = added("run", "have Codex do something, and show how it does it")
    run.add_argument("prompt", help="what to do; with - it is read from standard input")
    more = "[thread] prompt"  # the words as they are read: of one alone, the first is the prompt
    resume = added("resume", "have Codex do something more in a thread", f"[OPTION ...] {more}")
    what = "what to do, in the thread of that id, or else in the last one of this directory; - reads it from stdin"
    resume.add_argument("thread", metavar=more, help=what)
    resume.add_argument("prompt", nargs="?", help=argparse.SUPPRESS)
    for command in (run, resume):
        command.add_argument("--json", action="store_true", help="print every event as a line of JSON")
        command.add_argument(
            "--output-schema", type=_schema, metavar="FILE", help="a JSON schema that the answer has to fit"
        )

    threads = added("threads", "list the stored threads, the last one first")
    threads.add_argument("--json", action="store_true", help="print each thread as a line of JSON")
    threads.add_argument("--archived", action="store_true", help="list the archived threads instead of the others")
    found = "list only threads whose beginning or name has these words in it"
    threads.add_argument("--search", type=_unicode, metavar="WORDS", help=found)
    threads.add_argument("--limit", type=_count, default=50, metavar="N", help="list at most N; 50 if not given")

    review = added("review", "have changes reviewed: without an argument, those not committed")
    target = review.add_mutually_exclusive_group()
    target.add_argument("prompt", nargs="?", help="what to review, in words")
    target.add_argument("--base", type=_unicode, metavar="BRANCH", help="review the changes against this branch")
    target.add_argument("--commit", type=_unicode, metavar="SHA", help="review the changes of this commit")

    execute = added("exec", "run a command in Codex's sandbox, without a model", "[OPTION ...] -- WORD [WORD ...]")
    execute.add_argument("--timeout", type=_seconds, metavar="S", help="end it after S seconds, with exit code 124")
    words = "the command and its arguments, after --"
    execute.add_argument("argv", nargs="+", type=_unicode, metavar="WORD", help=words)

    added("acp", "serve an editor as its agent, over the Agent Client Protocol; needs the extra acp")

    serve = added("serve", "start an app-server that other programs connect to, until Ctrl-C")
    where = "its address: ws://IP:PORT, where port 0 is any free one, or unix:///PATH; ws://127.0.0.1:0 if not given"
    serve.add_argument("--listen", default="ws://127.0.0.1:0", type=_address, metavar="URL", help=where)
    shown = "the file with the token that clients need; made if it does not exist; a temporary file if not given"
    serve.add_argument("--token-file", type=Path, metavar="FILE", help=shown)

    for command in (run, resume, review):
        command.add_argument("--embedded", action="store_true", help="use a scripted model: no account, no network")
        which = "the model to use; the one in Codex's settings if not given"
        command.add_argument("--model", type=_unicode, help=which)
    allowed = "what commands may do without asking; as in Codex's settings if not given"
    for command in (run, resume, execute):
        command.add_argument("--sandbox", choices=_SANDBOXES, help=allowed)
    for command in (run, resume, threads, review, execute, serve):
        about = (
            "only threads of this directory" if command is threads else "where to work; the current one if not given"
        )
        # Only the server begins there itself; to the others' runtime it is said.
        kind = _directory if command is serve else _directory_in_unicode
        command.add_argument("-C", dest="directory", type=kind, metavar="DIR", help=about)
    for command in commands.choices.values():
        command.add_argument("--codex-bin", metavar="PATH", help="the Codex executable, if not the installed one")
    return parser


def _count(word: str) -> int:
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"{word} is no whole number from 0 on")
    return min(int(word), sys.maxsize)


def _unicode(word: str) -> str:
    """The same in Unicode, if the runtime can be told it."""
    meant = _meant(word)
    try:
        meant.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{word!a} is no Unicode, which is all that Codex takes") from None
    return meant


def _seconds(word: str) -> float:
    try:
        return seconds(float(word), "timeout") or 0.0
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _address(word: str) -> str:
    from codex_app_server.remote.address import Address

    try:
        if not Address.read(word).is_secure:
            return word
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("url: ")) from None
    raise argparse.ArgumentTypeError("an app-server speaks no TLS itself: use ws://, behind a proxy that speaks TLS")


def _schema(word: str) -> object:
    try:
        schema = json.loads(Path(word).read_bytes())
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{word} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"{word} is no JSON: {error}") from None
    if not isinstance(schema, dict):
        raise argparse.ArgumentTypeError(f"{word} is no JSON schema: it is no object")
    return schema


def _directory(word: str) -> Path:
    path = Path(word).absolute()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{word} is not a directory")
    return path


def _directory_in_unicode(word: str) -> Path:
    _unicode(word)
    return Path(_unicode(str(_directory(word))))


def _here() -> Path:
    """The current directory, in Unicode."""
    try:
        return _directory_in_unicode("")
    except argparse.ArgumentTypeError as error:
        raise AppServerError(f"the current directory {error}; go to another one, or name one with -C") from None


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
