"""A conversation over several connections, without any: a server that is a few lines of Python, and breaks anywhere."""

from __future__ import annotations

import json
from collections import Counter, deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_server import PIECE, Server, check, scripted

from codex_app_server.protocol.messages import LOST
from codex_app_server.protocol.rejoining.known import Known
from codex_app_server.protocol.rejoining.questions import Questions
from codex_app_server.protocol.rejoining.session import Session


class Client:
    """What stands above a session. It answers a question with the command that it is about."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.session = Session()
        self.events: list[dict[str, Any]] = []
        self.asked: deque[tuple[object, str]] = deque()
        self.times_asked: Counter[str] = Counter()
        self.answers: dict[int, dict[str, Any]] = {}
        self.calls = 0
        self.is_down = False

    def send(self, message: dict[str, Any]) -> None:
        self.post(self.session.outgoing([json.dumps(message, separators=(",", ":")).encode()]))

    def post(self, lines: list[bytes]) -> None:
        assert not (self.is_down and lines)
        self.server.to_server.extend(lines)

    def call(self, method: str, **params: Any) -> int:
        self.calls += 1
        self.send({"id": self.calls, "method": method, "params": params})
        return self.calls

    def take(self, count: int = 1) -> None:
        """Read some of what the server said."""
        messages = [self.server.to_client.popleft() for _ in range(min(count, len(self.server.to_client)))]
        step = self.session.incoming(messages)
        self.post(step.send)
        self.heard(step.deliver)

    def heard(self, lines: list[bytes]) -> None:
        for line in lines:
            message = json.loads(line)
            if "method" not in message:
                assert message["id"] not in self.answers
                self.answers[message["id"]] = message
            elif "id" in message:
                self.times_asked[message["params"]["command"]] += 1
                self.asked.append((message["id"], message["params"]["command"]))
            else:
                self.events.append(message)

    def answer(self) -> None:
        """Answer the oldest question, however long ago it was asked."""
        if self.asked:
            own_id, command = self.asked.popleft()
            self.send({"id": own_id, "result": {"decision": command}})

    def breaks(self) -> None:
        if not self.is_down:
            self.server.hang_up()
            self.is_down = True
            self.heard(self.session.lost())

    def reconnects(self) -> None:
        if self.is_down:
            self.is_down = False
            self.post(self.session.reopened())

    def settle(self) -> None:
        """Let all that is under way come to its end."""
        self.reconnects()
        for _ in range(2_000):
            self.server.take()
            self.take(3)
            self.answer()
            self.server.step()
            if self.session.is_settled and not (
                self.server.to_client or self.server.to_server or self.asked or self.server.running
            ):
                return
        raise AssertionError("it does not settle")


WORDS = st.lists(st.sampled_from(["a", "bc", 'quote" ', "ü\n", "{}"]), max_size=5)
SHAPES = st.lists(st.tuples(st.sampled_from([*PIECE, "question"]), WORDS), max_size=5)
ACTS = st.sampled_from(["step", "step", "serve", "serve", "take", "take", "answer", "break", "restart", "reconnect"])


def begun(scripts: list[list[tuple[str, Any]]], threads: int = 1) -> tuple[Server, Client]:
    """A client that is greeted, with some threads."""
    server = Server(scripts)
    client = Client(server)
    client.call("initialize")
    server.take()
    client.take()
    for _ in range(threads):
        client.call("thread/start")
        server.take()
        client.take()
    assert client.session.is_greeted
    return server, client


def act(server: Server, client: Client, name: str) -> None:
    if name == "step":
        server.step()
    elif name == "serve":
        server.take()
    elif name == "take" and not client.is_down:
        client.take()
    elif name == "answer":
        client.answer()
    elif name == "break":
        client.breaks()
    elif name == "restart":
        client.breaks()
        server.restart()
    elif name == "reconnect":
        client.reconnects()


@settings(deadline=None, max_examples=150)
@given(shapes=st.lists(SHAPES, min_size=2, max_size=2), acts=st.lists(ACTS, max_size=80))
def test_wherever_it_breaks_nothing_is_missing_and_nothing_comes_twice(
    shapes: list[list[tuple[str, list[str]]]], acts: list[str]
) -> None:
    server, client = begun([scripted(shape, f"s{n}") for n, shape in enumerate(shapes)], threads=2)
    calls = {
        client.call("turn/start", threadId="t0", input="first"): "first",
        client.call("turn/start", threadId="t1", input="second"): "second",
        client.call("thread/name/set", threadId="t0", name="name"): "name",
    }
    reads = [client.call("model/list")]
    for number, name in enumerate(acts):
        act(server, client, name)
        if number == len(acts) // 2:
            calls[client.call("thread/name/set", threadId="t1", name="other")] = "other"
            reads.append(client.call("model/list"))
    client.settle()

    for call_id, what in calls.items():
        answer = client.answers[call_id]
        assert server.done[what] <= 1  # nothing was done twice
        if "result" in answer:
            assert server.done[what] == 1
        else:
            assert answer["error"]["code"] == LOST or "thread not found" in answer["error"]["message"]
    assert all("result" in client.answers[call_id] for call_id in reads)
    for thread in server.threads.values():
        for turn in thread["turns"]:
            check(client.events, turn)
    assert all(count == 1 for count in client.times_asked.values())
    assert all(command == decision for command, decision in server.answers)  # each got its own answer
    assert len(server.answers) == len(set(server.answers))
    assert not client.session._known._pieces  # nothing is kept of what is over
    assert not any(thread.turns for thread in client.session._known.threads.values())


@pytest.mark.parametrize("taken", range(14))
def test_a_break_after_each_message_of_a_turn(taken: int) -> None:
    shape = [("agentMessage", ["one ", "two ", "three "]), ("commandExecution", ["out", "put"]), ("question", [])]
    server, client = begun([scripted(shape, "s")])
    client.call("turn/start", threadId="t0", input="go")
    server.take()
    for _ in range(14):
        server.step()
    client.take(taken)
    client.breaks()
    client.settle()

    (turn,) = server.threads["t0"]["turns"]
    assert turn["status"] == "completed"
    check(client.events, turn)


def test_a_break_after_very_many_pieces_is_one_like_any_other() -> None:
    pieces = [f"{number} " for number in range(1_500)]
    server, client = begun([scripted([("agentMessage", pieces)], "s")])
    client.call("turn/start", threadId="t0", input="go")
    server.take()
    for _ in range(1_400):
        server.step()
    client.take(1_300)
    client.breaks()
    client.settle()

    check(client.events, server.threads["t0"]["turns"][0])


def test_what_lives_no_longer_than_a_connection_ends_with_it() -> None:
    server, client = begun([])
    for call_id, method, result, params in [
        (10, "process/spawn", {}, {"processHandle": "one"}),
        (11, "process/spawn", {}, {"processHandle": "two"}),
        (12, "account/login/start", {"type": "chatgpt", "loginId": "login"}, {"type": "chatgpt"}),
    ]:
        client.send({"id": call_id, "method": method, "params": params})
        server.put({"id": call_id, "result": result})
        client.take()
    server.put({"method": "process/exited", "params": {"processHandle": "two", "exitCode": 0}})
    client.take()
    client.events.clear()
    client.breaks()

    told = {event["method"]: event["params"] for event in client.events}
    assert len(client.events) == 2
    assert told["process/exited"]["processHandle"] == "one"
    assert (told["account/login/completed"]["loginId"], told["account/login/completed"]["success"]) == ("login", False)
    client.reconnects()
    client.breaks()
    assert len(client.events) == 2


def test_however_many_threads_cannot_be_joined_again_the_others_are() -> None:
    server, client = begun([[("text", ["a"])]], threads=1)
    for number in range(2_000):
        client.send({"id": 10 + number, "method": "thread/start", "params": {}})
        server.put({"id": 10 + number, "result": {"thread": {"id": f"gone-{number}", "ephemeral": True, "turns": []}}})
        client.take()
        server.to_server.clear()
    client.breaks()
    client.settle()
    assert not client.session._joins


def test_a_server_that_refuses_the_handshake_is_not_asked_again() -> None:
    server, client = begun([])
    client.breaks()
    client.reconnects()
    server.to_server.clear()
    server.put({"id": 1, "error": {"code": -32600, "message": "too old"}})
    client.take()

    assert client.session.refusal == "too old"


def test_a_question_that_another_client_answered_is_settled_under_the_name_that_it_has_here() -> None:
    server, client = begun([scripted([("question", [])], "first"), scripted([("question", [])], "second")])
    client.call("turn/start", threadId="t0", input="go")
    for _ in range(3):
        server.take()
        server.step()
        client.take(9)
    client.breaks()
    server.restart()
    client.settle()
    client.call("turn/start", threadId="t0", input="again")
    server.take()
    server.step()
    client.take(9)

    own_id, command = client.asked[-1]
    assert own_id != 0
    server.answered({"id": 0, "result": {"decision": command}})
    client.take(9)
    assert client.events[-1] == {"method": "serverRequest/resolved", "params": {"threadId": "t0", "requestId": own_id}}
    client.answer()
    assert not server.to_server  # it would be one too many


@pytest.mark.parametrize("is_answered", [False, True])
@pytest.mark.parametrize("breaks", [False, True])
def test_a_question_that_a_program_s_own_resume_brings_again_is_the_same(breaks: bool, is_answered: bool) -> None:
    server, client = begun([scripted([("question", [])], "s")])
    client.call("turn/start", threadId="t0", input="go")
    server.take()
    server.step()
    if breaks:
        client.breaks()
    client.reconnects()
    for _ in range(5):
        server.take()
        client.take(9)
    if is_answered:
        client.answer()
    client.call("thread/resume", threadId="t0")
    server.to_server.rotate(1)  # the server reads it before the answer
    client.settle()

    assert client.times_asked == {"s-0": 1}
    assert server.answers == [("s-0", "s-0")]


def test_of_turns_that_no_server_ended_few_are_kept() -> None:
    known = Known()
    for number in range(5_000):
        known.made_up(known.thread("t"), f"turn-{number}")
    assert len(known._closed) <= 1_000


@pytest.mark.parametrize("is_over", [True, False])
def test_a_turn_of_a_thread_that_cannot_be_read_ends_all_the_same(is_over: bool) -> None:
    server, client = begun([scripted([("agentMessage", ["a"])], "s")])
    client.call("turn/start", threadId="t0", input="go")
    server.take()
    client.take(2)
    server.thread_read = lambda *_, **__: {"error": {"code": -32603, "message": "no"}}  # type: ignore[method-assign]  # that is the test
    client.breaks()
    while is_over and server.running:
        server.step()
    client.settle()
    assert client.events[-1]["method"] == "turn/completed"
    assert client.events[-1]["params"]["turn"]["status"] == ("failed" if is_over else "completed")
    assert not client.session._known.thread("t0").turns


ODD = [
    None,
    1,
    "x",
    [],
    [1, {}],
    {},
    {"id": None},
    {"id": 1},
    {"id": "x", "items": 1, "turns": [None, {"id": "y", "items": [{}]}]},
]


@settings(deadline=None)
@given(
    method=st.sampled_from(
        ["turn/started", "turn/completed", "item/started", "item/completed", "serverRequest/resolved"]
    ),
    value=st.sampled_from(ODD),
    name=st.sampled_from(["turn", "item", "thread", "turnId", "threadId", "requestId", "params"]),
)
def test_what_makes_no_sense_is_handed_on_as_it_is(method: str, value: object, name: str) -> None:
    params: dict[str, object] = {"threadId": "t0", "turnId": "turn", name: value}
    server, client = begun([])
    client.events.clear()
    message = {"method": method, "params": value if name == "params" else params}
    server.put(message)
    client.take()
    assert client.events == [message]


@pytest.mark.parametrize("told", ODD)
def test_a_thread_that_reads_oddly_is_joined_all_the_same(told: Any) -> None:
    server, client = begun([scripted([("agentMessage", ["a"])], "s")])
    client.call("turn/start", threadId="t0", input="go")
    server.take()
    client.take(2)
    server.thread_read = lambda _, **__: {"result": {"thread": told}}  # type: ignore[method-assign]  # that is the test
    client.breaks()
    client.settle()
    assert client.session.is_settled
    assert client.events[-1]["method"] == "turn/completed"


@pytest.mark.parametrize("odd", [["x"], {"x": 1}, None, 5])
def test_what_is_of_an_odd_type_ends_nothing(odd: Any) -> None:
    """Who reads must not fail: that is the end of the client."""
    server, client = begun([[]])
    client.call("turn/start", threadId="t0", input="go")
    server.take()
    client.take(2)
    about = {"threadId": "t0", "turnId": "t0-0", "itemId": "i"}
    for params in ({"delta": odd, "summaryIndex": 0}, {"delta": "x", "summaryIndex": odd}):
        server.say("t0", "item/reasoning/summaryTextDelta", **about, **params)
    client.take(2)
    items = server.threads["t0"]["turns"][0]["items"]
    items += [{"type": odd, "id": "j"}, {"type": "reasoning", "id": "i", "summary": ["xy"]}]
    client.breaks()
    client.settle()
    completed = [event["params"]["item"] for event in client.events if event["method"] == "item/completed"]
    assert completed == items
    assert client.events[-1]["method"] == "turn/completed"


def test_what_a_question_is_settled_with_may_have_any_members() -> None:
    server, client = begun([])
    client.breaks()
    client.settle()
    server.put(
        {"method": "item/commandExecution/requestApproval", "id": 0, "params": {"threadId": "t0", "command": "x"}}
    )
    server.put({"method": "serverRequest/resolved", "params": {"threadId": "t0", "requestId": 0, "method": "x"}})
    client.take(2)
    assert client.events[-1]["params"] == {"threadId": "t0", "requestId": "1/0", "method": "x"}


@pytest.mark.parametrize("connections", [0, 1])
def test_what_waits_for_an_answer_when_its_turn_is_over_still_gets_it_and_keeps_its_name(connections: int) -> None:
    """In code mode the runtime goes on asking for it; after an interruption it says that it does not."""
    questions = Questions()
    for _ in range(connections):
        questions.lost()
    for number in (0, 1):
        questions.asked(number, "item/commandExecution/requestApproval", {"threadId": "t", "turnId": "u"}, b"line")
    names = [f"{connections}/{number}" if connections else number for number in (0, 1)]

    questions.turn_ended("u")

    answer = json.dumps({"id": names[0]}, separators=(",", ":")).encode()[:-1] + b',"result":{}}'
    assert questions.answered(answer) == b'{"id":0,"result":{}}'
    assert questions.answered(answer) == b"", "it has one answer"
    assert [questions.resolved(number) for number in (0, 1)] == names
    assert not questions._open


def test_a_review_in_a_thread_without_a_readable_name_is_begun_all_the_same() -> None:
    server, client = begun([])
    client.call("review/start", threadId="t0")
    server.put({"id": client.calls, "result": {"reviewThreadId": ["x"]}})
    client.take()
    assert client.answers[client.calls]["result"] == {"reviewThreadId": ["x"]}


def test_what_was_missed_can_be_read_though_half_a_character_is_in_it() -> None:
    server, client = begun([scripted([("agentMessage", ["a\ud800"])], "s")])
    client.call("turn/start", threadId="t0", input="go")
    server.take()
    client.take(2)
    client.breaks()
    while server.running:
        server.step()
    client.reconnects()
    for _ in range(4):
        server.take()
        step = client.session.incoming(list(server.to_client))
        server.to_client.clear()
        client.post(step.send)
        client.heard([line.decode().encode() for line in step.deliver])
    assert client.events[-1]["method"] == "turn/completed"
    assert client.events[-1]["params"]["turn"]["items"][0]["text"] == "a\ud800"
