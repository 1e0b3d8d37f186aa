"""What came of a turn, as a value: to look at, to keep as JSON, to show.

It holds plain JSON and takes no part of it for granted, for another version of the runtime may say more or less. Models
are made when somebody asks for them, so a program that only wants the text never loads one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Generic, cast

from codex_app_server import failures
from codex_app_server.models.encoding import encode_value

if TYPE_CHECKING:
    from typing import overload

    from rich.markdown import Markdown
    from typing_extensions import TypeForm, TypeVar

    from codex_app_server.generated import (
        AgentMessageThreadItem,
        CommandExecutionThreadItem,
        DynamicToolCallThreadItem,
        FileChangeThreadItem,
        McpToolCallThreadItem,
        ReasoningThreadItem,
        ThreadItem,
        ThreadTokenUsageUpdatedNotification,
        TokenUsageBreakdown,
        TurnError,
        TurnPlanUpdatedNotification,
        TurnStatus,
        WebSearchThreadItem,
    )
    from codex_app_server.prices import Prices
    from codex_app_server.protocol.messages import JsonValue

    Kind = TypeVar("Kind")

    Output = TypeVar("Output", default=Any)
else:
    from typing import TypeVar

    Output = TypeVar("Output")

__all__ = ["Output", "RunResult", "TurnResult", "answer_with"]

_DEEDS = (
    ("commandExecution", "command", "commands"),
    ("fileChange", "file change", "file changes"),
    ("mcpToolCall", "MCP tool call", "MCP tool calls"),
    ("dynamicToolCall", "tool call", "tool calls"),
    ("webSearch", "web search", "web searches"),
)
"""What a person wants to know was done, by the type of its items."""

_SAID = "_said"
"""Beside the fields of a result, the JSON that its `output` was read from."""


@dataclass(eq=False, repr=False)
class TurnResult(Generic[Output]):
    """What came of a turn.

    Attributes:
        thread_id: of the thread it belongs to.
        turn_id: its own.
        status: how it ended: completed, interrupted or failed; a plain string if this client does not know the word.
        error: what went wrong.
        text: all the text that was streamed; without any, that of the completed messages.
        items: what was done in it, in the order in which it was completed: messages, commands, file changes.
        usage: the tokens that the thread and this turn took, if the runtime said it.
        final_response: the last message that the agent calls its final answer, else the last one it calls nothing;
            None if there is no such.
        id: the same as `turn_id`.
        started_at: when it began, in seconds since 1970, if the runtime said it.
        completed_at: when it ended, likewise.
        duration_ms: how long it took, in milliseconds, likewise.
        output: the reply as the type that was asked for; with a schema, as plain JSON values; else None.
        tokens: those that this turn took, all its requests to the model together, if the runtime said it.
        diff: all that the turn changed in files, as one diff of git; empty if it changed nothing.
        plans: what the agent planned, each time that it said so.
        troubles: what went wrong on the way, each time, also what was tried again.
    """

    thread_id: str
    turn_id: str
    status: TurnStatus
    error: TurnError | None
    text: str
    items: list[ThreadItem]
    usage: ThreadTokenUsageUpdatedNotification | None = None
    final_response: str | None = None
    id: str = field(init=False)
    started_at: int | None = None
    completed_at: int | None = None
    duration_ms: int | None = None
    output: Output = None  # type: ignore[assignment]  # of a run that asks for nothing, it is None by its type too
    tokens: TokenUsageBreakdown | None = None
    diff: str = ""
    plans: list[TurnPlanUpdatedNotification] = field(default_factory=list)
    troubles: list[TurnError] = field(default_factory=list)

    def __post_init__(self) -> None:
        """The turn's id has two names."""
        self.id = self.turn_id

    def to_dict(self) -> dict[str, JsonValue]:
        """All of it as JSON values, by the names of the attributes; further inside, as the runtime said it.

        So it is with `output`, which is the agent's JSON; one that was put there later is as pydantic says it.
        """
        return {each.name: self._plain(each.name) for each in fields(self)}

    def to_json(self) -> str:
        """All of it as one line of JSON."""
        return json.dumps(self.to_dict())

    if TYPE_CHECKING:

        @overload
        @classmethod
        def from_dict(cls, given: Mapping[str, JsonValue], output_type: TypeForm[Kind]) -> TurnResult[Kind]: ...
        @overload
        @classmethod
        def from_dict(cls, given: Mapping[str, JsonValue], output_type: None = None) -> TurnResult[Any]: ...

    @classmethod
    def from_dict(cls, given: Mapping[str, JsonValue], output_type: Any = None) -> TurnResult[Any]:
        """A result of what `to_dict` gave, of this version or another.

        Args:
            given: the dictionary.
            output_type: what `output` is; without it, it stays plain JSON values.

        Raises:
            ValueError: if it is no result, or its output is not of that type.
        """
        value: object = given
        if not isinstance(value, Mapping) or not {"thread_id", "turn_id"} <= value.keys():
            raise ValueError("this is no result of a turn: it has no thread_id and turn_id")
        known = {each.name: given[each.name] for each in fields(cls) if each.init and each.name in given}
        values: dict[str, Any] = {"status": None, "error": None, "text": "", "items": [], **known}
        result = cls(**values)
        if output_type is not None and (said := values.get("output")) is not None:
            from codex_app_server.structured.typed import expected_type

            answer_with(result, expected_type(output_type, is_strict=False).read(json.dumps(said)), said)
        return result

    if TYPE_CHECKING:

        @overload
        @classmethod
        def from_json(cls, text: str | bytes, output_type: TypeForm[Kind]) -> TurnResult[Kind]: ...
        @overload
        @classmethod
        def from_json(cls, text: str | bytes, output_type: None = None) -> TurnResult[Any]: ...

    @classmethod
    def from_json(cls, text: str | bytes, output_type: Any = None) -> TurnResult[Any]:
        """A result of what `to_json` gave; as `from_dict`."""
        return cls.from_dict(json.loads(text), output_type)

    def agent_messages(self) -> list[AgentMessageThreadItem]:
        """What the agent said."""
        return self._of_kind("agentMessage")

    def reasoning(self) -> list[ReasoningThreadItem]:
        """What it thought, as far as that is told."""
        return self._of_kind("reasoning")

    def commands(self) -> list[CommandExecutionThreadItem]:
        """The commands that it ran."""
        return self._of_kind("commandExecution")

    def file_changes(self) -> list[FileChangeThreadItem]:
        """The changes of files that it made; `diff` is all of them together."""
        return self._of_kind("fileChange")

    def mcp_tool_calls(self) -> list[McpToolCallThreadItem]:
        """Its calls of tools of MCP servers."""
        return self._of_kind("mcpToolCall")

    def tool_calls(self) -> list[DynamicToolCallThreadItem]:
        """Its calls of tools of this program."""
        return self._of_kind("dynamicToolCall")

    def web_searches(self) -> list[WebSearchThreadItem]:
        """Its searches of the web."""
        return self._of_kind("webSearch")

    def todo_lists(self) -> list[TurnPlanUpdatedNotification]:
        """What it planned, each time that it said so; the last one is how far it came."""
        return [*self.plans]

    def errors(self) -> list[TurnError]:
        """What went wrong, also what was tried again; at last what the turn failed of."""
        final = self.error
        return [*self.troubles, *([final] if final is not None and final not in self.troubles[-1:] else [])]

    @property
    def duration(self) -> float | None:
        """How long the turn took, in seconds, if the runtime said it."""
        return None if self.duration_ms is None else self.duration_ms / 1000

    def cost(self, prices: Prices) -> float | None:
        """What the turn cost, in the currency of the prices; None if the runtime did not count its tokens."""
        tokens = self._plain("tokens")
        return prices.of(tokens) if isinstance(tokens, dict) else None

    def to_markdown(self) -> str:
        """All of it to read, as Markdown: the answer, what was done for it, and what it changed."""
        from codex_app_server.rendering import markdown

        return markdown(self.to_dict(), self._facts(), self.failure)

    def __rich__(self) -> Markdown:
        """For `rich`, which calls it, so that it is there."""
        from rich.markdown import Markdown

        return Markdown(self.to_markdown())

    def __eq__(self, other: object) -> bool:
        """Whether all of it is the same; no model is made for that."""
        if not isinstance(other, TurnResult):
            return NotImplemented

        def is_same(name: str) -> bool:
            # Not every output can be said in JSON.
            return (name == "output" and self.output == other.output) or self._plain(name) == other._plain(name)  # noqa: SLF001 - of this class

        return all(is_same(each.name) for each in fields(self))

    __hash__ = None  # type: ignore[assignment]  # as every dataclass that can be compared and changed

    @property
    def is_completed(self) -> bool:
        """Whether it went through; if not, `failure` says more."""
        return self._plain("status") == "completed"

    @property
    def failure(self) -> str | None:
        """How it ended and why, in words, also that it has not; None if it went through."""
        if self.is_completed:
            return None
        error = self._plain("error")
        message = error.get("message") if isinstance(error, dict) else None
        status = self._how_it_ended()
        return f"{status}: {message}" if isinstance(message, str) else status

    @property
    def failure_kind(self) -> str | None:
        """The protocol's word for what went wrong (``codexErrorInfo``), e.g. ``contextWindowExceeded``, if any."""
        return failures.kind(self._plain("error"))

    @property
    def failure_http_status(self) -> int | None:
        """What the model's server answered, e.g. 429, if that is what went wrong."""
        return failures.http_status(self._plain("error"))

    @property
    def is_retryable(self) -> bool:
        """Whether it failed, and the same may succeed later: the model's server was busy or could not be reached."""
        return not self.is_completed and failures.is_retryable(self._plain("error"))

    def __repr__(self) -> str:
        """How it ended, and how its answer begins."""
        answer = self.final_response if self.final_response is not None else self.text
        return f"<TurnResult {self.turn_id} {self._plain('status')}: {answer[:60]!r}>"

    def _repr_markdown_(self) -> str:
        """For notebooks: the answer, what went wrong, and what was done for it."""
        answer = self.final_response if self.final_response is not None else self.text
        parts = [answer, f"*{', '.join(self._facts())}*"]
        if self.failure is not None:
            parts.insert(1, f"````text\n{self.failure}\n````")  # verbatim, for it is no Markdown
        return "\n\n".join(filter(None, parts))

    def _facts(self) -> list[str]:
        """How it ended, what was done in it, and the tokens it took, each in a few words."""
        items = self._plain("items")
        kinds = [item.get("type") for item in items if isinstance(item, dict)] if isinstance(items, list) else []
        counts = [(kinds.count(kind), one, several) for kind, one, several in _DEEDS]
        facts = [self._how_it_ended()]
        facts += [f"{count} {one if count == 1 else several}" for count, one, several in counts if count]
        counted = self._plain("tokens")
        tokens = counted.get("totalTokens") if isinstance(counted, dict) else None
        return facts if tokens is None else [*facts, f"{tokens} tokens"]

    def _how_it_ended(self) -> str:
        status = self._plain("status")
        return "not ended" if status is None else str(status)

    def _of_kind(self, kind: str) -> list[Any]:
        """The items of one type."""
        return [item for item in self.items if getattr(item, "type", None) == kind]

    def _plain(self, name: str) -> JsonValue:
        """A field as JSON: of a model that was made, what it says now, otherwise what it would have been made of."""
        if name == "output" and _SAID in vars(self):
            return encode_value(vars(self)[_SAID], name)
        value = vars(self).get(f"_{name}", vars(self)[name])
        if name == "output" and value is not None:
            from pydantic_core import to_jsonable_python

            return cast("JsonValue", to_jsonable_python(value))
        return encode_value(value, name)


class _Read:
    """A field that is given as JSON, or as a model, and read as a model, which is made when it is first looked at.

    What was given stays in the instance under the field's name, the model beside it with an underscore before.

    Args:
        name: of the field.
        model: of its value, or of each in a list.
    """

    def __init__(self, name: str, model: str) -> None:
        self._name = name
        self._made = f"_{name}"
        self._model = model

    def __get__(self, result: TurnResult[Any] | None, owner: type | None = None) -> Any:
        if result is None:
            raise AttributeError(self._name)  # as a field without a default is none of the class
        values = vars(result)
        if self._made not in values:
            given = values[self._name]
            made = [_decoded(self._model, each) for each in given] if type(given) is list else self._one(given)
            return values.setdefault(self._made, made)
        return values[self._made]

    def __set__(self, result: TurnResult[Any], value: object) -> None:
        vars(result).pop(self._made, None)
        vars(result)[self._name] = value

    def _one(self, given: JsonValue) -> Any:
        return None if given is None else _decoded(self._model, given)


class _Output:
    """The field of the output; another one than that of the reply has no JSON of the agent's."""

    def __get__(self, result: TurnResult[Any] | None, owner: type | None = None) -> Any:
        if result is None:
            raise AttributeError("output")
        return vars(result)["output"]

    def __set__(self, result: TurnResult[Any], value: object) -> None:
        vars(result).pop(_SAID, None)
        vars(result)["output"] = value


# Not before the class is a dataclass, which would take them for defaults.
for _name, _model in (
    ("status", "TurnStatus"),
    ("error", "TurnError"),
    ("items", "ThreadItem"),
    ("usage", "ThreadTokenUsageUpdatedNotification"),
    ("tokens", "TokenUsageBreakdown"),
    ("plans", "TurnPlanUpdatedNotification"),
    ("troubles", "TurnError"),
):
    setattr(TurnResult, _name, _Read(_name, _model))
TurnResult.output = _Output()  # type: ignore[misc]  # of all kinds of results


RunResult = TurnResult
"""What `Thread.run` gives: the same."""


def answer_with(result: TurnResult[Any], output: object, said: JsonValue) -> None:
    """Give a result its output, and keep the JSON that it was read from.

    What a type makes of a reply need not be what it takes: a validator may count on, a secret is not written, fields
    have several names. So it is the reply that is kept, and read again.
    """
    result.output = output
    vars(result)[_SAID] = said


def _decoded(model: str, value: JsonValue) -> Any:
    from codex_app_server.models.model import decode

    return decode(model, value)
