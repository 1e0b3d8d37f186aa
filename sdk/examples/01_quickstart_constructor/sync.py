"""Start Codex, start a thread, and print the answer as it is written."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, Codex, TextInput


def main(config: AppServerConfig) -> None:
    # The constructor starts the runtime and greets it; `with` stops it. `Codex()` alone takes the settings you have.
    with Codex(config) as codex:
        thread = codex.thread_start()
        turn = thread.turn(TextInput("Say hello in one sentence."))
        for event in turn.stream():
            if event.method == "item/agentMessage/delta":
                print(event.payload.delta, end="", flush=True)
        print()

        # Without a need for the single events, one line does it all; the thread remembers what was said.
        print(thread.run("And goodbye.").final_response)


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
