"""Reads streamed turns, and says what that took; the same program for both sides, which have the same words for it.

    python stream.py ORDER

ORDER is JSON: `side` (ours, peer, or bare: no client, but a loop over lines, as short as can be), `driver` (sync or
async), `server` (its command line), `turns` (how many at once), `deltas` (how many each), `repeat` (how often, one
after another), `websocket` (whether the server is reached so, by ours alone), `work_us` (how long to work on each
delta, in microseconds), `watched` (whether to wait for a line on stdin when warmed up, and before the end).

Prints one line of JSON at each of these points. The last has `cpu_s`, the processor time of this process alone, and
`events`, how many were read. What the deltas say is compared with what the server sends: exit code 1 if it differs.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import runpy
import subprocess
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

ORDER = json.loads(sys.argv[1])
SIDES = {"ours": ("codex_app_server", "AppServerConfig"), "peer": ("openai_codex", "CodexConfig")}
replay = runpy.run_path(str(Path(__file__).resolve().parent.parent / "replay.py"))
CYCLE: int = replay["CYCLE"]
words: Callable[[int, int], str] = replay["words"]

DELTA = "item/agentMessage/delta"
if ORDER["side"] in SIDES:
    PACKAGE, CONFIG = SIDES[ORDER["side"]]
    package = import_module(PACKAGE)
    Config = getattr(package, CONFIG)
    HELLO = package.TextInput("What is here?")


class Expected:
    """What a turn must say, compared while it is read; a little work, the same for both sides.

    Args:
        turn: its number.
    """

    def __init__(self, turn: int) -> None:
        self._words = itertools.cycle([words(turn, number) for number in range(CYCLE)])
        self.count = 0

    def check(self, text: str) -> None:
        """Take the next words."""
        if text != next(self._words):
            sys.exit(f"delta {self.count} says {text!r}")
        self.count += 1


def work(until: float) -> None:
    """Be busy, as a program is that does something with what it reads."""
    while time.perf_counter() < until:
        pass


def report(**figures: float) -> None:
    """Print them; wait until that was seen, if somebody looks."""
    print(json.dumps(figures), flush=True)
    if ORDER["watched"]:
        sys.stdin.readline()


def main() -> None:
    """Do what was ordered."""
    if ORDER["side"] == "bare":
        measure_bare()
        return
    if not ORDER["websocket"]:
        read_with(Config(launch_args_override=tuple(ORDER["server"])))
        return
    with subprocess.Popen([*ORDER["server"], "--websocket"], stdout=subprocess.PIPE, text=True) as server:
        url = cast("IO[str]", server.stdout).readline().strip()
        read_with(Config(url=url, token="any", reconnect_timeout_s=0))


def read_with(config: Any) -> None:
    """With a client."""
    if ORDER["driver"] == "sync":
        with package.Codex(config) as codex:
            measure(codex)
    else:
        asyncio.run(ameasure(config))


def measure_bare() -> None:
    """Without a client: a line, `json.loads`, and the text of it. What reads every event cannot do less."""
    with subprocess.Popen(ORDER["server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        output = cast("IO[bytes]", server.stdout)

        def ask(method: str, **params: str) -> None:
            stdin = cast("IO[bytes]", server.stdin)
            stdin.write(json.dumps({"id": 1, "method": method, "params": params}).encode() + b"\n")
            stdin.flush()

        def read_turn(expected: Expected) -> int:
            check = expected.check
            count = 0
            while True:
                event = json.loads(output.readline())
                if "id" in event:
                    continue
                count += 1
                if event["method"] == DELTA:
                    check(event["params"]["delta"])
                elif event["method"] == "turn/completed":
                    return count

        threads = []
        for _ in range(ORDER["repeat"] + 1):
            ask("thread/start")
            threads.append(json.loads(output.readline())["result"]["thread"]["id"])
        ask("turn/start", threadId=threads[0])
        read_turn(Expected(0))
        report()
        events = 0
        begun = time.process_time()
        for number, thread in enumerate(threads[1:], 1):
            ask("turn/start", threadId=thread)
            expected = Expected(number)
            events += read_turn(expected)
            complete([expected])
        report(cpu_s=time.process_time() - begun, events=events)


def measure(codex: Any) -> None:
    """With threads: one for each turn beyond the first."""
    read(codex.thread_start().turn(HELLO), Expected(0), 0)
    numbers = itertools.count(1)
    spent = 0.0
    events = 0
    report()
    for _ in range(ORDER["repeat"]):
        expected = [Expected(next(numbers)) for _ in range(ORDER["turns"])]
        threads = [codex.thread_start() for _ in expected]
        turns = [thread.turn(HELLO) for thread in threads[:-1]]
        begun = time.process_time()  # the server begins when it has heard of the last
        turns.append(threads[-1].turn(HELLO))
        if len(turns) == 1:
            counts = [read(turns[0], expected[0], ORDER["work_us"] / 1e6)]
        else:
            counts = read_all(turns, expected)
        spent += time.process_time() - begun
        events += sum(counts)
        complete(expected)
    report(cpu_s=spent, events=events)


def read(turn: Any, expected: Expected, seconds: float) -> int:
    """Read a turn to its end; how many events it had."""
    check = expected.check
    count = 0
    for event in turn.stream():
        count += 1
        if event.method == DELTA:
            check(event.payload.delta)
            if seconds:
                work(time.perf_counter() + seconds)
    return count


def read_all(turns: list[Any], expected: list[Expected]) -> list[int]:
    """Each in a thread of its own."""
    counts: list[int] = []

    def one(turn: Any, its: Expected) -> None:
        counts.append(read(turn, its, 0))

    readers = [threading.Thread(target=one, args=pair) for pair in zip(turns, expected, strict=True)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return counts


async def ameasure(config: Any) -> None:
    """With asyncio: a task for each turn."""
    async with package.AsyncCodex(config) as codex:
        thread = await codex.thread_start()
        await aread(await thread.turn(HELLO), Expected(0), 0)
        numbers = itertools.count(1)
        spent = 0.0
        events = 0
        report()
        for _ in range(ORDER["repeat"]):
            expected = [Expected(next(numbers)) for _ in range(ORDER["turns"])]
            threads = [await codex.thread_start() for _ in expected]
            turns = [await thread.turn(HELLO) for thread in threads[:-1]]
            begun = time.process_time()
            turns.append(await threads[-1].turn(HELLO))
            seconds = ORDER["work_us"] / 1e6
            readers = [aread(turn, its, seconds) for turn, its in zip(turns, expected, strict=True)]
            events += sum(await asyncio.gather(*readers))
            spent += time.process_time() - begun
            complete(expected)
        report(cpu_s=spent, events=events)


async def aread(turn: Any, expected: Expected, seconds: float) -> int:
    """Read a turn to its end; how many events it had."""
    check = expected.check
    count = 0
    async for event in turn.stream():
        count += 1
        if event.method == DELTA:
            check(event.payload.delta)
            if seconds:
                work(time.perf_counter() + seconds)
    return count


def complete(expected: list[Expected]) -> None:
    """Every turn must have had all its deltas."""
    for turn, its in enumerate(expected):
        if its.count != ORDER["deltas"]:
            sys.exit(f"turn {turn} of {len(expected)} had {its.count} deltas")


if __name__ == "__main__":
    main()
