"""A goal that a thread works towards by itself, turn after turn."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from codex_app_server.errors import JsonRpcError, RequestTimeoutError, WaitTimeoutError
from codex_app_server.handles.goals import GoalFold
from codex_app_server.protocol.log import Topic
from codex_app_server.protocol.request import Request
from codex_app_server.timeouts import end_after, left_until, seconds

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from codex_app_server.generated.events import Event
    from codex_app_server.handles.goals import GoalResult
    from codex_app_server.protocol.messages import JsonValue
    from codex_app_server.sync.driver import Driver

__all__ = ["Goal"]


class Goal:
    """A goal that `Thread.goal` has set.

        with thread.goal("Make all tests pass.", token_budget=200_000) as goal:
            result = goal.wait(timeout=3600)
        print(result.status)

    The runtime begins turns for the goal, one after another, until it is reached, paused or cleared, or no tokens are
    left. It goes on if this handle is dropped. But when a ``with`` block is left while the goal is still active,
    the goal is paused, and its turn interrupted. One thread at a time may stream the goal or wait for it.
    """

    def __init__(self, driver: Driver, thread_id: str) -> None:
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

    def stream(self) -> Generator[Event, None, None]:
        """The events of the thread as they happen, until the goal is over and its last turn has ended.

        To leave the loop early does not stop the goal; `pause` does. A later loop goes on from there.

        Raises:
            EventOverflowError: if too many events waited to be read.
            TransportClosedError: if the connection ends before the goal does.
        """
        while self._events or (not self._is_over(None) and self._read(None)):
            while self._events:
                yield self._events.popleft()

    def wait(self, *, timeout: float | None = None) -> GoalResult:
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
            while not self._is_over(end) and self._read(left_until(end)):
                self._events.clear()
        except BaseException as error:
            self._stop()
            if isinstance(error, TimeoutError) and not isinstance(error, RequestTimeoutError):
                raise WaitTimeoutError("the goal was not reached in time") from None
            raise
        return self._fold.result()

    def pause(self) -> None:
        """Have no further turns begun for the goal; one that is running goes on to its end.

        Raises:
            JsonRpcError: if there is no goal any more.
        """
        self._set({"status": "paused"})

    def resume(self) -> None:
        """Go on with a paused goal; raises as `pause`."""
        self._set({"status": "active"})

    def clear(self) -> None:
        """Remove the goal; a turn that is running goes on to its end."""
        self._driver.call("thread/goal/clear", {"threadId": self._thread_id})
        self._fold.learn(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._fold.seems_over:
            self._stop()
        self._driver.drop(self._cursor)

    def __repr__(self) -> str:
        """How it is."""
        return f"<{type(self).__name__} of {self._thread_id}: {self.status}>"

    def _set(self, options: Mapping[str, JsonValue]) -> Self:
        self._fold.learn(self._driver.call("thread/goal/set", {"threadId": self._thread_id, **options}))
        return self

    def _start(self, options: Mapping[str, JsonValue]) -> Self:
        try:
            return self._set(options)
        except JsonRpcError:  # another goal, if there is one, goes on
            self._driver.drop(self._cursor)
            raise
        except BaseException:
            self._stop()  # it may be set, though nobody heard the answer
            self._driver.drop(self._cursor)
            raise

    def _is_over(self, end: float | None) -> bool:
        if not self._fold.seems_over:
            return False
        thread = {"threadId": self._thread_id}
        self._fold.learn(self._driver.call("thread/goal/get", thread, left_until(end)))
        return self._fold.status != "active"

    def _read(self, timeout: float | None) -> bool:
        """Take what has happened, once something has; whether there was anything."""
        batch = self._driver.take(self._cursor, timeout)
        for event in batch:
            self._fold.add(event)
        self._events += batch
        return bool(batch)

    def _stop(self) -> None:
        """Have it paused, and its turn interrupted, without waiting for that."""
        for event in self._driver.taken(self._cursor):
            self._fold.add(event)
        thread = {"threadId": self._thread_id}
        if self._fold.status == "active":
            self._driver.post(Request("thread/goal/set", {**thread, "status": "paused"}))
        if self._fold.running is not None:
            self._driver.post(Request("turn/interrupt", {**thread, "turnId": self._fold.running}))
