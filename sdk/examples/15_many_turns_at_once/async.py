"""Five turns at once, over one runtime, with asyncio."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, AsyncCodex

RIVERS = ["Danube", "Ganges", "Mekong", "Nile", "Rhine"]


async def main(config: AppServerConfig) -> None:
    async with AsyncCodex(config) as codex:

        async def ask(river: str) -> tuple[str | None, float]:
            """The answer, and how long it took, in seconds."""
            begun = time.monotonic()
            # An ephemeral thread is not stored. Turns of one thread follow each other; those of several run at once.
            thread = await codex.thread_start(ephemeral=True, sandbox="read-only")
            answer = (await thread.run(f"Into which sea does the {river} flow?")).final_response
            return answer, time.monotonic() - begun

        begun = time.monotonic()
        answers = await asyncio.gather(*(ask(river) for river in RIVERS))  # no thread is behind any of them
        elapsed = time.monotonic() - begun
        for river, (answer, _) in zip(RIVERS, answers, strict=True):
            print(f"{river}: {answer}")
        print(f"{sum(seconds for _, seconds in answers):.1f} s of turns in {elapsed:.1f} s")


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
