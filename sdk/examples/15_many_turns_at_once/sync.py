"""Five turns at once, over one runtime."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, Codex

RIVERS = ["Danube", "Ganges", "Mekong", "Nile", "Rhine"]


def main(config: AppServerConfig) -> None:
    with Codex(config) as codex:

        def ask(river: str) -> tuple[str | None, float]:
            """The answer, and how long it took, in seconds."""
            begun = time.monotonic()
            # An ephemeral thread is not stored. Turns of one thread follow each other; those of several run at once.
            thread = codex.thread_start(ephemeral=True, sandbox="read-only")
            answer = thread.run(f"Into which sea does the {river} flow?").final_response
            return answer, time.monotonic() - begun

        begun = time.monotonic()
        with ThreadPoolExecutor(len(RIVERS)) as pool:  # all methods may be called from any thread
            answers = list(pool.map(ask, RIVERS))
        elapsed = time.monotonic() - begun
        for river, (answer, _) in zip(RIVERS, answers, strict=True):
            print(f"{river}: {answer}")
        print(f"{sum(seconds for _, seconds in answers):.1f} s of turns in {elapsed:.1f} s")


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
