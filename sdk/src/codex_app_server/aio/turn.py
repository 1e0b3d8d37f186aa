"""One turn, for asyncio: its events as they happen, its result, and the two ways to change its course."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codex_app_server.errors import EventOverflowError, LimitExceededError, WaitTimeoutError
from codex_app_server.folding import TurnFold
from codex_app_server.inputs import input_items
from codex_app_server.timeouts import end_after, left_until, seconds

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from codex_app_server.aio.driver import AsyncDriver
    from codex_app_server.aio.watching import AsyncWatching
    from codex_app_server.generated import TurnInterruptResponse, TurnSteerResponse
    from codex_app_server.generated.events import Event
    from codex_app_server.inputs import Input
    from codex_app_server.protocol.log import Cursor
    from codex_app_server.protocol.request import Request
    from codex_app_server.results import TurnResult

__all__ = ["AsyncTurn", "AsyncTurnReader", "begin_turn"]


class AsyncTurn:
    """A turn that was started with `AsyncThread.turn`.

    It may have any number of readers, at once or one after another: each call of `stream` or `run` is one, and begins
    at the turn's beginning.
    """

    def __init__(
        self, driver: AsyncDriver, thread_id: str, cursor: Cursor, watching: AsyncWatching | None = None
    ) -> None:
        self._driver = driver
        self._thread_id = thread_id
        self._log = cursor.log
        self._first = [cursor]  # for the first consumer, however late it comes
        self._watch = None if watching is None else watching.begin(cursor.log)

    @property
    def id(self) -> str:
        """The turn's id."""
        return self._log.topic.id

    @property
    def thread_id(self) -> str:
        """The id of the thread that the turn belongs to."""
        return self._thread_id

    def stream(self) -> AsyncGenerator[Event, None]:
        """The events of the turn as they happen, from its beginning up to and with ``turn/completed``.

        To leave the loop early does not stop the turn; `interrupt` does.

        Raises:
            EventOverflowError: if too many events waited to be read; or if others have read the turn already, and its
                beginning is not kept any more.
            LimitExceededError: at the end, if the turn was interrupted because it took more than `Limits` allow.
            TransportClosedError: if the connection ends before the turn does.
        """
        cursor = self._cursor()
        if cursor.is_late:
            raise EventOverflowError(f"the beginning of turn {self.id} is not kept any more")
        return self._events(cursor)

    async def run(self, *, timeout: float | None = None) -> TurnResult[None]:
        """Wait for the turn to end.

        Args:
            timeout: how long to wait, in seconds; then the turn is interrupted, unless somebody else still reads it.
                The same happens when the wait is cancelled, e.g. by Ctrl-C.

        Returns:
            the result of the turn; a turn that failed says so in its `status` and `error`.

        Raises:
            LimitExceededError: if the turn was interrupted because it took more than `Limits` allow.
            WaitTimeoutError: if the turn takes longer than `timeout`.
            TransportClosedError: if the connection ends before the turn does.
        """
        return await self._run(timeout, None)

    async def result(self, *, timeout: float | None = None) -> TurnResult[None]:
        """Wait for the end of the turn, and give its result; no event is taken away from those who read its `stream`.

        Args:
            timeout: how long to wait, in seconds; the turn goes on after that.

        Raises:
            LimitExceededError: if the turn was interrupted because it took more than `Limits` allow.
            WaitTimeoutError: if the turn takes longer than `timeout`.
            TransportClosedError: if the connection ends before the turn does.
        """
        await self._driver.wait(self._log, seconds(timeout, "timeout"), self._watch)
        return await self._settled(self._folded())

    async def _run(
        self, timeout: float | None, watch: Callable[[TurnFold], Awaitable[None]] | None
    ) -> TurnResult[None]:
        """As `run`; `watch` is called with the turn so far whenever more events have come."""
        end = end_after(seconds(timeout, "timeout"))
        cursor = self._cursor()
        fold = TurnFold()
        try:
            cursor.is_active = True
            while batch := await self._driver.take(cursor, left_until(end)):
                for event in batch:
                    fold.add(event)
                if watch is not None:
                    await watch(fold)
        except EventOverflowError:
            await self._driver.wait(self._log, left_until(end), self._watch)
        except TimeoutError:
            raise WaitTimeoutError(f"turn {self.id} did not end in time") from None
        finally:
            self._driver.leave(cursor, self._thread_id)
        is_whole = not (cursor.is_late or cursor.has_overflowed)
        return await self._settled(fold if is_whole else self._folded())

    async def steer(self, input: Input) -> TurnSteerResponse:  # noqa: A002 - the protocol's word
        """Give the turn more input while it is running.

        Raises:
            JsonRpcError: if the turn has ended, or is of a kind that accepts no more input.
        """
        params = {"threadId": self._thread_id, "expectedTurnId": self.id, "input": input_items(input)}
        answer = await self._driver.call("turn/steer", params)
        from codex_app_server.generated import TurnSteerResponse
        from codex_app_server.models.model import decode

        return decode(TurnSteerResponse, answer)

    async def interrupt(self) -> TurnInterruptResponse:
        """Stop the turn; it then ends with the status ``interrupted``.

        Raises:
            JsonRpcError: if the turn has ended already.
        """
        answer = await self._driver.interrupt(self._log, self._thread_id)
        from codex_app_server.generated import TurnInterruptResponse
        from codex_app_server.models.model import decode

        return decode(TurnInterruptResponse, answer)

    def __repr__(self) -> str:
        """Its id."""
        return f"<{type(self).__name__} {self.id}>"

    def _repr_markdown_(self) -> str:
        """For notebooks."""
        return f"**turn** `{self.id}` of **thread** `{self._thread_id}`"

    def _reader(self) -> AsyncTurnReader:
        """One more reader of the turn."""
        return AsyncTurnReader(self._driver, self._thread_id, self._cursor())

    def _cursor(self) -> Cursor:
        try:
            cursor = self._first.pop()  # one step, so that of two threads one gets it
        except IndexError:
            cursor = self._log.cursor()
        if self._watch is not None:
            self._watch.note(cursor)
        return cursor

    async def _settled(self, fold: TurnFold) -> TurnResult[Any]:
        """The result of the turn, once it has ended and its observers have been shown all of it.

        Raises:
            LimitExceededError: if the turn was interrupted because it took more than `Limits` allow.
        """
        result: TurnResult[Any] = fold.result(self._thread_id, self.id)
        if self._watch is not None and (excess := await self._watch.settle()) is not None:
            raise LimitExceededError(*excess, result)
        return result

    async def _events(self, cursor: Cursor) -> AsyncGenerator[Event, None]:
        try:
            cursor.is_active = True
            while batch := await self._driver.take(cursor):
                batch.reverse()
                while batch:  # what was read is nobody's any more: the fewer live objects, the less the collector does
                    yield batch.pop()
            if self._watch is not None:
                await self._settled(self._folded())
        finally:
            cursor.close()

    def _folded(self) -> TurnFold:
        """The turn from all events that are kept: all that there were, or all but those streamed on the way."""
        cursor = self._log.cursor()
        fold = TurnFold()
        if cursor.is_late:
            for event in self._log.told:
                fold.add(event)
            return fold
        while batch := self._driver.taken(cursor):
            for event in batch:
                fold.add(event)
        return fold


class AsyncTurnReader:
    """One reader of a turn, for code that takes the turn's events when it wants them."""

    def __init__(self, driver: AsyncDriver, thread_id: str, cursor: Cursor) -> None:
        self._driver = driver
        self._thread_id = thread_id
        self._cursor = cursor
        cursor.is_active = True

    async def take(self, timeout: float | None) -> list[Event]:
        """The next events, at least one; none at the end of the turn. Raises as the driver's `take`."""
        return await self._driver.take(self._cursor, timeout)

    def close(self) -> None:
        """Stop reading; the turn goes on."""
        self._cursor.close()

    def leave(self) -> None:
        """Stop reading, and interrupt the turn, unless it has ended or somebody else reads it."""
        self._driver.leave(self._cursor, self._thread_id)


async def begin_turn(
    driver: AsyncDriver, request: Request, limit: float | None, watching: AsyncWatching | None
) -> Cursor:
    """Begin a turn, within the limits that it is watched for, if any, and return where to read it."""
    if watching is not None:
        return await watching.start(request, limit)
    _, cursor = await driver.begin(request, limit)
    return cursor
