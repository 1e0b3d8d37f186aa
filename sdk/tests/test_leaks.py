"""A thousand times over: nothing is left, and nothing grows."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from until import until

from codex_app_server import AppServerConfig, AsyncCodex, Codex, preloading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Peer = Callable[..., AppServerConfig]

pytestmark = pytest.mark.slow

TIMES = 1_000
WARM_UP = 50
GROWTH = 16 << 20
"""Of memory, in bytes, that the allocator may be allowed: freed blocks lie in more and more places."""
BLOCKS = 20 * TIMES
"""How many blocks more Python's objects may take, for cancelled timers lie in their queue for a while. A client takes
about a hundred, so one that was left each time is seen."""


# Says hello and waits for the end: in a shell, for a thousand Pythons would take most of the time of these tests.
BRIEF = """
read -r request
number=${request#*'"id":'}
echo '{"id":'"${number%%[,\\}]*}"',"result":{"userAgent":"peer/1.2.3 (Test)"}}'
while read -r line; do :; done
"""

# A thread whose turns go on until they are interrupted.
ENDLESS = """
greet()
count = 0
while (request := read()) is not None:
    method = request["method"]
    if method == "thread/start":
        write({"id": request["id"], "result": {"thread": {"id": "t"}}})
    elif method == "turn/start":
        count += 1
        write({"id": request["id"], "result": {"turn": {"id": str(count)}}})
        write({"method": "item/agentMessage/delta", "params": {"threadId": "t", "turnId": str(count), "delta": "x"}})
    elif method == "turn/interrupt":
        turn = {"id": request["params"]["turnId"], "status": "interrupted"}
        write({"method": "turn/completed", "params": {"threadId": "t", "turn": turn}})
        write({"id": request["id"], "result": {}})
    else:
        write({"id": request["id"], "result": {"interrupted": count}})
"""


class Census:
    """What this process has, now and later."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        until(lambda: not preloading._loading)  # what the first client of a process loads stays
        gc.collect()
        self._children = len(self._process.children())
        self._threads = threading.active_count()
        self._descriptors = self._count_descriptors()
        self._memory = self._process.memory_info().rss
        self._blocks = sys.getallocatedblocks()

    def check(self) -> None:
        """Nothing more than at the beginning, and hardly more memory."""
        gc.collect()
        assert sys.getallocatedblocks() - self._blocks < BLOCKS
        assert len(self._process.children()) == self._children
        assert threading.active_count() == self._threads
        assert self._count_descriptors() == self._descriptors
        grown = self._process.memory_info().rss - self._memory
        assert grown < GROWTH, f"{grown / 1e6:.1f} MB more"

    def _count_descriptors(self) -> int:
        return 0 if sys.platform == "win32" else len(list(Path("/dev/fd").iterdir()))


@pytest.fixture
def brief(peer: Peer) -> AppServerConfig:
    """An app-server that starts in a moment."""
    if sys.platform == "win32":
        return peer("greet(); wait_for_end()")
    return AppServerConfig(launch_args_override=["sh", "-c", BRIEF])


def test_opening_and_closing_leaves_nothing(brief: AppServerConfig) -> None:
    def cycle() -> None:
        with Codex(brief):
            pass

    for _ in range(WARM_UP):
        cycle()
    census = Census()
    for _ in range(TIMES):
        cycle()
    census.check()


def test_opening_and_closing_leaves_nothing_with_asyncio(brief: AppServerConfig) -> None:
    async def run() -> None:
        async def cycle() -> None:
            async with AsyncCodex(brief):
                pass

        for _ in range(WARM_UP):
            await cycle()
        census = Census()
        for _ in range(TIMES):
            await cycle()
        census.check()

    asyncio.run(run())


def test_the_real_runtime_leaves_nothing(codex_binary: Path, home: dict[str, str]) -> None:
    config = AppServerConfig(codex_bin=codex_binary, env=home)

    def cycle() -> None:
        with Codex(config) as codex:
            codex.client.request("account/read", {})

    for _ in range(5):
        cycle()
    census = Census()
    for _ in range(20):
        cycle()
    census.check()


def test_cancelled_turns_leave_nothing(peer: Peer) -> None:
    async def run() -> None:
        async with AsyncCodex(peer(ENDLESS)) as codex:
            thread = await codex.thread_start()

            async def cycle(number: int) -> None:
                task = asyncio.create_task(thread.run("go"))
                # Before anything is sent, before the answer, or in the midst of the turn.
                await asyncio.sleep([0, 0.0005, 0.003][number % 3])
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

            for number in range(WARM_UP):
                await cycle(number)
            census = Census()
            for number in range(TIMES):
                await cycle(number)
            for _ in range(2):  # the answer to a late interruption may come behind that to the first
                await codex.client.request("done", {})
            census.check()
            connection = codex._driver._connection
            assert not connection._open
            connection.streams.obey()
            assert not connection.streams._turns
            assert not connection.streams._unannounced

    asyncio.run(run())


def test_turns_that_took_too_long_leave_nothing(peer: Peer) -> None:
    with Codex(peer(ENDLESS)) as codex:
        thread = codex.thread_start()

        def cycle() -> None:
            with pytest.raises(TimeoutError):
                thread.run("go", timeout=0.002)

        for _ in range(WARM_UP):
            cycle()
        census = Census()
        for _ in range(TIMES):
            cycle()
        codex.client.request("done", {})
        census.check()
        connection = codex._driver._connection
        assert not connection._open
        connection.streams.obey()
        assert not connection.streams._turns


@pytest.fixture
def left_by_another() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process


@pytest.mark.usefixtures("left_by_another", "leaves_nothing")
def test_what_another_test_has_left_may_end_meanwhile(left_by_another: subprocess.Popen[bytes]) -> None:
    left_by_another.communicate(b"\n")
    assert left_by_another.returncode == 0
