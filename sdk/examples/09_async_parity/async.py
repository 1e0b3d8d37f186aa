"""Both clients are one: this is `sync.py`, with `await`, and nothing else is different."""

from __future__ import annotations

import asyncio
import inspect
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, AsyncCodex, AsyncThread, AsyncTurn, Codex, TextInput, Thread, Turn


async def main(config: AppServerConfig) -> None:
    async with AsyncCodex(config) as codex:
        thread = await codex.thread_start(sandbox="read-only")
        turn = await thread.turn(TextInput("Say hello."))
        async for event in turn.stream():
            if event.method == "item/agentMessage/delta":
                print(event.payload.delta, end="")
        print()
        print((await thread.run("Say goodbye.")).final_response)

    # The same methods with the same parameters: what you know of one, you know of the other.
    for plain, twin in ((Codex, AsyncCodex), (Thread, AsyncThread), (Turn, AsyncTurn)):
        print(f"{plain.__name__}:", *methods(plain))
        print("  the same" if methods(plain) == methods(twin) else "  not the same", "with asyncio")


def methods(kind: type) -> list[str]:
    """The public methods of a class."""
    return [name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")]


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
