"""What came of a turn: its events, folded.

The fold works on plain JSON and takes no part of it for granted, for another version of the runtime may say more or
less. Models are made when somebody asks for them, so a program that only wants the text never loads one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Generic

from codex_app_server import failures
from codex_app_server.models.encoding import encode_value

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from codex_app_server.generated import (
        ThreadItem,
        ThreadTokenUsageUpdatedNotification,
        TurnError,
        TurnStatus,
    )
    from codex_app_server.protocol.messages import JsonValue, Notification

    Output = TypeVar("Output", default=Any)
else:
    from typing import TypeVar

    Output = TypeVar("Output")

__all__ = ["Output", "RunResult", "TurnFold", "TurnResult"]

_MESSAGE = "agentMessage"
_DEEDS = (
    ("commandExecution", "command", "commands"),
    ("fileChange", "file change", "file changes"),
    ("mcpToolCall", "MCP tool call", "MCP tool calls"),
    ("dynamicToolCall", "tool call", "tool calls"),
    ("webSearch", "web search", "web searches"),
)
"""What a person wants to know was done, by the type of its items."""
_TOLD = (
    ("status", "status"),
    ("error", "error"),
    ("started_at", "startedAt"),
    ("completed_at", "completedAt"),
    ("duration_ms", "durationMs"),
)
"""The fields of a result that ``turn/completed`` says, and how it calls them."""


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

    def __post_init__(self) -> None:
        """The turn's id has two names."""
        self.id = self.turn_id

    def to_dict(self) -> dict[str, JsonValue]:
        """All of it as JSON values, by the names of the attributes; further inside, as the runtime said it."""
        return {each.name: self._plain(each.name) for each in fields(self)}

    def __eq__(self, other: object) -> bool:
        """Whether all of it is the same; no model is made for that."""
        return self.to_dict() == other.to_dict() if isinstance(other, TurnResult) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as every dataclass that can be compared and changed

    @property
    def is_completed(self) -> bool:
        """Whether it went through; if not, `failure` says more."""
        return self._plain("status") == "completed"

    @property
    def failure(self) -> str | None:
        """How it ended and why, in words; None if it went through."""
        if self.is_completed:
            return None
        error = self._plain("error")
        message = error.get("message") if isinstance(error, dict) else None
        status = str(self._plain("status"))
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
        facts = [str(self._plain("status"))]
        facts += [f"{count} {one if count == 1 else several}" for count, one, several in counts if count]
        told = self._plain("usage")
        usage = told.get("tokenUsage") if isinstance(told, dict) else None
        last = usage.get("last") if isinstance(usage, dict) else None
        tokens = last.get("totalTokens") if isinstance(last, dict) else None
        return facts if tokens is None else [*facts, f"{tokens} tokens"]

    def _plain(self, name: str) -> JsonValue:
        """A field as JSON: of a model that was made, what it says now, otherwise what it would have been made of."""
        return encode_value(vars(self).get(f"_{name}", vars(self)[name]), name)


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


# Not before the class is a dataclass, which would take them for defaults.
for _name, _model in (
    ("status", "TurnStatus"),
    ("error", "TurnError"),
    ("items", "ThreadItem"),
    ("usage", "ThreadTokenUsageUpdatedNotification"),
):
    setattr(TurnResult, _name, _Read(_name, _model))


RunResult = TurnResult
"""What `Thread.run` gives: the same."""


class TurnFold:
    """Takes the events of one turn, one after another.

    Attributes:
        items: those that are completed.
        usage: the last report of tokens.
        begun: the type of the item that was begun last.
    """

    def __init__(self) -> None:
        self.items: list[JsonValue] = []
        self.usage: JsonValue = None
        self.begun: str | None = None
        self._streamed: list[str] = []
        self._turn: dict[str, JsonValue] | None = None

    def add(self, event: Notification) -> None:
        """The next event."""
        params = event.params
        if not isinstance(params, dict):
            return
        method = event.method
        if method == "item/agentMessage/delta":
            if isinstance(delta := params.get("delta"), str):
                self._streamed.append(delta)
        elif method == "item/started":
            item = params.get("item")
            kind = item.get("type") if isinstance(item, dict) else None
            self.begun = kind if isinstance(kind, str) else None
        elif method == "item/completed":
            self.items.append(params.get("item"))
        elif method == "thread/tokenUsage/updated":
            self.usage = params
        elif method == "turn/completed" and isinstance(turn := params.get("turn"), dict):
            self._turn = turn

    @property
    def has_ended(self) -> bool:
        """Whether the turn's last event was added."""
        return self._turn is not None

    @property
    def text(self) -> str:
        """See `TurnResult.text`."""
        return "".join(self._streamed) or "".join(text for _, text in self._messages())

    @property
    def final_response(self) -> str | None:
        """See `TurnResult.final_response`."""
        by_phase = dict(self._messages())
        return by_phase.get("final_answer", by_phase.get(None))

    def result(self, thread_id: str, turn_id: str) -> TurnResult[None]:
        """What came of it."""
        turn = self._turn or {}
        told: dict[str, Any] = {name: turn.get(wire) for name, wire in _TOLD}  # plain, see `_Read`
        told |= {"items": [*self.items], "usage": self.usage}
        return TurnResult(thread_id, turn_id, text=self.text, final_response=self.final_response, **told)

    def _messages(self) -> list[tuple[str | None, str]]:
        """The phase and the text of every completed message."""
        found: list[tuple[str | None, str]] = []
        for item in self.items:
            if isinstance(item, dict) and item.get("type") == _MESSAGE and isinstance(text := item.get("text"), str):
                phase = item.get("phase")
                found.append((phase if isinstance(phase, str) else None, text))
        return found


def _decoded(model: str, value: JsonValue) -> Any:
    from codex_app_server.models.model import decode

    return decode(model, value)
