"""The result of a turn, as a value: to look at, to keep as JSON, to show.

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
    """The result of a turn.

    Attributes:
        thread_id: the id of the thread that the turn belongs to.
        turn_id: the id of the turn.
        status: how the turn ended: completed, interrupted or failed; a plain string if this client does not know the
            runtime's word.
        error: the error that ended the turn; None if there was none.
        text: all the text that was streamed; if none was, the text of the completed messages.
        items: what was done in the turn, in the order in which it was completed: messages, commands, file changes.
        usage: the tokens that the thread and this turn used, if the runtime said it.
        final_response: the last message that the agent marks as its final answer; if it marks none, the last message
            without a mark; None if there is no such message.
        id: the same as `turn_id`.
        started_at: when the turn began, in seconds since 1970, if the runtime said it.
        completed_at: when the turn ended, in seconds since 1970, if the runtime said it.
        duration_ms: how long the turn took, in milliseconds, if the runtime said it.
        output: the reply as the type that was asked for; as plain JSON values if a schema was; else None.
        tokens: the tokens that all requests of this turn to the model used together, if the runtime said it.
        diff: all changes of files in the turn, as one diff of git; empty if there were none.
        plans: the plans of the agent, one for each time that it made or changed its plan.
        troubles: every error on the way, in order, also those after which the runtime tried again.
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
        """The whole result as JSON values, under the names of the attributes; their content is as the runtime said it.

        `output` is the agent's own JSON. If another value was assigned to it, it is what pydantic makes of that.
        """
        return {each.name: self._plain(each.name) for each in fields(self)}

    def to_json(self) -> str:
        """The whole result as one line of JSON; with the same content as `to_dict`."""
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
        """Make a result from what `to_dict` returned, in this version of the package or another.

        Args:
            given: the dictionary.
            output_type: the type of `output`; without it, `output` stays plain JSON values.

        Raises:
            ValueError: if the dictionary is no result, or its output is not of that type.
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
        """Make a result from what `to_json` returned; the arguments and errors are those of `from_dict`."""
        return cls.from_dict(json.loads(text), output_type)

    def agent_messages(self) -> list[AgentMessageThreadItem]:
        """The messages of the agent."""
        return self._of_kind("agentMessage")

    def reasoning(self) -> list[ReasoningThreadItem]:
        """The agent's thoughts, as far as the model shows them."""
        return self._of_kind("reasoning")

    def commands(self) -> list[CommandExecutionThreadItem]:
        """The commands that the agent ran."""
        return self._of_kind("commandExecution")

    def file_changes(self) -> list[FileChangeThreadItem]:
        """The changes of files that the agent made; `diff` is all of them together."""
        return self._of_kind("fileChange")

    def mcp_tool_calls(self) -> list[McpToolCallThreadItem]:
        """The agent's calls of tools of MCP servers."""
        return self._of_kind("mcpToolCall")

    def tool_calls(self) -> list[DynamicToolCallThreadItem]:
        """The agent's calls of this program's own tools."""
        return self._of_kind("dynamicToolCall")

    def web_searches(self) -> list[WebSearchThreadItem]:
        """The agent's searches of the web."""
        return self._of_kind("webSearch")

    def todo_lists(self) -> list[TurnPlanUpdatedNotification]:
        """The plans of the agent, as in `plans`; the last one shows how far it came."""
        return [*self.plans]

    def errors(self) -> list[TurnError]:
        """All errors, also those after which the runtime tried again; the one that ended the turn is the last."""
        final = self.error
        return [*self.troubles, *([final] if final is not None and final not in self.troubles[-1:] else [])]

    @property
    def duration(self) -> float | None:
        """How long the turn took, in seconds, if the runtime said it."""
        said = self._plain("duration_ms")
        return said / 1000 if isinstance(said, (int, float)) else None

    def cost(self, prices: Prices) -> float | None:
        """The cost of the turn, in the currency of the prices; None if the runtime did not count its tokens."""
        tokens = self._plain("tokens")
        return prices.of(tokens) if isinstance(tokens, dict) else None

    def to_markdown(self) -> str:
        """The whole result as Markdown, for people: the answer, what was done for it, and what changed."""
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
        """Whether the turn completed; if not, `failure` says why."""
        return self._plain("status") == "completed"

    @property
    def failure(self) -> str | None:
        """How the turn ended and why, in words, or that it has not ended; None if it completed."""
        if self.is_completed:
            return None
        error = self._plain("error")
        message = error.get("message") if isinstance(error, dict) else error
        status = self._how_it_ended()
        return f"{status}: {message}" if isinstance(message, str) else status

    @property
    def failure_kind(self) -> str | None:
        """The protocol's word for what went wrong (``codexErrorInfo``), e.g. ``contextWindowExceeded``, if any."""
        return failures.kind(self._plain("error"))

    @property
    def failure_http_status(self) -> int | None:
        """The HTTP status that the model's server answered, e.g. 429, if that is what went wrong."""
        return failures.http_status(self._plain("error"))

    @property
    def is_retryable(self) -> bool:
        """Whether the turn failed and may succeed later: the model's server was busy or could not be reached."""
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
"""Another name of `TurnResult`, for what `Thread.run` returns."""


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
