"""A turn as a block: its items and its words as they come; where the block is left, the turn is over, with asyncio."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, AsyncCodex, Prices


async def main(config: AppServerConfig) -> None:
    async with AsyncCodex(config) as codex:
        thread = await codex.thread_start(sandbox="read-only", approval_policy="never")
        async with thread.stream("Run `echo hello`, then count to seventeen.") as stream:
            async for item in stream.items():
                print(f"[{item.type}]")
                if item.type == "commandExecution":
                    break
            said = ""
            async for words in stream.text():
                said += words
                if "three" in said:
                    break
        print(said)  # the block was left: the turn is interrupted, and the thread can be used again
        async with thread.stream("Where were you?") as stream:
            print("".join([words async for words in stream.text()]))
        result = stream.result
        tokens = result.tokens.total_tokens if result.tokens else 0
        cost = result.cost(Prices(input=1.25, output=10.0)) or 0.0
        print(f"{tokens} tokens, which cost {cost:.6f}")


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
