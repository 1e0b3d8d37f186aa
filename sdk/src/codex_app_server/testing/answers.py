"""What a model says: answers that a test scripts, and the items and events they become on the wire.

The wire is OpenAI's "responses" protocol as the runtime reads it: server-sent events, one JSON object each.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codex_app_server.timeouts import seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypeAlias

__all__ = ["Answer", "Cut", "Failure", "Pause", "Text", "ToolCall", "checked", "events_of"]

Event: TypeAlias = "dict[str, object]"


@dataclass(frozen=True)
class Text:
    """A message.

    Attributes:
        text: all of it.
        deltas: the pieces it is streamed in; words if not given.
        delay_s: how long to wait before each piece, in seconds.
    """

    text: str = ""
    deltas: Sequence[str] | None = None
    delay_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what a model cannot say."""
        deltas = [self.deltas] if isinstance(self.deltas, str) else self.deltas or []
        for piece in (self.text, *deltas):
            if not isinstance(piece, str):
                raise TypeError(f"a text is a str, not {piece!r}")
        seconds(self.delay_s, "delay_s")

    @property
    def pieces(self) -> list[str]:
        """What is streamed, one after another."""
        if self.deltas is not None:
            return list(self.deltas)
        words = self.text.split(" ")
        return [word + " " for word in words[:-1]] + words[-1:]


@dataclass(frozen=True)
class ToolCall:
    """The wish to have a tool called, e.g. ``ToolCall("exec_command", {"cmd": "ls"})``.

    Attributes:
        name: of the tool.
        arguments: for it, of JSON values.
        namespace: where the tool belongs, e.g. ``mcp__files`` for those of an MCP server called ``files``.
    """

    name: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    namespace: str | None = None

    def __post_init__(self) -> None:
        """Refuse what a model cannot say."""
        if not isinstance(self.name, str):
            raise TypeError(f"the name of a tool is a str, not {self.name!r}")
        json.dumps(dict(self.arguments))  # raises if JSON cannot say them


@dataclass(frozen=True)
class Failure:
    """An HTTP error instead of an answer.

    Attributes:
        status: e.g. 429 or 500.
        message: what its body says.
        code: the error's code in the body, e.g. ``server_overloaded``.
        headers: sent along, e.g. ``{"Retry-After": "1"}``.
    """

    status: int
    message: str = "the test wants it so"
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cut:
    """An answer whose stream breaks off.

    Attributes:
        answer: what it begins like.
        after: how many events are sent.
    """

    answer: Text
    after: int = 3


Answer: TypeAlias = "Text | ToolCall | Failure | Cut | Sequence[Text | ToolCall]"
"""One model request's answer: an item, several in a row, or a failure."""


def checked(answer: object) -> Answer:
    """The same.

    Raises:
        TypeError: if it is no answer; the message says what to write.
    """
    if isinstance(answer, Text | ToolCall | Failure):
        return answer
    if isinstance(answer, Cut) and isinstance(answer.answer, Text):
        return answer
    if not isinstance(answer, str) and isinstance(answer, Sequence) and all(map(_is_item, answer)):
        return answer
    hint = f"; say Text({answer!r})" if isinstance(answer, str) else ""
    raise TypeError(
        "an answer is a Text, ToolCall, Failure or Cut, several Texts and ToolCalls, or a function that returns one of "
        f"these, not {answer!r}{hint}"
    )


def _is_item(value: object) -> bool:
    return isinstance(value, Text | ToolCall)


@dataclass(frozen=True)
class Pause:
    """Time to wait before the next event, in seconds."""

    seconds: float


def events_of(answer: Text | ToolCall | Cut | Sequence[Text | ToolCall], response_id: str) -> Iterator[Event | Pause]:
    """The events of an answer, in their order."""
    if isinstance(answer, Cut):
        for number, event in enumerate(events_of(answer.answer, response_id)):
            if number == answer.after:
                return
            yield event
        return
    yield {"type": "response.created", "response": {"id": response_id}}
    items = [answer] if isinstance(answer, Text | ToolCall) else answer
    for index, item in enumerate(items):
        yield from _item(item, f"{response_id}_{index}", index)
    usage = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 15,
    }
    yield {"type": "response.completed", "response": {"id": response_id, "usage": usage}}


def _item(item: Text | ToolCall, item_id: str, index: int) -> Iterator[Event | Pause]:
    if isinstance(item, ToolCall):
        call: Event = {
            "type": "function_call",
            "id": item_id,
            "call_id": f"call_{item_id}",
            "name": item.name,
            "arguments": json.dumps(dict(item.arguments)),
        }
        if item.namespace is not None:
            call["namespace"] = item.namespace
        yield {"type": "response.output_item.done", "output_index": index, "item": call}
        return
    message: Event = {"type": "message", "id": item_id, "role": "assistant", "content": []}
    yield {"type": "response.output_item.added", "output_index": index, "item": message}
    for piece in item.pieces:
        if item.delay_s:
            yield Pause(item.delay_s)
        yield {
            "type": "response.output_text.delta",
            "delta": piece,
            "item_id": item_id,
            "output_index": index,
            "content_index": 0,
        }
    whole = {**message, "content": [{"type": "output_text", "text": "".join(item.pieces)}]}
    yield {"type": "response.output_item.done", "output_index": index, "item": whole}
