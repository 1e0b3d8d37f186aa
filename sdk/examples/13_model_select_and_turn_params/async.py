"""Choose a model and an effort from what the runtime offers, with asyncio."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, AsyncCodex


async def main(config: AppServerConfig) -> None:
    async with AsyncCodex(config) as codex:
        offered = (await codex.models()).data
        model = next((each for each in offered if each.is_default), offered[0])
        efforts = [option.reasoning_effort for option in model.supported_reasoning_efforts]
        print(f"{model.id} offers the efforts {', '.join(efforts)}")

        # A thread has a model; a turn may say otherwise, and what it says holds for the turns after it.
        thread = await codex.thread_start(model=model.id, sandbox="read-only")
        for effort in (efforts[0], model.default_reasoning_effort):
            result = await thread.run("What is 17 times 23?", effort=effort, timeout=300)
            print(f"with effort {effort}: {result.final_response}")


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
