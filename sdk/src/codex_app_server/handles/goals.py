"""How far a thread is with its goal, as the thread's events say it.

A goal begins turns by itself. It is over when it is not active any more, for whatever reason, and no turn is running.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codex_app_server.folding import TurnFold
from codex_app_server.protocol.streams import turn_of

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue, Notification
    from codex_app_server.results import TurnResult

__all__ = ["GoalFold", "GoalResult"]


@dataclass(frozen=True, eq=False)
class GoalResult:
    """The result of a goal.

    Attributes:
        status: how it ended: ``complete`` if it was reached; ``blocked`` if the agent could not go on, or a turn
            failed; ``budgetLimited`` or ``usageLimited`` if there were no tokens left; ``paused`` or ``cleared`` if
            somebody stopped it.
        tokens_used: how many tokens were used for it.
        seconds_used: for how long the agent worked on it, in seconds.
        turns: the turns that were run for it since this handle was made.
    """

    status: str
    tokens_used: int
    seconds_used: int
    turns: list[TurnResult] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether the goal was reached."""
        return self.status == "complete"

    @property
    def final_response(self) -> str | None:
        """The last message of the last turn that has one."""
        said = [turn.final_response for turn in self.turns if turn.final_response is not None]
        return said[-1] if said else None


class GoalFold:
    """Takes the events of a thread, one after another.

    Args:
        thread_id: whose.

    Attributes:
        known: the goal, as the runtime said it last.
        running: the turn that is under way.
        turns: those that have ended.
    """

    def __init__(self, thread_id: str) -> None:
        self.known: dict[str, JsonValue] = {}
        self.running: str | None = None
        self.turns: list[TurnResult] = []
        self._thread_id = thread_id
        self._is_cleared = False
        self._is_active = True
        self._fold = TurnFold()

    @property
    def status(self) -> str:
        """How it is."""
        return "cleared" if self._is_cleared else str(self.known.get("status") or "active")

    @property
    def seems_over(self) -> bool:
        """Whether nothing more comes of it by itself, by the events alone: it may have been set anew meanwhile."""
        return not self._is_active and self.running is None

    def learn(self, answer: JsonValue) -> None:
        """What the runtime says of it in an answer or an event."""
        goal = answer.get("goal") if isinstance(answer, dict) else None
        self._is_cleared = not isinstance(goal, dict)
        if isinstance(goal, dict):
            self.known = goal

    def add(self, event: Notification) -> None:
        """The next event of the thread."""
        if event.method in {"thread/goal/updated", "thread/goal/cleared"}:
            self.learn(event.params)
            self._is_active = self.status == "active"
        turn_id = turn_of(event.params)
        if event.method == "turn/started":
            self.running = turn_id
            self._fold = TurnFold()
        if turn_id is None or turn_id != self.running:
            return
        self._fold.add(event)
        if event.method == "turn/completed":
            self.turns.append(self._fold.result(self._thread_id, turn_id))
            self.running = None

    def result(self) -> GoalResult:
        """What came of it so far."""
        used = [self.known.get(name) for name in ("tokensUsed", "timeUsedSeconds")]
        tokens, time_used = (each if isinstance(each, int) else 0 for each in used)
        return GoalResult(self.status, tokens, time_used, list(self.turns))
