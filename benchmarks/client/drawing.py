"""Draws the points that `plot` measured, given as JSON on stdin; the only program here that needs matplotlib."""

from __future__ import annotations

import json
import sys
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

MARKS = {"sync": "o-", "async": "s--"}


def main() -> None:
    """Two panels side by side, one scale."""
    order: dict[str, Any] = json.load(sys.stdin)
    panels = [
        (panel, [point for point in order["points"] if point["panel"] == panel], label)
        for panel, label in (("turns", "turns at once on one client"), ("events", "deltas in one turn"))
    ]
    figure, (left, right) = plt.subplots(1, 2, sharey=True, figsize=(10, 4), layout="constrained")
    for axes, (member, points, label) in zip((left, right), panels, strict=True):
        for driver, mark in MARKS.items():
            line = sorted((point[member], point["cost_us"]) for point in points if point["driver"] == driver)
            axes.plot(*zip(*line, strict=True), mark, label=driver)
        axes.set_xscale("log")
        axes.set_xlabel(label)
        axes.grid(visible=True, alpha=0.3)
    left.set_ylim(bottom=0)
    left.set_ylabel("CPU per delta, µs")
    left.legend()
    figure.suptitle("What one streamed delta costs the client's process, its text read")
    figure.savefig(order["picture"], dpi=110)


if __name__ == "__main__":
    main()
