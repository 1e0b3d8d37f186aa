"""A command that runs in the runtime, without a thread: its output as it is written, and its end."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from codex_app_server.driving import failure
from codex_app_server.errors import InvalidRequestError, WaitTimeoutError
from codex_app_server.handles.commands import CommandFold, exit_code_of, size_of, write_params
from codex_app_server.protocol.log import Topic
from codex_app_server.protocol.messages import Response
from codex_app_server.protocol.request import Request
from codex_app_server.timeouts import end_after, left_until, seconds

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from codex_app_server.handles.commands import CommandOutput, CommandResult
    from codex_app_server.protocol.messages import JsonValue
    from codex_app_server.sync.driver import Driver

__all__ = ["Command"]


class Command:
    """A command that `Codex.command` has started.

        with codex.command(["pytest", "-q"]) as command:
            for piece in command.stream():
                print(piece.text, end="")

    At the end of a ``with`` block the command is terminated, if it still runs. One thread at a time may stream its
    output or wait for it.
    """

    def __init__(self, driver: Driver, params: Mapping[str, JsonValue]) -> None:
        self._driver = driver
        self._id = str(params["processId"])
        self._request = Request("command/exec", params)
        self._cursor = driver.listen(Topic("process", self._id))
        self._fold = CommandFold()
        self._pieces: deque[CommandOutput] = deque()

    @property
    def exit_code(self) -> int | None:
        """The command's exit code; None while it runs."""
        answer = self._request.answer
        return exit_code_of(answer.result) if isinstance(answer, Response) else None

    def stream(self) -> Generator[CommandOutput, None, None]:
        """The command's output as it is written, up to the command's end.

        To leave the loop early does not end the command; a later loop goes on from there.

        Raises:
            EventOverflowError: if too much output waited to be read.
            JsonRpcError: if the runtime refused to run the command.
            TransportClosedError: if the connection ends before the command does.
        """
        while self._pieces or self._read(None):
            while self._pieces:
                yield self._pieces.popleft()
        self._ended()

    def wait(self, *, timeout: float | None = None) -> CommandResult:
        """Wait for the command to end.

        Args:
            timeout: how long to wait, in seconds; then the command is terminated. It is also terminated when the wait
                is cancelled, e.g. by Ctrl-C, or fails.

        Returns:
            the command's exit code and its whole output, also what was streamed before.

        Raises:
            WaitTimeoutError: if the command takes longer than `timeout`.
            EventOverflowError, JsonRpcError, TransportClosedError: as `stream`.
        """
        end = end_after(seconds(timeout, "timeout"))
        try:
            while self._read(left_until(end)):
                self._pieces.clear()
        except TimeoutError:
            self._stop()
            raise WaitTimeoutError("the command did not end in time") from None
        except BaseException:
            self._stop()
            raise
        return self._ended()

    def write(self, data: bytes | str, *, is_last: bool = False) -> None:
        """Write to the command's input. It has one if it was started with `stdin` or `tty`.

        Args:
            data: the bytes to write; a string is written as UTF-8.
            is_last: whether to close the input after that.

        Raises:
            JsonRpcError: if the command has no input, or has ended.
        """
        self._driver.call("command/exec/write", write_params(self._id, data, is_last=is_last))

    def close_stdin(self) -> None:
        """Close the command's input; raises as `write`."""
        self.write(b"", is_last=True)

    def resize(self, columns: int, lines: int) -> None:
        """Set the size of the command's terminal.

        Raises:
            ValueError: if a number is not from 1 to 65535.
            JsonRpcError: if the command has no terminal, or has ended.
        """
        self._driver.call("command/exec/resize", {"processId": self._id, "size": size_of(columns, lines)})

    def terminate(self) -> None:
        """End the command, if it still runs; its exit code is 137 then."""
        if not self._cursor.log.is_complete:
            with suppress(InvalidRequestError):  # it has just ended
                self._driver.call("command/exec/terminate", {"processId": self._id})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def __repr__(self) -> str:
        """How it is."""
        code = self.exit_code
        return f"<{type(self).__name__} {'running' if code is None else f'exited with {code}'}>"

    def _start(self) -> Self:
        try:
            self._driver.post(self._request)
        except BaseException:
            self._stop()  # it may be on its way
            raise
        return self

    def _stop(self) -> None:
        """Have it ended, without waiting for that."""
        if not self._cursor.log.is_complete:
            self._driver.post(Request("command/exec/terminate", {"processId": self._id}))

    def _read(self, timeout: float | None) -> bool:
        """Take what it has written, once there is some; whether there was."""
        batch = self._driver.take(self._cursor, timeout)
        self._pieces += [piece for event in batch if (piece := self._fold.add(event)) is not None]
        return bool(batch)

    def _ended(self) -> CommandResult:
        answer = self._request.answer
        if isinstance(answer, Response):
            return self._fold.result(answer.result)
        raise failure(self._request, None, None)
