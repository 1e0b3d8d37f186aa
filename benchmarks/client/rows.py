"""What is measured, and the bounds that have to hold.

Both sides of a row run in turn, A B A B …, so that a drift of the machine's speed meets both; medians count.
"""

from __future__ import annotations

import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.client import programs
from codex_app_server.testing import ModelServer, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["FULL", "QUICK", "Effort", "Row", "Sides", "measure"]

DRIVERS = ("sync", "async")
CONCURRENCIES = (4, 8, 16)


@dataclass(frozen=True)
class Sides:
    """The two sides.

    Attributes:
        ours: the interpreter of the environment with the client.
        peer: that of the one with the peer.
        codex: the runtime's executable, for both.
    """

    ours: Path
    peer: Path
    codex: Path


@dataclass(frozen=True)
class Effort:
    """How much is done.

    Attributes:
        runs: how often what is short runs on each side.
        long_runs: how often the rest does.
        deltas: how many are streamed where the cost of one is measured.
        peer_async_deltas: the same for the peer's async side, which takes twenty times as long.
        turns: how many at once, where it is about many.
        marathon: how many deltas the memory is watched over.
        work_us: how long a slow consumer works on each, in microseconds.
        unread: how many deltas lie unread before an approval.
        mapped: how many embedded turns `map` runs.
    """

    runs: int = 5
    long_runs: int = 3
    deltas: int = 200_000
    peer_async_deltas: int = 50_000
    turns: int = 1_000
    marathon: int = 1_000_000
    work_us: float = 100
    unread: int = 20_000
    mapped: int = 200


FULL = Effort()
QUICK = Effort(runs=3, long_runs=1, deltas=60_000, peer_async_deltas=20_000, marathon=200_000)


@dataclass(frozen=True)
class Row:
    """One line of the result.

    Attributes:
        work: what was measured.
        peer: the peer's figure, as it is shown; empty without one.
        ours: our figure, as it is shown.
        figure: what has the bound: a ratio, or our figure.
        bound: the most that it may be; None where it is only shown.
    """

    work: str
    peer: str
    ours: str
    figure: float
    bound: float | None

    @property
    def held(self) -> bool:
        """Whether the bound was kept."""
        return self.bound is None or self.figure <= self.bound


def measure(sides: Sides, effort: Effort) -> Iterator[Row]:
    """All rows, one after another."""
    yield from imports(sides, effort)
    yield from first_result(sides, effort)
    yield from deltas(sides, effort)
    yield from against_a_bare_loop(sides, effort)
    yield from over_a_websocket(sides, effort)
    yield from turns_at_once(sides, effort)
    yield from approvals(sides, effort)
    yield from pooled(sides, effort)
    yield from growth(sides, effort)


def imports(sides: Sides, effort: Effort) -> Iterator[Row]:
    """Whole processes that only import."""
    names = {
        "import codex_app_server": 1 / 20,
        "from codex_app_server import Codex": 1 / 15,
        "from codex_app_server import AsyncCodex": 1 / 8,
    }
    bare, theirs, *ours = in_turn(
        effort.runs,
        partial(programs.wall, sides.ours, "pass"),
        partial(programs.wall, sides.peer, "import openai_codex"),
        *(partial(programs.wall, sides.ours, name) for name in names),
    )
    yield Row("a bare interpreter", "", f"{bare * 1e3:.1f} ms", bare, None)
    for (name, bound), mine in zip(names.items(), ours, strict=True):
        yield Row(name, f"{theirs * 1e3:.0f} ms", f"{mine * 1e3:.1f} ms", mine / theirs, bound)
    size, _ = programs.memory(sides.ours, "from codex_app_server import Codex")
    peer_size, _ = programs.memory(sides.peer, "import openai_codex")
    yield Row("memory (RSS) with Codex, MB", f"{peer_size:.1f} MB", f"{size:.1f} MB", size, 16)
    loaded = [programs.memory(sides.ours, name)[1] for name in names]
    yield Row("imports that load pydantic", "1 of 1", f"{sum(loaded)} of {len(loaded)}", sum(loaded), 0)


def first_result(sides: Sides, effort: Effort) -> Iterator[Row]:
    """A script with one turn on the embedded model, up to its answer; a new home for the runtime each time."""

    def one(python: Path, program: str) -> float:
        with ModelServer(Text("There are sources and tests.")) as model:
            home = {name: str(value) for name, value in (model.config().env or {}).items()}
            seconds, said = programs.first_result(python, program, sides.codex, home)
        if said != "There are sources and tests. userMessage agentMessage":
            raise ValueError(f"{program} said {said!r}")
        return seconds

    theirs, mine = in_turn(
        effort.runs, lambda: one(sides.peer, "first_peer.py"), lambda: one(sides.ours, "first_ours.py")
    )
    yield Row("script to first result", f"{theirs * 1e3:.0f} ms", f"{mine * 1e3:.0f} ms", mine / theirs, 0.45)


def deltas(sides: Sides, effort: Effort) -> Iterator[Row]:
    """The processor time of one streamed delta, its text read."""
    for driver, runs, count, bound in (
        ("sync", effort.runs, effort.deltas, 0.35),
        ("async", effort.long_runs, effort.peer_async_deltas, 0.05),
    ):
        theirs, mine = in_turn(
            runs,
            _cost(sides.peer, "peer", driver, deltas=count),
            _cost(sides.ours, "ours", driver, deltas=effort.deltas),
        )
        yield Row(f"CPU per delta, {driver}", f"{theirs:.2f} µs", f"{mine:.2f} µs", mine / theirs, bound)


def against_a_bare_loop(sides: Sides, effort: Effort) -> Iterator[Row]:
    """The processor time of one streamed delta, against that of a loop that only reads and decodes the same lines."""
    bare, *mine = in_turn(
        effort.runs,
        _cost(sides.ours, "bare", "", deltas=effort.deltas),
        *(_cost(sides.ours, "ours", driver, deltas=effort.deltas) for driver in DRIVERS),
    )
    for driver, ours in zip(DRIVERS, mine, strict=True):
        work = f"CPU per delta, {driver}, against a bare loop"
        yield Row(work, f"{bare:.2f} µs (bare)", f"{ours:.2f} µs", ours / bare, 1.1)


def over_a_websocket(sides: Sides, effort: Effort) -> Iterator[Row]:
    """The processor time of one streamed delta over a WebSocket on loopback, against that over a pipe."""
    for driver in DRIVERS:
        pipe, websocket = in_turn(
            effort.runs,
            _cost(sides.ours, "ours", driver, deltas=effort.deltas),
            _cost(sides.ours, "ours", driver, deltas=effort.deltas, websocket=True),
        )
        work = f"CPU per delta over a WebSocket, {driver}"
        yield Row(work, f"{pipe:.2f} µs (ours, pipe)", f"{websocket:.2f} µs", websocket / pipe, 2.5)


def turns_at_once(sides: Sides, effort: Effort) -> Iterator[Row]:
    """Many turns of one client, every word of each compared, against one turn with as many deltas."""
    for driver in DRIVERS:
        each = effort.deltas // effort.turns
        one, many = in_turn(
            effort.long_runs,
            _cost(sides.ours, "ours", driver, deltas=effort.deltas),
            _cost(sides.ours, "ours", driver, turns=effort.turns, deltas=each),
        )
        work = f"{effort.turns:,} turns at once, {driver}, against one"
        yield Row(work, f"{one:.2f} µs (ours, one)", f"{many:.2f} µs", many / one, 2.2)


def approvals(sides: Sides, effort: Effort) -> Iterator[Row]:
    """What the runtime waits for an approval while another turn has unread deltas; the slowest of all counts."""
    for is_read, how in ((True, "its own is read"), (False, "nothing is read")):
        for driver in DRIVERS:
            waited = [
                programs.approval(sides.ours, driver=driver, deltas=effort.unread, is_read=is_read)
                for _ in range(effort.long_runs)
            ]
            work = f"approval, another turn has {effort.unread:,} unread deltas, {how}, {driver}"
            yield Row(work, "", f"{max(waited):.3f} s", max(waited), 0.2)


def pooled(sides: Sides, effort: Effort) -> Iterator[Row]:
    """How long `map` takes for turns on the embedded model, on a pool of two and on one client; each at its best."""

    def best(runtimes: int) -> float:
        with ModelServer(default=Text("Done.")) as model:
            home = {name: str(value) for name, value in (model.config().env or {}).items()}
            return min(
                programs.mapped(sides.ours, sides.codex, home, runtimes, concurrency, effort.mapped)
                for concurrency in CONCURRENCIES
            )

    one, many = in_turn(effort.long_runs, partial(best, 0), partial(best, 2))
    work = f"{effort.mapped} turns by map, a pool of two against one client"
    yield Row(work, f"{one:.1f} s (ours, one)", f"{many:.1f} s", many / one, 1 / 0.9)


def growth(sides: Sides, effort: Effort) -> Iterator[Row]:
    """How far the memory rises over a very long turn, read fast or slowly; both drivers at the same time."""
    for work_us, how in ((0.0, "fast"), (effort.work_us, f"{effort.work_us:g} µs of work on each")):

        def one(driver: str, work_us: float = work_us) -> float:
            return programs.read(
                sides.ours, side="ours", driver=driver, deltas=effort.marathon, work_us=work_us, watched=True
            ).grown

        with ThreadPoolExecutor() as pool:
            grown = list(pool.map(one, DRIVERS))
        for driver, mine in zip(DRIVERS, grown, strict=True):
            work = f"memory growth over {effort.marathon:,} deltas, {driver}, {how}"
            yield Row(work, "", f"{mine:.1f} MB", mine, 5)


def in_turn(runs: int, *sides: Callable[[], float]) -> list[float]:
    """The medians of several sides, each run once before any runs again."""
    taken = [[side() for side in sides] for _ in range(runs)]
    return [statistics.median(figures) for figures in zip(*taken, strict=True)]


def _cost(
    python: Path, side: str, driver: str, *, deltas: int, turns: int = 1, websocket: bool = False
) -> Callable[[], float]:
    """What measures the processor time of an event, in microseconds."""

    def read() -> float:
        reading = programs.read(python, side=side, driver=driver, turns=turns, deltas=deltas, websocket=websocket)
        return reading.cpu_us_per_event

    return read
