"""The runtime as a child process: three threads for its pipes, and one that waits for its end.

The rules that keep everybody alive:

- Each pipe belongs to one thread. No other thread reads, writes or closes it while that one runs.
- There is no lock: `close` may come in the midst of `close`, from a signal handler or a finalizer.
- A forked child keeps no copy of a pipe: the runtime leaves when its stdin ends, and a copy would keep it open.
- Sending never blocks: bytes go into a queue. A caller keeps its timeout, and the reader keeps reading, even while the
  runtime does not read; otherwise both sides could end up waiting for each other with full pipes.
- stderr is always drained, and only its last bytes are kept.
- The connection lives as long as the process, and its end is reported once, when the process is gone and its output is
  read. Whatever goes wrong in a thread ends the process. The end of stdout alone would not do: a process that the
  runtime started may have inherited it, and hold it open for hours.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, cast

from codex_app_server._log import logger
from codex_app_server.ending import (
    CREATION_FLAGS,
    LEAVE_GRACE,
    MOMENT,
    SIGNAL_GRACE,
    STDERR_BYTES,
    Ending,
    describe_exit,
    last_lines,
)
from codex_app_server.errors import RuntimeStartError
from codex_app_server.forking import open_here
from codex_app_server.runtime import launch_command, launch_environment
from codex_app_server.sync.waiting import Latch, ends_within

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from codex_app_server.config import AppServerConfig

__all__ = ["StdioTransport"]

_READ_SIZE = 64 * 1024


class StdioTransport:
    """Starts a runtime and moves bytes to and from it.

    Args:
        config: which, and how.
        receive: called with every chunk of its output, in a thread; what it raises ends the runtime. If it returns a
            time, in seconds, and nothing follows within that, it is called again with nothing.
        finish: called once, in the same thread, when there will be no more; not if `receive` raised.
        leaving: called once, in another thread, when the process is gone, and what it wrote last is still to be read.
        ended: called once, in that other thread, when all is over.
    """

    _process: subprocess.Popen[bytes]  # there is none before there are threads

    def __init__(
        self,
        config: AppServerConfig,
        *,
        receive: Callable[[bytes], float],
        finish: Callable[[], None],
        leaving: Callable[[], None],
        ended: Callable[[Ending], None],
    ) -> None:
        self._config = config
        self._receive = receive
        self._finish = finish
        self._leaving = leaving
        self._ended = ended
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._stderr = b""
        self._dismissal: str | None = None
        self._failure: BaseException | None = None
        self._exited = Latch()
        self._is_closing = False
        self._is_let_go = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the process, and begin to move bytes.

        Raises:
            RuntimeNotFoundError: if there is none.
            RuntimeStartError: if the operating system does not start it.
        """
        command, cwd, env = launch_command(self._config), self._config.cwd, launch_environment(self._config)
        try:
            self._process = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd,
                env=env,
                creationflags=CREATION_FLAGS,
                # Ctrl-C in a terminal goes to its whole foreground group, and would end the runtime before anybody
                # here could decide that. In a session of its own it only leaves when told, or when stdin ends.
                start_new_session=True,
            )
        except OSError as error:
            where = f" in {os.fspath(cwd)}" if cwd is not None else ""
            raise RuntimeStartError(f"cannot start {command[0]}{where}: {error}") from error
        open_here.add(self)
        try:
            self._reader, self._writer, self._drainer, self._watcher = self._threads = [
                threading.Thread(target=target, name=f"codex-app-server {self._process.pid} {name}", daemon=True)
                for target, name in (
                    (self._read, "stdout"),
                    (self._write, "stdin"),
                    (self._drain, "stderr"),
                    (self._watch, "exit"),
                )
            ]
            for thread in self._threads:
                thread.start()
        except BaseException:
            # Pipes without an owner, and perhaps nobody to see the exit: `close` only has to tidy up.
            self._process.kill()
            self._process.wait()
            self._exited.set()
            raise

    @property
    def stderr_tail(self) -> tuple[str, ...]:
        """The last lines of stderr so far, oldest first, without colours."""
        return last_lines(self._stderr)

    def is_own_thread(self) -> bool:
        """Whether this is one of the threads that move bytes: a finalizer may run there, and must not wait for any."""
        return threading.current_thread() in self._threads

    def send(self, data: bytes) -> None:
        """Send, some time; never blocks. After the end it does nothing."""
        self._outbox.put(data)

    def close(self) -> None:
        """Close stdin, and see that the runtime leaves: by itself, or by a signal it may handle, or by one it cannot.

        May be called again, by several threads, and in the midst of itself; each returns when everything is done. One
        of the threads that move bytes, in which a finalizer may run, does not wait, and nobody does once the
        interpreter is ending, which closes stdin.
        """
        self._is_closing = True
        if not self._threads:
            return
        if self.is_own_thread() or sys.is_finalizing():
            self.let_go()
            return
        self._outbox.put(None)
        try:
            self._see_off()
        except BaseException:  # Ctrl-C while waiting
            self._process.kill()
            raise
        self._clean_up()

    def let_go(self) -> None:
        """Close stdin, and have the runtime seen off, without waiting for anything."""
        self._is_closing = self._is_let_go = True
        self._outbox.put(None)

    def forget(self) -> None:
        """In a forked child: keep nothing of it open, and do nothing to it."""
        self._process.returncode = self._process.returncode or 0  # not a child of this process, which waits for none
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _see_off(self) -> None:
        if self._exited.wait(LEAVE_GRACE):
            return
        logger().warning("the runtime (process %d) did not leave when its stdin was closed", self._process.pid)
        self._process.terminate()
        if self._exited.wait(SIGNAL_GRACE):
            return
        self._process.kill()
        if not self._exited.wait(SIGNAL_GRACE):
            logger().error("the runtime (process %d) cannot be killed", self._process.pid)

    def _clean_up(self) -> None:
        process = self._process
        ends_within(self._watcher, 3 * MOMENT)
        for thread, pipe in (
            (self._reader, process.stdout),
            (self._writer, process.stdin),
            (self._drainer, process.stderr),
        ):
            if not ends_within(thread, MOMENT):
                # Its thread stays until then, and closes the pipe.
                logger().warning("%s is still open: another process has inherited it", thread.name)
            elif pipe is not None:
                pipe.close()

    def _watch(self) -> None:
        exit_code = self._process.wait()
        self._exited.set()
        self._leaving()
        ends_within(self._reader, MOMENT)
        ends_within(self._drainer, MOMENT)
        reason = self._dismissal or describe_exit(exit_code)
        if self._failure is not None:  # it may have gone because nobody read any more
            reason = _failed(self._failure)
        open_here.discard(self)
        self._ended(Ending(reason, exit_code, self.stderr_tail, self._failure))

    def _read(self) -> None:
        # The pipe is closed whatever happens: a runtime must not block on output that nobody reads.
        with cast("IO[bytes]", self._process.stdout) as pipe:
            try:
                while data := os.read(pipe.fileno(), _READ_SIZE):
                    while (patience := self._receive(data)) and not _is_readable(pipe, patience):
                        data = b""
                self._finish()
            except BaseException as error:
                logger().exception("reading the runtime's output failed")
                self._failure = error
        if self._failure is None:
            self._dismiss("the runtime closed its output", grace=MOMENT)
        else:
            # Nobody can answer its questions any more, so it must not go on working.
            self._dismiss(_failed(self._failure), grace=0)

    def _write(self) -> None:
        with cast("IO[bytes]", self._process.stdin) as pipe:
            try:
                while (data := self._outbox.get()) is not None:
                    rest = memoryview(data)
                    while rest:
                        rest = rest[os.write(pipe.fileno(), rest) :]
            except OSError as error:
                logger().debug("the runtime no longer reads: %s", error)
            else:
                pipe.close()
                if self._is_let_go:
                    self._see_off()
                return
        self._dismiss("the runtime closed its input", grace=MOMENT)

    def _drain(self) -> None:
        with cast("IO[bytes]", self._process.stderr) as pipe:
            while data := os.read(pipe.fileno(), _READ_SIZE):
                self._stderr = (self._stderr + data)[-STDERR_BYTES:]
                logger().debug("runtime: %s", data.decode(errors="replace").rstrip())

    def _dismiss(self, reason: str, *, grace: float) -> None:
        """End a process that can no longer be talked to, unless it is on its way out, or `close` is seeing to that."""
        if self._exited.wait(grace) or self._is_closing:
            return
        self._dismissal = reason
        self._process.terminate()
        if not self._exited.wait(SIGNAL_GRACE):
            self._process.kill()


def _failed(failure: BaseException) -> str:
    return f"reading the runtime's output failed: {failure!r}"


_BLIND_S = 0.001
"""How long to wait before reading on, in seconds, where nobody can say whether there is something to read."""


def _is_readable(pipe: IO[bytes], seconds: float) -> bool:
    """Whether there is something to read within so many seconds; on Windows, where pipes cannot be asked, never."""
    if os.name == "nt":
        time.sleep(min(seconds, _BLIND_S))
        return False
    poll = select.poll()  # not `select.select`, which refuses descriptors from 1024 on
    poll.register(pipe, select.POLLIN)
    return bool(poll.poll(seconds * 1_000))
