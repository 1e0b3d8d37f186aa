"""The events of a turn, folded into what came of it.

The fold works on plain JSON and takes no part of it for granted, for another version of the runtime may say more or
less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codex_app_server.results import TurnResult

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue, Notification

__all__ = ["TurnFold"]

_MESSAGE = "agentMessage"
_TOLD = (
    ("status", "status"),
    ("error", "error"),
    ("started_at", "startedAt"),
    ("completed_at", "completedAt"),
    ("duration_ms", "durationMs"),
)
"""The fields of a result that ``turn/completed`` says, and how it calls them."""


class TurnFold:
    """Takes the events of one turn, one after another.

    Attributes:
        items: those that are completed.
        usage: the last report of tokens.
        diff: all that was changed in files.
        plans: what was to be done, each time that was said.
        troubles: what went wrong, each time.
        begun: the type of the item that was begun last.
    """

    def __init__(self) -> None:
        self.items: list[JsonValue] = []
        self.usage: JsonValue = None
        self.diff = ""
        self.plans: list[JsonValue] = []
        self.troubles: list[JsonValue] = []
        self.begun: str | None = None
        self._streamed: list[str] = []
        self._turn: dict[str, JsonValue] | None = None
        self._before: dict[str, int] | None = None  # the tokens that the thread had used

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
            if self._before is None:
                self._before = _difference(_counts(params, "total"), _counts(params, "last"))
        elif method == "turn/diff/updated":
            self.diff = diff if isinstance(diff := params.get("diff"), str) else ""
        elif method == "turn/plan/updated":
            self.plans.append(params)
        elif method == "error":
            self.troubles.append(params.get("error"))
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
        told |= {"items": [*self.items], "usage": self.usage, "diff": self.diff}
        told |= {"plans": [*self.plans], "troubles": [*self.troubles], "tokens": self._tokens()}
        return TurnResult(thread_id, turn_id, text=self.text, final_response=self.final_response, **told)

    def _tokens(self) -> dict[str, int] | None:
        """What the turn took: what its thread has, without what it had before."""
        return None if self._before is None else _difference(_counts(self.usage, "total"), self._before) or None

    def _messages(self) -> list[tuple[str | None, str]]:
        """The phase and the text of every completed message."""
        found: list[tuple[str | None, str]] = []
        for item in self.items:
            if isinstance(item, dict) and item.get("type") == _MESSAGE and isinstance(text := item.get("text"), str):
                phase = item.get("phase")
                found.append((phase if isinstance(phase, str) else None, text))
        return found


def _counts(report: JsonValue, name: str) -> dict[str, int]:
    """The counts of a report of tokens, ``total`` or ``last``."""
    usage = report.get("tokenUsage") if isinstance(report, dict) else None
    counts = usage.get(name) if isinstance(usage, dict) else None
    return {kind: count for kind, count in counts.items() if type(count) is int} if isinstance(counts, dict) else {}


def _difference(more: dict[str, int], less: dict[str, int]) -> dict[str, int]:
    return {kind: count - less.get(kind, 0) for kind, count in more.items()}
