"""A conversation in the terminal, with asyncio: Ctrl-C stops a turn, an empty line or Ctrl-D ends it all."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, AsyncCodex, AsyncThread, AsyncTurn, JsonRpcError, TextInput


async def main(config: AppServerConfig) -> None:
    async with AsyncCodex(config) as codex:
        thread = await codex.thread_start(sandbox="read-only", approval_policy="never")
        print(f"Codex {codex.metadata.server_version}: ask away. An empty line ends.")
        while question := await ask():
            await answer(thread, question)


async def ask() -> str:
    """What the person says; nothing at the end. Reading waits in a thread, so the loop goes on meanwhile."""
    # At the prompt, Ctrl-C cannot reach that thread: it only says how to leave.
    on_ctrl_c(lambda: print("\n(an empty line ends) ", end="", flush=True))
    try:
        return (await asyncio.to_thread(input, "> ")).strip()
    except EOFError:
        print()
        return ""


async def answer(thread: AsyncThread, question: str) -> None:
    """Print what is said as it comes, and what is done."""
    turn = await thread.turn(TextInput(question))
    on_ctrl_c(lambda: asyncio.ensure_future(stop(turn)))
    async for event in turn.stream():
        if event.method == "item/agentMessage/delta":
            print(event.payload.delta, end="", flush=True)
        elif event.method == "item/started" and event.payload.item.type == "commandExecution":
            print(f"$ {event.payload.item.command}")
        elif event.method == "error":
            print(f"[{event.payload.error.message}]")
        elif event.method == "turn/completed" and event.payload.turn.status == "interrupted":
            print(" [interrupted]", end="")
    print()


async def stop(turn: AsyncTurn) -> None:
    """Interrupt a turn, whose stream then ends by itself."""
    with suppress(JsonRpcError):  # it may have ended already
        await turn.interrupt()


def on_ctrl_c(act: Callable[[], object]) -> None:
    """Have Ctrl-C do something in the event loop; `loop.add_signal_handler` would not work on Windows."""
    loop = asyncio.get_running_loop()
    signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(act))


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
