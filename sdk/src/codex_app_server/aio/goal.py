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
            result = await goal.wait(timeout=3600)
        print(result.status)

    The runtime begins turns for the goal, one after another, until it is reached, paused or cleared, or no tokens are
    left. It goes on if this handle is dropped. But when an ``async with`` block is left while the goal is still active,
    the goal is paused, and its turn interrupted. One task at a time may stream the goal or wait for it.
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
        """The goal's state: one of `GoalResult.status`, or ``active``; as of the last event or answer that was read."""
        return self._fold.status

    async def stream(self) -> AsyncGenerator[Event, None]:
        """The events of the thread as they happen, until the goal is over and its last turn has ended.

        To leave the loop early does not stop the goal; `pause` does. A later loop goes on from there.

        Raises:
            EventOverflowError: if too many events waited to be read.
            TransportClosedError: if the connection ends before the goal does.
        """
        while self._events or (not await self._is_over(None) and await self._read(None)):
            while self._events:
                yield self._events.popleft()

    async def wait(self, *, timeout: float | None = None) -> GoalResult:
        """Wait until the goal is over, and its last turn has ended.

        Args:
            timeout: how long to wait, in seconds; then the goal is paused, and its turn interrupted. The same happens
                when the wait is cancelled, e.g. by Ctrl-C, or fails.

        Returns:
            how the goal ended, and the turns that were run for it.

        Raises:
            WaitTimeoutError: if the goal takes longer than `timeout`.
            RequestTimeoutError: if the runtime does not answer when it is asked for the goal's state.
            EventOverflowError, TransportClosedError: as `stream`.
        """
        end = end_after(seconds(timeout, "timeout"))
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
        """Have no further turns begun for the goal; one that is running goes on to its end.

        Raises:
            JsonRpcError: if there is no goal any more.
        """
        await self._set({"status": "paused"})

    async def resume(self) -> None:
        """Go on with a paused goal; raises as `pause`."""
        await self._set({"status": "active"})

    async def clear(self) -> None:
        """Remove the goal; a turn that is running goes on to its end."""
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
