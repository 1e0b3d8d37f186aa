"""Events that are told by how their line begins, and those that must not be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_app_server.events import Notification as Event
from codex_app_server.events import read_events
from codex_app_server.protocol.connection import Connection
from codex_app_server.protocol.heads import turn_at_head
from codex_app_server.protocol.log import Bounds, Topic
from codex_app_server.protocol.messages import Junk, Response, ServerRequest
from codex_app_server.protocol.request import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_app_server.protocol.log import Cursor, Entry

DELTAS = "item/agentMessage/delta"
DELTA = b'{"method":"item/agentMessage/delta","params":{"threadId":"t","turnId":"a","itemId":"i","delta":"%s"}}\n'


def conversation(*turns: str, overheard: bool = False) -> tuple[Connection, dict[str, Cursor]]:
    """A connection on which these turns run; and where they begin. If it is overheard, every line is parsed."""
    connection = Connection(Bounds(1_000, 1 << 20), 1 << 20, Event)
    streams = {}
    for turn in turns:
        request = Request("turn/start", {}, announces_turn=True)
        connection.request(request)
        connection.receive(json.dumps({"id": request.id, "result": {"turn": {"id": turn}}}).encode() + b"\n")
        connection.advance()
        assert isinstance(request.answer, Response)
        assert request.answer.cursor is not None
        streams[turn] = request.answer.cursor
    if overheard:
        streams[""] = connection.streams.listen(Topic("login", "nobody"))
    return connection, streams


def texts(events: Sequence[Event]) -> list[str]:
    """What deltas say."""
    return [event.payload.delta for event in events]


def entries(stream: Cursor) -> list[Entry]:
    """All that a stream has."""
    return stream.take(10_000)


def test_only_the_first_event_of_a_kind_is_parsed_before_somebody_takes_it() -> None:
    connection, streams = conversation("a")

    connection.receive(DELTA % b"one" + DELTA % b"two" + DELTA % b"three")
    connection.advance()

    assert [type(event) for event in entries(streams["a"].log.cursor())] == [Event, bytes, bytes]
    events, odd = read_events(entries(streams["a"]))
    assert texts(events) == ["one", "two", "three"]
    assert not odd


@pytest.mark.parametrize(
    "line",
    [
        b'{"method":"item/agentMessage/delta","params":{"threadId":"t","turnId":"a","itemId":"i"},"id":7}',
        b'{"method":"turn/completed","params":{"threadId":"t","turnId":"a"}}',
        b'{"method":"other","params":{"item":{"turnId":"a"},"turnId":"b"}}',
        b'{"method":"other","params":["turnId","a"]}',
        b'{"method":"other","turnId":"a","params":{}}',
        b'{"method":"other"}',
        b'{"method":"other","params":{"turnId":"a\\u0062"}}',
        b"{",
    ],
)
def test_what_a_head_does_not_tell_is_parsed_at_once(line: bytes) -> None:
    connection, streams = conversation("a", "b")
    connection.receive(DELTA % b"one" + 2 * (line + b"\n"))

    connection.advance()

    assert bytes not in {type(event) for stream in streams.values() for event in entries(stream)}


def test_text_that_looks_like_a_head_is_only_text() -> None:
    connection, streams = conversation("a", "b")
    connection.receive(2 * b'{"method":"other","params":{"delta":"\\"turnId\\":\\"a\\"","turnId":"b"}}\n')

    connection.advance()

    assert [type(event) for event in entries(streams["b"].log.cursor())] == [Event, bytes]
    assert not entries(streams["a"])


def test_a_question_that_begins_like_an_event_is_still_one() -> None:
    connection, _ = conversation("a")
    question = (DELTA % b"?").replace(b"}}", b'},"id":7}')

    connection.receive(DELTA % b"one" + question)

    assert [type(message) for message in connection.advance().questions] == [ServerRequest]


def test_a_line_that_only_begins_like_an_event_is_none() -> None:
    connection, streams = conversation("a")
    connection.receive(DELTA % b"one" + (DELTA % b"two")[:-4] + b"\n" + DELTA % b"three")
    connection.advance()

    events, odd = read_events(entries(streams["a"]))

    assert texts(events) == ["one", "three"]
    assert [type(line) for line in odd] == [Junk]


def test_no_more_heads_are_known_than_are_of_use() -> None:
    connection, streams = conversation("a")
    for number in range(1_000):
        connection.receive(b'{"method":"tick","params":{"number":%d,"turnId":"a"}}\n' % number)
        connection.advance()
    assert len(connection.streams._heads._logs) == 64

    del streams["a"]
    connection.streams.obey()

    assert not connection.streams._heads._logs
    assert not connection.streams._turns


def test_a_turn_that_is_watched_has_no_heads() -> None:
    connection, streams = conversation("a")
    connection.receive(2 * DELTA % (b"one", b"two"))
    connection.advance()

    connection.streams.watch(streams["a"].log)

    assert not connection.streams._heads._logs


@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":")])
def test_a_runtime_may_write_its_lines_as_it_likes(separators: tuple[str, str]) -> None:
    connection, streams = conversation("a")
    said = [{"params": {"delta": str(n), "itemId": "i", "turnId": "a"}, "method": DELTAS} for n in range(100)]

    connection.receive(b"".join(json.dumps(event, separators=separators).encode() + b"\n" for event in said))
    connection.advance()

    events, odd = read_events(entries(streams["a"]))
    assert texts(events) == [str(n) for n in range(100)]
    assert not odd


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b'{"method":"m","params":{"turnId":"a"', ("m", "a")),
        (b'{"method":"m","params":{"x":"y","turnId":"a"', ("m", "a")),
        (b'{"method":"m","params":{"x":["turnId":"a"', ("", None)),
        (b'{"method":"m","params":{"x":[1,"turnId":"a"', ("", None)),
        (b'{"method":"m","id":3,"params":{"turnId":"a"', ("", None)),
    ],
)
def test_a_head_is_what_it_says_when_it_is_closed(head: bytes, found: tuple[str, str | None]) -> None:
    assert turn_at_head(head) == found


NAMES = st.sampled_from(["a", "b", "c", '"turnId":"a', "é", "{", ""])
WORDS = st.recursive(
    NAMES | st.integers(0, 3) | st.none(),
    lambda values: (
        st.lists(values, max_size=2)
        | st.dictionaries(st.sampled_from(["turnId", "id", "turn", "params", "x"]), values, max_size=3)
    ),
    max_leaves=6,
)
LINES = st.fixed_dictionaries(
    {"method": st.sampled_from(["delta", "other", "turn/completed", 'a"b'])},
    optional={
        "params": st.fixed_dictionaries({}, optional={"x": WORDS, "turn": WORDS, "turnId": NAMES, "id": WORDS}) | WORDS,
        "id": st.integers(0, 3),
        "turnId": NAMES,
    },
).map(lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


@settings(deadline=None)
@given(lines=st.lists(LINES, max_size=20), step=st.sampled_from([1, 3, 20]))
def test_heads_change_nothing_about_whose_event_it_is(lines: list[bytes], step: int) -> None:
    def played(*, overheard: bool) -> tuple[list[object], dict[str, object]]:
        connection, streams = conversation("a", "b", overheard=overheard)
        others: list[object] = []
        for _ in range(2):  # the second time the heads are known
            for start in range(0, len(lines), step):
                connection.receive(b"".join(lines[start : start + step]))
                progress = connection.advance()
                others += [*progress.questions, *progress.junk]
        return others, {
            name: (read_events(entries(stream)), stream.log.is_complete) for name, stream in streams.items() if name
        }

    assert played(overheard=False) == played(overheard=True)
