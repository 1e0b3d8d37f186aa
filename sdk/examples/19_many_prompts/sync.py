"""Many prompts at once, with typed answers and a journal to go on from."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, Codex

RIVERS = ["Danube", "Ganges", "Mekong", "Nile", "Rhine"]


@dataclass
class Mouth:
    """Where a river ends."""

    sea: str


def main(config: AppServerConfig) -> None:
    questions = [f"Into which sea does the {river} flow?" for river in RIVERS]
    with Codex(config) as codex, tempfile.TemporaryDirectory() as directory:
        journal = Path(directory, "rivers.jsonl")
        # The first two, as if the program had been stopped then; the second time only the others are asked for.
        for part in (questions[:2], questions):
            outcomes = list(codex.map(part, output_type=Mouth, concurrency=4, in_order=True, journal=journal))
            print(sum(outcome.is_reused for outcome in outcomes), "of", len(outcomes), "from the journal")
        for river, outcome in zip(RIVERS, outcomes, strict=True):
            print(f"{river}: {outcome.unwrap().output.sea}")


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
