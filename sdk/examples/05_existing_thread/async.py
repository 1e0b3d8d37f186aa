"""Go on with a thread that an earlier run has left, with asyncio."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, AsyncCodex


async def main(config: AppServerConfig) -> None:
    async with AsyncCodex(config) as codex:
        thread = await codex.thread_start(sandbox="read-only")
        await thread.run("My favourite colour is teal. Just say OK.")
        remembered = thread.id  # all that has to be kept: in a file, in a database
        print("left thread", remembered)

    # Another process, another day: the runtime has stored the thread under its id.
    async with AsyncCodex(config) as codex:
        thread = await codex.thread_resume(remembered)
        print("resumed thread", thread.id)
        print((await thread.run("What is my favourite colour?")).final_response)

        stored = (await thread.read(include_turns=True)).thread
        print(f"{len(stored.turns)} turns, the first of them about: {stored.preview}")


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
