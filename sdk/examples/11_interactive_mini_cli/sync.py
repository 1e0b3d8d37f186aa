"""A conversation in the terminal: Ctrl-C stops a turn, an empty line or Ctrl-D ends it all."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, Codex, JsonRpcError, TextInput, Thread


def main(config: AppServerConfig) -> None:
    with Codex(config) as codex:
        thread = codex.thread_start(sandbox="read-only", approval_policy="never")
        print(f"Codex {codex.metadata.server_version}: ask away. An empty line ends.")
        while question := ask():
            answer(thread, question)


def ask() -> str:
    """What the person says; nothing at the end."""
    try:
        return input("> ").strip()
    except (EOFError, KeyboardInterrupt):
        print()
        return ""


def answer(thread: Thread, question: str) -> None:
    """Print what is said as it comes, and what is done."""
    turn = thread.turn(TextInput(question))
    try:
        for event in turn.stream():
            if event.method == "item/agentMessage/delta":
                print(event.payload.delta, end="", flush=True)
            elif event.method == "item/started" and event.payload.item.type == "commandExecution":
                print(f"$ {event.payload.item.command}")
            elif event.method == "error":
                print(f"[{event.payload.error.message}]")
    except KeyboardInterrupt:
        # The runtime does not see the Ctrl-C itself. The thread can be talked to again.
        with suppress(JsonRpcError):  # it may have ended already
            turn.interrupt()
        print(" [interrupted]", end="")
    print()


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
