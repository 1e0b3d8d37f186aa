"""An app-server of this machine that others connect to: started with a token, and ended with who started it."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING

from codex_app_server.ending import CREATION_FLAGS, MOMENT, SIGNAL_GRACE, describe_exit, last_lines
from codex_app_server.errors import RuntimeStartError
from codex_app_server.remote.address import Address
from codex_app_server.runtime import find_executable, launch_environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO

    from typing_extensions import Self

    from codex_app_server.config import AppServerConfig

__all__ = ["AppServer", "write_token"]

_LISTENING = re.compile(rb"listening on: (\S+)")
_POLL_S = 0.02
_SLICE_S = 0.1
"""How long a wait goes on at a time on Windows, in seconds: Ctrl-C cannot end it there, but is heard between two."""
_TOKEN_BYTES = 32
_KEPT_BYTES = 8 * 1024


def write_token(path: Path) -> None:
    """Write a new token to a file that nobody else may read; a file that exists is kept as it is.

    Raises:
        OSError: if the file cannot be written.
        ValueError: if the file exists, and others may read it.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if os.name != "nt" and path.stat().st_mode & 0o077:
            raise ValueError(f"{path} may be read by others: chmod 600, or name one that does not exist yet") from None
        return
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(_TOKEN_BYTES) + "\n")
    except OSError as error:
        path.unlink()  # a part of a token would be kept as one
        raise OSError(error.errno, error.strerror, str(path)) from error


class AppServer:
    """A running app-server.

    Args:
        config: how to start it.
        listen: its address: ``ws://IP:PORT``, where port 0 is any free one, or ``unix:///PATH``.
        token_file: the file with the token that clients need; None for a socket in the file system, whose permissions
            say who may use it.
        more: further arguments for its command line.
        is_tied: whether it ends even if this process is killed, on systems that can do that. The thread that calls
            this must then live as long as the process.

    Attributes:
        url: its address.
        process: its process.

    Raises:
        RuntimeStartError: if it does not start.
    """

    def __init__(
        self,
        config: AppServerConfig,
        listen: str,
        token_file: Path | None,
        more: Sequence[str] = (),
        *,
        is_tied: bool = False,
    ) -> None:
        words = ["--listen", listen, *more]
        if token_file is not None:
            words += ["--ws-auth", "capability-token", "--ws-token-file", str(token_file.absolute())]
        overrides = [word for override in config.overrides() for word in ("--config", override)]
        command = [str(find_executable(config)), *overrides, "app-server", *words]
        path = Address.read(listen).path
        if path and _is_listened_at(path):
            raise RuntimeStartError(f"another program listens at {listen} already")
        before = _socket_at(path)
        self.url = listen
        self._stderr = b""
        self._found: Queue[str] = Queue()
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=config.cwd,
                env=launch_environment(config),
                creationflags=CREATION_FLAGS,
                start_new_session=True,  # Ctrl-C is for who started it, who then ends it
                preexec_fn=_tie if is_tied and sys.platform == "linux" else None,  # noqa: PLW1509 - no other threads
            )
        except OSError as error:
            raise RuntimeStartError(f"cannot start {command[0]}: {error}") from error
        self._drainer = threading.Thread(target=self._drain, name="codex-app-server stderr", daemon=True)
        self._drainer.start()
        try:
            self.url = self._listening(path, before, config.startup_timeout_s)
        except BaseException:
            self.close()
            raise

    def wait(self) -> int:
        """Wait for its end; its exit code."""
        patience = _SLICE_S if sys.platform == "win32" else None
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self.process.wait(patience)
                break
        self._drainer.join(SIGNAL_GRACE)
        return code

    @property
    def stderr_tail(self) -> tuple[str, ...]:
        """The last lines that it wrote to stderr, oldest first."""
        return last_lines(self._stderr)

    def close(self) -> None:
        """End it, and the turns that run there."""
        process = self.process
        try:
            # Asked once, it waits for its turns; asked twice, it ends them.
            for end, grace in ((process.terminate, MOMENT), (process.terminate, SIGNAL_GRACE), (process.kill, MOMENT)):
                if process.poll() is None:
                    end()
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(grace)
        except BaseException:  # whoever presses Ctrl-C once more does not want it to stay
            process.kill()
            raise
        self._drainer.join(SIGNAL_GRACE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _listening(self, path: str, before: object, timeout: float) -> str:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if (code := self.process.poll()) is not None:
                self._drainer.join(SIGNAL_GRACE)
                # In capitals if it could not listen, without if it does not understand the address.
                lines = [line for line in self.stderr_tail if line.lower().startswith("error: ")]
                raise RuntimeStartError("\n".join(lines) or describe_exit(code))
            if path and _socket_at(path) not in {None, before} and _is_listened_at(path):
                return self.url
            with contextlib.suppress(Empty):
                return self._found.get(timeout=_POLL_S)
        raise RuntimeStartError(f"the app-server did not begin to listen within {timeout:g} s")

    def _drain(self) -> None:
        with self.process.stderr as pipe:  # type: ignore[union-attr]  # it is a pipe
            self._read(pipe)

    def _read(self, pipe: IO[bytes]) -> None:
        is_found = False
        while data := os.read(pipe.fileno(), _KEPT_BYTES):
            self._stderr = (self._stderr + data)[-2 * _KEPT_BYTES :]
            if is_found or not self._stderr.endswith(b"\n"):
                continue
            if (found := _LISTENING.search(self._stderr)) is not None:
                is_found = True
                self._found.put(found[1].decode())


def _socket_at(path: str) -> tuple[int, int] | None:
    """Which socket is there, if any: one that is made anew is another one."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return (found.st_ino, found.st_ctime_ns) if stat.S_ISSOCK(found.st_mode) else None


def _is_listened_at(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(_POLL_S)
        try:
            made.connect(path)
        except OSError:
            return False
    return True


def _tie() -> None:
    """In the child, before it is the app-server: have Linux end it when its parent ends."""
    import ctypes

    set_death_signal = 1
    ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)  # any other one leaves it there until its turns end
