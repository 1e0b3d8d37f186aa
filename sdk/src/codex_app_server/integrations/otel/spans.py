"""What a client tells, as spans and metrics.

The spans of a turn hang together by the ids that the runtime gives turns and items. A turn begins, as a span, with the
request for it, and so with the context of whoever makes that; which turn it is, the runtime says later, in the answer
or in an event before it.

Each thing is taken out of its table by whoever ends it, in one step, so it ends once, whichever thread comes first.
Nothing in here may harm the client: what goes wrong is logged, once.
"""

from __future__ import annotations

import contextlib
import json
import time
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context, attach, get_current
from opentelemetry.trace import SpanKind, set_span_in_context

from codex_app_server._log import logger
from codex_app_server.integrations.otel import names as n
from codex_app_server.integrations.otel.reading import handled, keep, quietly, text_of, w3c, word_of
from codex_app_server.integrations.otel.turns import Item, Turn, finish
from codex_app_server.protocol.messages import ErrorResponse, Response

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable

    from opentelemetry.trace import Span, Tracer

    from codex_app_server.ending import Ending
    from codex_app_server.integrations.otel.meters import Meters
    from codex_app_server.protocol.messages import JsonValue, Notification, ServerRequest
    from codex_app_server.protocol.request import Request

    Told = Callable[["Spans", dict[str, JsonValue], str | None], None]

__all__ = ["Spans"]

_TOOL_CALL = "item/tool/call"
_SETTING_OFF = frozenset({"thread/compact/start", "thread/goal/set", "thread/queue/add"})
"""The requests after which turns begin by themselves."""

_CLOSED = "TransportClosedError"
_KNOWN = object()


class _Question:
    """Something that the runtime has asked.

    Args:
        item: which item it is about.
        span: its own; the call of a tool has its item's.
    """

    __slots__ = ("begun", "item", "span")

    def __init__(self, item: Item | None, span: Span | None) -> None:
        self.item = item
        self.span = span
        self.begun = time.perf_counter()


class Spans:
    """The `telemetry.Tracing` of one client.

    Args:
        tracer: who makes spans.
        meters: who is told numbers.
        with_content: whether what is said is to be told.
    """

    def __init__(self, tracer: Tracer, meters: Meters, *, with_content: bool) -> None:
        self._tracer = tracer
        self._meters = meters
        self._with_content = with_content
        self._start: list[tuple[Span, Context]] = []
        self._requests: dict[Request, tuple[Span, float, Turn | None]] = {}
        self._opening: dict[Turn, None] = {}  # whose ids are not known yet, in their order
        self._turns: dict[str, Turn] = {}
        self._over: dict[str, str] = {}  # turns that have ended, and by which error
        self._models: dict[str, tuple[str | None, str | None]] = {}  # and their providers, by thread
        self._callers: dict[str, Context] = {}  # of turns that begin by themselves, by thread
        self._questions: dict[int | str, _Question] = {}
        self._is_closed = self._has_complained = False
        meters.look_at(self)

    def waiting(self) -> dict[str, int]:
        """How many requests, calls of tools and other questions wait for an answer; called from any thread."""
        questions = list(self._questions.values())
        tools = sum(each.span is None for each in questions)
        return {"request": len(self._requests), "tool": tools, "question": len(questions) - tools}

    @quietly
    def on_start(self) -> None:
        """The runtime is about to be started."""
        parent = get_current()
        span = self._tracer.start_span("start codex", parent, SpanKind.CLIENT)
        self._start.append((span, set_span_in_context(span, parent)))

    @quietly
    def on_request(self, request: Request) -> None:
        """A request is about to be made."""
        if (log := request.interrupts) is not None and (running := self._turns.get(log.topic.id)) is not None:
            running.why = running.why or handled()
        if request.is_given_up:  # nobody will know how it ends
            return
        parent, turn, method = get_current(), None, request.method
        if method == "initialize" and self._start:
            parent = self._start[0][1]
        elif request.announces_turn:
            turn = self._begin(request.thread_id, parent, request.params or {})
            parent = turn.context
            self._opening[turn] = None
        elif method in _SETTING_OFF:
            keep(self._callers, request.thread_id, parent)
        span = self._tracer.start_span(method, parent, SpanKind.CLIENT, {n.RPC_SYSTEM: "jsonrpc", n.RPC_METHOD: method})
        self._requests[request] = span, time.perf_counter(), turn
        request.trace = w3c(span)

    @quietly
    def on_response(self, request: Request) -> None:
        """A request has its answer."""
        answer = request.answer
        if isinstance(answer, Response):
            turn = self._end_request(request, "")
            if turn is not None and answer.cursor is not None:
                self._announced(turn, answer.cursor.log.topic.id)
            elif isinstance(answer.result, dict) and isinstance(thread := answer.result.get("thread"), dict):
                model, provider = (text_of(answer.result.get(name)) for name in ("model", "modelProvider"))
                keep(self._models, str(thread.get("id")), (model, provider))
            if request.method == "initialize" and self._start:
                span, _ = self._start.pop()
                if isinstance(answer.result, dict):
                    span.set_attribute(n.USER_AGENT, str(answer.result.get("userAgent")))
                span.end()
        elif isinstance(answer, ErrorResponse):
            self._end_request(request, str(answer.code), answer.message)
        else:
            self._end_request(request, "unreadable")

    @quietly
    def on_give_up(self, request: Request) -> None:
        """Nobody waits for a request any more."""
        self._end_request(request, _CLOSED if self._is_closed else handled() or "RequestTimeoutError")

    def on_event(self, event: Notification, turn_id: str | None) -> None:
        """There was an event."""
        hear = _TOLD.get(event.method)
        if hear is not None and isinstance(event.params, dict):
            try:
                hear(self, event.params, turn_id)
            except Exception as error:
                self.complain(error)

    def on_server_request(self, request: ServerRequest) -> contextvars.Context:
        """The runtime asks something; in which context it is to be answered."""
        here = copy_context()
        try:
            here.run(attach, self._question(request))
        except Exception as error:
            self.complain(error)
        return here

    @quietly
    def on_call(self, request: ServerRequest) -> None:
        """The function of a tool is called."""
        if (question := self._questions.get(request.id)) is not None:
            self._meters.waited("tool", time.perf_counter() - question.begun)

    @quietly
    def on_call_error(self, request: ServerRequest, error: BaseException) -> None:
        """It has raised something."""
        question = self._questions.get(request.id)
        if question is not None and question.item is not None:
            question.item.raised = error

    def wrap_send(self, send: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """The way of answers, past this."""

        def reply(data: bytes) -> None:
            self._replied(data)
            send(data)

        return reply

    @quietly
    def on_end(self, ending: Ending) -> None:  # noqa: ARG002 - all of it ends alike
        """The connection is over, and all that is open with it."""
        self._is_closed = True
        error = handled() or _CLOSED
        for request in list(self._requests):
            self._end_request(request, error)
        for turn in list(self._opening):
            self._end_opening(turn, error)
        for turn_id in list(self._turns):
            self._end_turn(turn_id, error)
        for request_id in list(self._questions):
            self._end_question(request_id, error)
        while self._start:
            finish(self._start.pop()[0], error)

    def _begin(self, thread_id: str, parent: Context, params: Any) -> Turn:
        model, provider = self._models.get(thread_id, (None, None))
        return Turn(
            self._tracer,
            parent,
            thread_id,
            text_of(params.get("model")) or model,
            provider,
            params.get("input"),
            with_content=self._with_content,
        )

    def _end_request(self, request: Request, error: str, words: str | None = None) -> Turn | None:
        """It is over; the turn that it has begun, if it has."""
        if (found := self._requests.pop(request, None)) is None:
            return None
        span, begun, turn = found
        if isinstance(answer := request.answer, ErrorResponse):
            span.set_attribute(n.RPC_STATUS, str(answer.code))
        finish(span, error, words)
        self._meters.request(time.perf_counter() - begun, request.method, error)
        if turn is not None and error:
            self._end_opening(turn, error, words)
        return turn

    def _end_opening(self, turn: Turn, error: str, words: str | None = None) -> None:
        """There will be no such turn, unless it is known already which one it is."""
        if self._opening.pop(turn, _KNOWN) is None:
            turn.end(self._meters, error, words)

    def _announced(self, turn: Turn, turn_id: str) -> None:
        """The runtime has said which turn it is."""
        if self._opening.pop(turn, _KNOWN) is not None:
            return
        turn.id = turn_id
        if (other := self._turns.get(turn_id)) is not None:
            other.joined.append(turn)
        elif turn_id in self._over:
            turn.end(self._meters, self._over[turn_id])
        else:
            self._turns[turn_id] = turn

    def _end_turn(self, turn_id: str, error: str, words: str | None = None) -> None:
        if (turn := self._turns.pop(turn_id, None)) is not None:
            keep(self._over, turn_id, error)
            turn.end(self._meters, error, words)

    def _turn_started(self, params: dict[str, JsonValue], turn_id: str | None) -> None:
        thread_id = str(params.get("threadId"))
        if turn_id is None:
            return
        if (turn := self._turns.get(turn_id)) is None:
            turn = next((each for each in list(self._opening) if each.thread_id == thread_id), None)
            if turn is None:
                if (parent := self._callers.get(thread_id)) is None:  # it is somebody else's
                    return
                turn = self._begin(thread_id, parent, {})
                self._opening[turn] = None
            self._announced(turn, turn_id)
        self._meters.waited("turn", time.perf_counter() - turn.begun)

    def _turn_completed(self, params: dict[str, JsonValue], turn_id: str | None) -> None:
        said: Any = params.get("turn")
        turn = self._turns.get(turn_id or "")
        if turn is None or turn_id is None:
            return
        status, failure = said.get("status"), said.get("error") or {}
        error = "" if status == "completed" else turn.why or str(status)
        if status == "failed":
            error = word_of(failure.get("codexErrorInfo")) or error
        self._end_turn(turn_id, error, text_of(failure.get("message")))

    def _item_started(self, params: dict[str, JsonValue], turn_id: str | None) -> None:
        turn, said = self._turns.get(turn_id or ""), params.get("item")
        if turn is not None and isinstance(said, dict) and said.get("type") != "userMessage":
            self._item(turn, said)

    def _item_completed(self, params: dict[str, JsonValue], turn_id: str | None) -> None:
        turn, said = self._turns.get(turn_id or ""), params.get("item")
        if turn is not None and isinstance(said, dict) and said.get("type") != "userMessage":
            item = self._item(turn, said)
            if turn.items.pop(str(said.get("id")), None) is not None:
                item.end(self._meters, said)

    def _item(self, turn: Turn, said: dict[str, JsonValue]) -> Item:
        item_id = str(said.get("id"))
        if (item := turn.items.get(item_id)) is None:
            item = turn.items[item_id] = Item(self._tracer, turn, said)
        return item

    def _usage(self, params: dict[str, JsonValue], turn_id: str | None) -> None:
        usage = params.get("tokenUsage")
        if isinstance(usage, dict) and (turn := self._turns.get(turn_id or "")) is not None:
            turn.count(usage.get("last"))

    def _thread_started(self, params: dict[str, JsonValue], _: str | None) -> None:
        """A sub-agent works for the turn that its parent is at."""
        thread: Any = params.get("thread")
        if (parent := thread.get("parentThreadId")) is not None:
            for turn in list(self._turns.values()):
                if turn.thread_id == parent:
                    keep(self._callers, str(thread.get("id")), turn.context)

    def _thread_closed(self, params: dict[str, JsonValue], _: str | None) -> None:
        for turn_id in list(self._turns):
            if (turn := self._turns.get(turn_id)) is not None and turn.thread_id == params.get("threadId"):
                self._end_turn(turn_id, "threadClosed")

    def _question(self, request: ServerRequest) -> Context:
        """Keep what is asked; the context that it belongs to."""
        params: Any = request.params if isinstance(request.params, dict) else {}
        turn = self._turns.get(str(params.get("turnId")))
        item_id = str(params.get("callId") or params.get("itemId"))
        item = turn.items.get(item_id) if turn is not None else None
        if request.method == _TOOL_CALL:
            if item is None and turn is not None:
                item = self._item(turn, {**params, "id": item_id, "type": "dynamicToolCall"})
            if item is not None:
                item.is_asking = True
            self._questions[request.id] = _Question(item, None)
            return item.context if item is not None else Context()
        parent = item.context if item is not None else turn.context if turn is not None else Context()
        words = request.method.split("/")
        name = f"approval {words[1]}" if words[-1] == "requestApproval" else request.method
        about = {n.RPC_SYSTEM: "jsonrpc", n.RPC_METHOD: request.method}
        span = self._tracer.start_span(name, parent, SpanKind.INTERNAL, about)
        self._questions[request.id] = _Question(item, span)
        return set_span_in_context(span, parent)

    @quietly
    def _replied(self, data: bytes) -> None:
        head = data[len(b'{"id":') : data.find(b",")]
        request_id = int(head) if head.isdigit() else json.loads(data)["id"]
        question = self._questions.get(request_id)
        if question is None:
            return
        error = ""
        if question.span is not None:
            reply = json.loads(data)
            result = reply.get("result")
            if isinstance(result, dict):
                decision = result.get("decision", result.get("action"))
                if said := word_of(decision):
                    question.span.set_attribute(n.DECISION, said)
            elif "error" in reply:
                error = str(reply["error"].get("code"))
        self._end_question(request_id, error)

    def _end_question(self, request_id: int | str, error: str) -> None:
        if (question := self._questions.pop(request_id, None)) is None:
            return
        if question.span is not None:
            finish(question.span, error)
        elif (item := question.item) is not None:
            item.is_asking = False
            turn_is_over = self._turns.get(item.turn.id) is not item.turn
            for item_id in list(item.turn.items) if turn_is_over else ():
                if item.turn.items.get(item_id) is item and item.turn.items.pop(item_id, None) is not None:
                    item.end(self._meters, None, error)

    def complain(self, error: Exception) -> None:
        """Log what went wrong in here; the first time."""
        if not self._has_complained:
            self._has_complained = True
            with contextlib.suppress(Exception):
                logger().error("telemetry failed; what else fails is not logged", exc_info=error)


_TOLD: dict[str, Told] = {
    "item/started": Spans._item_started,  # noqa: SLF001 - its own
    "item/completed": Spans._item_completed,  # noqa: SLF001
    "thread/tokenUsage/updated": Spans._usage,  # noqa: SLF001
    "turn/started": Spans._turn_started,  # noqa: SLF001
    "turn/completed": Spans._turn_completed,  # noqa: SLF001
    "thread/started": Spans._thread_started,  # noqa: SLF001
    "thread/closed": Spans._thread_closed,  # noqa: SLF001
}
"""What is done about each event; the others make nothing."""
