"""Meddle with a turn while it goes on: say more, or stop it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, Codex, TextInput


def main(config: AppServerConfig) -> None:
    with Codex(config) as codex:
        thread = codex.thread_start(sandbox="read-only")

        turn = thread.turn(TextInput("Count from 1 to 40, in words."))
        is_steered = False
        for event in turn.stream():
            if event.method == "item/agentMessage/delta":
                print(event.payload.delta, end="", flush=True)
                if not is_steered:
                    is_steered = True
                    turn.steer(TextInput("Stop counting, and say what you would have said next."))
            elif event.method == "turn/completed":
                print(f"\n[{event.payload.turn.status}]")

        turn = thread.turn(TextInput("Count from 1 to 40 again."))
        words = 0
        for event in turn.stream():  # to the end, which comes soon after the interruption
            if event.method == "item/agentMessage/delta":
                words += 1
                print(event.payload.delta, end="", flush=True)
                if words == 3:
                    turn.interrupt()
            elif event.method == "turn/completed":
                print(f"\n[{event.payload.turn.status}]")


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
