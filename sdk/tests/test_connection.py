from __future__ import annotations

import gc
import json
from itertools import pairwise
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_app_server.protocol.connection import Connection
from codex_app_server.protocol.log import Bounds, Topic
from codex_app_server.protocol.messages import ErrorResponse, Junk, Notification, Response
from codex_app_server.protocol.request import Request
from codex_app_server.protocol.stopping import Stops
from codex_app_server.protocol.streams import EVERYTHING

LIMITS = Bounds(100, 1 << 20)


class Conversation(Connection):
    """A connection with somebody who listens to everything."""

    def __init__(self) -> None:
        super().__init__(LIMITS, 1 << 20)
        self.heard = self.streams.listen(EVERYTHING)

    def ask(self, method: str, params: dict[str, object] | None = None, **more: bool) -> tuple[Request, bytes]:
        """Send a request."""
        request = Request(method, params, **more)  # type: ignore[arg-type]  # passed through
        data = self.request(request)
        request.is_sent = True
        return request, data


def conversation() -> Conversation:
    return Conversation()


def receive(connection: Conversation, data: bytes) -> list[object]:
    """What comes of it: answers, questions and junk first, then what was told."""
    connection.receive(data)
    return outcome(connection)


def end(connection: Conversation) -> list[object]:
    connection.end()
    return outcome(connection)


def outcome(connection: Conversation) -> list[object]:
    progress = connection.advance()
    answers = [request.answer for request in progress.answered]
    return [*answers, *progress.questions, *progress.junk, *connection.heard.take(100)]


def test_a_conversation() -> None:
    connection = conversation()

    assert connection.ask("one", {})[1] == b'{"id":1,"method":"one","params":{}}\n'
    assert connection.ask("two")[1] == b'{"id":2,"method":"two"}\n'
    assert receive(connection, b'{"id":2,"result":"b"}\n{"method":"tell"}\n{"id":1,') == [
        Response(2, "b"),
        Notification("tell", None),
    ]
    assert receive(connection, b'"error":{"code":5,"message":"no"}}\n') == [ErrorResponse(1, 5, "no", None)]


def test_there_is_one_answer_to_a_request() -> None:
    connection = conversation()
    connection.ask("one")
    receive(connection, b'{"id":1,"result":"a"}\n')

    (again,) = receive(connection, b'{"id":1,"result":"b"}\n')

    assert again == Junk(b'{"id":1,"result":"b"}', "it answers no open request")


@pytest.mark.parametrize("answer", [b'{"id":2,"result":0}', b'{"id":"1","result":0}', b'{"id":9,"error":{}}'])
def test_an_answer_that_nobody_waits_for_leaves_the_others_open(answer: bytes) -> None:
    connection = conversation()
    connection.ask("one")

    (stray,) = receive(connection, answer + b"\n")

    assert isinstance(stray, Junk)
    assert receive(connection, b'{"id":1,"result":0}\n') == [Response(1, 0)]


def test_the_answer_to_an_abandoned_request_is_dropped() -> None:
    connection = conversation()
    request, _ = connection.ask("one")
    assert connection.give_up(request) is None

    assert receive(connection, b'{"id":1,"result":0}\n') == []
    (again,) = receive(connection, b'{"id":1,"result":0}\n')
    assert isinstance(again, Junk)


FAILED = b'{"method":"error","params":{"error":{"message":"no"},"willRetry":%s,"threadId":"t","turnId":"a"}}\n'
ANNOUNCED = b'{"id":1,"result":{"turn":{"id":"a"}}}\n'


@pytest.mark.parametrize("parts", [(ANNOUNCED, FAILED % b"false"), (FAILED % b"false", ANNOUNCED)])
def test_a_turn_that_fails_before_it_begins_is_over(parts: tuple[bytes, bytes]) -> None:
    connection = conversation()
    request, _ = connection.ask("review/start", {"threadId": "t"}, announces_turn=True)

    heard = [each for part in parts for each in receive(connection, part)]

    failure, end = (each for each in heard if isinstance(each, Notification))
    assert (failure.method, end.method) == ("error", "turn/completed")
    turn = {"id": "a", "items": [], "itemsView": "notLoaded", "status": "failed", "error": {"message": "no"}}
    assert end.params == {"threadId": "t", "turn": turn}
    assert isinstance(answer := request.answer, Response)
    assert answer.cursor is not None
    assert answer.cursor.log.is_complete
    assert answer.cursor.take(9) == [failure, end]
    assert len(receive(connection, FAILED % b"false")) == 1  # it is over once


@pytest.mark.parametrize("before", [b"", b'{"method":"turn/started","params":{"turn":{"id":"a"}}}\n'])
def test_one_that_has_begun_or_is_tried_again_goes_on(before: bytes) -> None:
    connection = conversation()
    request, _ = connection.ask("turn/start", {"threadId": "t"}, announces_turn=True)
    receive(connection, ANNOUNCED + before + FAILED % (b"false" if before else b"true"))

    assert isinstance(answer := request.answer, Response)
    assert answer.cursor is not None
    assert not answer.cursor.log.is_complete


LEFT = b'{"id":2,"result":{"status":"unsubscribed"}}\n'


@pytest.mark.parametrize(
    ("begun", "over"),
    [
        ((ANNOUNCED, LEFT), True),
        ((LEFT, ANNOUNCED), True),
        ((b'{"id":1,"result":{"turn":{"id":"r"},"reviewThreadId":"a"}}\n', LEFT), True),
        ((b'{"id":1,"result":{"turn":{"id":"r"},"reviewThreadId":"b"}}\n', LEFT), False),
    ],
    ids=["before", "meanwhile", "a review", "a review apart"],
)
def test_a_turn_in_a_thread_that_was_left_is_over(begun: tuple[bytes, bytes], over: bool) -> None:
    """The runtime tells nothing more of it."""
    connection = conversation()
    turn, _ = connection.ask("turn/start", {"threadId": "a"}, announces_turn=True)
    connection.ask("thread/unsubscribe", {"threadId": "a"})

    for line in begun:
        receive(connection, line)

    assert isinstance(turn.answer, Response)
    assert turn.answer.cursor is not None
    assert turn.answer.cursor.log.is_complete == over


def test_who_joins_a_turn_again_once_its_thread_is_resumed_hears_the_rest() -> None:
    connection = conversation()
    first, _ = connection.ask("turn/start", {"threadId": "a"}, announces_turn=True)
    connection.ask("thread/unsubscribe", {"threadId": "a"})
    piece = b'{"method":"item/agentMessage/delta","params":{"threadId":"a","turnId":"%s","delta":"x"}}\n'
    turn_id = json.loads(ANNOUNCED)["result"]["turn"]["id"].encode()
    for line in (ANNOUNCED, piece % turn_id, LEFT):
        receive(connection, line)
    connection.ask("thread/resume", {"threadId": "a"})
    receive(connection, b'{"id":3,"result":{"thread":{"id":"a"}}}\n')

    again, _ = connection.ask("turn/start", {"threadId": "a"}, announces_turn=True)
    receive(connection, ANNOUNCED.replace(b'"id":1', b'"id":4') + piece % turn_id)

    assert isinstance(first.answer, Response)
    assert isinstance(again.answer, Response)
    assert first.answer.cursor is not None
    assert again.answer.cursor is not None
    assert first.answer.cursor.log.is_complete
    assert not again.answer.cursor.log.is_complete
    assert not again.answer.is_joined
    assert len(again.answer.cursor.take(9)) == 1


def test_a_turn_is_announced_before_it_is_over_to_telemetry_too() -> None:
    connection = conversation()
    told: list[str] = []
    connection.streams.telling = lambda event, _: told.append(event.method)
    connection.ask("turn/start", {"threadId": "a"}, announces_turn=True)
    connection.ask("thread/unsubscribe", {"threadId": "a"})
    tracing = Mock()
    tracing.on_response = lambda request: told.append(request.method)
    connection.tracing = tracing

    receive(connection, LEFT + ANNOUNCED)

    assert told == ["thread/unsubscribe", "turn/start", "turn/completed"]


def test_a_thread_is_left_whether_or_not_anybody_still_waits_to_hear_so() -> None:
    connection = conversation()
    turn, _ = connection.ask("turn/start", {"threadId": "a"}, announces_turn=True)
    leaving, _ = connection.ask("thread/unsubscribe", {"threadId": "a"})
    connection.give_up(leaving)

    receive(connection, ANNOUNCED + LEFT)

    assert isinstance(turn.answer, Response)
    assert turn.answer.cursor is not None
    assert turn.answer.cursor.log.is_complete


def test_a_turn_that_is_announced_to_nobody_is_interrupted() -> None:
    connection = conversation()
    request, _ = connection.ask("turn/start", {"threadId": "t"}, announces_turn=True)
    assert connection.give_up(request) is None

    connection.receive(b'{"id":1,"result":{"turn":{"id":"a"}}}\n')
    progress = connection.advance()

    assert progress.answered == []
    (interrupt,) = map(json.loads, progress.replies)
    assert interrupt == {"id": -1, "method": "turn/interrupt", "params": {"threadId": "t", "turnId": "a"}}
    assert receive(connection, b'{"id":-1,"result":{}}\n') == []


def test_an_answer_to_a_turn_that_nobody_wants_leaves_it_to_who_has_it() -> None:
    connection = conversation()
    first, _ = connection.ask("turn/start", {"threadId": "t"}, announces_turn=True)
    second, _ = connection.ask("turn/start", {"threadId": "t"}, announces_turn=True)
    connection.receive(b'{"id":1,"result":{"turn":{"id":"a"}}}\n{"id":2,"result":{"turn":{"id":"a"}}}\n')
    connection.advance()

    assert isinstance(first.answer, Response)
    assert connection.give_up(second) is None
    (interrupt,) = [connection.give_up(first)]
    assert interrupt is not None
    assert json.loads(interrupt)["method"] == "turn/interrupt"


def test_who_has_a_turn_is_at_it_from_the_answer_on() -> None:
    connection = conversation()
    request, _ = connection.ask("turn/start", {"threadId": "t"}, announces_turn=True)
    connection.receive(b'{"id":1,"result":{"turn":{"id":"a"}}}\n')
    connection.advance()

    assert isinstance(request.answer, Response)
    assert request.answer.cursor is not None
    assert connection.is_awaited(request.answer.cursor.log, "t")
    assert connection.give_up(request) is not None  # the interruption: nobody else is


EARLY = "no active turn to interrupt"


def refused(
    connection: Conversation, message: str = EARLY, *, is_told_which: bool = True
) -> tuple[Request, list[object]]:
    """A turn that is to be stopped, and what the refusal gives."""
    started, _ = connection.ask("turn/start", {"threadId": "t"}, announces_turn=True)
    connection.receive(b'{"id":1,"result":{"turn":{"id":"a"}}}\n')
    connection.advance()
    assert isinstance(started.answer, Response)
    assert started.answer.cursor is not None
    log = started.answer.cursor.log if is_told_which else None
    stopping = Request("turn/interrupt", {"threadId": "t", "turnId": "a"}, interrupts=log)
    connection.request(stopping)
    stopping.is_sent = True
    refusal = {"id": stopping.id, "error": {"code": -32600, "message": message}}
    return stopping, receive(connection, json.dumps(refusal).encode() + b"\n")


@pytest.mark.parametrize("is_told_which", [True, False], ids=["by the handle", "by its name"])
def test_an_interruption_that_comes_too_early_is_sent_again_with_the_next_event(is_told_which: bool) -> None:
    connection = conversation()
    stopping, given = refused(connection, is_told_which=is_told_which)
    assert given == []

    connection.receive(b'{"method":"turn/started","params":{"threadId":"t","turn":{"id":"a"}}}\n')
    (again,) = map(json.loads, connection.advance().replies)

    assert again == {"id": -2, "method": "turn/interrupt", "params": {"threadId": "t", "turnId": "a"}}
    connection.receive(b'{"id":-2,"result":{}}\n')
    assert connection.advance().answered == [stopping]
    assert not connection._stops.are_watched


def test_nothing_is_said_in_a_thread_while_a_turn_is_being_stopped_there() -> None:
    connection = conversation()
    refused(connection)

    held, data = connection.ask("turn/start", {"threadId": "t"}, announces_turn=True)
    given_up, _ = connection.ask("turn/start", {"threadId": "t"}, announces_turn=True)
    assert data == b""
    assert connection.ask("turn/start", {"threadId": "other"}, announces_turn=True)[1]
    assert connection.give_up(given_up) is None

    connection.receive(b'{"method":"turn/completed","params":{"threadId":"t","turn":{"id":"a"}}}\n')
    (said,) = map(json.loads, connection.advance().replies)
    assert (said["id"], said["method"]) == (held.id, "turn/start")
    assert not connection._stops._held
    assert not connection._stops._threads


def test_nothing_is_said_in_a_thread_while_a_turn_may_begin_there_that_nobody_wants() -> None:
    connection = conversation()
    first, _ = connection.ask("turn/start", {"threadId": "t"}, announces_turn=True)
    assert connection.give_up(first) is None
    held, data = connection.ask("turn/start", {"threadId": "t"}, announces_turn=True)
    assert data == b""

    connection.receive(b'{"id":1,"result":{"turn":{"id":"a"}}}\n')
    (interrupt,) = map(json.loads, connection.advance().replies)  # who waits does not wait for this turn
    assert interrupt["method"] == "turn/interrupt"

    connection.receive(json.dumps({"id": interrupt["id"], "result": {}}).encode() + b"\n")
    (said,) = map(json.loads, connection.advance().replies)
    assert said["id"] == held.id


def test_an_interruption_that_comes_too_late_is_refused() -> None:
    connection = conversation()
    stopping, _ = refused(connection)

    connection.receive(b'{"method":"turn/completed","params":{"threadId":"t","turn":{"id":"a"}}}\n')
    progress = connection.advance()

    assert progress.answered == [stopping]
    assert stopping.answer == ErrorResponse(-1, -32600, EARLY, None)
    assert not connection._stops.are_watched
    assert not connection.waiting


def test_any_other_refusal_of_an_interruption_is_one() -> None:
    connection = conversation()
    stopping, given = refused(connection, "thread not found")

    assert given == [stopping.answer]
    assert not connection._stops.are_watched


def test_the_answer_to_a_command_ends_what_is_told_of_its_process() -> None:
    connection = conversation()
    of_process = connection.streams.listen(Topic("process", "p"))
    connection.ask("command/exec", {"processId": "p", "command": ["ls"]})

    receive(connection, b'{"method":"command/exec/outputDelta","params":{"processId":"p","deltaBase64":""}}\n')
    receive(connection, b'{"id":1,"result":{"exitCode":0}}\n')

    assert of_process.log.is_complete
    assert len(of_process.take(10)) == 1


def test_a_request_that_json_cannot_say_is_not_open() -> None:
    connection = conversation()

    with pytest.raises(TypeError):
        connection.ask("one", {"value": object()})

    assert not connection.waiting


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


def test_an_answer_that_was_cut_off_by_the_end_leaves_its_request_open() -> None:
    connection = conversation()
    connection.ask("one")
    receive(connection, b'{"id":1,"result":{')

    (rest,) = end(connection)

    assert isinstance(rest, Junk)
    assert [request.method for request in connection.waiting] == ["one"]


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

    def received(chunks: list[bytes]) -> dict[type, list[object]]:
        """What there is of each kind, in its order."""
        connection = conversation()
        connection.ask("one")
        connection.ask("two")
        found: dict[type, list[object]] = {}
        for message in [message for chunk in chunks for message in receive(connection, chunk)] + end(connection):
            found.setdefault(type(message), []).append(message)
        return found

    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    pieces = [stream[start:stop] for start, stop in pairwise(edges)]

    assert received(pieces) == received([stream])


def test_what_is_given_up_twice_before_it_was_sent_holds_up_nobody() -> None:
    """As `run` does when it is interrupted: who sends a request gives it up, and so does who wanted its turn."""
    conversation = Conversation()
    params: dict[str, object] = {"threadId": "t"}
    first, _ = conversation.ask("turn/start", params, announces_turn=True)
    conversation.give_up(first)  # from here on its turn is to be stopped
    held, data = conversation.ask("turn/start", params, announces_turn=True)
    assert data == b""
    assert conversation.give_up(held) is conversation.give_up(held) is None
    error = {"id": first.id, "error": {"code": -32600, "message": "no"}}
    conversation.receive(json.dumps(error).encode() + b"\n")
    conversation.advance()
    _, data = conversation.ask("turn/start", params, announces_turn=True)
    assert b"turn/start" in data


def test_what_is_stopped_may_change_while_it_is_looked_through() -> None:
    """A collection may begin wherever something is made, and with it a finalizer, another thread and what they add."""
    stops = Stops()

    def stop(thread_id: str) -> Request:
        stops.begin(request := Request("turn/interrupt", {"threadId": thread_id}))
        return request

    kept = [stop(str(number % 2)) for number in range(200)]
    threshold = gc.get_threshold()
    collected = lambda phase, _: kept.append(stop("2"))  # noqa: E731 - for as long as this takes
    gc.callbacks.append(collected)
    gc.set_threshold(1)
    try:
        stops.end_all("0")
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(collected)
    stops.end_all("1")
    stops.end_all("2")
    assert stops.hold(Request("turn/start", {"threadId": "0"}), b"") is False
