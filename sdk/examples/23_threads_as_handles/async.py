"""Find the thread that was worked with last, look at its turns, and try another way in a fork of it, with asyncio."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, AsyncCodex


async def main(config: AppServerConfig) -> None:
    async with AsyncCodex(config) as codex:
        begun = await codex.thread_start(sandbox="read-only", approval_policy="never")
        await begun.run("Name a river.")
        await begun.run("And the sea it flows into.")

        thread = await codex.thread_last() or begun
        print(f"{thread.preview} [{thread.status}]")
        async for turn in thread.turns():
            print(" ", *(item.text for item in turn.items if item.type == "agentMessage"))

        other = await thread.fork()
        await other.revert(before=await anext(other.turns(newest_first=True)))
        print((await other.run("And a town on it.")).final_response)
        print(len([turn async for turn in thread.turns()]), "and", len([turn async for turn in other.turns()]), "turns")

        await other.delete()
        await thread.archive()
        print("put away:", thread.id in [each.id async for each in codex.threads(archived=True)])


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
