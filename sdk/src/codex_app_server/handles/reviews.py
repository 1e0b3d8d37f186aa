"""Reviews: what is reviewed, what came of it, and by which id the runtime stops one.

A review is a turn, and inside of it the reviewer has one of its own. The events of both carry the id that the answer to
``review/start`` gave; to interrupt it takes the inner one, which only ``turn/started`` tells (0.171.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codex_app_server.generated import ReviewTarget
    from codex_app_server.protocol.messages import JsonValue, Notification
    from codex_app_server.results import TurnResult

__all__ = ["STOPPING_S", "ReviewResult", "inner_turn", "review_of", "target_of"]

STOPPING_S = 2.0
"""How long is waited for the reviewer's turn to begin, in seconds, to stop a review in its first moments."""


@dataclass(frozen=True, eq=False)
class ReviewResult:
    """The result of a review.

    Attributes:
        text: what the reviewer found, as Markdown.
        turn: the turn of the review, with its items and the tokens that it used.
    """

    text: str
    turn: TurnResult

    def _repr_markdown_(self) -> str:
        """For notebooks."""
        return self.text


def target_of(target: ReviewTarget | str | None) -> object:
    """What to review, as the protocol says it."""
    if target is None:
        return {"type": "uncommittedChanges"}
    return {"type": "custom", "instructions": target} if isinstance(target, str) else target


def review_of(result: TurnResult) -> ReviewResult:
    """The review that a turn has made."""
    text = result.text
    items = result.to_dict()["items"]
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict) and item.get("type") == "exitedReviewMode" and isinstance(item.get("review"), str):
            text = str(item["review"])
    return ReviewResult(text, result)


def inner_turn(event: Notification, turn_id: str | None) -> str | None:
    """The id of the reviewer's own turn, if an event says that it begins.

    Args:
        event: of the thread.
        turn_id: of the review, if it is known.
    """
    params: JsonValue = event.params
    turn = params.get("turn") if event.method == "turn/started" and isinstance(params, dict) else None
    if not isinstance(turn, dict):
        return None
    found, root = turn.get("id"), turn.get("rootTurnId")
    is_inner = isinstance(root, str) and root != found and turn_id in {None, root}
    return found if is_inner and isinstance(found, str) else None
