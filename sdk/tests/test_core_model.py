"""The protocol core against a model of it that keeps everything in lists: whatever is done, in whichever order."""

from __future__ import annotations

import json

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from codex_app_server.events import Notification, read_events
from codex_app_server.protocol.connection import Connection
from codex_app_server.protocol.log import Bounds, Cursor
from codex_app_server.protocol.messages import Response
from codex_app_server.protocol.request import Request
from codex_app_server.protocol.streams import EVERYTHING

TURNS = st.sampled_from(["a", "b", "c"])


class Core(RuleBasedStateMachine):
    """A runtime that starts, joins and ends turns as it likes, and consumers that come and go."""

    cursors: Bundle[Cursor] = Bundle("cursors")

    def __init__(self) -> None:
        super().__init__()
        self.connection = Connection(Bounds(1_000, 1 << 20), 1 << 20, Notification)
        self.said: dict[str, list[int]] = {}  # by turn, while somebody has it
        self.ended: set[str] = set()
        self.open: list[Request] = []
        self.waiting: dict[int, Request] = {}  # what is held back, by id
        self.expected: dict[int, list[int]] = {}  # by cursor: what it has still to give
        self.held: list[Cursor] = []
        self.number = 0
        self.interrupted: list[str] = []

    def say(self, message: dict[str, object]) -> None:
        self.connection.receive(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        for line in b"".join(self.connection.advance().replies).splitlines():
            reply = json.loads(line)
            if reply["method"] == "turn/start":
                self.open.append(self.waiting.pop(reply["id"]))
                continue
            self.interrupted.append(reply["params"]["turnId"])
            self.say({"id": reply["id"], "result": {}})

    @rule()
    def start(self) -> None:
        """A program says something; at once, unless a turn may begin in the thread that nobody wants any more."""
        request = Request("turn/start", {"threadId": "t"}, announces_turn=True)
        line = self.connection.request(request)
        request.is_sent = True
        assert bool(line) != self.is_unwanted()
        if line:
            self.open.append(request)
        else:
            self.waiting[request.id] = request

    def is_unwanted(self) -> bool:
        return any(request.is_given_up for request in self.open)

    @rule(turn=TURNS, target=cursors)  # type: ignore[arg-type]  # None stands for no cursor
    def answer(self, turn: str) -> Cursor | None:
        """The runtime starts a turn for it, or joins one."""
        if not self.open or turn in self.ended:
            return None
        request = self.open.pop(0)
        self.say({"id": request.id, "result": {"turn": {"id": turn}}})
        if request.is_given_up:
            return None
        assert isinstance(request.answer, Response)
        cursor = request.answer.cursor
        assert cursor is not None
        assert request.answer.is_joined == (turn in self.said)
        self.hold(cursor, turn)
        return cursor

    def hold(self, cursor: Cursor, turn: str) -> None:
        self.held.append(cursor)
        self.expected[id(cursor)] = list(self.said.setdefault(turn, []))

    @rule()
    def give_up(self) -> None:
        """The program does not wait any more."""
        if self.open:
            assert self.connection.give_up(self.open[0]) is None

    @rule()
    def give_up_the_last(self) -> None:
        """Nor for what was not sent yet."""
        if self.waiting:
            _, request = self.waiting.popitem()
            assert self.connection.give_up(request) is None

    @rule(turn=TURNS)
    def event(self, turn: str) -> None:
        """Something happens in a turn."""
        if turn in self.ended or turn not in self.said:
            return
        self.number += 1
        self.said[turn].append(self.number)
        for cursor in self.held:
            if cursor.log.topic.id == turn and not cursor.is_closed:
                self.expected[id(cursor)].append(self.number)
        self.say({"method": "item/agentMessage/delta", "params": {"threadId": "t", "turnId": turn, "n": self.number}})

    @rule(turn=TURNS)
    def complete(self, turn: str) -> None:
        """A turn ends."""
        if turn in self.said and turn not in self.ended:
            self.ended.add(turn)
            self.say({"method": "turn/completed", "params": {"threadId": "t", "turn": {"id": turn}, "n": 0}})

    @rule(cursor=cursors, target=cursors)  # type: ignore[arg-type]  # None stands for no cursor
    def follow(self, cursor: Cursor | None) -> Cursor | None:
        """Another consumer comes, however late."""
        if cursor is None:
            return None
        other = cursor.log.cursor()
        self.hold(other, cursor.log.topic.id)
        return other

    @rule(cursor=cursors, count=st.integers(1, 5))
    def take(self, cursor: Cursor | None, count: int) -> None:
        """A consumer reads on."""
        if cursor is None:
            return
        events, odd = read_events(cursor.take(count))
        assert not odd
        numbers = [event.params["n"] for event in events if event.method == "item/agentMessage/delta"]  # type: ignore[index,call-overload]
        expected = self.expected[id(cursor)]
        assert numbers == expected[: len(numbers)]
        del expected[: len(numbers)]
        if not events and not cursor.is_closed:
            assert not expected
            assert cursor.log.is_complete == (cursor.log.topic.id in self.ended)

    @rule(cursor=consumes(cursors))
    def leave(self, cursor: Cursor | None) -> None:
        """A consumer wants no more."""
        if cursor is not None:
            cursor.close()
            self.expected[id(cursor)] = []

    @rule()
    def overhear(self) -> None:
        """Somebody listens to everything for a moment: every line is parsed then."""
        listener = self.connection.streams.listen(EVERYTHING)
        self.say({"method": "other"})
        assert [event.method for event in read_events(listener.take(9))[0]] == ["other"]
        listener.close()

    @invariant()
    def nothing_is_lost(self) -> None:
        """What is open is known, and nothing else."""
        wanted = [request for request in [*self.open, *self.waiting.values()] if not request.is_given_up]
        assert len(self.connection.waiting) == len(wanted)
        assert len(self.connection.streams.announcing) == len(self.open) + len(self.waiting)
        assert not self.waiting or self.is_unwanted()
        assert self.connection.skipped_lines == 0
        assert not any(cursor.has_overflowed for cursor in self.held)


TestCore = Core.TestCase
TestCore.settings = settings(max_examples=60, deadline=None, stateful_step_count=40)
