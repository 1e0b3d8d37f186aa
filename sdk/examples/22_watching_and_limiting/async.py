"""Look on while Codex works, and end a run that takes too much, with asyncio."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, AsyncCodex, LimitExceededError, Limits, Observers
from codex_app_server.generated import CommandExecutionThreadItem


async def ran(item: CommandExecutionThreadItem) -> None:
    print(f"ran a command, {item.status}")


async def main(config: AppServerConfig) -> None:
    async with AsyncCodex(config) as codex:
        # Observers of a thread see all its turns; they cannot change what happens.
        thread = await codex.thread_start(observers=Observers(on_item={CommandExecutionThreadItem: ran}))
        try:
            limits = Limits(commands=2, tokens=200_000, seconds=120, stall_timeout=60)
            result = await thread.run("Run `echo 1`, `echo 2`, and so on to 5, each by itself.", limits=limits)
            print(result.final_response)
        except LimitExceededError as error:
            print(f"too many {error.limit}: {error.used:g} of {error.allowed:g}")
            if error.result is not None:
                print(f"the turn was {error.result.status}, and had {len(error.result.items)} items")


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
