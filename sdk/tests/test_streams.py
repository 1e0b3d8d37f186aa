"""Whose event is it, whatever comes first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_app_server.protocol.connection import Connection
from codex_app_server.protocol.messages import Notification, Response
from codex_app_server.protocol.streams import EVERYTHING, Stream, Streams, Topic, read_events, turn_of

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue, Message


def delta(turn: str, text: str = "") -> Notification:
    return Notification("item/agentMessage/delta", {"turnId": turn, "delta": text})


def completed(turn: str) -> Notification:
    return Notification("turn/completed", {"threadId": "thread", "turn": {"id": turn}})


def line(message: dict[str, object]) -> bytes:
    """As the runtime writes it."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def taken(stream: Stream | None) -> list[Notification]:
    """All that a stream has, parsed."""
    assert stream is not None
    events, odd = read_events(stream.take())
    assert not odd
    return list(events)


def deliver(streams: Streams, event: Notification) -> list[Stream]:
    """Deliver an event; the streams that were wanted."""
    ready: list[Stream] = []
    streams.deliver(event, ready)
    return ready


def opened(streams: Streams, turn: str) -> Stream:
    streams.expect()
    stream = streams.announced({"turn": {"id": turn}})
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
    streams = Streams(10)
    one, two = opened(streams, "one"), opened(streams, "two")

    for event in (delta("one"), delta("two"), delta("one"), completed("one")):
        deliver(streams, event)

    assert [event.method for event in taken(one)] == ["item/agentMessage/delta"] * 2 + ["turn/completed"]
    assert (one.is_complete, two.is_complete, len(two.events)) == (True, False, 1)
    assert not one.take()


def test_events_may_come_before_the_answer_that_announces_their_turn() -> None:
    streams = Streams(10)
    streams.expect()

    deliver(streams, delta("one", "early"))
    stream = streams.announced({"turn": {"id": "one"}})

    assert stream is not None
    assert [event.params for event in taken(stream)] == [{"turnId": "one", "delta": "early"}]


def test_early_events_that_turn_out_to_be_nobodys_are_dropped() -> None:
    streams = Streams(10)
    streams.expect()
    streams.expect()
    deliver(streams, delta("strange"))
    streams.announced({"turn": {"id": "one"}})

    assert streams.announced(None) is None  # the second request failed

    streams.expect()
    strange = streams.announced({"turn": {"id": "strange"}})
    assert strange is not None
    assert not strange.events


def test_a_turn_whose_owner_is_gone_keeps_nothing() -> None:
    streams = Streams(10)
    stream: Stream | None = opened(streams, "one")
    del stream

    deliver(streams, delta("one"))

    assert not streams._turns
    assert not opened(streams, "one").events


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
    streams = Streams(10)
    one, two, other = streams.listen(topic), streams.listen(topic), streams.listen(Topic("thread", "other"))
    one.wanted = True

    assert deliver(streams, Notification("told", params)) == [one]

    assert [len(stream.events) for stream in (one, two, other)] == [1, 1, 0]
    assert not one.wanted


@pytest.mark.parametrize(
    ("topic", "params"),
    [
        (Topic("process", "p"), {"processId": "p", "itemId": "i", "threadId": "t"}),  # the runtime's own
        (Topic("thread", "t"), {"threadId": 1}),
        (Topic("thread", "t"), ["t"]),
    ],
)
def test_listeners_hear_nothing_else(topic: Topic, params: JsonValue) -> None:
    streams = Streams(10)
    stream = streams.listen(topic)

    deliver(streams, Notification("told", params))

    assert not stream.events


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
    streams = Streams(10)
    stream, everything = streams.listen(topic), streams.listen(EVERYTHING)

    deliver(streams, last)

    assert stream.is_complete
    assert list(stream.take()) == [last]
    assert not everything.is_complete


def test_a_listener_that_is_gone_is_forgotten() -> None:
    streams = Streams(10)
    held, dropped = streams.listen(EVERYTHING), streams.listen(Topic("thread", "t"))
    streams.close(held)
    del dropped

    deliver(streams, Notification("told"))

    assert not held.events
    assert held.is_complete
    assert not streams._listening


def test_a_full_stream_fails_alone_and_keeps_what_it_had() -> None:
    streams = Streams(2)
    full, other = opened(streams, "full"), opened(streams, "other")

    for number in range(3):
        deliver(streams, delta("full", str(number)))
    deliver(streams, delta("other"))

    assert [event.params["delta"] for event in taken(full)] == ["0", "1"]  # type: ignore[index,call-overload]
    deliver(streams, delta("full", "late"))
    assert full.has_overflowed
    assert not full.events  # nothing with a gap in it
    assert not other.has_overflowed


def test_a_closed_stream_takes_nothing_more() -> None:
    streams = Streams(10)
    stream = opened(streams, "one")

    streams.close(stream)

    deliver(streams, delta("one"))
    assert not stream.events


@settings(deadline=None)
@given(data=st.data(), turns=st.integers(min_value=1, max_value=5))
def test_no_interleaving_loses_or_misroutes_an_event(data: st.DataObject, turns: int) -> None:
    """Answers and events of several turns in any order that keeps each turn's own; noise between them."""
    connection = Connection(1_000)
    waiting = []
    for number in range(turns):
        request_id, _ = connection.request("turn/start", {}, announces_turn=True)
        events = [line({"method": "delta", "params": {"turnId": f"t{number}", "n": n}}) for n in range(4)]
        events.append(line({"method": "turn/completed", "params": {"turn": {"id": f"t{number}"}}}))
        waiting.append(events)
        waiting.append([line({"id": request_id, "result": {"turn": {"id": f"t{number}"}}})])
    noise = [b"garbage\n", b"\n", line({"method": "other"}), line({"method": "delta", "params": {"turnId": "x"}})]

    messages: list[Message] = []
    while any(waiting):
        queue = data.draw(st.sampled_from([each for each in waiting if each]))
        connection.receive(queue.pop(0))
        if data.draw(st.booleans()):
            connection.receive(data.draw(st.sampled_from(noise)))
        messages += connection.advance(data.draw(st.sampled_from([None, 1, 2]))).messages
    messages += connection.advance().messages

    streams = {message.result["turn"]["id"]: message.stream for message in messages if isinstance(message, Response)}  # type: ignore[index,call-overload]
    for number in range(turns):
        stream = streams[f"t{number}"]
        assert stream is not None
        assert stream.is_complete
        params = [event.params for event in taken(stream)]
        assert params[:-1] == [{"turnId": f"t{number}", "n": n} for n in range(4)]
