"""One turn: its events as they happen, its result, and the two ways to meddle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codex_app_server.errors import EventOverflowError, LimitExceededError, WaitTimeoutError
from codex_app_server.folding import TurnFold
from codex_app_server.inputs import input_items
from codex_app_server.timeouts import end_after, left_until, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from codex_app_server.generated import TurnInterruptResponse, TurnSteerResponse
    from codex_app_server.generated.events import Event
    from codex_app_server.inputs import Input
    from codex_app_server.protocol.log import Cursor
    from codex_app_server.protocol.request import Request
    from codex_app_server.results import TurnResult
    from codex_app_server.sync.driver import Driver
    from codex_app_server.sync.watching import Watching

__all__ = ["Turn", "TurnReader", "begin_turn"]


class Turn:
    """A turn that was started with `Thread.turn`.

    It may have any number of readers, at once or one after another: each call of `stream` or `run` is one, and begins
    at the turn's beginning.
    """

    def __init__(self, driver: Driver, thread_id: str, cursor: Cursor, watching: Watching | None = None) -> None:
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
        """The id of the thread it belongs to."""
        return self._thread_id

    def stream(self) -> Generator[Event, None, None]:
        """What happens in the turn, as it happens, from its beginning to ``turn/completed``, that included.

        Leaving the loop early does not stop the turn; `interrupt` does.

        Raises:
            EventOverflowError: if events were not read in time, and there were too many; or if others have read so much
                already that the beginning is not kept any more.
            LimitExceededError: at the end, if the turn was interrupted because it took more than `Limits` allow.
            TransportClosedError: if the connection ends before the turn does.
        """
        cursor = self._cursor()
        if cursor.is_late:
            raise EventOverflowError(f"the beginning of turn {self.id} is not kept any more")
        return self._events(cursor)

    def run(self, *, timeout: float | None = None) -> TurnResult[None]:
        """Wait for the turn to end.

        Args:
            timeout: how long, in seconds; then the turn is interrupted, unless somebody else still reads it. The same
                goes for a wait that is broken off.

        Returns:
            what came of it; a turn that failed says so in its `status` and `error`.

        Raises:
            LimitExceededError: if it was interrupted because it took more than `Limits` allow.
            WaitTimeoutError: if it takes longer.
            TransportClosedError: if the connection ends before the turn does.
        """
        return self._run(timeout, None)

    def result(self, *, timeout: float | None = None) -> TurnResult[None]:
        """Wait for the end of the turn, and say what came of it; whoever reads its `stream` misses nothing by that.

        Args:
            timeout: how long to wait for that, in seconds. The turn goes on.

        Raises:
            LimitExceededError: if it was interrupted because it took more than `Limits` allow.
            WaitTimeoutError: if it takes longer.
            TransportClosedError: if the connection ends before the turn does.
        """
        self._driver.wait(self._log, seconds(timeout, "timeout"), self._watch)
        return self._settled(self._folded())

    def _run(self, timeout: float | None, watch: Callable[[TurnFold], None] | None) -> TurnResult[None]:
        """As `run`; `watch` is shown what there is, whenever more has come."""
        limit = seconds(timeout, "timeout")
        cursor = self._cursor()
        fold = TurnFold()
        end = end_after(limit)
        try:
            cursor.is_active = True
            while batch := self._driver.take(cursor, left_until(end)):
                for event in batch:
                    fold.add(event)
                if watch is not None:
                    watch(fold)
        except EventOverflowError:
            self._driver.wait(self._log, left_until(end), self._watch)
        except TimeoutError:
            raise WaitTimeoutError(f"turn {self.id} did not end in time") from None
        finally:
            self._driver.leave(cursor, self._thread_id)
        is_whole = not (cursor.is_late or cursor.has_overflowed)
        return self._settled(fold if is_whole else self._folded())

    def steer(self, input: Input) -> TurnSteerResponse:  # noqa: A002 - the protocol's word
        """Say more to the turn while it goes on.

        Raises:
            JsonRpcError: if it has ended, or is of a kind that does not listen.
        """
        params = {"threadId": self._thread_id, "expectedTurnId": self.id, "input": input_items(input)}
        answer = self._driver.call("turn/steer", params)
        from codex_app_server.generated import TurnSteerResponse
        from codex_app_server.models.model import decode

        return decode(TurnSteerResponse, answer)

    def interrupt(self) -> TurnInterruptResponse:
        """Stop the turn; it then ends with the status ``interrupted``.

        Raises:
            JsonRpcError: if it has ended already.
        """
        answer = self._driver.interrupt(self._log, self._thread_id)
        from codex_app_server.generated import TurnInterruptResponse
        from codex_app_server.models.model import decode

        return decode(TurnInterruptResponse, answer)

    def __repr__(self) -> str:
        """Its id."""
        return f"<{type(self).__name__} {self.id}>"

    def _repr_markdown_(self) -> str:
        """For notebooks."""
        return f"**turn** `{self.id}` of **thread** `{self._thread_id}`"

    def _reader(self) -> TurnReader:
        """One more consumer."""
        return TurnReader(self._driver, self._thread_id, self._cursor())

    def _cursor(self) -> Cursor:
        try:
            cursor = self._first.pop()  # one step, so that of two threads one gets it
        except IndexError:
            cursor = self._log.cursor()
        if self._watch is not None:
            self._watch.note(cursor)
        return cursor

    def _settled(self, fold: TurnFold) -> TurnResult[Any]:
        """What came of the turn, now that it has ended, and everybody who watches it has seen that.

        Raises:
            LimitExceededError: if that is why.
        """
        result: TurnResult[Any] = fold.result(self._thread_id, self.id)
        if self._watch is not None and (excess := self._watch.settle()) is not None:
            raise LimitExceededError(*excess, result)
        return result

    def _events(self, cursor: Cursor) -> Generator[Event, None, None]:
        try:
            cursor.is_active = True
            while batch := self._driver.take(cursor):
                batch.reverse()
                while batch:  # what was read is nobody's any more: the fewer live objects, the less the collector does
                    yield batch.pop()
            if self._watch is not None:
                self._settled(self._folded())
        finally:
            cursor.close()

    def _folded(self) -> TurnFold:
        """What came of the turn, of all that is kept: everything, or without what was streamed on the way."""
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


class TurnReader:
    """One consumer of a turn, for those who take its events in their own time."""

    def __init__(self, driver: Driver, thread_id: str, cursor: Cursor) -> None:
        self._driver = driver
        self._thread_id = thread_id
        self._cursor = cursor
        cursor.is_active = True

    def take(self, timeout: float | None) -> list[Event]:
        """The next events, one at least; none at the end. Raises as the driver's `take`."""
        return self._driver.take(self._cursor, timeout)

    def close(self) -> None:
        """Take no more; the turn goes on."""
        self._cursor.close()

    def leave(self) -> None:
        """The same, and have the turn stopped, unless it is over or somebody else is at it."""
        self._driver.leave(self._cursor, self._thread_id)


def begin_turn(driver: Driver, request: Request, limit: float | None, watching: Watching | None) -> Cursor:
    """Begin a turn: where to read it; within the limits of who watches it, if anybody does."""
    if watching is not None:
        return watching.start(request, limit)
    _, cursor = driver.begin(request, limit)
    return cursor
