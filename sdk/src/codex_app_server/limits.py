"""Budgets: how much a run, a thread or a client may use, and counting that.

Pure: it is told what happens and what time it is, and says which limit is exceeded. The drivers do the stopping.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

from codex_app_server.suggesting import checked, suggesting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_app_server.prices import Prices
    from codex_app_server.protocol.messages import JsonValue, Notification

__all__ = ["Excess", "Limits", "Meter", "TurnMeter", "admit"]

_OWN_TOOL = "dynamicToolCall"
_TOOL_CALLS = frozenset({"mcpToolCall", _OWN_TOOL})


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much turns may use before they are interrupted; None is without limit.

    Limits of a run count that run. Limits of a thread count all turns that are begun with its handle. Limits of
    `AppServerConfig` count all turns of the client. All limits apply to a turn at once.

    The use is known when the runtime reports it. So the last step may go beyond a limit, and a command or call that is
    one too many may have begun. If the use cannot be counted, the turn is interrupted too, and whoever reads it gets an
    `AppServerError` that says why.

    Attributes:
        turns: how many turns may begin; a further one is refused. A run has several if a reply is asked for again.
        tokens: how many tokens models may read and write together, cached ones included.
        cost: how much these tokens may cost, in the currency of `prices`.
        prices: the prices of tokens.
        seconds: how long turns may take together, in seconds.
        tool_calls: how many calls of tools there may be, of MCP servers and of this program.
        commands: how many commands may be run.
        stall_timeout: how long nothing may happen in a turn, in seconds. The time in which this program is asked
            something does not count; the time in which a command writes nothing does.

    Raises:
        TypeError: if one is no number, or `prices` are something else.
        ValueError: if one is negative, `stall_timeout` is 0, or `cost` is limited without `prices`.
    """

    turns: int | None = None
    tokens: int | None = None
    cost: float | None = None
    prices: Prices | None = None
    seconds: float | None = None
    tool_calls: int | None = None
    commands: int | None = None
    stall_timeout: float | None = None

    def __post_init__(self) -> None:
        """Refuse what limits nothing."""
        for each in fields(self):
            value: object = getattr(self, each.name)
            if value is None or each.name == "prices":
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"Limits.{each.name} must be a number or None, not {value!r}")
            if not value >= 0:  # so is NaN
                raise ValueError(f"Limits.{each.name} must be a number from 0 on, not {value!r}")
            if value == 0 and each.name == "stall_timeout":
                raise ValueError("Limits.stall_timeout must be greater than 0")
        if self.prices is not None:
            from codex_app_server.prices import Prices

            if not isinstance(self.prices, Prices):
                raise TypeError(f"Limits.prices must be Prices, not {self.prices!r}")
        elif self.cost is not None:
            raise ValueError("Limits.cost needs Limits.prices: what tokens cost, the runtime does not say")


Limits.__init__ = suggesting(Limits.__init__)  # type: ignore[method-assign]


class Excess(NamedTuple):
    """Which limit is exceeded.

    Attributes:
        limit: its name in `Limits`.
        allowed: what it is.
        used: what was taken, or would have been.
        scope: whose it is: ``run``, ``thread`` or ``client``.
    """

    limit: str
    allowed: float
    used: float
    scope: str


class Meter:
    """What was taken of some limits, by any number of turns at once, from any thread.

    Args:
        limits: which.
        scope: whose they are.
    """

    def __init__(self, limits: Limits, scope: str) -> None:
        self.limits = checked(Limits, limits)
        self.scope = scope
        self._used = dict.fromkeys(("turns", "tokens", "cost", "tool_calls", "commands"), 0.0)
        self._seconds = 0.0  # of turns that have ended
        self._begun: dict[str, float] = {}  # when those that go on have
        # Held for some steps that call nobody; it may be taken again by a signal handler in their midst.
        self._lock = threading.RLock()

    def refusal(self, now: float) -> Excess | None:
        """What one turn more would be too much for."""
        turns = self.limits.turns
        if turns is not None and self._used["turns"] >= turns:
            return Excess("turns", turns, self._used["turns"] + 1, self.scope)
        return self.excess(now)

    def begin(self, turn_id: str, now: float) -> bool:
        """A turn has begun; False if it is counted already, for another call has joined it."""
        with self._lock:
            is_new = turn_id not in self._begun
            self._begun.setdefault(turn_id, now)
            return is_new

    def end(self, turn_id: str, now: float) -> None:
        """A turn has ended."""
        with self._lock:
            begun = self._begun.pop(turn_id, None)
            if begun is not None:
                self._seconds += now - begun

    def add(self, name: str, amount: float) -> None:
        """More was taken."""
        with self._lock:
            self._used[name] += amount

    def excess(self, now: float) -> Excess | None:
        """What is exceeded, if anything is."""
        for name, used in self._used.items():
            allowed = getattr(self.limits, name)
            if allowed is not None and used > allowed:
                return Excess(name, allowed, used, self.scope)
        allowed = self.limits.seconds
        if allowed is not None and (spent := self._spent(now)) >= allowed:
            return Excess("seconds", allowed, spent, self.scope)
        return None

    def left_s(self, now: float) -> float | None:
        """After how many seconds to look again."""
        if self.limits.seconds is None:
            return None
        return max(0.0, self.limits.seconds - self._spent(now)) / max(1, len(self._begun))

    def _spent(self, now: float) -> float:
        with self._lock:
            return self._seconds + sum(now - begun for begun in self._begun.values())


_admitting = threading.RLock()
"""As the lock of a meter, for several at once."""


def admit(meters: Sequence[Meter], now: float) -> Excess | None:
    """Whether one turn more would be too much for one of them; if not, it counts for all."""
    with _admitting:
        for meter in meters:
            if (excess := meter.refusal(now)) is not None:
                return excess
        for meter in meters:
            meter.add("turns", 1)
    return None


class TurnMeter:
    """What one turn takes, told to all the meters it is held to.

    Args:
        meters: these.
        turn_id: of the turn.
        now: when it began, in seconds.
    """

    def __init__(self, meters: Sequence[Meter], turn_id: str, now: float) -> None:
        self._meters = meters
        self._turn_id = turn_id
        self._counting = [meter for meter in meters if meter.begin(turn_id, now)]
        self._heard = now
        self._total: dict[str, float] | None = None
        self._items: set[object] = set()  # which were counted
        self._calls: set[object] = set()  # tools of this program that have not answered yet
        stalls = [meter.limits.stall_timeout for meter in meters if meter.limits.stall_timeout is not None]
        self._stall = min(stalls, default=None)

    def add(self, event: Notification) -> None:
        """Something has happened in the turn; what is told again does not count again."""
        params = event.params if isinstance(event.params, dict) else {}
        if event.method == "thread/tokenUsage/updated":
            usage = params.get("tokenUsage")
            self._take(usage if isinstance(usage, dict) else {})
        elif event.method in {"item/started", "item/completed"} and isinstance(item := params.get("item"), dict):
            self._item(item, has_begun=event.method == "item/started")

    def _item(self, item: dict[str, JsonValue], *, has_begun: bool) -> None:
        kind = item.get("type")
        name = "commands" if kind == "commandExecution" else "tool_calls" if kind in _TOOL_CALLS else ""
        if name and item.get("id") not in self._items:
            self._items.add(item.get("id"))
            for meter in self._counting:
                meter.add(name, 1)
        if kind == _OWN_TOOL and has_begun:
            self._calls.add(item.get("id"))
        else:
            self._calls.discard(item.get("id"))

    def heard(self, last: float) -> None:
        """When something happened last, or this program was being asked."""
        self._heard = max(self._heard, last)

    def excess(self, now: float) -> Excess | None:
        """What is exceeded, if anything is."""
        for meter in self._meters:
            if (found := meter.excess(now)) is not None:
                return found
        if self._stall is None or self._calls or now - self._heard < self._stall:
            return None
        scope = next(meter.scope for meter in self._meters if meter.limits.stall_timeout == self._stall)
        return Excess("stall_timeout", self._stall, now - self._heard, scope)

    def left_s(self, now: float) -> float | None:
        """After how many seconds to look again, if nothing happens."""
        waits = [meter.left_s(now) for meter in self._meters]
        if self._stall is not None and not self._calls:  # how these end is heard
            waits.append(max(0.0, self._heard + self._stall - now))
        return min((wait for wait in waits if wait is not None), default=None)

    def end(self, now: float) -> None:
        """The turn has ended."""
        for meter in self._counting:
            meter.end(self._turn_id, now)

    def _take(self, usage: dict[str, JsonValue]) -> None:
        """Count the tokens since the last time; the runtime says how many the thread has taken, and its last step."""
        total, last = _numbers(usage.get("total")), _numbers(usage.get("last"))
        before = self._total if self._total is not None else {name: total.get(name, 0) - last[name] for name in last}
        self._total = {name: max(count, before.get(name, 0)) for name, count in total.items()}
        more: dict[str, JsonValue] = {name: max(0.0, count - before.get(name, 0)) for name, count in total.items()}
        for meter in self._counting:
            meter.add("tokens", float(str(more.get("totalTokens", 0))))
            if meter.limits.prices is not None:
                meter.add("cost", meter.limits.prices.of(more))


def _numbers(said: JsonValue) -> dict[str, float]:
    return (
        {name: value for name, value in said.items() if isinstance(value, int | float)}
        if isinstance(said, dict)
        else {}
    )
