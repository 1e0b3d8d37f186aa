"""The cost of an event against how many turns run at once, and against how many events a turn has: a picture.

A turn costs something before its first event. What is drawn is the rest, by subtraction of a turn without deltas: the
processor time of the client's process for one event more.
"""

from __future__ import annotations

import json
import statistics
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.client import programs
from benchmarks.client.rows import DRIVERS
from benchmarks.client.sides import ROOT

PICTURE = ROOT / "sdk" / "docs" / "per-event-cost.png"

TURNS = (1, 3, 10, 30, 100, 300, 1_000)
EVENTS = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
TOTAL = 200_000
"""How many events are read at least for each point, in as many turns as that takes, one after another."""


@dataclass(frozen=True)
class Point:
    """One measurement.

    Attributes:
        panel: what it is drawn against, `turns` or `events`.
        driver: sync or async.
        turns: how many at once.
        events: how many each.
        cost_us: of one event, in microseconds of processor time.
    """

    panel: str
    driver: str
    turns: int
    events: int
    cost_us: float


def measure(python: Path, *, quick: bool = False) -> list[Point]:
    """All points; with `quick`, a tenth of the events of each."""
    total = TOTAL // 10 if quick else TOTAL
    shapes = [("turns", turns, total // turns) for turns in TURNS]
    shapes += [("events", 1, events) for events in EVENTS if not quick or events <= total]
    return [point(python, driver, *shape, total) for driver in DRIVERS for shape in shapes]


def point(python: Path, driver: str, panel: str, turns: int, events: int, total: int, runs: int = 3) -> Point:
    """One of them: the median of several, each of as many turns as make `total` events together."""
    repeat = min(max(1, total // (turns * events)), 1_000)

    def cost(deltas: int) -> float:
        return programs.read(python, side="ours", driver=driver, turns=turns, deltas=deltas, repeat=repeat).cpu_s

    costs = [(cost(events) - cost(0)) / (turns * events * repeat) * 1e6 for _ in range(runs)]
    return Point(panel, driver, turns, events, statistics.median(costs))


def draw(python: Path, points: list[Point], picture: Path = PICTURE) -> None:
    """Have the picture drawn, by an environment that can."""
    picture.parent.mkdir(exist_ok=True)
    program = Path(__file__).with_name("drawing.py")
    order = json.dumps({"points": [asdict(point) for point in points], "picture": str(picture)})
    subprocess.run([str(python), "-I", str(program)], input=order, text=True, check=True)
