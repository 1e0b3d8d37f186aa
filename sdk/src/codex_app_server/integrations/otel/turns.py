"""Turns and their items as spans: what is known of each while it lasts, and what its span is told at its end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from codex_app_server.integrations.otel import content
from codex_app_server.integrations.otel import names as n

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

    from codex_app_server.integrations.otel.meters import Meters
    from codex_app_server.protocol.messages import JsonValue

__all__ = ["Item", "Turn", "finish"]


def finish(span: Span, error: str, words: str | None = None) -> None:
    """End a span; with the type of what went wrong, if something did, and what was said of that."""
    if error and span.is_recording():
        span.set_attribute(n.ERROR, error)
        span.set_status(Status(StatusCode.ERROR, words))
    span.end()


class Item:
    """An item that is under way.

    Args:
        tracer: who makes spans.
        turn: whose it is.
        said: what the runtime says of it.

    Attributes:
        turn: the same.
        context: for all that happens in it.
        is_asking: whether this program still works for it.
        raised: what the function of the tool has raised, if it has.
    """

    __slots__ = ("_begun", "_is_tool", "_span", "_what", "context", "is_asking", "raised", "turn")

    def __init__(self, tracer: Tracer, turn: Turn, said: dict[str, JsonValue]) -> None:
        kind = str(said.get("type"))
        self.turn = turn
        self.is_asking = False
        self.raised: BaseException | None = None
        self._begun = time.perf_counter()
        self._what: dict[str, str] = {}
        self._is_tool = kind in n.TOOLS
        if self._is_tool:
            tool = n.TOOLS[kind] or str(said.get("tool"))
            if said.get("namespace"):
                tool = f"{said['namespace']}.{tool}"
            name = f"execute_tool {tool}"
            own = "function" if kind == "dynamicToolCall" else "extension"
            about = {n.OPERATION: "execute_tool", n.TOOL_NAME: tool, n.TOOL_TYPE: own, n.TOOL_CALL: str(said.get("id"))}
            self._what = {n.OPERATION: "execute_tool", n.PROVIDER: turn.what[n.PROVIDER], n.TOOL_NAME: tool}
            if kind == "mcpToolCall":
                about[n.MCP_SERVER] = str(said.get("server"))
            if turn.texts is not None and (arguments := content.arguments_of(said)) is not None:
                about[n.TOOL_ARGUMENTS] = arguments
        else:
            name, about = kind, {n.ITEM: str(said.get("id"))}
        self._span = tracer.start_span(name, turn.context, SpanKind.INTERNAL, about)
        self.context: Context = set_span_in_context(self._span, turn.context)

    def end(self, meters: Meters, said: dict[str, JsonValue] | None, error: str = "") -> None:
        """It is over: with what the runtime says of it, or with the error that ended all."""
        span, turn = self._span, self.turn
        if said is not None:
            is_bad = said.get("status") in {"failed", "declined"} or said.get("success") is False
            error = str(said.get("status") if said.get("status") != "completed" else "failed") if is_bad else ""
            if isinstance(code := said.get("exitCode"), int) and code:
                span.set_attribute(n.EXIT_CODE, code)
            if turn.texts is not None:
                if said.get("type") == "agentMessage":
                    turn.texts.append(str(said.get("text")))
                if self._is_tool and (result := content.result_of(said)) is not None:
                    span.set_attribute(n.TOOL_RESULT, result)
        if self.raised is not None:
            error = type(self.raised).__qualname__
            if turn.texts is not None:
                span.record_exception(self.raised)
        finish(span, error)
        if self._is_tool:
            meters.operation(time.perf_counter() - self._begun, self._what, error)


class Turn:
    """A turn that is under way, or about to be.

    Args:
        tracer: who makes spans.
        parent: of whoever began it.
        thread_id: where.
        model: which is asked, as far as is known.
        provider: of the model, likewise.
        said: what it was begun with, if that is to be told.
        with_content: whether what is said is to be told.

    Attributes:
        context: for all that happens in it.
        thread_id: the same.
        what: what metrics say of it.
        id: once that is known.
        begun: when it was asked for, by `time.perf_counter`.
        items: what is under way in it, by id.
        texts: what the agent said, if that is to be told.
        why: what made the program interrupt it.
        joined: those that turned out to be the same turn.
    """

    __slots__ = ("_span", "_usage", "begun", "context", "id", "items", "joined", "texts", "thread_id", "what", "why")

    def __init__(
        self,
        tracer: Tracer,
        parent: Context,
        thread_id: str,
        model: str | None,
        provider: str | None,
        said: object = None,
        *,
        with_content: bool = False,
    ) -> None:
        self.thread_id = thread_id
        self.id = ""
        self.begun = time.perf_counter()
        self.items: dict[str, Item] = {}
        self.texts: list[str] | None = [] if with_content else None
        self.why = ""
        self.joined: list[Turn] = []
        self._usage: dict[str, int] = {}
        self.what = {n.OPERATION: "invoke_agent", n.PROVIDER: provider or "openai", n.AGENT_NAME: n.AGENT}
        if model is not None:
            self.what[n.MODEL] = model
        about = {**self.what, n.CONVERSATION: thread_id}
        if with_content and said is not None:
            about[n.INPUT] = content.prompt(said)
        self._span = tracer.start_span(f"invoke_agent {n.AGENT}", parent, SpanKind.CLIENT, about)
        self.context: Context = set_span_in_context(self._span, parent)

    def count(self, taken: JsonValue) -> None:
        """It has taken so many tokens more."""
        for name, count in taken.items() if isinstance(taken, dict) else ():
            if name in n.USAGE and isinstance(count, int):
                self._usage[name] = self._usage.get(name, 0) + count

    def end(self, meters: Meters, error: str, words: str | None = None) -> None:
        """It is over, with all that is under way in it, but for what this program still works for."""
        for item_id in list(self.items):
            item = self.items.get(item_id)
            if item is not None and not item.is_asking and self.items.pop(item_id, None) is not None:
                item.end(meters, None, error)
        self._tell(self._usage, error, words)
        meters.operation(time.perf_counter() - self.begun, self.what, error)
        meters.tokens(self._usage, self.what)
        for each in self.joined:
            each.id, each.texts = self.id, self.texts
            each._tell({}, error, words, is_joined=True)  # noqa: SLF001 - of its own kind

    def _tell(self, usage: dict[str, int], error: str, words: str | None, *, is_joined: bool = False) -> None:
        about: dict[str, Any] = {n.USAGE[name]: count for name, count in usage.items()}
        if self.id:
            about[n.TURN] = self.id
        if is_joined:
            about[n.IS_JOINED] = True
        if self.texts:
            about[n.OUTPUT] = content.reply(self.texts, "error" if error else "stop")
        self._span.set_attributes(about)
        finish(self._span, error, words)
