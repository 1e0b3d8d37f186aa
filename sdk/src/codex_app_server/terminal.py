"""The person at the terminal: the agent's text on stdout, everything else on stderr, and questions.

What is shown comes from a model and from files that it read. A character in it could move the cursor, turn the
direction of writing, or look like nothing or like a space, and so hide a part of what a person is asked to allow: none
of these reaches the terminal as itself. Neither do long blanks, which could push the rest out of sight.
"""

from __future__ import annotations

import os
import re
import select
import sys
import threading
from itertools import groupby
from typing import TYPE_CHECKING

from codex_app_server.errors import AppServerError, StartupTimeoutError, TransportClosedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TextIO

__all__ = ["Terminal", "line_of", "lines_of", "pieces_of", "shortened", "visible"]

_CONTROL = re.compile(r"[^\n\t\x20-\x7e\xa0-\U0010ffff]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What moves the cursor, or turns the direction of writing."""

_UNSEEN = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)
"""What counts as printable and shows nothing: fillers, blanks, joiners and selectors of variants."""

_BLANKS = re.compile(r" {40,}")
_BLANKS_WITHIN = re.compile(r"(?<=[^ ]) {40,}")
_SHORT = 100
_FEW_BLANK = 3
_PIECE_BYTES = 1 << 16


class Terminal:
    """Three streams that may be a terminal, shared by the threads of a run.

    Args:
        stdin: where answers come from.
        stdout: for the agent's text.
        stderr: for everything else.
    """

    def __init__(self, stdin: TextIO, stdout: TextIO, stderr: TextIO) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._stderr = stderr
        self._lock = threading.Lock()
        self._is_in_line = False

    @property
    def can_ask(self) -> bool:
        """Whether there is a person who sees a question and can answer it."""
        return self._stdin.isatty() and self._stderr.isatty()

    def say(self, text: str) -> None:
        """Show a piece of the agent's text, at once.

        Raises:
            BrokenPipeError: if nobody reads it any more.
        """
        if not text:
            return
        if self._stdout.isatty():
            text = _CONTROL.sub(lambda found: _escape(found[0]), text)
        with self._lock:
            self._write(text)

    def end_line(self) -> None:
        """Begin a new line of text, if this one has any."""
        if self._is_in_line:
            self.say("\n")

    def note(self, line: str) -> None:
        """Show one line about what happens."""
        with self._lock:
            self._note([line])

    def ask(self, lines: Iterable[str], question: str) -> str:
        """Put a question, and wait for what the person types; that in lower case, empty at the end of the input.

        Args:
            lines: what it is about.
            question: in the line in which the person answers.
        """
        with self._lock:
            self._note(lines)
            _forget_typed_ahead(self._stdin)
            self._stderr.write(f"{visible(question)} ")
            self._stderr.flush()
            try:
                # Not by way of `stdin`: a thread that waits in there when the program ends makes Python abort.
                typed = next(pieces_of(self._stdin), b"")
            except OSError:  # the terminal is gone
                typed = b""
            if not typed.endswith(b"\n"):
                self._stderr.write("\n")
        return typed.decode(errors="replace").strip().lower()

    def _note(self, lines: Iterable[str]) -> None:
        if self._is_in_line and self._stdout.isatty() and self._stderr.isatty():
            self._write("\n")
        # How far a line is set in, was judged before it was set in further.
        self._stderr.writelines(f"{_filled(visible(line), _BLANKS_WITHIN)}\n" for line in lines)
        self._stderr.flush()

    def _write(self, text: str) -> None:
        try:
            self._stdout.write(text)
            self._stdout.flush()
        except OSError as error:
            if sys.platform == "win32" and not isinstance(error, BrokenPipeError):
                raise BrokenPipeError from error  # Windows calls it an invalid argument
            raise
        self._is_in_line = not text.endswith("\n")


def pieces_of(stream: TextIO) -> Iterator[bytes]:
    """What comes in, as it comes, up to its end.

    Whoever shares a pipe with this program may have set it to non-blocking, and so for everybody: that there is nothing
    yet is not the end.

    Raises:
        OSError: if it cannot be read.
    """
    descriptor = stream.fileno()
    while True:
        try:
            # Not by way of the stream, whose lock would be held when the program ends first.
            data = os.read(descriptor, _PIECE_BYTES)
        except BlockingIOError:
            select.select([descriptor], [], [])
            continue
        if not data:
            return
        yield data


def visible(text: str) -> str:
    """A text in which every character can be seen: escapes stand for the others, line breaks included."""
    shown = "".join(char if char.isprintable() else _escape(char) for char in text)
    return _UNSEEN.sub(lambda found: _escape(found[0]), shown)


def lines_of(text: str) -> list[str]:
    """The lines of what is to be judged: only line feeds part them, and long blanks are said instead of shown."""
    lines: list[str] = []
    if not text:
        return lines
    for is_blank, group in groupby(text.removesuffix("\n").split("\n"), lambda line: not line.strip(" ")):
        found = list(group)
        if is_blank and len(found) > _FEW_BLANK:
            lines.append(f"({len(found)} blank lines)")
        else:
            lines += map(_filled, found)
    return lines


def _filled(line: str, blanks: re.Pattern[str] = _BLANKS) -> str:
    """A line in which long blanks are said instead of shown."""
    return blanks.sub(lambda spaces: f" ({len(spaces[0])} spaces) ", line)


def shortened(text: str) -> str:
    """A text in one line of about a hundred characters, its line breaks marked, and without blank lines."""
    line = " ⏎ ".join(line for line in text.split("\n") if line.strip(" "))
    line = _BLANKS.sub("  ", line)
    return line if len(line) <= _SHORT else line[: _SHORT - 1] + "…"


def line_of(error: AppServerError) -> str:
    """What went wrong, in one line; of the runtime's last words those that say it."""
    if isinstance(error, TransportClosedError | StartupTimeoutError) and error.stderr_tail:
        return visible(f"{error.args[0]}; it said: {_complaint(error.stderr_tail)}")
    return visible(" ".join(str(error).split()))


def _complaint(stderr_tail: Sequence[str]) -> str:
    """The paragraph that begins with "Error:", which a backtrace may follow; without one the last line."""
    found = re.search(r"^error: .*?(?=\n\s*\n|\Z)", "\n".join(stderr_tail), re.IGNORECASE | re.MULTILINE | re.DOTALL)
    return " ".join((found[0] if found else stderr_tail[-1]).split())


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _forget_typed_ahead(stdin: TextIO) -> None:
    """What was typed before a question was seen is no answer to it."""
    if sys.platform == "win32":
        import msvcrt

        while msvcrt.kbhit():
            msvcrt.getwch()
    else:
        import termios

        termios.tcflush(stdin.fileno(), termios.TCIFLUSH)
