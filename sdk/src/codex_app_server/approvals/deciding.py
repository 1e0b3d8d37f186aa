"""How a list of rules decides a request, and who is shown what was decided.

The functions are called by the drivers, in threads or in the event loop: `decide` hands them out one after another, and
is told what they returned or raised. As values: a function may raise `GeneratorExit`, which ends a generator.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from codex_app_server._log import log_error
from codex_app_server.approvals.requests import FileChangeApproval, request_of
from codex_app_server.approvals.rules import ApprovalDecision, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from codex_app_server.approvals.requests import ApprovalRequest
    from codex_app_server.approvals.rules import ApprovalRule
    from codex_app_server.handlers import Decision
    from codex_app_server.protocol.messages import JsonValue, ServerRequest
    from codex_app_server.workers import Outcome

    Steps: TypeAlias = Generator[tuple[Callable[[Any], object], object], "Outcome[object]", Any]

__all__ = ["Approving", "decide"]

_WORDS = frozenset({"accept", "acceptForSession", "decline", "cancel"})
_MOST_KEPT = 64


class Approving:
    """What the rules of a client need to decide.

    Args:
        rules: in their order.

    Attributes:
        rules: the same.
        watchers: who is shown each decision, at once; they must not block, and not raise.
    """

    def __init__(self, rules: Sequence[ApprovalRule] = ()) -> None:
        self.rules = rules
        self.watchers: list[Callable[[ApprovalDecision], None]] = []
        self._changes: OrderedDict[tuple[str, str] | None, JsonValue] = OrderedDict()

    def note(self, params: JsonValue) -> None:
        """An item has begun: keep what it changes, for the question about it does not say it again."""
        item = params.get("item") if isinstance(params, dict) else None
        if isinstance(params, dict) and isinstance(item, dict) and item.get("type") == "fileChange":
            if (named := _named(params.get("turnId"), item.get("id"))) is not None:
                self._changes[named] = item.get("changes")
            if len(self._changes) > _MOST_KEPT:
                self._changes.popitem(last=False)

    def read(self, asked: ServerRequest) -> ApprovalRequest | None:
        """The request for approval that a question is, if it is one; the changes of an item are those of one question.

        A second one about the same item is about changes that are not known, unless it has begun again.
        """
        params = asked.params if isinstance(asked.params, dict) else {}
        named = _named(params.get("turnId"), params.get("itemId"))
        wanted = request_of(asked, self._changes.get(named))
        if isinstance(wanted, FileChangeApproval):
            self._changes.pop(named, None)
        return wanted

    def tell(self, decision: ApprovalDecision) -> None:
        """Show everybody what was decided."""
        for watcher in list(self.watchers):
            watcher(decision)


def _named(turn_id: JsonValue, item_id: JsonValue) -> tuple[str, str] | None:
    """What an item is known by; nothing if the runtime says no names, which must not end who reads that."""
    return (turn_id, item_id) if isinstance(turn_id, str) and isinstance(item_id, str) else None


def decide(request: ApprovalRequest, rules: Sequence[ApprovalRule]) -> Steps:
    """Ask the rules, in their order; what comes of it is an `ApprovalDecision`, or None if none of them decides.

    Whatever a rule raises, or returns that makes no sense, declines, and is logged.
    """
    for rule in rules:
        name = name_of(rule)
        given, error = yield rule, request
        if error is not None:
            log_error(error, "the approval rule %s failed: declined", name)
            return ApprovalDecision(request=request, decision="decline", rule=name, error=error)
        if given is None:
            continue
        if isinstance(given, bool):
            given = "accept" if given else "decline"
        if not isinstance(given, str) or given not in _WORDS:
            log_error(None, "what the approval rule %s returned is no decision, %r: declined", name, given)
            given = "decline"
        return ApprovalDecision(request=request, decision=cast("Decision", given), rule=name)
    return None
