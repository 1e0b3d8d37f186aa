"""Waiting and being woken, whatever comes in between."""

from __future__ import annotations

import threading
import time

import pytest
from until import until

from codex_app_server.sync.waiting import Latch, Relay, Sleeper, _slept_in_slices, new_sleeper, sleep, wake


def sleepers(count: int) -> list[Sleeper]:
    return [new_sleeper() for _ in range(count)]


def woken(waiting: list[Sleeper]) -> list[bool]:
    return [not sleeper.locked() for sleeper in waiting]


def test_each_is_woken_when_the_one_before_it_passes_on() -> None:
    relay, waiting = Relay(), sleepers(3)
    relay.add(waiting)
    assert woken(waiting) == [False] * 3

    relay.pass_on()
    assert woken(waiting) == [True, False, False]
    relay.pass_on()
    relay.pass_on()
    relay.pass_on()

    assert woken(waiting) == [True, True, True]
    assert not relay.is_running


def test_all_of_many_threads_run() -> None:
    relay, ran, waiting = Relay(), [], sleepers(50)

    def run(number: int) -> None:
        assert sleep(waiting[number], 10)
        ran.append(number)
        relay.pass_on()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(waiting))]
    for thread in threads:
        thread.start()
    relay.add(waiting)
    relay.pass_on()
    for thread in threads:
        thread.join(10)

    assert ran == list(range(50))


@pytest.mark.parametrize("rest", [sleep, _slept_in_slices])
def test_who_is_woken_before_it_sleeps_does_not_sleep(rest: object) -> None:
    (sleeper,) = sleepers(1)
    wake(sleeper)

    assert rest(sleeper, 0)  # type: ignore[operator]  # both are functions


def test_sleep_has_an_end() -> None:
    began = time.monotonic()

    assert not sleep(new_sleeper(), 0.05)

    assert 0.05 <= time.monotonic() - began < 2


@pytest.mark.slow
def test_a_time_that_is_up_at_once_is_up() -> None:
    """What a `SimpleQueue` does not promise: it waits for ever where the time is up before it looks a second time."""

    def wait() -> None:
        latch = Latch()
        for number in range(50_000):
            assert not latch.wait((0, 1e-9, 1e-6)[number % 3])
            assert not latch._sleepers
        over.append(True)

    over: list[bool] = []
    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(60)
    assert over


def test_a_latch_lets_everybody_through_once_it_is_set() -> None:
    latch, passed = Latch(), []
    assert not latch.wait(0.01)

    threads = [threading.Thread(target=lambda: passed.append(latch.wait(10))) for _ in range(5)]
    for thread in threads:
        thread.start()
    until(lambda: len(latch._sleepers) >= 5)
    latch.set()
    for thread in threads:
        thread.join(10)

    assert passed == [True] * 5
    assert latch.wait(None)
