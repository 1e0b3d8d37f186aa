"""Who gets which runtime of a pool, and who waits: decisions alone, without a clock, a process, or anything that waits.

The twins ask it under their own guard, one at a time, and do what it says. A place is one use of a runtime; a member is
a runtime's post, which stays while its runtimes come and go. Whoever cannot have a place waits, in the order of asking;
who waits for one tenant holds up nobody else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from codex_app_server.errors import PoolFullError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Desk", "Member", "Place"]

_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 5.0


@dataclass(eq=False)
class Member:
    """One post of a pool.

    Attributes:
        name: what it is called, also in its home's path.
        tenant: whose it is; None if it is for all.
        home: of its runtimes, once there was one.
        codex: the client of its runtime, while there is one.
        starters: who waits for it to be started, while somebody starts it.
        places: how many places are taken.
        threads: those that were begun by the pool itself, while anybody has them.
        used: when it was leased last, as a number of leases.
        idle_since: when the last place was given back, as a time of `time.monotonic`.
        starts: how many runtimes it had.
        failures: how many of them ended, or did not start, since one was given back alive.
        not_before: when the next may be started.
    """

    name: str
    home: Path | None = None
    tenant: str | None = None
    codex: Any = None
    starters: list[Any] | None = None
    places: int = 0
    threads: WeakSet[Any] = field(default_factory=WeakSet)
    used: int = 0
    idle_since: float = 0.0
    starts: int = 0
    failures: int = 0
    not_before: float = 0.0

    @property
    def load(self) -> int:
        """How much it has to do."""
        return self.places + len(self.threads)

    @property
    def is_idle(self) -> bool:
        """Whether nobody needs it."""
        return self.load == 0 and self.starters is None

    def rank(self, now: float) -> tuple[bool, int, bool, int]:
        """How soon it is taken: first who runs, or may start at once, and of these who has least to do."""
        return self.not_before > now and not self.codex, self.load, not self.codex, self.used

    def failed(self, now: float) -> None:
        """Its runtime ended, or did not start: the next one waits, longer each time."""
        self.not_before = now + min(_FIRST_DELAY_S * 2**self.failures, _LONGEST_DELAY_S)
        self.failures = min(self.failures + 1, 16)


@dataclass(eq=False)
class Place:
    """A use of a runtime that somebody asked for.

    Attributes:
        tenant: whose runtime it has to be.
        sleeper: wakes who waits for it.
        member: where it is, once there is one.
        codex: the client of that runtime.
    """

    tenant: str | None
    sleeper: Any
    member: Member | None = None
    codex: Any = None


class Desk:
    """Gives places out and takes them back.

    Args:
        members: those that are for all.
        per_runtime: how many places each has.
        max_waiting: how many may wait.
        max_tenants: how many tenants may have a runtime at a time.
    """

    def __init__(self, members: Sequence[Member], *, per_runtime: int, max_waiting: int, max_tenants: int) -> None:
        self.members = list(members)
        self.tenants: dict[str, Member] = {}
        self.waiting: dict[str | None, list[Place]] = {}
        self._per_runtime = per_runtime
        self._max_waiting = max_waiting
        self._max_tenants = max_tenants
        self._count = 0

    def ask(self, place: Place, now: float, *, is_patient: bool = False) -> list[Member]:
        """Somebody wants a place: it has a member now, or it waits.

        Args:
            place: which.
            now: the time.
            is_patient: whether it may wait however many wait already, for there are only so many like it.

        Returns:
            those that have to be closed for it: of tenants who are idle.

        Raises:
            PoolFullError: if too many wait already.
        """
        dismissed = [] if place.tenant in self.waiting else self._serve(place, now)
        if place.member is None:
            waiting = sum(map(len, self.waiting.values()))
            if waiting >= self._max_waiting and not is_patient:
                raise PoolFullError(f"all runtimes of the pool are taken, and {waiting} wait already")
            self.waiting.setdefault(place.tenant, []).append(place)
        return dismissed

    def give_back(self, place: Place, now: float) -> tuple[list[Place], list[Member]]:
        """A place is not needed any more, whether it was had or waited for.

        Returns:
            those that have one now, to be woken; and the members that have to be closed.
        """
        member, place.member = place.member, None
        if member is None:
            self._withdraw(place)
        else:
            member.places -= 1
            member.idle_since = now
        return self.serve(now)

    def serve(self, now: float) -> tuple[list[Place], list[Member]]:
        """Give those who wait what there is; returns as `give_back`."""
        served: list[Place] = []
        dismissed: list[Member] = []
        for tenant, places in list(self.waiting.items()):
            while places:
                dismissed += self._serve(places[0], now)
                if places[0].member is None:
                    break
                served.append(places.pop(0))
            if not places:
                del self.waiting[tenant]
        return served, dismissed

    def idle(self, before: float) -> list[Member]:
        """Let go what tenants did not use since a time; returns what has to be closed."""
        found = [each for each in self.tenants.values() if each.is_idle and each.idle_since <= before]
        return [self._dismiss(each) for each in found]

    def _withdraw(self, place: Place) -> None:
        places = self.waiting.get(place.tenant, [])
        if place in places:
            places.remove(place)
            if not places:
                del self.waiting[place.tenant]

    def _serve(self, place: Place, now: float) -> list[Member]:
        dismissed: list[Member] = []
        tenant = place.tenant
        if tenant is None:
            free = [each for each in self.members if each.places < self._per_runtime]
            member = min(free, key=lambda each: each.rank(now), default=None)
        else:
            member = self.tenants.get(tenant)
            if member is None:
                idle = [each for each in self.tenants.values() if each.is_idle]
                if len(self.tenants) >= self._max_tenants and idle:
                    dismissed.append(self._dismiss(min(idle, key=lambda each: each.used)))
                if len(self.tenants) < self._max_tenants:
                    member = self.tenants[tenant] = Member(tenant, tenant=tenant)
            elif member.places >= self._per_runtime:
                member = None
        if member is not None:
            self._count += 1
            member.used = self._count
            member.places += 1
            place.member = member
        return dismissed

    def _dismiss(self, member: Member) -> Member:
        """A tenant has no runtime any more."""
        del self.tenants[member.name]
        return member
