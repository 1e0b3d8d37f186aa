from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_app_server.protocol.connection import Connection
from codex_app_server.protocol.messages import ErrorResponse, Junk, Notification, Response
from codex_app_server.protocol.streams import EVERYTHING, read_events

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import Message


class Conversation(Connection):
    """A connection with somebody who listens to everything."""

    def __init__(self) -> None:
        super().__init__(100)
        self.heard = self.streams.listen(EVERYTHING)


def conversation() -> Conversation:
    return Conversation()


def receive(connection: Conversation, data: bytes) -> list[Message]:
    """What comes of it: answers, questions and junk first, then what was told."""
    connection.receive(data)
    return [*connection.advance().messages, *read_events(connection.heard.take())[0]]


def end(connection: Conversation) -> list[Message]:
    connection.end()
    return [*connection.advance().messages, *read_events(connection.heard.take())[0]]


def test_a_conversation() -> None:
    connection = conversation()

    assert connection.request("one", {}) == (1, b'{"id":1,"method":"one","params":{}}\n')
    assert connection.request("two", None) == (2, b'{"id":2,"method":"two"}\n')
    assert receive(connection, b'{"id":2,"result":"b"}\n{"method":"tell"}\n{"id":1,') == [
        Response(2, "b"),
        Notification("tell", None),
    ]
    assert receive(connection, b'"error":{"code":5,"message":"no"}}\n') == [ErrorResponse(1, 5, "no", None)]


def test_there_is_one_answer_to_a_request() -> None:
    connection = conversation()
    connection.request("one", None)
    receive(connection, b'{"id":1,"result":"a"}\n')

    (again,) = receive(connection, b'{"id":1,"result":"b"}\n')

    assert again == Junk(b'{"id":1,"result":"b"}', "it answers no open request")


@pytest.mark.parametrize("answer", [b'{"id":2,"result":0}', b'{"id":"1","result":0}', b'{"id":9,"error":{}}'])
def test_an_answer_that_nobody_waits_for_leaves_the_others_open(answer: bytes) -> None:
    connection = conversation()
    connection.request("one", None)

    (stray,) = receive(connection, answer + b"\n")

    assert isinstance(stray, Junk)
    assert receive(connection, b'{"id":1,"result":0}\n') == [Response(1, 0)]


def test_the_answer_to_an_abandoned_request_is_dropped() -> None:
    connection = conversation()
    request_id, _ = connection.request("one", None)
    connection.abandon(request_id)

    assert receive(connection, b'{"id":1,"result":0}\n') == []
    (again,) = receive(connection, b'{"id":1,"result":0}\n')
    assert isinstance(again, Junk)


def test_a_turn_that_is_announced_to_nobody_is_interrupted() -> None:
    connection = conversation()
    request_id, _ = connection.request("turn/start", {"threadId": "t"}, announces_turn=True)
    connection.abandon(request_id)

    connection.receive(b'{"id":1,"result":{"turn":{"id":"a"}}}\n')
    progress = connection.advance()

    assert progress.messages == []
    (interrupt,) = map(json.loads, progress.replies)
    assert interrupt == {"id": 2, "method": "turn/interrupt", "params": {"threadId": "t", "turnId": "a"}}
    assert receive(connection, b'{"id":2,"result":{}}\n') == []


def test_a_request_that_json_cannot_say_is_not_open() -> None:
    connection = conversation()

    with pytest.raises(TypeError):
        connection.request("one", {"value": object()})

    assert connection.request("two", None)[0] == 1


def test_blank_lines_are_nothing() -> None:
    assert receive(conversation(), b'\n\r\n  \n{"method":"tell"}\n') == [Notification("tell", None)]


def test_the_last_line_may_lack_its_end() -> None:
    connection = conversation()

    assert receive(connection, b'{"method":"tell"}') == []
    assert end(connection) == [Notification("tell", None)]
    assert end(connection) == []


def test_a_message_that_was_cut_off_by_the_end_is_junk() -> None:
    connection = conversation()
    receive(connection, b'{"method":"te')

    (rest,) = end(connection)

    assert isinstance(rest, Junk)


@settings(deadline=None)
@given(
    messages=st.lists(
        st.sampled_from(
            [
                b'{"id":1,"result":{"text":"\xc3\xbc"}}',
                b'{"id":2,"error":{"code":1,"message":"no"}}',
                b'{"id":"q","method":"ask","params":{}}',
                b'{"method":"tell","params":{"a":"\\n"}}',
                b"garbage \xff",
                b"",
            ]
        ),
        max_size=8,
    ),
    cuts=st.lists(st.integers(min_value=0, max_value=400), max_size=12),
    ended=st.booleans(),
)
def test_any_split_of_the_stream_gives_the_same_messages(messages: list[bytes], cuts: list[int], ended: bool) -> None:
    stream = b"\n".join(messages) + (b"\n" if ended else b"")

    def received(chunks: list[bytes]) -> tuple[list[Message], list[Message]]:
        connection = conversation()
        connection.request("one", None)
        connection.request("two", None)
        messages = [message for chunk in chunks for message in receive(connection, chunk)] + end(connection)
        told: list[Message] = [message for message in messages if isinstance(message, Notification)]
        return told, [message for message in messages if not isinstance(message, Notification)]

    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    pieces = [stream[start:stop] for start, stop in pairwise(edges)]

    assert received(pieces) == received([stream])
