"""How long the runtime waits for an approval while 20 000 deltas of another turn lie unread.

    python approval.py ORDER

ORDER is JSON: `driver` (sync or async), `server` (its command line, of a replay of two turns with a question), `deltas`
(how many the other turn has), `is_read` (whether the turn that the question is about is being read meanwhile; if not,
nobody reads anything).

Prints one line of JSON: `seconds`, as the server saw them; or `PATIENCE_S`, if the question did not even arrive before
somebody read.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from typing import Any

from codex_app_server import AppServerConfig, AsyncCodex, Codex, Handlers, TextInput

ORDER = json.loads(sys.argv[1])
DELTA = "item/agentMessage/delta"
HELLO = TextInput("What is here?")
PATIENCE_S = 10.0


def main() -> None:
    """Do what was ordered."""
    asked = threading.Event()

    def approve(_question: Any) -> Any:
        asked.set()
        return "accept"

    config = AppServerConfig(launch_args_override=ORDER["server"], handlers=Handlers(command_approval=approve))
    measured = answered(config, asked) if ORDER["driver"] == "sync" else asyncio.run(answered_in_a_loop(config, asked))
    unread, waited = measured
    if len(unread) != ORDER["deltas"]:
        sys.exit(f"{len(unread)} deltas of the other turn are there")
    print(json.dumps({"seconds": float(waited[0])}))


def answered(config: AppServerConfig, asked: threading.Event) -> tuple[list[str], list[str]]:
    """With threads: the texts of both turns."""
    with Codex(config) as codex:
        _texts(codex.thread_start().turn(HELLO).stream())
        unread, concerned = [codex.thread_start().turn(HELLO) for _ in range(2)]
        is_prompt = ORDER["is_read"] or asked.wait(PATIENCE_S)
        waited = _texts(concerned.stream())
        return _texts(unread.stream()), waited if is_prompt else [str(PATIENCE_S)]


async def answered_in_a_loop(config: AppServerConfig, asked: threading.Event) -> tuple[list[str], list[str]]:
    """With asyncio: the same."""
    async with AsyncCodex(config) as codex:
        thread = await codex.thread_start()
        await _atexts((await thread.turn(HELLO)).stream())
        unread, concerned = [await (await codex.thread_start()).turn(HELLO) for _ in range(2)]
        is_prompt = ORDER["is_read"] or await asyncio.to_thread(asked.wait, PATIENCE_S)
        waited = await _atexts(concerned.stream())
        return await _atexts(unread.stream()), waited if is_prompt else [str(PATIENCE_S)]


def _texts(stream: Any) -> list[str]:
    return [event.payload.delta for event in stream if event.method == DELTA]


async def _atexts(stream: Any) -> list[str]:
    return [event.payload.delta async for event in stream if event.method == DELTA]


if __name__ == "__main__":
    main()
