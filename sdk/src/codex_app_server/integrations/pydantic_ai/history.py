"""A history of messages as threads know it: how far a thread has it, what has to be told, and in which words.

Every response carries the thread that gave it, and a digest of all before it. So a history says by itself which thread
has how much of it, also in another process; one that was changed has other digests, and is told anew. Pure: messages
in, plain values out.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import BinaryContent, ImageUrl, ModelResponse

from codex_app_server.inputs import ImageInput, TextInput
from codex_app_server.tools.context import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    from pydantic_ai.messages import ModelMessage, ModelRequestPart

    from codex_app_server.protocol.messages import JsonValue

    Content: TypeAlias = TextInput | ImageInput

__all__ = [
    "NOTHING",
    "PROVIDER",
    "Mark",
    "News",
    "Place",
    "answer",
    "digest_after",
    "digest_of",
    "news",
    "note",
    "places",
    "standing",
]

PROVIDER = "codex"
"""What responses call who gave them."""

NOTHING = "The program gave no result."
"""What is said of a call that nobody answers."""

_FAILED = frozenset({"failed", "retried", "denied"})


@dataclass(frozen=True)
class Mark:
    """What a response carries of the thread that gave it.

    Attributes:
        thread_id: of the thread.
        turn_id: of the turn.
        history: the digest of all up to this response, that included.
        tools: the digest of the tools that the thread has.
        instructions: the digest of the instructions that hold in it.
        ends_turn: whether the turn was over with it.
    """

    thread_id: str
    turn_id: str
    history: str
    tools: str
    instructions: str
    ends_turn: bool

    @classmethod
    def of(cls, response: ModelResponse) -> Mark | None:
        """What a response carries, if it was given by a thread."""
        details = response.provider_details
        if response.provider_name != PROVIDER or not isinstance(details, dict):
            return None
        try:
            return cls(**{name: details[name] for name in cls.__dataclass_fields__})
        except KeyError:
            return None


@dataclass(frozen=True)
class Place:
    """A response in a history at which a thread may have all before it.

    Attributes:
        mark: what it carries.
        index: of the first message behind it.
    """

    mark: Mark
    index: int


@dataclass(frozen=True)
class News:
    """What a thread is to be told.

    Attributes:
        items: for its history.
        words: what is said now.
        answers: what came of calls that wait, by their ids.
    """

    items: list[JsonValue]
    words: list[Content]
    answers: dict[str, ModelRequestPart]


def digest_of(*values: object) -> str:
    """A name for JSON values that others do not have."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:32]


def places(messages: Sequence[ModelMessage]) -> tuple[list[Place], str]:
    """Where a thread may go on, the nearest to the end first; and the digest of all."""
    found: list[Place] = []
    digest = ""
    for index, message in enumerate(messages, 1):
        digest = digest_after(digest, message)
        if isinstance(message, ModelResponse):
            mark = Mark.of(message)
            if mark is not None and mark.history == digest:
                found.append(Place(mark, index))
    return found[::-1], digest


def standing(messages: Sequence[ModelMessage]) -> list[str]:
    """What stands before everything, in the name of the developer."""
    return [part.content for part in (messages[0].parts if messages else ()) if part.part_kind == "system-prompt"]


def news(messages: Sequence[ModelMessage], index: int, waits: Callable[[str], bool]) -> News:
    """What a thread has not been told yet.

    Args:
        messages: all of a history.
        index: of the first message that the thread does not have.
        waits: whether a call waits for its answer in the thread.

    Raises:
        UserError: if Codex does not take something of it.
    """
    now = next((i for i in range(len(messages), index, -1) if isinstance(messages[i - 1], ModelResponse)), index)
    items: list[JsonValue] = []
    words: list[Content] = []
    answers: dict[str, ModelRequestPart] = {}
    open_calls: dict[str, None] = {}
    for number, message in enumerate(messages[index:], index):
        part: Any
        for part in message.parts:
            if isinstance(message, ModelResponse):
                items += _response_items(part)
                if part.part_kind == "tool-call":
                    open_calls[part.tool_call_id] = None
            elif _answers(part):
                call_id: str = part.tool_call_id
                if call_id in open_calls:
                    del open_calls[call_id]
                    items.append(_output(call_id, _returned(part)))
                elif waits(call_id):
                    answers[call_id] = part
                else:
                    words += [TextInput(f"Of the call {call_id} came:"), *_returned(part)]
            elif part.part_kind == "system-prompt":
                if number:  # else it is `standing`
                    items.append(note(part.content))
            elif number < now:
                items.append(_message("user", _contents(part)))
            else:
                words += _contents(part)
    items += [_output(call_id, [TextInput(NOTHING)]) for call_id in open_calls]
    return News(items, words, answers)


def note(text: str) -> JsonValue:
    """Something said in the name of the developer, as an item of a thread's history."""
    return _message("developer", [TextInput(text)])


def answer(part: ModelRequestPart) -> object:
    """What a tool gave back, for the model that waits for it.

    Raises:
        ToolError: if it came to nothing.
    """
    contents = _returned(part)
    if part.part_kind == "retry-prompt" or getattr(part, "outcome", "success") in _FAILED:
        raise ToolError("\n".join(each.text for each in contents if isinstance(each, TextInput)))
    if len(contents) == 1 and isinstance(contents[0], TextInput):
        return contents[0].text
    return [each.text if isinstance(each, TextInput) else each for each in contents]


def _answers(part: Any) -> bool:
    """Whether a part is what came of a tool call."""
    return part.part_kind == "tool-return" or (part.part_kind == "retry-prompt" and part.tool_name is not None)


def digest_after(before: str, message: ModelMessage) -> str:
    """The digest of a history with a message more; how requests are cut into messages makes no difference."""
    for part in message.parts:
        entry = _entry(part)
        if entry is not None:
            before = digest_of(before, entry)
    return before


def _entry(part: Any) -> list[JsonValue] | None:
    """What counts of a part: what everybody who hands histories on keeps."""
    if part.part_kind == "text":
        return ["text", part.content] if part.content else None
    if part.part_kind == "tool-call":
        return ["call", part.tool_name, part.tool_call_id, part.args_as_json_str()]
    if _answers(part):
        return ["output", part.tool_call_id, *(_item(each) for each in _returned(part))]
    if part.part_kind in {"compaction", "user-prompt", "retry-prompt"}:
        return ["said", *(_item(each) for each in _contents(part))]
    return None


def _contents(part: Any) -> list[Content]:
    """What a part of a request says.

    Raises:
        UserError: if Codex does not take it.
    """
    if part.part_kind == "user-prompt":
        given = [part.content] if isinstance(part.content, str) else part.content
        return [each for content in given for each in _content(content)]
    if part.part_kind in {"retry-prompt", "retry-feedback"}:
        return [TextInput(part.model_response())]
    if part.part_kind == "system-prompt":
        return [TextInput(part.content)]
    if part.part_kind == "compaction":  # what a program has written; that of another model only it can read
        return [TextInput(f"A summary of what was said before:\n\n{part.content}")] if part.content else []
    raise UserError(f"CodexAgentModel does not know what to tell of a part {part.part_kind!r} of a request")


def _content(given: Any) -> list[Content]:
    if isinstance(given, str):
        return [TextInput(given)]
    kind = getattr(given, "kind", None)
    if kind == "cache-point":
        return []
    if isinstance(given, ImageUrl):
        return [ImageInput(given.url)]
    if isinstance(given, BinaryContent) and given.is_image:
        return [ImageInput(f"data:{given.media_type};base64,{base64.b64encode(given.data).decode()}")]
    if isinstance(text := getattr(given, "content", None), str):
        return [TextInput(text)]
    raise UserError(
        f"Codex takes texts and images, not {kind or type(given).__name__}: leave it out, or tell it in words"
    )


def _returned(part: Any) -> list[Content]:
    """What came of a tool call."""
    if part.part_kind == "retry-prompt":
        return [TextInput(part.model_response())]
    files = [each for file in part.files for each in _content(file)]
    text = part.model_response_str(wrap_if_error=False)
    return [TextInput(text), *files] if text or not files else files


def _response_items(part: Any) -> list[JsonValue]:
    """A part of a response; thoughts, and what other models' own tools did, only they can read."""
    if part.part_kind == "text" and part.content:
        return [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": part.content}]}]
    if part.part_kind == "tool-call":
        call = {"type": "function_call", "name": part.tool_name, "call_id": part.tool_call_id}
        return [{**call, "arguments": part.args_as_json_str()}]
    return []


def _output(call_id: str, contents: Sequence[Content]) -> JsonValue:
    """What a tool gave back."""
    only = contents[0] if len(contents) == 1 else None
    output = only.text if isinstance(only, TextInput) else [_item(each) for each in contents]
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def _message(role: str, contents: Iterable[Content]) -> JsonValue:
    return {"type": "message", "role": role, "content": [_item(each) for each in contents]}


def _item(content: Content) -> JsonValue:
    if isinstance(content, TextInput):
        return {"type": "input_text", "text": content.text}
    return {"type": "input_image", "image_url": content.url}
