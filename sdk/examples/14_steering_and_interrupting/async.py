"""Meddle with a turn while it goes on: say more, or stop it, with asyncio."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, AsyncCodex, TextInput


async def main(config: AppServerConfig) -> None:
    async with AsyncCodex(config) as codex:
        thread = await codex.thread_start(sandbox="read-only")

        turn = await thread.turn(TextInput("Count from 1 to 40, in words."))
        is_steered = False
        async for event in turn.stream():
            if event.method == "item/agentMessage/delta":
                print(event.payload.delta, end="", flush=True)
                if not is_steered:
                    is_steered = True
                    await turn.steer(TextInput("Stop counting, and say what you would have said next."))
            elif event.method == "turn/completed":
                print(f"\n[{event.payload.turn.status}]")

        turn = await thread.turn(TextInput("Count from 1 to 40 again."))
        words = 0
        async for event in turn.stream():  # to the end, which comes soon after the interruption
            if event.method == "item/agentMessage/delta":
                words += 1
                print(event.payload.delta, end="", flush=True)
                if words == 3:
                    await turn.interrupt()
            elif event.method == "turn/completed":
                print(f"\n[{event.payload.turn.status}]")


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
