"""Whose event is it, whatever comes first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_app_server.protocol.connection import Connection
from codex_app_server.protocol.log import Bounds, Cursor, Log, Topic
from codex_app_server.protocol.messages import Notification, Response, parse
from codex_app_server.protocol.request import Request
from codex_app_server.protocol.streams import EVERYTHING, Streams, turn_of

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue

LIMITS = Bounds(10, 10_000)


def delta(turn: str, text: str = "") -> Notification:
    return Notification("item/agentMessage/delta", {"turnId": turn, "delta": text})


def completed(turn: str) -> Notification:
    return Notification("turn/completed", {"threadId": "thread", "turn": {"id": turn}})


def line(message: dict[str, object]) -> bytes:
    """As the runtime writes it."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def taken(stream: Cursor | None) -> list[Notification]:
    """All that a cursor has before it, parsed."""
    assert stream is not None
    found = [parse(entry) if isinstance(entry, bytes) else entry for entry in stream.take(10_000)]
    assert all(type(event) is Notification for event in found)
    return found  # type: ignore[return-value]  # just seen


def deliver(streams: Streams, *events: Notification) -> list[Log]:
    """Deliver events that come together; the logs that have more now."""
    touched: list[Log] = []
    streams.obey()
    for event in events:
        streams.deliver(event, line({"method": event.method, "params": event.params}), touched)
    for log in touched:
        log.publish()
    return touched


def opened(streams: Streams, turn: str) -> Cursor:
    stream, _ = streams.announced({"turn": {"id": turn}})
    assert stream is not None
    return stream


@pytest.mark.parametrize(
    ("params", "turn"),
    [
        ({"turnId": "a"}, "a"),
        ({"turn": {"id": "a"}}, "a"),
        ({"turnId": None, "turn": {"id": "a"}}, "a"),
        ({"turnId": 3}, None),
        ({"turn": "a"}, None),
        ({"turn": {}}, None),
        ({}, None),
        ([], None),
        ("turnId", None),
        (None, None),
    ],
)
def test_a_turn_is_named_in_one_of_two_ways(params: JsonValue, turn: str | None) -> None:
    assert turn_of(params) == turn


def test_events_go_to_their_own_turn_and_end_with_its_completion() -> None:
    streams = Streams(LIMITS)
    one, two = opened(streams, "one"), opened(streams, "two")

    for event in (delta("one"), delta("two"), delta("one"), completed("one")):
        deliver(streams, event)

    assert [event.method for event in taken(one)] == ["item/agentMessage/delta"] * 2 + ["turn/completed"]
    assert (one.log.is_complete, two.log.is_complete, len(taken(two))) == (True, False, 1)
    assert not taken(one)


def test_events_may_come_before_the_answer_that_announces_their_turn() -> None:
    streams = Streams(LIMITS)
    streams.announcing.add(1)

    deliver(streams, delta("one", "early"))
    streams.announcing.remove(1)
    stream, is_joined = streams.announced({"turn": {"id": "one"}})

    assert not is_joined
    assert [event.params for event in taken(stream)] == [{"turnId": "one", "delta": "early"}]


def test_early_events_that_turn_out_to_be_nobodys_are_dropped() -> None:
    streams = Streams(LIMITS)
    streams.announcing |= {1, 2}
    deliver(streams, delta("strange"))
    streams.announcing.remove(1)
    opened(streams, "one")
    streams.announcing.remove(2)

    assert streams.announced(None) == (None, False)  # the second request failed

    assert not taken(opened(streams, "strange"))


def test_early_events_that_are_nobodys_are_dropped_though_turns_begin_all_the_time() -> None:
    streams = Streams(LIMITS)
    streams.announcing.add(1)
    for number in range(2, 9):
        deliver(streams, delta(f"strange {number}"), delta(f"own {number}", "early"))
        streams.announcing.add(number)  # there is always one
        streams.announcing.remove(number - 1)
        assert [event.params for event in taken(opened(streams, f"own {number}"))] == [
            {"turnId": f"own {number}", "delta": "early"}
        ]
        assert not streams._unannounced


def test_who_joins_a_turn_gets_it_from_its_beginning() -> None:
    streams = Streams(LIMITS)
    first = opened(streams, "one")
    deliver(streams, delta("one", "a"))
    assert len(taken(first)) == 1

    second, is_joined = streams.announced({"turn": {"id": "one"}})
    deliver(streams, completed("one"))

    assert is_joined
    assert [event.method for event in taken(second)] == ["item/agentMessage/delta", "turn/completed"]
    assert [event.method for event in taken(first)] == ["turn/completed"]


def test_a_turn_whose_owner_is_gone_keeps_nothing() -> None:
    streams = Streams(LIMITS)
    stream: Cursor | None = opened(streams, "one")
    del stream

    deliver(streams, delta("one"))

    assert not streams._turns
    assert not taken(opened(streams, "one"))


@pytest.mark.parametrize(
    ("topic", "params"),
    [
        (Topic("turn", "a"), {"turnId": "a", "threadId": "t"}),
        (Topic("thread", "t"), {"turnId": "a", "threadId": "t"}),
        (Topic("thread", "t"), {"thread": {"id": "t"}}),
        (Topic("login", "l"), {"loginId": "l", "success": True}),
        (Topic("process", "p"), {"processHandle": "p"}),
        (Topic("process", "p"), {"processId": "p", "deltaBase64": ""}),
        (EVERYTHING, {"turnId": "a"}),
        (EVERYTHING, None),
    ],
)
def test_listeners_hear_what_is_about_their_topic(topic: Topic, params: JsonValue) -> None:
    streams = Streams(LIMITS)
    one, two, other = streams.listen(topic), streams.listen(topic), streams.listen(Topic("thread", "other"))

    assert deliver(streams, Notification("told", params)) == [one.log, two.log]

    assert [len(taken(stream)) for stream in (one, two, other)] == [1, 1, 0]


@pytest.mark.parametrize(
    ("topic", "params"),
    [
        (Topic("process", "p"), {"processId": "p", "itemId": "i", "threadId": "t"}),  # the runtime's own
        (Topic("thread", "t"), {"threadId": 1}),
        (Topic("thread", "t"), ["t"]),
    ],
)
def test_listeners_hear_nothing_else(topic: Topic, params: JsonValue) -> None:
    streams = Streams(LIMITS)
    stream = streams.listen(topic)

    deliver(streams, Notification("told", params))

    assert not taken(stream)


@pytest.mark.parametrize(
    ("topic", "last"),
    [
        (Topic("turn", "x"), Notification("turn/completed", {"turn": {"id": "x"}})),
        (Topic("thread", "x"), Notification("thread/closed", {"threadId": "x"})),
        (Topic("login", "x"), Notification("account/login/completed", {"loginId": "x"})),
        (Topic("process", "x"), Notification("process/exited", {"processHandle": "x"})),
    ],
)
def test_a_topic_ends_with_its_last_event(topic: Topic, last: Notification) -> None:
    streams = Streams(LIMITS)
    stream, everything = streams.listen(topic), streams.listen(EVERYTHING)

    deliver(streams, last)

    assert stream.log.is_complete
    assert taken(stream) == [last]
    assert not everything.log.is_complete


def test_a_listener_that_is_gone_is_forgotten() -> None:
    streams = Streams(LIMITS)
    held, dropped = streams.listen(EVERYTHING), streams.listen(Topic("thread", "t"))
    held.close()
    del dropped

    deliver(streams, Notification("told", {"threadId": "t"}))

    assert not taken(held)
    assert not streams._listening


def test_who_has_heard_all_there_is_is_forgotten_too() -> None:
    streams = Streams(LIMITS)
    listener = streams.listen(Topic("turn", "one"))

    deliver(streams, completed("one"), delta("one", "late"))
    streams.prune()

    assert [event.method for event in taken(listener)] == ["turn/completed"]
    assert not streams.are_overheard


def test_who_is_too_far_behind_is_cut_off_alone() -> None:
    streams = Streams(Bounds(2, 1_000))
    slow, other = opened(streams, "one"), opened(streams, "other")
    fast, _ = streams.announced({"turn": {"id": "one"}})

    for number in range(5):  # two may wait, the next to be read besides, and what came just now
        deliver(streams, delta("one", str(number)))
        assert len(taken(fast)) == 1
    deliver(streams, delta("other"))

    assert slow.has_overflowed
    assert not taken(slow)  # nothing with a gap in it
    assert not other.has_overflowed
    assert fast is not None
    assert not fast.has_overflowed


def test_what_waits_has_a_bound_in_bytes_too() -> None:
    streams = Streams(Bounds(1_000, 300))
    stream = opened(streams, "one")

    for _ in range(4):
        deliver(streams, delta("one", "x" * 200))

    assert stream.has_overflowed


def test_what_came_just_now_does_not_count_as_late() -> None:
    streams = Streams(Bounds(2, 1_000))
    stream = opened(streams, "one")

    deliver(streams, *[delta("one", str(number)) for number in range(5)])

    assert len(taken(stream)) == 5


def test_the_beginning_is_kept_as_long_as_it_is_small() -> None:
    streams = Streams(Bounds(1_000_000, 10 << 20))
    stream = opened(streams, "one")
    for _ in range(20):
        deliver(streams, delta("one", "x" * 50_000))
        assert not stream.log.cursor().is_late
        assert len(taken(stream)) == 1

    deliver(streams, delta("one", "x" * 50_000))

    assert stream.log.cursor().is_late
    assert not stream.is_late
    assert len(taken(stream)) == 1
    assert stream.log.unread == 0


def test_a_closed_cursor_takes_nothing_more() -> None:
    streams = Streams(LIMITS)
    stream = opened(streams, "one")

    stream.close()

    deliver(streams, delta("one"))
    assert not taken(stream)


@settings(deadline=None)
@given(data=st.data(), turns=st.integers(min_value=1, max_value=5))
def test_no_interleaving_loses_or_misroutes_an_event(data: st.DataObject, turns: int) -> None:
    """Answers and events of several turns in any order that keeps each turn's own; noise between them."""
    connection = Connection(Bounds(1_000, 1 << 20), 1 << 20)
    waiting, requests = [], []
    for number in range(turns):
        request = Request("turn/start", {}, announces_turn=True)
        connection.request(request)
        requests.append(request)
        events = [line({"method": "delta", "params": {"turnId": f"t{number}", "n": n}}) for n in range(4)]
        events.append(line({"method": "turn/completed", "params": {"turn": {"id": f"t{number}"}}}))
        waiting.append(events)
        waiting.append([line({"id": request.id, "result": {"turn": {"id": f"t{number}"}}})])
    noise = [b"garbage\n", b"\n", line({"method": "other"}), line({"method": "delta", "params": {"turnId": "x"}})]

    while any(waiting):
        queue = data.draw(st.sampled_from([each for each in waiting if each]))
        connection.receive(queue.pop(0))
        if data.draw(st.booleans()):
            connection.receive(data.draw(st.sampled_from(noise)))
        if data.draw(st.booleans()):
            connection.advance()
    connection.advance()

    for number, request in enumerate(requests):
        assert isinstance(request.answer, Response)
        stream = request.answer.cursor
        assert stream is not None
        assert stream.log.is_complete
        params = [event.params for event in taken(stream)]
        assert params[:-1] == [{"turnId": f"t{number}", "n": n} for n in range(4)]
