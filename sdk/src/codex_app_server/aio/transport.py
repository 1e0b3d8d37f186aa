"""The runtime as a child process of an event loop: no thread, and nothing that blocks.

The same promises as `sync.transport`: sending never waits, stderr is always drained and only its last bytes are kept,
and the end is reported once, when the process is gone and its output is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
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

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.config import AppServerConfig

__all__ = ["AsyncStdioTransport"]

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_POLL_S = 0.01
_SPAWNING_S = 0.2
"""How long asyncio has to see that a process is dead which it killed in the midst of its start, in seconds."""


class AsyncStdioTransport(asyncio.SubprocessProtocol):
    """Starts a runtime and moves bytes to and from it.

    Args:
        config: which, and how.
        receive: called with every chunk of its output; what it raises ends the runtime.
        finish: called once, when there will be no more; not if `receive` raised.
        ended: called once, after that.
    """

    def __init__(
        self,
        config: AppServerConfig,
        *,
        receive: Callable[[bytes], None],
        finish: Callable[[], None],
        ended: Callable[[Ending], None],
    ) -> None:
        self._config = config
        self._receive = receive
        self._finish = finish
        self._ended = ended
        self._process: asyncio.SubprocessTransport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stderr = b""
        self._dismissal: str | None = None
        self._failure: BaseException | None = None
        self._is_paused = False
        self._is_deaf = False
        self._has_reported = False
        self._timers: list[asyncio.TimerHandle] = []
        self._gone = asyncio.Event()
        self._is_closing = False

    async def start(self) -> None:
        """Start the process.

        Raises:
            RuntimeNotFoundError: if there is none.
            RuntimeStartError: if the operating system does not start it, or the event loop starts no processes.
        """
        command, cwd, env = launch_command(self._config), self._config.cwd, launch_environment(self._config)
        open_here.add(self)
        self._loop = asyncio.get_running_loop()
        spawning = self._loop.create_task(
            self._loop.subprocess_exec(
                lambda: self,
                *command,
                cwd=cwd,
                env=env,
                creationflags=CREATION_FLAGS,
                start_new_session=True,  # as in `sync.transport`
            )
        )
        try:
            await asyncio.shield(spawning)
        except asyncio.CancelledError:
            # At its end `asyncio.run` cancels what connects the pipes too, and asyncio would wait for them for ever
            # (3.11 to 3.13): it has killed the process by then, and is told a second time.
            while not spawning.done():
                await asyncio.wait([spawning], timeout=_SPAWNING_S)
                spawning.cancel()
            _ = spawning.cancelled() or spawning.exception()  # nobody else asks
            raise
        except OSError as error:
            where = f" in {os.fspath(cwd)}" if cwd is not None else ""
            raise RuntimeStartError(f"cannot start {command[0]}{where}: {error}") from error
        except NotImplementedError as error:  # it says no word
            raise RuntimeStartError(
                f"cannot start {command[0]}: this event loop starts no processes; on Windows run asyncio's default, "
                "the proactor event loop, or use Codex, which needs none"
            ) from error

    def give_up(self) -> None:
        """Its start is not wanted any more; that takes no time to wait for, and is never broken off in the midst."""

    @property
    def stderr_tail(self) -> tuple[str, ...]:
        """The last lines of stderr so far, oldest first, without colours."""
        return last_lines(self._stderr)

    def send(self, data: bytes) -> None:
        """Send, some time. After the end it does nothing."""
        if (pipe := self._pipe(_STDIN)) is None:
            return
        if not pipe.is_closing():
            cast("asyncio.WriteTransport", pipe).write(data)
        elif not (self._is_closing or self._is_deaf):
            # asyncio saw the runtime close it while nothing was on its way there, which is no error to it.
            self._is_deaf = True
            self._dismiss("the runtime closed its input", grace=MOMENT)

    def pause(self) -> None:
        """Let the runtime wait with its output until `resume`."""
        if not self._is_paused and (pipe := self._pipe(_STDOUT)) is not None:
            self._is_paused = True
            cast("asyncio.ReadTransport", pipe).pause_reading()

    def resume(self) -> None:
        """Take its output again."""
        if self._is_paused and (pipe := self._pipe(_STDOUT)) is not None:
            self._is_paused = False
            cast("asyncio.ReadTransport", pipe).resume_reading()

    async def close(self) -> None:
        """Close stdin, and see that the runtime leaves: by itself, or by a signal it may handle, or by one it cannot.

        May be called again, and by several tasks; each returns when the process is gone.
        """
        process = self._process
        self._is_closing = True
        if process is None:
            return
        try:
            self.resume()
            if (pipe := self._pipe(_STDIN)) is not None:
                pipe.close()
            await self._see_off(process)
        except asyncio.CancelledError:  # the loop is about to end, and has to see how the process does
            _kill(process)
            await self._leaves_within(SIGNAL_GRACE)
            raise
        finally:
            process.close()

    def let_go(self) -> None:
        """Have the runtime leave, without waiting for anything; from any thread, whatever became of the loop."""
        if self._process is not None and not self._gone.is_set():
            self._is_closing = True
            _kill(self._process)
            if self._loop is not None and self._loop.is_closed():
                self._close_files()
                with contextlib.suppress(RuntimeError):  # what asyncio has to say of a closed loop is said by now
                    self._process.close()

    async def close_from_elsewhere(self, loop: asyncio.AbstractEventLoop) -> None:
        """As `close`, in another event loop than the runtime was started in, which may be closed."""
        process = self._process
        if process is None or self._gone.is_set():
            return
        if loop.is_running():  # in another thread
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.close(), loop))
            return
        self._is_closing = True
        self._close_files()
        _kill(process)
        if sys.platform == "win32":
            return
        with contextlib.suppress(ChildProcessError):  # whoever watches for the loop may have been faster
            for _ in range(round(SIGNAL_GRACE / _POLL_S)):
                if os.waitpid(process.get_pid(), os.WNOHANG) != (0, 0):
                    return
                await asyncio.sleep(_POLL_S)

    def forget(self) -> None:
        """In a forked child: keep none of its pipes open."""
        self._close_files()
        for fd in (_STDIN, _STDOUT, _STDERR):
            # Other loops than asyncio's have no file, and may close the descriptor once more: it is replaced.
            pipe = self._pipe(fd)
            inner = pipe.get_extra_info("socket") if pipe is not None else None
            if inner is not None:
                with contextlib.suppress(OSError), open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - costs an import
                    os.dup2(nothing.fileno(), inner.fileno(), inheritable=False)

    def _close_files(self) -> None:
        for fd in (_STDIN, _STDOUT, _STDERR):
            pipe = self._pipe(fd)
            file = pipe.get_extra_info("pipe") if pipe is not None else None
            if file is not None:
                file.close()

    async def _see_off(self, process: asyncio.SubprocessTransport) -> None:
        if await self._leaves_within(LEAVE_GRACE):
            return
        logger().warning("the runtime (process %d) did not leave when its stdin was closed", process.get_pid())
        _terminate(process)
        if await self._leaves_within(SIGNAL_GRACE):
            return
        _kill(process)
        if not await self._leaves_within(SIGNAL_GRACE):
            logger().error("the runtime (process %d) cannot be killed", process.get_pid())

    async def _leaves_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._gone.wait(), seconds)
        except (TimeoutError, asyncio.TimeoutError):  # two classes until Python 3.11
            return False
        return True

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The process runs."""
        self._process = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """It wrote something."""
        if fd == _STDERR:
            self._stderr = (self._stderr + data)[-STDERR_BYTES:]
            logger().debug("runtime: %s", data.decode(errors="replace").rstrip())
            return
        self.attempt(self._receive, data)

    def attempt(self, step: Callable[..., None], *arguments: bytes) -> None:
        """Take a step of reading; if it fails, the runtime is ended, and none follows."""
        if self._failure is not None:
            return
        try:
            step(*arguments)
        except BaseException as error:
            logger().exception("reading the runtime's output failed")
            # Nobody can answer its questions any more, so it must not go on working.
            self._failure = error
            self._dismiss(f"reading the runtime's output failed: {error!r}", grace=0)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """It closed one of its pipes, which a process on its way out does."""
        if fd == _STDOUT:
            self._dismiss("the runtime closed its output", grace=MOMENT)
        elif fd == _STDIN and exc is not None:
            logger().debug("the runtime no longer reads: %s", exc)
            self._dismiss("the runtime closed its input", grace=MOMENT)

    def process_exited(self) -> None:
        """It is gone; what it wrote last may still be in the pipes, and its children may hold them open for hours."""
        self._gone.set()
        self.resume()
        self._later(MOMENT, self._report)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the exit code says more
        """It is gone, and everything it wrote is read."""
        self._report()

    def _report(self) -> None:
        if self._has_reported:
            return
        self._has_reported = True
        open_here.discard(self)
        for timer in self._timers:  # they would keep it, and all that it holds, until they are due
            timer.cancel()
        self.attempt(self._finish)
        code = self._process.get_returncode() if self._process else None
        reason = self._dismissal or describe_exit(code or 0)
        self._ended(Ending(reason, code, self.stderr_tail, self._failure))

    def _dismiss(self, reason: str, *, grace: float) -> None:
        """End a process that can no longer be talked to, unless it is on its way out."""

        def end() -> None:
            # Not whether stdin is closed: the runtime may have done that, too.
            if self._process is None or self._gone.is_set() or self._is_closing:
                return
            self._dismissal = reason
            _terminate(self._process)
            self._later(SIGNAL_GRACE, _kill, self._process)

        self._later(grace, end)

    def _later(self, delay: float, step: Callable[..., object], *arguments: object) -> None:
        """Do something some seconds later, unless all is over before."""
        if not self._has_reported and self._loop is not None and not self._loop.is_closed():
            self._timers.append(self._loop.call_later(delay, step, *arguments))

    def _pipe(self, fd: int) -> asyncio.BaseTransport | None:
        return self._process.get_pipe_transport(fd) if self._process else None


def _terminate(process: asyncio.SubprocessTransport) -> None:
    _send_signal(process, "SIGTERM")


def _kill(process: asyncio.SubprocessTransport) -> None:
    _send_signal(process, "SIGKILL")


def _send_signal(process: asyncio.SubprocessTransport, name: str) -> None:
    """Send a signal to a process, unless it is over.

    asyncio's own way asks for the exit status first. Of a process that is just over it takes that away from its own
    watcher, which then complains that there is none.
    """
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        if sys.platform == "win32" or not hasattr(os, "waitid"):  # macOS has it from Python 3.13 on
            process.kill() if name == "SIGKILL" else process.terminate()
        elif os.waitid(os.P_PID, process.get_pid(), os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            os.kill(process.get_pid(), signal.Signals[name])
