"""The client against its peer, `openai-codex`, in one run, in turn.

Both sides are installed, compiled wheels in environments of their own, and drive the same runtime, or the same server
that replays one. Processor time is that of the client's process alone.

    python3 scripts/dev.py bench-client            everything, about five minutes on two cores
    python3 scripts/dev.py bench-client --quick    less of everything, about one
    python3 scripts/dev.py bench-client --plot     only the cost of an event against turns and events, as a picture
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.client import plot, sides
from benchmarks.client.rows import FULL, QUICK, Row, Sides, measure


def main() -> int:
    """Measure and print; exit code 1 if a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer runs of less; figures are rougher")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--plot", action="store_true", help=f"measure and draw {plot.PICTURE.name} instead")
    arguments = parser.parse_args()
    if arguments.plot:
        points = plot.measure(sides.client_environment(), quick=arguments.quick)
        plot.draw(sides.plot_environment(), points)
        if arguments.json:
            print(json.dumps([asdict(point) for point in points], indent=2))
        return 0
    with tempfile.TemporaryDirectory(prefix="codex-bench-") as scratch:
        both = Sides(sides.client_environment(), sides.peer_environment(), sides.runtime(Path(scratch)))
        rows = []
        for row in measure(both, QUICK if arguments.quick else FULL):
            rows.append(row)
            sys.stderr.write(f"{row.work}: {row.ours}\n")
    if arguments.json:
        print(json.dumps([{**asdict(row), "held": row.held} for row in rows], indent=2))
    else:
        show(rows)
    return 0 if all(row.held for row in rows) else 1


def show(rows: list[Row]) -> None:
    """As a table."""
    table = Table("work", "peer", "ours", "ratio or figure", "at most", "held", title="medians")
    for row in rows:
        bound, held = ("", "") if row.bound is None else (f"{row.bound:.3g}", "yes" if row.held else "NO")
        table.add_row(row.work, row.peer, row.ours, f"{row.figure:.3f}", bound, held)
    Console(width=150 if not sys.stdout.isatty() else None).print(table)


if __name__ == "__main__":
    sys.exit(main())
