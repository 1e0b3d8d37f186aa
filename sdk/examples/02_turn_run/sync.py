"""Run a turn to its end, and look at everything its result says."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, Codex, TextInput, TurnResult


def main(config: AppServerConfig) -> None:
    with Codex(config) as codex:
        thread = codex.thread_start(sandbox="read-only", approval_policy="never")
        turn = thread.turn(TextInput("Run `echo hello` and tell me what it printed."))
        # `Turn.run` reports a failure in the result; `Thread.run`, which takes a string too, raises it.
        show(turn.run(timeout=300))


def show(result: TurnResult) -> None:
    """All there is in a result; its models are made when they are first asked for."""
    print("thread id:     ", result.thread_id)
    print("turn id:       ", result.turn_id)
    print("status:        ", result.status)  # completed, interrupted or failed
    print("error:         ", result.error)  # what went wrong, if it failed
    print("text:          ", result.text)  # all that was streamed
    print("final response:", result.final_response)  # the last message, which is what one mostly wants
    for item in result.items:
        # The type of an item says which model it is, to type checkers too.
        if item.type == "commandExecution":
            print("item:          ", item.type, item.command, "exit code", item.exit_code)
        else:
            print("item:          ", item.type)
    if result.usage is not None:
        tokens = result.usage.token_usage.last
        print("usage:         ", tokens.input_tokens, "tokens in,", tokens.output_tokens, "out")


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
