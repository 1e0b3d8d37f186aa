"""Find the thread that was worked with last, look at its turns, and try another way in a fork of it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, Codex


def main(config: AppServerConfig) -> None:
    with Codex(config) as codex:
        begun = codex.thread_start(sandbox="read-only", approval_policy="never")
        begun.run("Name a river.")
        begun.run("And the sea it flows into.")

        thread = codex.thread_last() or begun
        print(f"{thread.preview} [{thread.status}]")
        for turn in thread.turns():
            print(" ", *(item.text for item in turn.items if item.type == "agentMessage"))

        other = thread.fork()
        other.revert(before=next(other.turns(newest_first=True)))
        print(other.run("And a town on it.").final_response)
        print(len(list(thread.turns())), "and", len(list(other.turns())), "turns")

        other.delete()
        thread.archive()
        print("put away:", thread.id in [each.id for each in codex.threads(archived=True)])


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
