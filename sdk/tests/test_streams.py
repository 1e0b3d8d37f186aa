"""Whose event is it, whatever comes first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_app_server.protocol.connection import Connection
from codex_app_server.protocol.messages import Notification
from codex_app_server.protocol.streams import Stream, Streams, turn_of

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue


def delta(turn: str, text: str = "") -> Notification:
    return Notification("item/agentMessage/delta", {"turnId": turn, "delta": text})


def completed(turn: str) -> Notification:
    return Notification("turn/completed", {"threadId": "thread", "turn": {"id": turn}})


def line(message: dict[str, object]) -> bytes:
    return json.dumps(message).encode() + b"\n"


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
        streams.deliver(event)

    assert [event.method for event in one.take()] == ["item/agentMessage/delta"] * 2 + ["turn/completed"]
    assert (one.is_complete, two.is_complete, len(two.events)) == (True, False, 1)
    assert not one.take()


def test_events_may_come_before_the_answer_that_announces_their_turn() -> None:
    streams = Streams(10)
    streams.expect()

    early = streams.deliver(delta("one", "early"))
    stream = streams.announced({"turn": {"id": "one"}})

    assert stream is not None
    assert stream is early is streams.of("one")
    assert [event.params for event in stream.events] == [{"turnId": "one", "delta": "early"}]


def test_early_events_that_turn_out_to_be_nobodys_are_dropped() -> None:
    streams = Streams(10)
    streams.expect()
    streams.expect()
    streams.deliver(delta("strange"))
    streams.announced({"turn": {"id": "one"}})

    assert streams.announced(None) is None  # the second request failed

    assert streams.of("strange") is None
    assert streams.deliver(delta("strange")) is None


def test_an_event_of_no_turn_or_of_a_strange_one_has_no_stream() -> None:
    streams = Streams(10)

    assert streams.deliver(Notification("account/updated", {})) is None
    assert streams.deliver(delta("strange")) is None


def test_a_full_stream_fails_alone_and_keeps_what_it_had() -> None:
    streams = Streams(2)
    full, other = opened(streams, "full"), opened(streams, "other")

    for number in range(3):
        streams.deliver(delta("full", str(number)))
    streams.deliver(delta("other"))

    assert [event.params["delta"] for event in full.take()] == ["0", "1"]  # type: ignore[index,call-overload]
    streams.deliver(delta("full", "late"))
    assert full.has_overflowed
    assert not full.events  # nothing with a gap in it
    assert not other.has_overflowed


def test_a_closed_stream_takes_nothing_more() -> None:
    streams = Streams(10)
    stream = opened(streams, "one")

    streams.close(stream)

    assert streams.deliver(delta("one")) is None
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

    received = []
    while any(waiting):
        queue = data.draw(st.sampled_from([each for each in waiting if each]))
        connection.receive(queue.pop(0))
        if data.draw(st.booleans()):
            connection.receive(data.draw(st.sampled_from(noise)))
        received += connection.advance(data.draw(st.sampled_from([None, 1, 2]))).messages
    received += connection.advance().messages

    for number in range(turns):
        stream = connection.streams.of(f"t{number}")
        assert stream is not None
        assert stream.is_complete
        params = [event.params for event in stream.take()]
        assert params[:-1] == [{"turnId": f"t{number}", "n": n} for n in range(4)]
    assert connection.streams.of("x") is None
