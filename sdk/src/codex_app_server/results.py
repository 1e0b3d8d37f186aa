"""What came of a turn: its events, folded.

The fold works on plain JSON and takes no part of it for granted, for another version of the runtime may say more or
less. Models are made when somebody asks for them, so a program that only wants the text never loads one.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codex_app_server.generated import (
        ThreadItem,
        ThreadTokenUsageUpdatedNotification,
        TurnError,
        TurnStatus,
    )
    from codex_app_server.protocol.messages import JsonValue, Notification

__all__ = ["RunResult", "TurnFold", "TurnResult"]

_MESSAGE = "agentMessage"
_DEEDS = (
    ("commandExecution", "command", "commands"),
    ("fileChange", "file change", "file changes"),
    ("mcpToolCall", "MCP tool call", "MCP tool calls"),
    ("dynamicToolCall", "tool call", "tool calls"),
    ("webSearch", "web search", "web searches"),
)
"""What a person wants to know was done, by the type of its items."""


class TurnResult:
    """What came of a turn.

    Attributes:
        thread_id: of the thread it belongs to.
        turn_id: its own.
        text: all the text that was streamed; without any, that of the completed messages.
        final_response: the last message that the agent calls its final answer, else the last one it calls nothing;
            None if there is no such.
    """

    def __init__(self, thread_id: str, turn_id: str, turn: dict[str, JsonValue], fold: TurnFold) -> None:
        self.thread_id = thread_id
        self.turn_id = turn_id
        self.text = fold.text
        self.final_response = fold.final_response
        self._turn = turn
        self._items = fold.items
        self._usage = fold.usage

    @property
    def is_completed(self) -> bool:
        """Whether it went through; if not, `failure` says more."""
        return self._turn.get("status") == "completed"

    @property
    def failure(self) -> str | None:
        """How it ended and why, in words; None if it went through."""
        if self.is_completed:
            return None
        error = self._turn.get("error")
        message = error.get("message") if isinstance(error, dict) else None
        status = str(self._turn.get("status"))
        return f"{status}: {message}" if isinstance(message, str) else status

    @cached_property
    def status(self) -> TurnStatus:
        """How it ended: completed, interrupted or failed; a plain string if this client does not know the word."""
        status: TurnStatus = _decoded("TurnStatus", self._turn.get("status"))
        return status

    @cached_property
    def error(self) -> TurnError | None:
        """What went wrong."""
        error = self._turn.get("error")
        return None if error is None else _decoded("TurnError", error)

    @cached_property
    def items(self) -> list[ThreadItem]:
        """What was done in it, in the order in which it was completed: messages, commands, file changes."""
        return [_decoded("ThreadItem", item) for item in self._items]

    @cached_property
    def usage(self) -> ThreadTokenUsageUpdatedNotification | None:
        """The tokens that the thread and this turn took, if the runtime said it."""
        return None if self._usage is None else _decoded("ThreadTokenUsageUpdatedNotification", self._usage)

    def __repr__(self) -> str:
        """How it ended, and how its answer begins."""
        answer = self.final_response if self.final_response is not None else self.text
        return f"<TurnResult {self.turn_id} {self._turn.get('status')}: {answer[:60]!r}>"

    def _repr_markdown_(self) -> str:
        """For notebooks: the answer, what went wrong, and what was done for it."""
        answer = self.final_response if self.final_response is not None else self.text
        parts = [answer, f"*{', '.join(self._facts())}*"]
        if self.failure is not None:
            parts.insert(1, f"````text\n{self.failure}\n````")  # verbatim, for it is no Markdown
        return "\n\n".join(filter(None, parts))

    def _facts(self) -> list[str]:
        """How it ended, what was done in it, and the tokens it took, each in a few words."""
        kinds = [item.get("type") for item in self._items if isinstance(item, dict)]
        counts = [(kinds.count(kind), one, several) for kind, one, several in _DEEDS]
        facts = [str(self._turn.get("status"))]
        facts += [f"{count} {one if count == 1 else several}" for count, one, several in counts if count]
        usage = self._usage.get("tokenUsage") if isinstance(self._usage, dict) else None
        last = usage.get("last") if isinstance(usage, dict) else None
        tokens = last.get("totalTokens") if isinstance(last, dict) else None
        return facts if tokens is None else [*facts, f"{tokens} tokens"]


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
    def text(self) -> str:
        """See `TurnResult.text`."""
        return "".join(self._streamed) or "".join(text for _, text in self._messages())

    @property
    def final_response(self) -> str | None:
        """See `TurnResult.final_response`."""
        by_phase = dict(self._messages())
        return by_phase.get("final_answer", by_phase.get(None))

    def result(self, thread_id: str, turn_id: str) -> TurnResult:
        """What came of it."""
        return TurnResult(thread_id, turn_id, self._turn or {}, self)

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
