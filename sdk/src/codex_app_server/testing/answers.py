"""What a model says: answers that a test scripts, and the items and events they become on the wire.

The wire is OpenAI's "responses" protocol as the runtime reads it: server-sent events, one JSON object each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codex_app_server.testing import code_mode
from codex_app_server.timeouts import seconds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

__all__ = ["Answer", "Code", "Cut", "Failure", "Pause", "Reasoning", "Text", "ToolCall", "checked", "events_of"]

Event: TypeAlias = "dict[str, object]"

_FAILURES = range(300, 600)
_LATIN = 256  # of whose characters headers are


@dataclass(frozen=True)
class Text:
    """A message.

    Attributes:
        text: the whole message.
        deltas: the pieces that it is streamed in, instead of `text`; without them it is streamed word by word.
        delay_s: how long to wait before each piece, in seconds.
    """

    text: str = ""
    deltas: Sequence[str] | None = None
    delay_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what a model cannot say."""
        deltas = [self.deltas] if isinstance(self.deltas, str) else self.deltas or []
        for piece in (self.text, *deltas):
            _check_text(piece, "a text")
        seconds(self.delay_s, "delay_s")

    @property
    def pieces(self) -> list[str]:
        """What is streamed, one after another."""
        return _words(self.text) if self.deltas is None else list(self.deltas)


@dataclass(frozen=True)
class Reasoning:
    """What the model thinks before it says or does something.

    Attributes:
        summary: what the model shows of its thoughts: one paragraph, or several; streamed word by word.
        text: the thoughts themselves, which only open models show.
    """

    summary: str | Sequence[str] = ()
    text: str = ""

    def __post_init__(self) -> None:
        """Refuse what a model cannot think."""
        for each in (*self.paragraphs, self.text):
            _check_text(each, "reasoning")

    @property
    def paragraphs(self) -> list[str]:
        """The summary's."""
        return [self.summary] if isinstance(self.summary, str) else list(self.summary)


@dataclass(frozen=True)
class ToolCall:
    """The model wants to call a tool, e.g. ``ToolCall("exec_command", {"cmd": "ls"})``.

    Several that follow one another are called at once. In code mode the model writes JavaScript that calls them.

    Attributes:
        name: the name of the tool.
        arguments: the arguments of the call, as JSON values.
        namespace: the namespace of the tool, e.g. ``mcp__files`` for tools of an MCP server called ``files``.
    """

    name: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    namespace: str | None = None

    def __post_init__(self) -> None:
        """Refuse what a model cannot say."""
        _check_text(self.name, "the name of a tool")
        if not isinstance(self.arguments, Mapping):
            raise TypeError(f"the arguments of {self.name} are a mapping by name, not {self.arguments!r}")
        json.dumps(dict(self.arguments), allow_nan=False)  # raises if JSON cannot say them


@dataclass(frozen=True)
class Code:
    """The model wants to run JavaScript that it has written, in code mode.

    Attributes:
        javascript: the program, e.g. ``text(await tools.exec_command({cmd: "ls"}))``.
    """

    javascript: str

    def __post_init__(self) -> None:
        """Refuse what a model cannot say."""
        _check_text(self.javascript, "code")


@dataclass(frozen=True)
class Failure:
    """An HTTP error instead of an answer.

    Attributes:
        status: the HTTP status, e.g. 429 or 500; from 300 to 599, the others are no failures.
        message: the error's message in the body.
        code: the error's code in the body, e.g. ``server_overloaded``.
        headers: headers of the response, e.g. ``{"Retry-After": "1"}``.
    """

    status: int
    message: str = "the test wants it so"
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no server can answer."""
        if type(self.status) is not int:
            raise TypeError(f"the status of a failure is an int, not {self.status!r}")
        if self.status not in _FAILURES:
            raise ValueError(f"the status of a failure is from 300 to 599, not {self.status}")
        said: tuple[object, object] = (self.message, "" if self.code is None else self.code)
        if not all(isinstance(each, str) for each in said):
            raise TypeError(f"message and code of a failure are a str, not {self.message!r} and {self.code!r}")
        if not isinstance(self.headers, Mapping):
            raise TypeError(f"the headers of a failure are a mapping by name, not {self.headers!r}")
        for line in (f"{name}: {text}" for name, text in self.headers.items()):
            if not line.isprintable() or not _is_latin(line):
                raise ValueError(f"no header of a failure can be {line!r}")


@dataclass(frozen=True)
class Cut:
    """An answer whose stream breaks off.

    Attributes:
        answer: the answer whose beginning is sent.
        after: after how many events the stream breaks off.
    """

    answer: Text
    after: int = 3

    def __post_init__(self) -> None:
        """Refuse what is no number of events."""
        if type(self.after) is not int:
            raise TypeError(f"an answer breaks off after an int of events, not {self.after!r}")
        if self.after < 0:
            raise ValueError(f"an answer breaks off after 0 events or more, not {self.after}")


Item: TypeAlias = "Text | Reasoning | ToolCall | Code"
"""A part of an answer."""

Answer: TypeAlias = "Item | Failure | Cut | Sequence[Item]"
"""The answer to one request: an item, several items in a list, a failure, or an answer that breaks off."""


def checked(answer: object) -> Answer:
    """The same.

    Raises:
        TypeError: if it is no answer; the message says what to write.
    """
    if isinstance(answer, Text | Reasoning | ToolCall | Code | Failure):
        return answer
    if isinstance(answer, Cut) and isinstance(answer.answer, Text):
        return answer
    if not isinstance(answer, str) and isinstance(answer, Sequence) and all(map(_is_item, answer)):
        return answer
    hint = f"; say Text({answer!r})" if isinstance(answer, str) else ""
    raise TypeError(
        "an answer is a Text, Reasoning, ToolCall, Code, Failure or Cut, several of the first four, or a function that "
        f"returns one of these, not {answer!r}{hint}"
    )


def _is_item(value: object) -> bool:
    return isinstance(value, Text | Reasoning | ToolCall | Code)


def _check_text(text: object, what: str) -> None:
    """Refuse what is none, and halves of characters: the runtime would pass over the event that has one."""
    if not isinstance(text, str):
        raise TypeError(f"{what} is a str, not {text!r}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{text!r} has {error.object[error.start]!r} in it, which is no Unicode") from None


def _is_latin(text: str) -> bool:
    return all(ord(char) < _LATIN for char in text)


def _words(text: str) -> list[str]:
    """As they are streamed."""
    words = text.split(" ")
    return [word + " " for word in words[:-1]] + words[-1:]


@dataclass(frozen=True)
class Pause:
    """Time to wait before the next event, in seconds."""

    seconds: float


def events_of(
    answer: Item | Cut | Sequence[Item], response_id: str, offered: code_mode.Offered | None = None
) -> Iterator[Event | Pause]:
    """The events of an answer, in their order.

    Args:
        answer: what is said.
        response_id: of the answer.
        offered: in code mode, which tools may be called without code.

    Raises:
        TypeError: for `Code` in direct mode.
    """
    if isinstance(answer, Cut):
        for number, event in enumerate(events_of(answer.answer, response_id, offered)):
            if number == answer.after:
                return
            yield event
        return
    yield {"type": "response.created", "response": {"id": response_id}}
    items = answer if isinstance(answer, Sequence) else [answer]
    index = 0
    written: list[tuple[str, ToolCall]] = []  # calls that wait for others to be written down together
    for number, item in enumerate([*items, None]):
        item_id = f"{response_id}_{number}"
        if isinstance(item, ToolCall) and _needs_code(item, offered):
            written.append((f"call_{item_id}", item))
            continue
        if written:
            source = code_mode.script((call_id, it.name, it.namespace, it.arguments) for call_id, it in written)
            yield _done(index, _code(source, f"{response_id}_code_{index}"))
            index, written = index + 1, []
        if item is not None:
            yield from _item(item, item_id, index, offered)
            index += 1
    usage = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 15,
    }
    yield {"type": "response.completed", "response": {"id": response_id, "usage": usage}}


def _needs_code(call: ToolCall, offered: code_mode.Offered | None) -> bool:
    return offered is not None and (call.namespace or code_mode.NAMESPACE, call.name) not in offered


def _item(item: Item, item_id: str, index: int, offered: code_mode.Offered | None) -> Iterator[Event | Pause]:
    if isinstance(item, ToolCall):
        yield _done(index, _call(item, item_id, offered))
    elif isinstance(item, Code):
        if offered is None:
            raise TypeError('Code is for code mode: say ModelServer(..., mode="code")')
        yield _done(index, _code(item.javascript, item_id))
    elif isinstance(item, Reasoning):
        yield from _reasoning(item, item_id, index)
    else:
        yield from _message(item, item_id, index)


def _done(index: int, item: Event) -> Event:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def _call(item: ToolCall, item_id: str, offered: code_mode.Offered | None) -> Event:
    namespace = item.namespace if offered is None else item.namespace or code_mode.NAMESPACE
    call: Event = {
        "type": "function_call",
        "id": item_id,
        "call_id": f"call_{item_id}",
        "name": item.name,
        "arguments": json.dumps(dict(item.arguments)),
    }
    return call if namespace is None else {**call, "namespace": namespace}


def _code(javascript: str, item_id: str) -> Event:
    call = {"type": "custom_tool_call", "id": item_id, "call_id": f"call_{item_id}", "input": javascript}
    return {**call, "name": "exec", "namespace": code_mode.NAMESPACE}


def _reasoning(item: Reasoning, item_id: str, index: int) -> Iterator[Event]:
    thought: Event = {"type": "reasoning", "id": item_id, "summary": []}
    about: Event = {"item_id": item_id, "output_index": index}
    yield {"type": "response.output_item.added", "output_index": index, "item": thought}
    for number, paragraph in enumerate(item.paragraphs):
        here = {**about, "summary_index": number}
        yield {"type": "response.reasoning_summary_part.added", **here}
        for word in _words(paragraph):
            yield {"type": "response.reasoning_summary_text.delta", "delta": word, **here}
    for word in _words(item.text) if item.text else ():
        yield {"type": "response.reasoning_text.delta", "delta": word, "content_index": 0, **about}
    whole = {**thought, "summary": [{"type": "summary_text", "text": each} for each in item.paragraphs]}
    if item.text:
        whole["content"] = [{"type": "reasoning_text", "text": item.text}]
    yield _done(index, whole)


def _message(item: Text, item_id: str, index: int) -> Iterator[Event | Pause]:
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
    yield _done(index, {**message, "content": [{"type": "output_text", "text": "".join(item.pieces)}]})
