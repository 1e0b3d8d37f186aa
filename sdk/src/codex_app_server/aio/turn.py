"""One turn, for asyncio: its events as they happen, its result, and the two ways to meddle."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from codex_app_server.inputs import input_items
from codex_app_server.results import TurnFold

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from codex_app_server.aio.driver import AsyncDriver
    from codex_app_server.generated import TurnInterruptResponse, TurnSteerResponse
    from codex_app_server.inputs import Input
    from codex_app_server.protocol.messages import Notification
    from codex_app_server.protocol.streams import Stream
    from codex_app_server.results import TurnResult

__all__ = ["AsyncTurn"]


class AsyncTurn:
    """A turn that was started with `AsyncThread.turn`. It has one consumer: either `stream` or `run`, once."""

    def __init__(self, driver: AsyncDriver, thread_id: str, stream: Stream) -> None:
        self._driver = driver
        self._thread_id = thread_id
        self._stream = stream
        self._is_claimed = False

    @property
    def id(self) -> str:
        """The turn's id."""
        return self._stream.topic.id

    @property
    def thread_id(self) -> str:
        """The id of the thread it belongs to."""
        return self._thread_id

    def stream(self) -> AsyncIterator[Notification]:
        """What happens in the turn, as it happens, from its beginning to ``turn/completed``, that included.

        Leaving the loop early does not stop the turn; `interrupt` does.

        Raises:
            RuntimeError: if the turn has a consumer already.
            EventOverflowError: if events were not read in time, and there were too many.
            TransportClosedError: if the connection ends before the turn does.
        """
        self._claim()
        return self._events()

    async def run(self, *, timeout: float | None = None) -> TurnResult:
        """Wait for the turn to end.

        Args:
            timeout: how long, in seconds; then the turn is interrupted. It is too when the wait is broken off.

        Returns:
            what came of it; a turn that failed says so in its `status` and `error`.

        Raises:
            TimeoutError: if it takes longer.
            RuntimeError: if the turn has a consumer already.
            TransportClosedError: if the connection ends before the turn does.
        """
        return await self._run(timeout, None)

    async def _run(self, timeout: float | None, watch: Callable[[TurnFold], Awaitable[None]] | None) -> TurnResult:
        """As `run`; `watch` is shown what there is, whenever more has come."""
        self._claim()
        fold = TurnFold()
        deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
        try:
            while batch := await self._driver.take(self._stream, _left(deadline)):
                for event in batch:
                    fold.add(event)
                if watch is not None:
                    await watch(fold)
        except BaseException as error:
            self._driver.interrupt(self._thread_id, self.id)
            if isinstance(error, TimeoutError):
                raise TimeoutError(f"turn {self.id} did not end in time, and was interrupted") from None
            raise
        finally:
            self._driver.drop(self._stream)
        return fold.result(self._thread_id, self.id)

    async def steer(self, input: Input) -> TurnSteerResponse:  # noqa: A002 - the protocol's word
        """Say more to the turn while it goes on.

        Raises:
            JsonRpcError: if it has ended, or is of a kind that does not listen.
        """
        params = {"threadId": self._thread_id, "expectedTurnId": self.id, "input": input_items(input)}
        answer = await self._driver.call("turn/steer", params)
        from codex_app_server.generated import TurnSteerResponse
        from codex_app_server.models.model import decode

        return decode(TurnSteerResponse, answer)

    async def interrupt(self) -> TurnInterruptResponse:
        """Stop the turn; it then ends with the status ``interrupted``.

        Raises:
            JsonRpcError: if it has ended already.
        """
        answer = await self._driver.call("turn/interrupt", {"threadId": self._thread_id, "turnId": self.id})
        from codex_app_server.generated import TurnInterruptResponse
        from codex_app_server.models.model import decode

        return decode(TurnInterruptResponse, answer)

    def __repr__(self) -> str:
        """Its id."""
        return f"<{type(self).__name__} {self.id}>"

    def _repr_markdown_(self) -> str:
        """For notebooks."""
        return f"**turn** `{self.id}` of **thread** `{self._thread_id}`"

    def _claim(self) -> None:
        if self._is_claimed:
            raise RuntimeError(f"turn {self.id} has a consumer already")
        self._is_claimed = True

    async def _events(self) -> AsyncIterator[Notification]:
        try:
            while batch := await self._driver.take(self._stream):
                while batch:  # what was read is nobody's any more: the fewer live objects, the less the collector does
                    yield batch.popleft()
        finally:
            self._driver.drop(self._stream)


def _left(deadline: float | None) -> float | None:
    """How many seconds are left; `TimeoutError` if none."""
    if deadline is None:
        return None
    left = deadline - asyncio.get_running_loop().time()
    if left <= 0:
        raise TimeoutError
    return left
