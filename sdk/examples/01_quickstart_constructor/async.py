"""Start Codex, start a thread, and print the answer as it is written, with asyncio."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, AsyncCodex, TextInput


async def main(config: AppServerConfig) -> None:
    # `async with` starts the runtime and greets it, and stops it in the end.
    async with AsyncCodex(config) as codex:
        thread = await codex.thread_start()
        turn = await thread.turn(TextInput("Say hello in one sentence."))
        async for event in turn.stream():
            if event.method == "item/agentMessage/delta":
                print(event.payload.delta, end="", flush=True)
        print()

        # Without a need for the single events, one line does it all; the thread remembers what was said.
        print((await thread.run("And goodbye.")).final_response)


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
