"""A goal that a thread works towards by itself, turn after turn, for asyncio."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from codex_app_server.errors import JsonRpcError, RequestTimeoutError, WaitTimeoutError
from codex_app_server.handles.goals import GoalFold
from codex_app_server.protocol.log import Topic
from codex_app_server.protocol.request import Request
from codex_app_server.timeouts import end_after, left_until, seconds

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from codex_app_server.aio.driver import AsyncDriver
    from codex_app_server.generated.events import Event
    from codex_app_server.handles.goals import GoalResult
    from codex_app_server.protocol.messages import JsonValue

__all__ = ["AsyncGoal"]


class AsyncGoal:
    """A goal that `AsyncThread.goal` has set.

        async with await thread.goal("Make all tests pass.", token_budget=200_000) as goal:
            print((await goal.wait(timeout=3600)).status)

    The runtime begins turns for it, one after another, until it is reached, paused or cleared, or no tokens are left;
    closing this handle does not change that, but leaving an ``async with`` block does: it pauses a goal that is still
    active, and interrupts its turn. One task at a time may stream it or wait for it.
    """

    def __init__(self, driver: AsyncDriver, thread_id: str) -> None:
        self._driver = driver
        self._thread_id = thread_id
        self._fold = GoalFold(thread_id)
        self._events: deque[Event] = deque()
        # Before it is set: its first turn begins at once.
        self._cursor = driver.listen(Topic("thread", thread_id))

    @property
    def status(self) -> str:
        """How it is, as far as was streamed, waited or asked for: a word of `GoalResult.status`, or ``active``."""
        return self._fold.status

    async def stream(self) -> AsyncGenerator[Event, None]:
        """What happens in the thread, as it happens, until the goal is over and its last turn has ended.

        Leaving the loop early does not stop the goal, `pause` does; a later loop goes on from there.

        Raises:
            EventOverflowError: if events were not read in time, and there were too many.
            TransportClosedError: if the connection ends before the goal does.
        """
        while self._events or (not await self._is_over(None) and await self._read(None)):
            while self._events:
                yield self._events.popleft()

    async def wait(self, *, timeout: float | None = None) -> GoalResult:
        """Wait until the goal is over, and its last turn has ended.

        Args:
            timeout: how long, in seconds; then the goal is paused, and its turn interrupted. It is too when the wait is
                broken off.

        Returns:
            how it ended, and the turns that were made for it.

        Raises:
            WaitTimeoutError: if it takes longer.
            RequestTimeoutError: if the runtime does not say how it is.
            EventOverflowError, TransportClosedError: as `stream`.
        """
        limit = seconds(timeout, "timeout")
        end = end_after(limit)
        try:
            while not await self._is_over(end) and await self._read(left_until(end)):
                self._events.clear()
        except BaseException as error:
            await self._stop()
            if isinstance(error, TimeoutError) and not isinstance(error, RequestTimeoutError):
                raise WaitTimeoutError("the goal was not reached in time") from None
            raise
        return self._fold.result()

    async def pause(self) -> None:
        """Begin no further turns for it; one that is under way goes on to its end.

        Raises:
            JsonRpcError: if there is no goal any more.
        """
        await self._set({"status": "paused"})

    async def resume(self) -> None:
        """Go on with it; raises as `pause`."""
        await self._set({"status": "active"})

    async def clear(self) -> None:
        """Take it away; a turn that is under way goes on to its end."""
        await self._driver.call("thread/goal/clear", {"threadId": self._thread_id})
        self._fold.learn(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._fold.seems_over:
            await self._stop()
        self._driver.drop(self._cursor)

    def __repr__(self) -> str:
        """How it is."""
        return f"<{type(self).__name__} of {self._thread_id}: {self.status}>"

    async def _set(self, options: Mapping[str, JsonValue]) -> Self:
        self._fold.learn(await self._driver.call("thread/goal/set", {"threadId": self._thread_id, **options}))
        return self

    async def _start(self, options: Mapping[str, JsonValue]) -> Self:
        try:
            return await self._set(options)
        except JsonRpcError:  # another goal, if there is one, goes on
            self._driver.drop(self._cursor)
            raise
        except BaseException:
            await self._stop()  # it may be set, though nobody heard the answer
            self._driver.drop(self._cursor)
            raise

    async def _is_over(self, end: float | None) -> bool:
        if not self._fold.seems_over:
            return False
        thread = {"threadId": self._thread_id}
        self._fold.learn(await self._driver.call("thread/goal/get", thread, left_until(end)))
        return self._fold.status != "active"

    async def _read(self, timeout: float | None) -> bool:
        """Take what has happened, once something has; whether there was anything."""
        batch = await self._driver.take(self._cursor, timeout)
        for event in batch:
            self._fold.add(event)
        self._events += batch
        return bool(batch)

    async def _stop(self) -> None:
        """Have it paused, and its turn interrupted, without waiting for that."""
        for event in self._driver.taken(self._cursor):
            self._fold.add(event)
        thread = {"threadId": self._thread_id}
        if self._fold.status == "active":
            await self._driver.post(Request("thread/goal/set", {**thread, "status": "paused"}))
        if self._fold.running is not None:
            await self._driver.post(Request("turn/interrupt", {**thread, "turnId": self._fold.running}))
