"""A response as it comes: the events of a turn become parts, deltas as deltas, and at its end it says whose it is."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError
from pydantic_ai.messages import NativeToolCallPart, NativeToolReturnPart
from pydantic_ai.models import StreamedResponse
from pydantic_ai.usage import RequestUsage

from codex_app_server.errors import AppServerError
from codex_app_server.folding import TurnFold
from codex_app_server.integrations.pydantic_ai.history import PROVIDER, Mark, digest_after

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from pydantic_ai.messages import ModelResponseStreamEvent

    from codex_app_server.integrations.pydantic_ai.conversation import Conversation
    from codex_app_server.protocol.messages import Notification
    from codex_app_server.results import TurnResult
    from codex_app_server.structured.strict import Strict

__all__ = ["CodexStreamedResponse"]

_DEEDS = {
    "commandExecution": ("command", "cwd"),
    "fileChange": ("changes",),
    "mcpToolCall": ("server", "tool", "arguments"),
    "webSearch": ("query",),
}
"""What Codex does by itself, by the type of its items; and which of their members say what was to be done."""

_LEFT_OUT = frozenset({"id", "type", "startedAtMs", "completedAtMs"})


@dataclass
class CodexStreamedResponse(StreamedResponse):
    """What a turn tells until it waits for answers, or is over."""

    conversation: Conversation
    model: str
    timeout: float | None
    history: str
    output_tools: frozenset[str]
    strict: Strict | None
    is_over: bool = field(default=False, init=False)
    _streamed: set[str] = field(default_factory=set, init=False)
    _commentary: set[str] = field(default_factory=set, init=False)
    _fold: TurnFold = field(default_factory=TurnFold, init=False)
    _timestamp: datetime = field(default_factory=lambda: datetime.now(timezone.utc), init=False)

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        conversation = self.conversation
        try:
            async for event in conversation.steps(self.timeout):
                self._fold.add(event)
                for made in self._parts(event):
                    yield made
        except AppServerError as error:
            if self.cancelled:
                return
            raise ModelAPIError(self.model, str(error)) from error
        except TimeoutError as error:
            raise ModelAPIError(self.model, str(error)) from error
        if self.cancelled:
            return
        for call_id, item in conversation.calls.items():
            yield self._parts_manager.handle_tool_call_part(
                vendor_part_id=call_id, tool_name=item["tool"], args=item["arguments"], tool_call_id=call_id
            )
        self._end()

    def _end(self) -> None:
        """The response is whole: say so, and whose it is."""
        conversation = self.conversation
        self.finish_reason = "tool_call" if conversation.calls else "stop"
        if not conversation.has_open_turn:
            self._check(self._fold.result(conversation.thread.id, conversation.turn_id))
        if is_final := any(item["tool"] in self.output_tools for item in conversation.calls.values()):
            conversation.stop()  # with this the framework has what it wants: the model need not hear of it
        self.provider_response_id = conversation.turn_id
        conversation.history = digest_after(self.history, self.get())
        mark = Mark(
            conversation.thread.id,
            conversation.turn_id,
            conversation.history,
            conversation.toolset,
            conversation.instructions,
            ends_turn=is_final or not conversation.has_open_turn,
        )
        self.provider_details = dict(vars(mark))
        self.is_over = True

    def _check(self, result: TurnResult[None]) -> None:
        """Raise what the framework knows, if the turn did not come to its end."""
        if result.is_completed:
            return
        message = result.failure or ""
        if (status := result.failure_http_status) is not None:
            raise ModelHTTPError(status, self.model, message)
        raise ModelAPIError(self.model, message)

    def _parts(self, event: Notification) -> Iterator[ModelResponseStreamEvent]:
        method = event.method
        params: Any = event.params if isinstance(event.params, dict) else {}
        manager = self._parts_manager
        if method == "item/agentMessage/delta":
            if self.strict is None:
                yield from self._words(str(params.get("itemId")), str(params.get("delta")))
        elif method in {"item/reasoning/summaryTextDelta", "item/reasoning/textDelta"}:
            kind = params.get("summaryIndex", "text")
            yield from manager.handle_thinking_delta(
                vendor_part_id=(params.get("itemId"), kind), content=params.get("delta"), provider_name=PROVIDER
            )
        elif method == "item/started":
            item = params.get("item") or {}
            if item.get("type") == "agentMessage" and item.get("phase") == "commentary":
                self._commentary.add(str(item.get("id")))
        elif method == "item/completed":
            yield from self._item(params.get("item") or {})
        elif method == "rawResponse/completed":
            self._count(params.get("usage"))
        elif method == "thread/tokenUsage/updated" and not self.conversation.is_raw:
            self._count((params.get("tokenUsage") or {}).get("last"))

    def _words(self, item_id: str, words: str) -> Iterator[ModelResponseStreamEvent]:
        """What the agent says; what it says on the way is no part of its answer."""
        self._streamed.add(item_id)
        if item_id in self._commentary:
            yield from self._parts_manager.handle_thinking_delta(
                vendor_part_id=item_id, content=words, provider_name=PROVIDER
            )
        else:
            yield from self._parts_manager.handle_text_delta(vendor_part_id=item_id, content=words)

    def _item(self, item: Mapping[str, Any]) -> Iterator[ModelResponseStreamEvent]:
        kind, item_id = str(item.get("type")), str(item.get("id"))
        if kind == "agentMessage" and item_id not in self._streamed and item.get("text"):
            yield from self._words(item_id, self._restored(str(item["text"])))
        elif kind in _DEEDS:
            manager = self._parts_manager
            args = {name: item.get(name) for name in _DEEDS[kind]}
            call = NativeToolCallPart(kind, args, item_id, provider_name=PROVIDER)
            yield manager.handle_part(vendor_part_id=f"{item_id} call", part=call)
            came = {
                name: value for name, value in item.items() if name not in {*_LEFT_OUT, *args} and value is not None
            }
            back = NativeToolReturnPart(kind, came, item_id, provider_name=PROVIDER)
            yield manager.handle_part(vendor_part_id=f"{item_id} return", part=back)

    def _restored(self, text: str) -> str:
        """An answer as its own schema has it, not as the strict one."""
        if self.strict is not None:
            with suppress(ValueError):
                return json.dumps(self.strict.restored(json.loads(text)))
        return text

    def _count(self, counts: Any) -> None:
        """Tokens that one answer of the model took."""
        if isinstance(counts, dict):
            self._usage += RequestUsage(
                input_tokens=counts.get("inputTokens", 0),
                cache_read_tokens=counts.get("cachedInputTokens", 0),
                cache_write_tokens=counts.get("cacheWriteInputTokens") or 0,
                output_tokens=counts.get("outputTokens", 0),
                details={"reasoning_tokens": counts.get("reasoningOutputTokens", 0)},
            )

    async def close_stream(self) -> None:
        """Have the turn stopped."""
        self.conversation.stop()

    @property
    def model_name(self) -> str:
        """Which model answers."""
        return self.model

    @property
    def provider_name(self) -> str:
        """Who asks it."""
        return PROVIDER

    @property
    def provider_url(self) -> None:
        """Nothing: the runtime knows."""
        return

    @property
    def timestamp(self) -> datetime:
        """When it began."""
        return self._timestamp
