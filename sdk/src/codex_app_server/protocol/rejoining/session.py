"""One conversation over several connections: what to send and what to hand on, before, while and after one breaks.

The rules:

- The first connection is handed through; only what a break would lose is noted on the way.
- When one breaks, who waits for an answer that may have an effect is told so (`unanswered`); what is said meanwhile is
  held back. On the next one the handshake is repeated, and every thread is joined again, those with running turns
  first.
- Joining is: resume the thread, from when on its events come; keep these back; read the thread, and hand on what of it
  was missed (`backfill`); then those events, but for what is known by then. What is to be said in it waits for that.
- The pieces of an item that was under way are not handed on any more: how many were missed is only known when it is
  complete. Then comes what is missing of it, at once.
- A thread that cannot be joined, for it is stored nowhere, ends its turns as failed, and they are interrupted.
- A question is asked once and answered once (`questions`); what lives no longer than its connection ends (`ties`).

One thread at a time may call this.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from codex_app_server.protocol.messages import (
    ErrorResponse,
    Notification,
    Response,
    ServerRequest,
    encode_notification,
    parse,
)
from codex_app_server.protocol.rejoining import ties
from codex_app_server.protocol.rejoining.backfill import event, fill, stopped
from codex_app_server.protocol.rejoining.joining import MOST_TRIES, SETTINGS, WINDOW, Join, with_ids
from codex_app_server.protocol.rejoining.known import Known
from codex_app_server.protocol.rejoining.progress import piece_head
from codex_app_server.protocol.rejoining.questions import Questions
from codex_app_server.protocol.rejoining.unanswered import Call, unknown
from codex_app_server.protocol.streams import GONE, review_thread_of, turn_of

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue, RequestId
    from codex_app_server.protocol.rejoining.progress import Thread

__all__ = ["Session", "Step"]

_ANSWER = re.compile(rb'\{"id":(-?\d+|"[^"\\]*"),"result":')
_OPENS = frozenset({"thread/start", "thread/resume", "thread/fork"})
_BEGINS = frozenset({"turn/start", "review/start", "thread/compact/start"})
_LEAVES = frozenset({"thread/unsubscribe", "thread/archive", "thread/delete"})
_TELLING = _OPENS | _BEGINS | _LEAVES | ties.BEGINNINGS
"""The methods whose answers say something that has to be known."""


class Step(NamedTuple):
    """What comes of something.

    Attributes:
        deliver: the lines to hand on.
        send: those to send.
    """

    deliver: list[bytes]
    send: list[bytes]


class Session:
    """The conversation.

    Attributes:
        is_greeted: whether the first handshake was answered: before that a break is the end.
        is_open: whether the handshake was answered on this connection.
        refusal: what a server said to a later handshake, if it refused; that is the end too.
    """

    def __init__(self) -> None:
        self.is_greeted = False
        self.refusal: str | None = None
        self.is_open = True
        self._greeting: Call | None = None
        self._unanswered: dict[bytes, Call] = {}
        self._questions = Questions()
        self._ties = ties.Ties()
        self._known = Known()
        self._apart: set[str] = set()  # threads whose events do not come
        self._joins: dict[str, Join] = {}
        self._held: list[bytes] = []
        self._numbers = itertools.count(1)
        self._asked: dict[str, tuple[str, str]] = {}  # by the ids of this session's own requests: method and thread

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to be done of the last break."""
        return self.is_open and not self._joins

    # What this client says.

    def outgoing(self, lines: list[bytes]) -> list[bytes]:
        """What to send now, of what is to be sent."""
        send: list[bytes] = []
        for line in lines:
            call = Call.read(line)
            if call is not None:
                self._call(call, send)
            elif (answer := self._questions.answered(line)) is None:
                if self.is_open:  # a notification
                    send.append(line)
            elif answer:
                send.append(answer)
        return send

    def _call(self, call: Call, send: list[bytes]) -> None:
        if self._greeting is None and call.method == "initialize":
            self._greeting = call
        if not self.is_open:
            self._held.append(call.line)
        elif self._joins and (join := self._joins.get(call.thread_id or "")) is not None:
            join.held.append(call.line)
        else:
            self._unanswered[call.id] = call
            send.append(call.line)

    # What becomes of the connection.

    def lost(self) -> list[bytes]:
        """It broke: the lines to hand on."""
        self.is_open = False
        calls, self._unanswered = list(self._unanswered.values()), {}
        again = [call.line for call in calls if call.may_be_repeated]
        held = [line for join in self._joins.values() for line in join.held]
        self._held = [*again, *held, *self._held]
        self._joins.clear()
        self._asked.clear()
        self._questions.lost()
        self._known.latest = None
        for thread in self._known.threads.values():
            self._apart.add(thread.id)
            for turn in thread.turns.values():
                turn.is_rejoined = True
        return [*(unknown(call) for call in calls if not call.may_be_repeated), *self._ties.lost()]

    def reopened(self) -> list[bytes]:
        """There is another one: the lines to send."""
        return [self._greeting.line] if self._greeting is not None else []

    def _greeted(self, step: Step) -> None:
        step.send.append(encode_notification("initialized")[:-1])
        self.is_open = True
        for thread in sorted(self._known.threads.values(), key=lambda thread: not thread.turns):
            self._joins[thread.id] = Join()
        self._go_on(step)
        held, self._held = self._held, []
        step.send.extend(self.outgoing(held))

    # What the server says.

    def incoming(self, messages: list[bytes]) -> Step:
        """What comes of some messages."""
        step = Step([], [])
        known = self._known
        deliver = step.deliver.append
        pieces, head = known.latest, known.head
        for line in messages:
            if pieces is not None and line.startswith(head):  # mostly it is as the one before
                if not pieces.is_broken:
                    pieces.lines.append(line)
                    deliver(line)
                continue
            self._heard(line, step)
            if pieces is not None:
                pieces.condense()
            pieces, head = known.latest, known.head
        if pieces is not None:
            pieces.condense()
        return step

    def _heard(self, line: bytes, step: Step) -> None:
        if not self._joins and (head := piece_head(line)):
            step.deliver.extend(self._known.piece(line, head))
            return
        found = _ANSWER.match(line)
        call = None if found is None else self._unanswered.get(found[1])
        if call is not None and call.method not in _TELLING and call is not self._greeting:
            del self._unanswered[call.id]  # its answer may be large, and need not be read
            step.deliver.append(line)
            return
        message = parse(line)
        if isinstance(message, Notification):
            self._told(line, message, step)
        elif isinstance(message, ServerRequest):
            self._asks(line, message, step)
        elif isinstance(message, Response | ErrorResponse):
            self._answered(line, message, step)
        else:
            step.deliver.append(line)

    def _answered(self, line: bytes, message: Response | ErrorResponse, step: Step) -> None:
        if isinstance(message.id, str) and (asked := self._asked.pop(message.id, None)) is not None:
            self._joining(asked, message, step)
            return
        call_id = json.dumps(message.id).encode()
        greeting = self._greeting
        if greeting is not None and call_id == greeting.id and self.is_greeted and not self.is_open:
            if isinstance(message, ErrorResponse):
                self.refusal = message.message
            else:
                self._greeted(step)
            return
        call = self._unanswered.pop(call_id, None)
        step.deliver.append(line)
        if call is None or isinstance(message, ErrorResponse):
            return
        if call is greeting:
            self.is_greeted = True
        elif call.method in _TELLING and isinstance(message.result, dict):
            self._learn(call, message.result, step)

    def _learn(self, call: Call, result: dict[str, Any], step: Step) -> None:
        """What an answer says that has to be known."""
        self._ties.begun(call, result)
        thread_id = call.thread_id
        told = result.get("thread")
        if call.method in _OPENS and isinstance(told, dict) and isinstance(told.get("id"), str):
            self._opened(call, told)
        elif call.method in _LEAVES and thread_id is not None:
            self._forget(thread_id)
        elif call.method in _BEGINS:
            thread = self._known.thread(review_thread_of(result) or thread_id or "")
            if (turn_id := turn_of(result)) is not None:
                thread.turn(turn_id)
            if thread.id in self._apart and thread.id not in self._joins:
                self._joins[thread.id] = Join()
                self._go_on(step)

    def _opened(self, call: Call, told: dict[str, Any]) -> None:
        thread = self._known.thread(told["id"])
        thread.is_ephemeral = bool(told.get("ephemeral"))
        said = json.loads(call.line).get("params") or {}
        thread.settings = {name: said[name] for name in SETTINGS if said.get(name) is not None}
        thread.is_known_from_its_beginning = call.method == "thread/start"
        if turns := with_ids(told.get("turns")):
            thread.last_turn = thread.last_turn or turns[-1]["id"]
        self._apart.discard(thread.id)

    def _told(self, line: bytes, message: Notification, step: Step) -> None:
        method, params = message.method, message.params if isinstance(message.params, dict) else {}
        thread_id, turn_id = _thread_of(params), turn_of(params)
        if method in ties.ENDINGS:
            self._ties.ended(params.get(ties.ENDINGS[method]))
        if method == "deprecationNotice" and self._asked:  # it is about what is asked here, not there
            return
        if (join := self._joins.get(thread_id)) is not None:
            join.keep(line, method, turn_id)
            return
        if method == "serverRequest/resolved":
            line = self._resolved(line, params)
        elif method in GONE:
            self._forget(thread_id)
        elif turn_id is not None and thread_id:
            if method == "turn/completed":
                self._questions.turn_ended(turn_id)
            step.deliver.extend(self._known.happened(line, method, params, thread_id, turn_id))
            return
        step.deliver.append(line)

    def _asks(self, line: bytes, message: ServerRequest, step: Step) -> None:
        params = message.params if isinstance(message.params, dict) else {}
        if (join := self._joins.get(_thread_of(params))) is not None:
            join.keep(line, message.method, None)
            return
        line, answer = self._questions.asked(message.id, message.method, message.params, line)
        step.deliver.extend([line] if line else [])
        step.send.extend([answer] if answer else [])

    def _resolved(self, line: bytes, params: dict[str, Any]) -> bytes:
        request_id: RequestId = params.get("requestId", "")
        own_id = self._questions.resolved(request_id)
        return line if own_id == request_id else event("serverRequest/resolved", **{**params, "requestId": own_id})

    # Joining.

    def _go_on(self, step: Step) -> None:
        """Join more threads, as many as may be."""
        begun = sum(join.is_begun for join in self._joins.values())
        for thread_id, join in list(self._joins.items()):
            if begun >= WINDOW:
                break
            if join.is_begun:
                continue
            thread = self._known.threads.get(thread_id)
            if thread is None:
                self._joined(thread_id, step)
            elif thread.is_ephemeral:
                self._cannot(thread, "it is ephemeral", step)
            else:
                join.is_begun = True
                begun += 1
                self._resume(thread, step)

    def _resume(self, thread: Thread, step: Step) -> None:
        self._ask("thread/resume", {**thread.settings, "threadId": thread.id, "excludeTurns": True}, step)

    def _read(self, thread: Thread, step: Step) -> None:
        self._ask("thread/read", {"threadId": thread.id, "includeTurns": True}, step)

    def _ask(self, method: str, params: dict[str, Any], step: Step) -> None:
        own_id = f"rejoin-{next(self._numbers)}"
        self._asked[own_id] = (method, params["threadId"])
        step.send.append(json.dumps({"id": own_id, "method": method, "params": params}).encode())

    def _joining(self, asked: tuple[str, str], message: Response | ErrorResponse, step: Step) -> None:
        """A request of this session's own was answered."""
        method, thread_id = asked
        join, thread = self._joins.get(thread_id), self._known.threads.get(thread_id)
        if join is None:
            return
        if thread is None:  # nobody follows it any more
            self._joined(thread_id, step)
        elif isinstance(message, Response):
            if method == "thread/resume":
                join.is_active = _is_active(message.result) is not False
                self._read(thread, step)
            elif method == "thread/read":
                self._apart.discard(thread_id)
                self._fill(thread, join, message.result, step)
                self._joined(thread_id, step)
        elif thread.turns and join.tries < MOST_TRIES:
            join.tries += 1
            if method == "thread/read":
                self._read(thread, step)
            else:
                self._resume(thread, step)
        elif method == "thread/read":  # there is nothing to read
            self._apart.discard(thread_id)
            self._not_told(thread, join, set(thread.turns), "the server does not say what came of the turn", step)
            self._joined(thread_id, step)
        else:
            self._cannot(thread, message.message, step)
        self._go_on(step)

    def _cannot(self, thread: Thread, why: str, step: Step) -> None:
        """A thread cannot be joined: it is not known what happens in it any more."""
        for turn_id in list(thread.turns):
            reason = f"the connection to the server was lost, and the thread cannot be joined again: {why}"
            step.deliver.append(stopped(thread.id, turn_id, reason))
            self._end(thread, turn_id)
            self._ask("turn/interrupt", {"threadId": thread.id, "turnId": turn_id}, step)
        self._joined(thread.id, step)

    def _fill(self, thread: Thread, join: Join, result: JsonValue, step: Step) -> None:
        """Hand on what was missed of a thread."""
        told: Any = result.get("thread") if isinstance(result, dict) else None
        turns = with_ids(told.get("turns")) if isinstance(told, dict) else []
        join.is_active = _is_active(result) is True
        for now in thread.missed(turns):
            if (turn := thread.turn(now["id"])) is None:
                continue
            now["items"] = with_ids(now.get("items"))
            turn.is_rejoined = True
            step.deliver.extend(fill(thread.id, turn, now))
            self._known.drop_complete(turn)
            runs = now.get("status") == "inProgress"
            if (runs and join.is_active) or turn.id in join.ended:
                continue
            if (usage := join.usage.get(turn.id)) is not None:
                step.deliver.append(usage)
            end = {**now, "status": "interrupted"} if runs else now
            step.deliver.append(event("turn/completed", threadId=thread.id, turn=end))
            self._end(thread, turn.id)
        unknown = thread.turns.keys() - {turn["id"] for turn in turns}
        self._not_told(thread, join, unknown, "the server does not know the turn any more", step)

    def _not_told(self, thread: Thread, join: Join, turn_ids: set[str], why: str, step: Step) -> None:
        """Nothing is known of what was missed of some turns; they are over, unless more of them can come."""
        for turn_id in sorted(turn_ids):
            thread.turns[turn_id].break_off()
            if not join.is_active and turn_id not in join.ended:
                step.deliver.append(stopped(thread.id, turn_id, why))
                self._end(thread, turn_id)

    def _joined(self, thread_id: str, step: Step) -> None:
        """That is all that can be done about a thread: go on with what waited for it."""
        join = self._joins.pop(thread_id)
        for line in join.backlog:
            self._heard(line, step)
        step.send.extend(self.outgoing(join.held))

    def _forget(self, thread_id: str) -> None:
        """A thread is not there any more, or not followed."""
        self._apart.discard(thread_id)
        for turn_id in self._known.forget(thread_id):
            self._questions.turn_ended(turn_id)

    def _end(self, thread: Thread, turn_id: str) -> None:
        """A turn is over, as nobody but this session says."""
        self._questions.turn_ended(turn_id)
        self._known.made_up(thread, turn_id)


def _is_active(result: JsonValue) -> bool | None:
    """Whether something runs in the thread that an answer tells of; None if it does not say that."""
    told = result.get("thread") if isinstance(result, dict) else None
    status = told.get("status") if isinstance(told, dict) else None
    return status.get("type") == "active" if isinstance(status, dict) else None


def _thread_of(params: dict[str, Any]) -> str:
    """The thread that something is about; empty if it is about none."""
    found = params.get("threadId")
    if found is None and isinstance(thread := params.get("thread"), dict):
        found = thread.get("id")
    return found if isinstance(found, str) else ""
