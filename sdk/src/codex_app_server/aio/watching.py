"""Watching turns, for asyncio: showing what happens to observers, and interrupting what goes beyond its limits.

Each watch has a cursor of its own and goes on by itself, whether or not anybody reads the turn. What it decides is
pure (`observers`, `limits`); here is the waiting.
"""

from __future__ import annotations

import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from codex_app_server._log import log_error
from codex_app_server.aio.aside import Aside, Caller
from codex_app_server.driving import OBSERVING_S
from codex_app_server.errors import AppServerError, EventOverflowError, LimitExceededError, TransportClosedError
from codex_app_server.limits import Limits, Meter, TurnMeter, admit
from codex_app_server.observers import Call, Observers, calls
from codex_app_server.protocol.streams import EVERYTHING
from codex_app_server.streaming import Words
from codex_app_server.suggesting import checked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import TypeVar

    from codex_app_server.aio.driver import AsyncDriver
    from codex_app_server.approvals.rules import ApprovalDecision
    from codex_app_server.generated.events import Event
    from codex_app_server.limits import Excess
    from codex_app_server.options import ClientOptions
    from codex_app_server.protocol.log import Cursor, Log
    from codex_app_server.protocol.messages import Notification
    from codex_app_server.protocol.request import Request

    _Given = TypeVar("_Given")

__all__ = ["AsyncObserving", "AsyncTurnWatch", "AsyncWatching", "observe_everything"]

_PULSE_S = 1.0
"""How often an observer looks whether the client is still there, in seconds."""

_GRACE_S = 5.0
"""How long a turn that was interrupted has to end, in seconds."""


class AsyncWatching:
    """What watches the turns of one call.

    Args:
        driver: of the client.
        thread_id: of the thread.
        own: what the call says.
        base: what its thread says.
        meter: what the thread's limits have been used for, if it has any.
    """

    def __init__(
        self, driver: AsyncDriver, thread_id: str, own: ClientOptions, base: ClientOptions, meter: Meter | None
    ) -> None:
        self._driver = driver
        self._thread_id = thread_id
        self._observers = [checked(Observers, each.observers) for each in (base, own) if each.observers is not None]
        meters = [driver.reading.meter, meter]
        if own.limits is not None:
            meters.append(Meter(own.limits, "run"))
        if own.stall_timeout is not None:
            meters.append(Meter(Limits(stall_timeout=own.stall_timeout), "run"))
        self._meters = [each for each in meters if each is not None]
        self._observing: list[AsyncObserving] = []
        self._is_admitted = False

    def admit(self) -> None:
        """Count a turn that is about to begin.

        Raises:
            LimitExceededError: if nothing is left for it.
        """
        if (excess := admit(self._meters, time.monotonic())) is not None:
            raise LimitExceededError(*excess)
        self._is_admitted = True

    async def start(self, request: Request, limit: float | None) -> Cursor:
        """Begin a turn as `AsyncDriver.begin` does, but within what the limits leave for it; raises as `held`."""
        limit = self._driver.config.request_timeout_s if limit is None else limit
        # before the turn is there: something may be decided in it before the answer to this is read
        self._observing = [AsyncObserving(self._driver, each) for each in self._observers]
        _, cursor = await self.held(lambda longest: self._driver.begin(request, longest), limit)
        return cursor

    async def held(self, step: Callable[[float | None], Awaitable[_Given]], limit: float | None) -> _Given:
        """Take a step towards a turn, which is told how long it may take: no longer than the limits leave for it.

        Args:
            step: to take.
            limit: how long it may take in any case, in seconds.

        Raises:
            LimitExceededError: if the runtime has not answered by then.
        """
        meter = TurnMeter(self._meters, f"step {id(step)}", time.monotonic())
        waits = (meter.left_s(time.monotonic()), limit)
        try:
            return await step(min((wait for wait in waits if wait is not None), default=None))
        except TimeoutError:
            if (excess := meter.excess(time.monotonic())) is not None:
                raise LimitExceededError(*excess) from None
            raise
        finally:
            meter.end(time.monotonic())

    def give_back(self) -> None:
        """Nothing is to be begun any more: a turn that was admitted, and did not begin, does not count."""
        if self._is_admitted:
            self._is_admitted = False
            for meter in self._meters:
                meter.add("turns", -1)
        for each in self._taken():
            each.give_up()

    def begin(self, log: Log) -> AsyncTurnWatch:
        """Watch a turn that was started, to its end."""
        self._is_admitted = False
        return AsyncTurnWatch(self._driver, self._thread_id, log, self._taken(), self._meters)

    def _taken(self) -> list[AsyncObserving]:
        taken, self._observing = self._observing, []
        return taken


class AsyncTurnWatch:
    """What watches one turn.

    Args:
        driver: of the client.
        thread_id: of the turn's thread.
        log: of the turn.
        observing: who is shown its events.
        meters: what it is held to.
    """

    def __init__(
        self,
        driver: AsyncDriver,
        thread_id: str,
        log: Log,
        observing: Sequence[AsyncObserving],
        meters: Sequence[Meter],
    ) -> None:
        self._driver = driver
        self._thread_id = thread_id
        self._log = log
        self._excess: Excess | None = None
        self._failure: Exception | None = None
        self._consumers: list[weakref.ref[Cursor]] = []
        self._has_given_up = False
        self._observing = observing
        for each in observing:
            each.begin(log.cursor(), log.topic.id)
        self._limiting = None
        if meters:
            self._cursor = log.cursor()
            self._meter = TurnMeter(meters, log.topic.id, time.monotonic())
            self._limiting = Aside(self._limit, "the watch over limits")

    def note(self, consumer: Cursor) -> None:
        """Somebody reads the turn, and will get what there is, if it does not end."""
        self._consumers.append(weakref.ref(consumer))
        if self._has_given_up:
            self._driver.drop(consumer)

    def is_ready(self) -> bool:
        """Whether there is nothing to wait for: the turn has ended, or the runtime does not stop it."""
        return self._has_given_up or self._log.is_complete

    async def settle(self) -> Excess | None:
        """After the end of the turn: wait until everybody has seen it, but not for long; which limit ended it.

        Raises:
            AppServerError: if it was not held to its limits, for what it took could not be counted.
        """
        if self._limiting is not None:
            await self._limiting.wait(_GRACE_S)
        for each in self._observing:
            await each.wait(OBSERVING_S)
        if self._failure is not None and self._excess is None:
            raise AppServerError(
                f"turn {self._log.topic.id} was interrupted: it has limits, and what it takes could not be counted: "
                f"{self._failure!r}"
            ) from self._failure
        return self._excess

    async def _limit(self) -> None:
        driver, meter = self._driver, self._meter
        try:
            while self._excess is None:
                batch: Sequence[Notification] = ()
                is_over = is_quiet = False
                try:
                    batch = await driver.take(self._cursor, meter.left_s(time.monotonic()))
                    is_over = not batch
                except TimeoutError:
                    is_quiet = True
                except EventOverflowError:  # it is too slow; of all that counts, the log keeps what was finished
                    self._cursor = self._log.cursor()
                    batch = [*self._log.told]
                now = time.monotonic()
                is_asking = driver.reading.is_asking(self._log.topic.id)  # before when it ended is looked at
                meter.heard(now if is_asking or not is_quiet else self._log.asked_until)
                for event in batch:
                    meter.add(event)
                self._excess = meter.excess(now)
                if is_over:
                    break
            if not self._log.is_complete:
                await self._stop()
        except TransportClosedError:
            pass  # so ends whoever reads the turn
        except Exception as error:  # what nobody counts must not go on
            self._failure = error
            if not self._log.is_complete:
                await self._stop()
            raise
        finally:
            meter.end(time.monotonic())

    async def _stop(self) -> None:
        """Interrupt the turn; if it does not end by that, its consumers come to the end all the same."""
        self._cursor.close()
        self._driver.stop(self._log, self._thread_id)
        with suppress(TimeoutError, AppServerError):
            await self._driver.wait(self._log, _GRACE_S)
        if not self._log.is_complete:
            self._has_given_up = True
            self._driver.drop(self._cursor)  # which wakes who waits for the end
            for consumer in self._consumers:
                if (cursor := consumer()) is not None:
                    self._driver.drop(cursor)


class AsyncObserving:
    """One `Observers`, being shown what happens; it does not keep a client alive that nobody has any more.

    What is decided is kept for it from now on; it is shown that, and all else, from `begin` on.

    Args:
        driver: of the client.
        observers: who is shown it.
    """

    def __init__(self, driver: AsyncDriver, observers: Observers) -> None:
        self._driver = weakref.ref(driver)
        self._observers = observers
        self._decisions: list[ApprovalDecision] = []
        if observers.on_decision is not None:
            driver.reading.approve_with().watchers.append(self._decisions.append)

    def begin(self, cursor: Cursor, turn_id: str | None = None) -> None:
        """Show what happens.

        Args:
            cursor: where to read it.
            turn_id: whose decisions are shown; those of all turns if not given.
        """
        self._cursor = cursor
        self._turn_id = turn_id
        self._aside = Aside(self._observe, "observing")

    def give_up(self) -> None:
        """There is nothing to show any more."""
        driver = self._driver()
        if driver is not None and self._observers.on_decision is not None:
            driver.reading.approve_with().watchers.remove(self._decisions.append)

    async def wait(self, timeout: float) -> None:
        """Wait until all there was has been shown, so many seconds at most."""
        await self._aside.wait(timeout)

    async def _observe(self) -> None:
        caller, words = Caller(), Words()
        try:
            while (batch := await self._next()) is not None:
                found: list[Call] = []
                for event in batch:
                    found += calls(self._observers, event, words)
                await caller.call([*self._decision_calls(), *found])
        except EventOverflowError as error:
            log_error(error, "observers were too slow: they are not shown the rest")
        except TransportClosedError:
            pass
        finally:
            await caller.call(self._decision_calls())
            caller.close()
            self.give_up()

    async def _next(self) -> list[Event] | None:
        """What comes next, perhaps nothing; None at the end."""
        driver = self._driver()
        if driver is None:
            return None
        try:
            return await driver.take(self._cursor, _PULSE_S) or None
        except TimeoutError:
            return []

    def _decision_calls(self) -> list[Call]:
        made: list[Call] = []
        while self._decisions and (function := self._observers.on_decision) is not None:
            decision = self._decisions.pop(0)
            if self._turn_id in {None, decision.request.turn_id}:
                made.append(Call("on_decision", function, decision))
        return made


def observe_everything(driver: AsyncDriver, observers: Observers) -> AsyncObserving:
    """Show observers all that the runtime tells from now on."""
    observing = AsyncObserving(driver, observers)
    observing.begin(driver.listen(EVERYTHING))
    return observing
