"""The runtimes of a pool, for asyncio: they are started when somebody gets a place, seen to when they end, and closed.

What is decided stands in `pooling.desk`; here it is waited for and done. The guard is held for moments only, never
while anything is awaited or foreign code runs.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING

from codex_app_server.aio.aside import Aside
from codex_app_server.aio.codex import AsyncCodex
from codex_app_server.aio.waiting import Sleeper, guard, new_sleeper, sleep, wake
from codex_app_server.driving import WRONG_PROCESS, closed
from codex_app_server.ending import Ending
from codex_app_server.errors import (
    ConfigurationError,
    RuntimeNotFoundError,
    RuntimeStartError,
    StartupTimeoutError,
    TransportClosedError,
    WaitTimeoutError,
)
from codex_app_server.pooling.desk import Place
from codex_app_server.timeouts import end_after, left_until, seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.config import AppServerConfig
    from codex_app_server.pooling.desk import Desk, Member

__all__ = ["Leasing"]

_CLOSING_S = 10.0
"""How long a runtime may take to be closed, in seconds: it is killed before that."""


class Leasing:
    """Gives out places at running runtimes.

    Args:
        desk: who decides which.
        config_of: how a member's runtime is started.
        restarts: how often one place has a runtime started again.
        idle_timeout: after how many seconds without use a tenant's runtime is closed; None is never.
    """

    def __init__(
        self, desk: Desk, config_of: Callable[[Member], AppServerConfig], *, restarts: int, idle_timeout: float | None
    ) -> None:
        self._desk = desk
        self._guard = guard()
        self._config_of = config_of
        self._restarts = restarts
        self._idle_timeout = idle_timeout
        self._closing: dict[AsyncCodex, tuple[str, Aside]] = {}
        self._tidying: Aside | None = None
        self._tidier: Sleeper | None = None
        self._ending: Ending | None = None
        self._process_id = os.getpid()

    @property
    def is_closed(self) -> bool:
        """Whether no places are given out any more."""
        return self._ending is not None

    async def take(
        self,
        tenant: str | None,
        timeout: float | None,
        *,
        is_patient: bool = False,
        waits: Callable[[Sleeper], object] | None = None,
    ) -> Place:
        """Wait for a place at a running runtime; it has to be given back.

        Args:
            tenant: whose runtime it has to be.
            timeout: how long to wait, in seconds; None is as long as it takes.
            is_patient: whether it waits however many do already.
            waits: is told whom to wake if it should not wait any longer; that is a `WaitTimeoutError` too.

        Raises:
            PoolFullError: if too many wait.
            WaitTimeoutError: if there is none in time.
            TransportClosedError: if the pool is or gets closed, or the runtime ends again and again as it starts.
            RuntimeStartError: if the runtime cannot be started.
            RuntimeError: in a forked child.
        """
        if os.getpid() != self._process_id:
            raise RuntimeError(WRONG_PROCESS)
        limit = seconds(timeout, "timeout")
        end = end_after(limit)
        place = Place(tenant, new_sleeper())
        try:
            with self._guard:
                self.check_open()
                dismissed = self._desk.ask(place, time.monotonic(), is_patient=is_patient)
                self._dismiss(dismissed)
            if waits is not None:
                waits(place.sleeper)
            member = place.member or await self._served(place, limit)
            place.codex = await self._running(member, end)
        except BaseException:
            self.give_back(place)
            raise
        return place

    def give_back(self, place: Place) -> None:
        """Nobody needs a place any more."""
        with self._guard:
            member = place.member
            if member is not None and place.codex is not None and member.codex is place.codex:
                if _has_ended(place.codex):
                    self._lost(member)
                else:
                    member.failures = 0
            place.codex = None
            now = time.monotonic()
            served, dismissed = self._desk.give_back(place, now)
            self._dismiss(dismissed)
            for each in served:
                wake(each.sleeper)
            if member is not None and member.tenant is not None and self._idle_timeout is not None:
                self._tidy_later()

    async def close(self) -> None:
        """Wake who waits, and close every runtime; may be called again. In a forked child it does nothing."""
        if os.getpid() != self._process_id:
            return
        with self._guard:
            self._ending = Ending("the pool was closed")
            for place in [place for places in self._desk.waiting.values() for place in places]:
                wake(place.sleeper)
            if self._tidier is not None:
                wake(self._tidier)
            members = [*self._desk.members, *self._desk.tenants.values()]
            for each in [each for member in members for each in member.starters or ()]:
                wake(each)
            self._dismiss(members)
            tidying = self._tidying
        for member in members:
            # Whoever starts it sees that it is over, and closes what was started.
            while await self._is_starting(member, None):
                pass
        for _, each in list(self._closing.values()):
            await each.wait(_CLOSING_S)
        if tidying is not None:
            await tidying.wait(_CLOSING_S)

    async def _served(self, place: Place, limit: float | None) -> Member:
        """Wait for a place; where it is."""
        await sleep(place.sleeper, limit)
        self.check_open()
        if place.member is None:
            raise WaitTimeoutError(f"no runtime of the pool was free{'' if limit is None else f' within {limit:g} s'}")
        return place.member

    async def _running(self, member: Member, end: float | None) -> AsyncCodex:
        """The client of a member's runtime, which is started if there is none."""
        attempt = 0
        while True:
            if await self._is_starting(member, end):
                continue
            with self._guard:
                self.check_open()
                if member.codex is not None and _has_ended(member.codex):
                    self._lost(member)  # while nobody looked
                if member.codex is not None:
                    found: AsyncCodex = member.codex
                    return found
                if member.starters is not None:
                    continue
                member.starters = []
                before = [each for name, each in self._closing.values() if name == member.name]
            try:
                for each in before:
                    await each.wait(_CLOSING_S)  # two runtimes in one home would be in each other's way
                await self._start(member, end)
            except (TransportClosedError, StartupTimeoutError, RuntimeStartError) as error:
                attempt += 1
                is_hopeless = isinstance(error, (ConfigurationError, RuntimeNotFoundError))
                if is_hopeless or self.is_closed or attempt > self._restarts:
                    raise
            finally:
                with self._guard:
                    waiting, member.starters = member.starters or [], None
                    for waiter in waiting:
                        wake(waiter)

    async def _start(self, member: Member, end: float | None) -> None:
        """Start a runtime, not too soon after the last one."""
        delay = member.not_before - time.monotonic()
        if delay > 0:
            left = _left(end)
            sleeping = new_sleeper()
            with self._guard:
                if member.starters is not None:
                    member.starters.append(sleeping)
            await sleep(sleeping, delay if left is None else min(delay, left))
            _left(end)
            self.check_open()
        config = self._config_of(member)
        try:
            codex = await AsyncCodex(config).__aenter__()
        except Exception:
            with self._guard:
                member.failed(time.monotonic())
            raise
        with self._guard:
            member.starts += 1
            member.codex = codex
            if self.is_closed:
                self._dismiss([member])

    async def _is_starting(self, member: Member, end: float | None) -> bool:
        """Whether somebody was starting it; by then it is over."""
        with self._guard:
            if member.starters is None:
                return False
            sleeping = new_sleeper()
            member.starters.append(sleeping)
        await sleep(sleeping, _left(end))
        _left(end)
        return True

    def _lost(self, member: Member) -> None:
        """Its runtime ended; the guard is held."""
        member.failed(time.monotonic())
        self._dismiss([member])

    def _dismiss(self, members: list[Member]) -> None:
        """Have runtimes closed, beside the program; the guard is held."""
        for member in members:
            codex, member.codex = member.codex, None
            if codex is not None:
                closing = Aside(partial(self._close, codex), "closing a runtime", is_short=True)
                self._closing[codex] = (member.name, closing)

    async def _close(self, codex: AsyncCodex) -> None:
        try:
            await codex.close()
        finally:
            with self._guard:
                self._closing.pop(codex, None)

    def check_open(self) -> None:
        """Raise if the pool is closed.

        Raises:
            TransportClosedError: if it is.
        """
        if self._ending is not None:
            raise closed("there is no runtime", self._ending)

    def _tidy_later(self) -> None:
        """Have idle runtimes closed when it is time; the guard is held."""
        if self._tidying is None and not self.is_closed:
            self._tidier = new_sleeper()
            self._tidying = Aside(self._tidy, "closing idle runtimes")

    async def _tidy(self) -> None:
        """Close what tenants do not use, until none has a runtime."""
        idle_timeout = self._idle_timeout or 0.0
        while True:
            with self._guard:
                tidier = self._tidier
                now = time.monotonic()
                self._dismiss(self._desk.idle(now - idle_timeout))
                served, dismissed = self._desk.serve(now)
                self._dismiss(dismissed)
                for each in served:
                    wake(each.sleeper)
                if tidier is None or self.is_closed or not self._desk.tenants:
                    self._tidying = self._tidier = None
                    return
                last = min(each.idle_since if each.is_idle else now for each in self._desk.tenants.values())
            await sleep(tidier, max(0.01, last + idle_timeout - now))


def _left(end: float | None) -> float | None:
    """How many seconds are left."""
    try:
        return left_until(end)
    except TimeoutError:
        raise WaitTimeoutError("no runtime of the pool was ready in time") from None


def _has_ended(codex: AsyncCodex) -> bool:
    return codex._driver.reading.ending is not None  # noqa: SLF001 - its own
