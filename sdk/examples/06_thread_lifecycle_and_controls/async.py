"""A thread from its start to the archive: name, list, read, fork, compact, archive, unarchive, with asyncio."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, AsyncCodex


async def main(config: AppServerConfig) -> None:
    async with AsyncCodex(config) as codex:
        thread = await codex.thread_start(sandbox="read-only")
        await thread.run("Say one.")
        await thread.set_name("counting")
        print("named:     ", (await thread.read()).thread.name)

        # A fork begins with all that was said, and goes its own way.
        fork = await codex.thread_fork(thread.id)
        await fork.run("Say two.")
        for which, each in (("thread", thread), ("fork", fork)):
            stored = (await each.read(include_turns=True)).thread
            print(f"{which + ':':<11} {len(stored.turns)} turns")

        # Compacting shortens what the model is told of the past. It is a turn of its own, so one listens for its end.
        async with codex.client.subscribe(thread_id=thread.id) as events:
            await thread.compact()
            async for event in events:
                if event.method == "turn/completed":
                    print("compacting:", event.payload.turn.status)
                    break

        # Lifecycle belongs to `AsyncCodex`: it starts, resumes, forks and archives. The archive is left out of lists.
        for act in (codex.thread_archive, codex.thread_unarchive):
            await act(thread.id)
            listed = thread.id in [each.id for each in (await codex.thread_list(limit=50)).data]
            print(f"{act.__name__}: it is {'listed' if listed else 'not listed'}")


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
