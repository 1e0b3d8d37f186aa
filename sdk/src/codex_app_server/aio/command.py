"""A command that runs in the runtime, without a thread, for asyncio: what it writes as it writes it, and its end."""

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
    from collections.abc import AsyncGenerator, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from codex_app_server.aio.driver import AsyncDriver
    from codex_app_server.handles.commands import CommandOutput, CommandResult
    from codex_app_server.protocol.messages import JsonValue

__all__ = ["AsyncCommand"]


class AsyncCommand:
    """A command that `AsyncCodex.command` has started.

        async with await codex.command(["pytest", "-q"]) as command:
            async for piece in command.stream():
                print(piece.text, end="")

    The end of an ``async with`` block ends the command too, if it still runs. One task at a time may stream it or wait
    for it.
    """

    def __init__(self, driver: AsyncDriver, params: Mapping[str, JsonValue]) -> None:
        self._driver = driver
        self._id = str(params["processId"])
        self._request = Request("command/exec", params)
        self._cursor = driver.listen(Topic("process", self._id))
        self._fold = CommandFold()
        self._pieces: deque[CommandOutput] = deque()

    @property
    def exit_code(self) -> int | None:
        """What it has returned; None while it runs."""
        answer = self._request.answer
        return exit_code_of(answer.result) if isinstance(answer, Response) else None

    async def stream(self) -> AsyncGenerator[CommandOutput, None]:
        """What it writes, as it writes it, to its end.

        Leaving the loop early does not end the command; a later one goes on from there.

        Raises:
            EventOverflowError: if it was not read in time, and was too much.
            JsonRpcError: if the runtime would not run it.
            TransportClosedError: if the connection ends before it does.
        """
        while self._pieces or await self._read(None):
            while self._pieces:
                yield self._pieces.popleft()
        self._ended()

    async def wait(self, *, timeout: float | None = None) -> CommandResult:
        """Wait for its end.

        Args:
            timeout: how long, in seconds; then the command is terminated. It is too when the wait is broken off.

        Returns:
            its exit code, and all that it wrote, streamed before or not.

        Raises:
            WaitTimeoutError: if it takes longer.
            EventOverflowError, JsonRpcError, TransportClosedError: as `stream`.
        """
        limit = seconds(timeout, "timeout")
        end = end_after(limit)
        try:
            while await self._read(left_until(end)):
                self._pieces.clear()
        except TimeoutError:
            await self._stop()
            raise WaitTimeoutError("the command did not end in time") from None
        except BaseException:
            await self._stop()
            raise
        return self._ended()

    async def write(self, data: bytes | str, *, is_last: bool = False) -> None:
        """Write to its input; it must have one: ``stdin=True``, or ``tty=True``.

        Args:
            data: what; of text, its UTF-8.
            is_last: whether its input ends then.

        Raises:
            JsonRpcError: if it has no input, or has ended.
        """
        await self._driver.call("command/exec/write", write_params(self._id, data, is_last=is_last))

    async def close_stdin(self) -> None:
        """Let its input end; raises as `write`."""
        await self.write(b"", is_last=True)

    async def resize(self, columns: int, lines: int) -> None:
        """Tell its terminal its new size.

        Raises:
            ValueError: if that is no size.
            JsonRpcError: if it has no terminal, or has ended.
        """
        await self._driver.call("command/exec/resize", {"processId": self._id, "size": size_of(columns, lines)})

    async def terminate(self) -> None:
        """End it, if it still runs; its exit code is 137 then."""
        if not self._cursor.log.is_complete:
            with suppress(InvalidRequestError):  # it has just ended
                await self._driver.call("command/exec/terminate", {"processId": self._id})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    def __repr__(self) -> str:
        """How it is."""
        code = self.exit_code
        return f"<{type(self).__name__} {'running' if code is None else f'exited with {code}'}>"

    async def _start(self) -> Self:
        try:
            await self._driver.post(self._request)
        except BaseException:
            await self._stop()  # it may be on its way
            raise
        return self

    async def _stop(self) -> None:
        """Have it ended, without waiting for that."""
        if not self._cursor.log.is_complete:
            await self._driver.post(Request("command/exec/terminate", {"processId": self._id}))

    async def _read(self, timeout: float | None) -> bool:
        """Take what it has written, once there is some; whether there was."""
        batch = await self._driver.take(self._cursor, timeout)
        self._pieces += [piece for event in batch if (piece := self._fold.add(event)) is not None]
        return bool(batch)

    def _ended(self) -> CommandResult:
        answer = self._request.answer
        if isinstance(answer, Response):
            return self._fold.result(answer.result)
        raise failure(self._request, None, None)
