"""Asking other programs (``gh``, ``npm``): what they print, and in one line what they complain of.

None of them may hang for ever, ask a question, or bring a secret into a message.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from codex_release.base.digests import CHUNK
from codex_release.base.errors import DownloadError, SourceError
from codex_release.base.http import shown_text

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from io import BufferedReader

__all__ = ["answer", "printed"]


def answer(argv: Sequence[str], *, timeout_s: float) -> str:
    """The text that a program prints.

    Raises:
        SourceError: if it cannot be started, fails, or takes longer.
    """
    try:
        ran = subprocess.run(
            argv,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
        )
    except OSError as error:
        raise SourceError(f"{_name(argv)} cannot be started: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"{_name(argv)} gave no answer for {timeout_s:.0f} s") from error
    if ran.returncode != 0:
        raise SourceError(_complaint(argv, ran.returncode, ran.stderr))
    return ran.stdout


def printed(argv: Sequence[str], *, silence_s: float) -> Generator[bytes, None, None]:
    """The bytes that a program prints, as they come; close the generator to end the program.

    Raises:
        DownloadError: if it cannot be started, fails, or prints nothing for so many seconds.
    """
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints)
        except OSError as error:
            raise DownloadError(f"{_name(argv)} cannot be started: {error}") from error
        with process, _watching(process, silence_s) as watch:
            output = cast("BufferedReader", process.stdout)
            try:
                while chunk := output.read1(CHUNK):
                    watch.heard.set()
                    yield chunk
                process.wait()
            except BaseException:
                process.kill()
                raise
        if watch.is_lost:
            raise DownloadError(f"{_name(argv)} was ended: it printed nothing for {silence_s:.0f} s")
        if process.returncode != 0:
            raise DownloadError(_complaint(argv, process.returncode, _text(complaints)))


class _Watch:
    """Ends a program that is silent for too long.

    Attributes:
        heard: to be set when it printed something.
        is_lost: whether it was ended.
        is_over: to be set when there is nothing more to watch.
    """

    def __init__(self, process: subprocess.Popen[bytes], silence_s: float) -> None:
        self.heard = threading.Event()
        self.is_lost = False
        self.is_over = False
        self._process = process
        self._silence_s = silence_s

    def run(self) -> None:
        """Watch until it is over."""
        while not self.is_over:
            if not self.heard.wait(self._silence_s):
                self.is_lost = True
                self._process.kill()
                return
            self.heard.clear()


@contextlib.contextmanager
def _watching(process: subprocess.Popen[bytes], silence_s: float) -> Iterator[_Watch]:
    watch = _Watch(process, silence_s)
    thread = threading.Thread(target=watch.run, name="silence watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.is_over = True
        watch.heard.set()
        thread.join()


def _name(argv: Sequence[str]) -> str:
    return Path(argv[0]).stem


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _complaint(argv: Sequence[str], code: int, stderr: str) -> str:
    return f"{_name(argv)} failed with exit code {code}: {shown_text(stderr) or 'it does not say why'}"
