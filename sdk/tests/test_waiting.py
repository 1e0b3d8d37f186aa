"""Waking many threads, one after another."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from codex_app_server.sync.waiting import Relay


def queues(count: int) -> list[SimpleQueue[None]]:
    return [SimpleQueue() for _ in range(count)]


def called(waiting: list[SimpleQueue[None]]) -> list[bool]:
    return [not queue.empty() for queue in waiting]


def test_each_is_called_when_the_one_before_it_has_left() -> None:
    relay = Relay()
    waiting = queues(3)
    for queue in waiting:
        relay.add(queue)
    assert called(waiting) == [True, False, False]

    relay.left(waiting[0])
    assert called(waiting) == [True, True, False]
    relay.left(waiting[1])
    relay.left(waiting[2])

    assert called(waiting) == [True, True, True]
    assert not relay.is_running


def test_who_leaves_before_it_is_called_is_left_out() -> None:
    relay = Relay()
    waiting = queues(3)
    for queue in waiting:
        relay.add(queue)

    relay.left(waiting[1])
    relay.left(waiting[0])

    assert called(waiting) == [True, False, True]


def test_who_was_never_added_may_leave() -> None:
    relay = Relay()
    (waiting,) = queues(1)

    relay.left(waiting)

    assert not relay.is_running
    relay.add(waiting)
    assert called([waiting]) == [True]


def test_all_of_many_threads_run() -> None:
    relay, lock, ran = Relay(), threading.Lock(), []
    waiting = queues(50)

    def run(number: int) -> None:
        waiting[number].get(timeout=10)
        with lock:
            relay.left(waiting[number])
            ran.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(waiting))]
    for thread in threads:
        thread.start()
    with lock:
        for queue in waiting:
            relay.add(queue)
    for thread in threads:
        thread.join(10)

    assert ran == list(range(50))
    assert not relay.is_running
