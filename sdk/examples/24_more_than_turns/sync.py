"""What is no turn: a review, a goal that the thread works towards by itself, and a command in the sandbox."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, Codex

OBJECTIVE = "Say 'first', and in a later turn 'second'. Then it is reached."
PROGRAM = [sys.executable, "-c", "print(input().upper())"]


def main(config: AppServerConfig) -> None:
    with Codex(config) as codex:
        thread = codex.thread_start(sandbox="read-only", approval_policy="never")
        review = thread.review("Is `average = sum / count` safe? One sentence.", timeout=120)
        print("review:", review.text)

        with thread.goal(
            "Say 'first', and in a later turn 'second'. Then it is reached.", token_budget=500_000
        ) as goal:
            for event in goal.stream():
                if event.method == "item/completed" and event.payload.item.type == "agentMessage":
                    print("goal:", event.payload.item.text)
            print("goal:", goal.wait(timeout=120).status)

        with codex.command(PROGRAM, stdin=True, timeout=30) as command:
            command.write("hello\n", is_last=True)
            for piece in command.stream():
                print(piece.text, end="", flush=True)
            print("command: exit code", command.exit_code)


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
