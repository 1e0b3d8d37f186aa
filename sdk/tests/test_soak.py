"""Everything at once, for a while: afterwards every call has ended, and nothing is left."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import threading
import time
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from test_endings import TALKER

from codex_app_server import AppServerConfig, AppServerError, AsyncCodex, Codex, EventOverflowError, TextInput, Thread

if TYPE_CHECKING:
    from collections.abc import Callable

    Peer = Callable[..., AppServerConfig]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("leaves_nothing")]

SECONDS = float(os.environ.get("CODEX_SOAK_SECONDS", "20"))
"""How long each kind of client is at it."""


@pytest.fixture(autouse=True)
def eager_collector() -> Any:
    threshold = gc.get_threshold()
    gc.set_threshold(50)
    yield
    gc.set_threshold(*threshold)


class Holder:
    """A thing that refers to itself, so that only the collector finds it."""

    def __init__(self, held: object) -> None:
        self.held = held
        self.itself = self


def words(chance: random.Random, end: str | None = None) -> str:
    """What to ask of a turn: how many events, how long, and whether it goes on."""
    return f"{chance.randrange(1, 300)} {chance.randrange(200)} {end or chance.choice(['off', 'off', 'on'])}"


FORKING = threading.Lock()
"""Two threads that fork at once are refused by filelock, which other tests bring into this process."""


def give_up(codex: Codex, thread: Thread, chance: random.Random) -> None:
    thread.run(words(chance), timeout=chance.random() / 20)


def abandon(codex: Codex, thread: Thread, chance: random.Random) -> None:
    Holder(iter(thread.turn(TextInput(words(chance))).stream()))
    stream = iter(thread.turn(TextInput(words(chance, "off"))).stream())
    Holder((next(stream), stream))


def interrupt(codex: Codex, thread: Thread, chance: random.Random) -> None:
    turn = thread.turn(TextInput("5000 1000 on"))
    time.sleep(chance.random() / 20)
    turn.interrupt()
    turn.run(timeout=10)


def listen(codex: Codex, thread: Thread, chance: random.Random) -> None:
    with codex.client.subscribe(thread_id="t"):
        codex.client.request("anything", {})


def dawdle(codex: Codex, thread: Thread, chance: random.Random) -> None:
    for _ in thread.turn(TextInput("50 5 off")).stream():
        time.sleep(0.0005)


def fork(codex: Codex, thread: Thread, chance: random.Random) -> None:
    if os.name != "nt" and chance.randrange(10) == 0:
        with FORKING, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of any fork beside threads
            child = os.fork()
        if child == 0:
            codex.close()
            os._exit(0)
        os.waitpid(child, 0)


def test_threads_that_do_everything_at_once_all_end(peer: Peer) -> None:
    end = time.monotonic() + SECONDS
    ended: list[int] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        thread = codex.thread_start()
        while time.monotonic() < end:
            with suppress(TimeoutError, EventOverflowError):
                chance.choice([give_up, abandon, interrupt, listen, dawdle, fork])(codex, thread, chance)
        ended.append(seed)

    with Codex(peer(TALKER)) as codex:
        threads = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS + 30)
        assert len(ended) == len(threads)
        assert not codex._driver._connection.waiting
        assert not codex._driver._reader.sleepers
        assert codex.thread_start().run("2 1 off").text == "0x1x"


def test_tasks_that_do_everything_at_once_all_end(peer: Peer) -> None:
    async def work(codex: AsyncCodex, seed: int) -> None:
        chance = random.Random(seed)
        thread = await codex.thread_start()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            deed = chance.randrange(5)
            with suppress(TimeoutError, asyncio.TimeoutError, EventOverflowError):
                if deed == 0:
                    await thread.run(words(chance), timeout=chance.random() / 20)
                elif deed == 1:
                    await asyncio.wait_for(thread.run(words(chance)), chance.random() / 20)
                elif deed == 2:
                    Holder(await thread.turn(TextInput(words(chance))))
                elif deed == 3:
                    turn = await thread.turn(TextInput("2000 1000 on"))
                    await asyncio.sleep(chance.random() / 20)
                    await turn.interrupt()
                    await turn.run(timeout=10)
                else:
                    async for _ in (await thread.turn(TextInput("50 5 off"))).stream():
                        await asyncio.sleep(0)

    async def run() -> None:
        async with AsyncCodex(peer(TALKER)) as codex:
            await asyncio.wait_for(asyncio.gather(*(work(codex, seed) for seed in range(20))), SECONDS + 30)
            assert not codex._driver._connection.waiting
            assert not codex._driver._reader.sleepers
            assert (await (await codex.thread_start()).run("2 1 off")).text == "0x1x"

    asyncio.run(run())


def test_clients_that_are_closed_while_all_work_end_every_call(peer: Peer) -> None:
    ended = []

    def work(codex: Codex) -> None:
        with suppress(AppServerError):
            thread = codex.thread_start()
            while True:
                thread.run("50 50 off")
        ended.append(codex)

    for number in range(20):
        with Codex(peer(TALKER)) as codex:
            threads = [threading.Thread(target=work, args=(codex,), daemon=True) for _ in range(4)]
            for thread in threads:
                thread.start()
            time.sleep(0.005 * number)
        for thread in threads:
            thread.join(10)
    assert len(ended) == 80
