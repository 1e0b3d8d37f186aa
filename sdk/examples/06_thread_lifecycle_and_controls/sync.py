"""A thread from its start to the archive: name, list, read, fork, compact, archive, unarchive."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, Codex


def main(config: AppServerConfig) -> None:
    with Codex(config) as codex:
        thread = codex.thread_start(sandbox="read-only")
        thread.run("Say one.")
        thread.set_name("counting")
        print("named:     ", thread.read().thread.name)

        # A fork begins with all that was said, and goes its own way.
        fork = codex.thread_fork(thread.id)
        fork.run("Say two.")
        for which, each in (("thread", thread), ("fork", fork)):
            stored = each.read(include_turns=True).thread
            print(f"{which + ':':<11} {len(stored.turns)} turns")

        # Compacting shortens what the model is told of the past. It is a turn of its own, so one listens for its end.
        with codex.client.subscribe(thread_id=thread.id) as events:
            thread.compact()
            for event in events:
                if event.method == "turn/completed":
                    print("compacting:", event.payload.turn.status)
                    break

        # Lifecycle belongs to `Codex`: it starts, resumes, forks and archives. The archive is left out of lists.
        for act in (codex.thread_archive, codex.thread_unarchive):
            act(thread.id)
            listed = thread.id in [each.id for each in codex.thread_list(limit=50).data]
            print(f"{act.__name__}: it is {'listed' if listed else 'not listed'}")


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
