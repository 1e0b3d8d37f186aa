"""Watch a turn, event by event, with asyncio."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, AsyncCodex, Event, TextInput


async def main(config: AppServerConfig) -> None:
    async with AsyncCodex(config) as codex:
        thread = await codex.thread_start(sandbox="read-only", approval_policy="never")
        turn = await thread.turn(TextInput("Run `echo hello`, then say what it printed."))
        # A turn has one consumer. The stream ends by itself, with `turn/completed` as its last event.
        async for event in turn.stream():
            print(f"{event.method:<34} {describe(event)}")


def describe(event: Event) -> str:
    """One line about an event; what this client has no model for is its raw params."""
    match event.method:
        case "item/agentMessage/delta" | "item/commandExecution/outputDelta":
            return repr(event.payload.delta)
        case "item/started" | "item/completed":
            return str(event.payload.item.type)
        case "thread/tokenUsage/updated":
            return f"{event.payload.token_usage.total.total_tokens} tokens so far"
        case "turn/started" | "turn/completed":
            return str(event.payload.turn.status)
        case _:
            return ""


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
