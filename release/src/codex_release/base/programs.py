"""Running other programs (``gh``, ``npm``, pip, twine, a runtime): what they print, and what they complain of.

None of them may hang for ever, ask a question, or bring a secret into a message; what one said last before it failed is
in the message, whatever its bytes are.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from codex_release.base.digests import CHUNK
from codex_release.base.errors import DownloadError, ReleaseError, SourceError
from codex_release.base.shown import shown_text
from codex_release.base.watch import watching

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence
    from io import BufferedReader

__all__ = ["Ran", "answer", "found", "module_argv", "on_path", "printed", "python_argv", "run", "said_last"]

_LONGEST = 400
"""How much of what a program said last a message holds, in characters."""
_CLOSING_S = 1.0
"""How long the pipes of a program that was ended may stay open: what it has started may hold them."""
_KILLING_S = 20.0
_WINDOWS_SUFFIXES = (".com", ".exe", ".bat", ".cmd")
"""What Windows starts; npm is a ``.cmd`` there, and has a shell script of the same name without suffix beside it."""


@dataclass(frozen=True)
class Ran:
    """What became of a program.

    Attributes:
        name: what messages call it.
        code: its exit code; `None` if it was ended because it took too long.
        output: the bytes it printed.
        complaints: the bytes it wrote to standard error.
        timeout_s: how long it was given, in seconds.
    """

    name: str
    code: int | None
    output: bytes
    complaints: bytes
    timeout_s: float

    @property
    def text(self) -> str:
        """What it printed, as text, with LF line ends."""
        return _text(self.output)

    @property
    def said(self) -> str:
        """All that it printed and complained of, as text."""
        return _text(self.output + b"\n" + self.complaints)

    @property
    def failure(self) -> str:
        """What went wrong and what it said of that, as one line; empty if it ended well."""
        if self.code == 0:
            return ""
        late = self.code is None
        what = f"gave no answer for {self.timeout_s:.0f} s" if late else f"failed with exit code {self.code}"
        said = said_last(_text(self.complaints)) or said_last(self.text)
        return f"{self.name} {what}: {said or 'it does not say why'}"


def found(program: str | os.PathLike[str], path: str | None = None) -> str | None:
    """The file that a program's name stands for: on PATH, or where its path says; `None` if there is none.

    On Windows the working directory is not looked into, for what lies there may be anybody's.

    Args:
        program: its name, or its path.
        path: the directories to look into, as PATH has them, if not this process's.
    """
    name = os.fspath(program)  # Windows' `shutil.which` takes no path objects before Python 3.12
    if os.name == "nt" and Path(name).name == name:
        return on_path(name, (os.environ.get("PATH", "") if path is None else path).split(os.pathsep))
    return shutil.which(name, path=path)


def on_path(name: str, directories: Iterable[str]) -> str | None:
    """The first file in the directories that Windows can start under a name."""
    has_suffix = name.lower().endswith(_WINDOWS_SUFFIXES)
    names = [name] if has_suffix else [name + suffix for suffix in _WINDOWS_SUFFIXES]
    candidates = (Path(directory, each) for directory in directories if directory for each in names)
    return next((str(path) for path in candidates if path.is_file()), None)


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout_s: float,
    error: type[ReleaseError] = SourceError,
    name: str | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Ran:
    """Run a program to its end, or until its time is over; nobody answers it.

    Args:
        argv: the program and its words.
        timeout_s: how long it may take, in seconds.
        error: what is raised if it cannot be started.
        name: what messages call it, if not by its file's name.
        environ: its environment, if not this process's.
        cwd: its working directory, if not this process's.

    Raises:
        ReleaseError: of the kind `error`, if it cannot be started.
    """
    called = name or _name(argv)
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, cwd=cwd
        )
    except (OSError, ValueError) as failure:  # a NUL in a word is a ValueError
        raise error(f"{called} cannot be started: {failure}") from failure
    with process:
        try:
            output, complaints = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as late:
            _end(process)
            with contextlib.suppress(subprocess.TimeoutExpired):
                # On Windows only this tells what was printed until now.
                late.stdout, late.stderr = process.communicate(timeout=_CLOSING_S)
            return Ran(called, None, late.stdout or b"", late.stderr or b"", timeout_s)
        except BaseException:  # Ctrl-C
            _end(process)
            raise
    return Ran(called, process.returncode, output, complaints, timeout_s)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program, on Windows with what it has started: npm is a shell there, whose child keeps the pipes open."""
    if killer := _tree_killer():
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                [killer, "/T", "/F", "/PID", str(process.pid)],
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_KILLING_S,
            )
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_KILLING_S)  # Popen itself does not after Ctrl-C: it would outlive us for a moment


def _tree_killer() -> str | None:
    """Windows' program that ends another one with all that it has started."""
    return found("taskkill") if os.name == "nt" else None


def answer(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout_s: float,
    error: type[ReleaseError] = SourceError,
    remedy: str | None = None,
    name: str | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """The text that a program prints; the arguments are those of `run`.

    Raises:
        ReleaseError: of the kind `error` and with `remedy`, if it cannot be started, fails, or takes longer.
    """
    ran = run(argv, timeout_s=timeout_s, error=error, name=name, environ=environ, cwd=cwd)
    if ran.failure:
        raise error(ran.failure, remedy=remedy)
    return ran.text


def printed(argv: Sequence[str], *, silence_s: float) -> Generator[bytes, None, None]:
    """The bytes that a program prints, as they come; close the generator to end the program.

    Raises:
        DownloadError: if it cannot be started, fails, or prints nothing for so many seconds.
    """
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints)
        except (OSError, ValueError) as error:
            raise DownloadError(f"{_name(argv)} cannot be started: {error}") from error
        with process, watching(silence_s, process.kill) as watch:
            output = cast("BufferedReader", process.stdout)
            try:
                while chunk := output.read1(CHUNK):
                    watch.heard.set()
                    yield chunk
                process.wait()
            except BaseException:
                _end(process)
                raise
        complaints.seek(0)
        ran = Ran(_name(argv), process.returncode, b"", complaints.read(), silence_s)
        if watch.is_lost:
            said = f"; it said last: {last}" if (last := said_last(ran.said)) else ""
            raise DownloadError(f"{ran.name} was ended: it printed nothing for {silence_s:.0f} s{said}")
        if ran.failure:
            raise DownloadError(ran.failure)


def said_last(text: str) -> str:
    """The end of what a program said, as one line fit for messages."""
    said = shown_text(text)
    return said if len(said) <= _LONGEST else f"…{said[-_LONGEST:]}"


def _name(argv: Sequence[str | os.PathLike[str]]) -> str:
    return Path(argv[0]).stem


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace").replace("\r\n", "\n")


def python_argv(module: str, *words: str) -> list[str]:
    """The arguments that run a module's ``main`` in a process of its own, which finds `words` from ``sys.argv[2]`` on.

    It finds what this process finds, and nothing that happens to lie in its working directory.
    """
    code = f"import sys; sys.path[:] = sys.argv[1].split(chr(10)); from {module} import main; main()"
    return [sys.executable, "-c", code, "\n".join(each for each in sys.path if each), *words]


def module_argv(module: str, *words: str) -> list[str]:
    """The arguments that run a module of this environment as ``python -m`` does."""
    return [sys.executable, "-m", module, *words]
