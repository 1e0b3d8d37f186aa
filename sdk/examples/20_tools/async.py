"""Give the agent Python functions to call, with asyncio."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config
from pydantic import Field

from codex_app_server import AppServerConfig, AsyncCodex, ToolContext, ToolError, tool

STOCK = {"tea": 12, "coffee": 0}


@dataclass
class Order:
    """What was bought, and when."""

    what: str
    amount: int
    turn: str


def stock(what: str) -> int:
    """Say how much of something is there.

    Args:
        what: tea, for one; a single word.
    """
    if what not in STOCK:
        raise ToolError(f"There is no {what} here, only {' and '.join(STOCK)}.")
    return STOCK[what]


@tool(timeout=10, concurrency=1, on_turn_end="finish")
async def buy(context: ToolContext, what: str, amount: Annotated[int, Field(ge=1, le=10)] = 1) -> Order:
    """Buy something that is there."""
    await asyncio.sleep(0)  # as if the shop were far away
    STOCK[what] -= amount
    return Order(what, amount, context.turn_id)


async def main(config: AppServerConfig) -> None:
    # That a client brings tools of its own is experimental in the protocol.
    async with AsyncCodex(replace(config, experimental_api=True)) as codex:
        thread = await codex.thread_start(tools=[stock, buy])
        result = await thread.run(
            "Is there tea, coffee or milk? Buy two of what there is, with the tools you have.", timeout=300
        )
        for call in result.tool_calls():
            print(call.tool, call.arguments, "succeeded" if call.success else "failed")
        print(result.final_response)
        print("left:", STOCK)


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
