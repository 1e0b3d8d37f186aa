"""The result of a turn: a dataclass like any other, whose models are made when they are looked at."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import subprocess
import sys
from typing import Any, get_args

import pydantic_core
import pytest

from codex_app_server import Notification, TurnError, TurnResult, TurnStatus
from codex_app_server.generated import AgentMessageThreadItem, ThreadTokenUsageUpdatedNotification
from codex_app_server.results import TurnFold

COUNTS = {"cachedInputTokens": 0, "inputTokens": 1, "outputTokens": 2, "reasoningOutputTokens": 0, "totalTokens": 3}
USAGE = {"threadId": "t", "turnId": "u", "tokenUsage": {"last": COUNTS, "total": COUNTS, "modelContextWindow": None}}
MESSAGE = {"type": "agentMessage", "id": "m", "text": "Hello \ud800.", "phase": "final_answer", "new": [1.0]}
ODD = {"type": "hologram", "id": 5}
FAILED = {"message": "no", "codexErrorInfo": "unauthorized"}
TURN = {"id": "u", "status": "completed", "error": None, "startedAt": 10, "completedAt": 12, "durationMs": 2100}


def folded(**changes: Any) -> TurnResult:
    """The result of a turn of two items."""
    fold = TurnFold()
    events: tuple[tuple[str, Any], ...] = (
        ("item/completed", {"item": MESSAGE}),
        ("item/completed", {"item": ODD}),
        ("thread/tokenUsage/updated", USAGE),
        ("turn/completed", {"turn": {**TURN, **changes}}),
    )
    for method, params in events:
        fold.add(Notification(method, params))
    return fold.result("t", "u")


def looked_at(result: TurnResult) -> TurnResult:
    """The same, with every model made."""
    assert [getattr(result, each.name) for each in dataclasses.fields(result)]
    return result


def test_the_fields_are_those_of_the_sdk_before_this_one_then_others() -> None:
    assert [each.name for each in dataclasses.fields(TurnResult)] == [
        *("thread_id", "turn_id", "status", "error", "text", "items", "usage"),
        *("final_response", "id", "started_at", "completed_at", "duration_ms", "output"),
    ]


def test_values_are_models_where_the_protocol_has_one() -> None:
    result = folded(status="failed", error=FAILED)
    assert result.status is TurnStatus.failed
    assert isinstance(result.error, TurnError)
    assert isinstance(result.items[0], AgentMessageThreadItem)
    assert isinstance(result.usage, ThreadTokenUsageUpdatedNotification)
    assert (result.id, result.turn_id, result.final_response) == ("u", "u", "Hello \ud800.")
    assert (result.started_at, result.completed_at, result.duration_ms) == (10, 12, 2100)
    assert result.items is result.items
    assert result.failure == "failed: no"


def test_what_was_not_said_is_none() -> None:
    result: Any = TurnFold().result("t", "u")
    assert (result.status, result.error, result.items, result.usage, result.text) == (None, None, [], None, "")
    assert (result.started_at, result.completed_at, result.duration_ms) == (None, None, None)
    assert not result.is_completed


def test_results_are_equal_by_their_values_whether_looked_at_or_not() -> None:
    assert folded() == folded()
    assert looked_at(folded()) == folded()
    assert looked_at(folded(status="failed", error=FAILED)) == looked_at(folded(status="failed", error=FAILED))
    assert folded() != folded(status="interrupted")
    assert looked_at(folded()) != folded(durationMs=1)
    assert folded() != "u"
    changed = folded()
    changed.items.pop()
    assert changed != folded()
    with pytest.raises(TypeError, match="unhashable"):
        hash(folded())


def test_the_dictionary_of_a_result_is_json() -> None:
    for result in (folded(status="failed", error=FAILED), looked_at(folded(status="failed", error=FAILED))):
        assert json.loads(json.dumps(result.to_dict())) == {
            "thread_id": "t",
            "turn_id": "u",
            "status": "failed",
            "error": FAILED,
            "text": "Hello \ud800.",
            "items": [MESSAGE, ODD],
            "usage": USAGE,
            "final_response": "Hello \ud800.",
            "id": "u",
            "started_at": 10,
            "completed_at": 12,
            "duration_ms": 2100,
            "output": None,
        }


def test_a_result_is_a_dataclass_for_the_functions_of_dataclasses() -> None:
    result = folded()
    whole = dataclasses.asdict(result)
    assert list(whole) == [each.name for each in dataclasses.fields(result)]
    assert whole["items"] == result.items
    assert whole["status"] is TurnStatus.completed
    later = dataclasses.replace(result, text="other", status=TurnStatus.interrupted)
    assert (later.text, later.status, later.items) == ("other", TurnStatus.interrupted, result.items)
    assert folded().text == result.text
    assert TurnResult.__match_args__[:2] == ("thread_id", "turn_id")


def test_pydantic_writes_a_result_as_json() -> None:
    result = dataclasses.replace(folded(), text="Hello.", final_response=None, items=[])
    written = json.loads(pydantic_core.to_json(result))
    assert written["status"] == "completed"
    assert written["usage"]["tokenUsage"]["last"] == COUNTS | {"cacheWriteInputTokens": 0}


def test_a_result_can_be_made_by_hand_copied_and_pickled() -> None:
    made = TurnResult("t", "u", TurnStatus.completed, None, "text", [])
    assert (made.id, made.usage, made.final_response) == ("u", None, None)
    assert made.is_completed
    made.status = TurnStatus.failed
    assert made.failure == "failed"
    for result in (folded(), looked_at(folded())):
        assert pickle.loads(pickle.dumps(result)) == copy.deepcopy(result) == copy.copy(result) == result
    assert repr(made) == "<TurnResult u failed: 'text'>"


def test_the_fields_are_typed() -> None:
    kinds = {each.name: each.type for each in dataclasses.fields(TurnResult)}
    assert kinds["items"] == "list[ThreadItem]"
    assert not get_args(kinds["status"])


def test_who_wants_the_text_only_loads_no_model() -> None:
    program = f"""
import sys
from codex_app_server.results import TurnFold
from codex_app_server import Notification
fold = TurnFold()
fold.add(Notification("item/completed", {{"item": {dict(MESSAGE, text="Hello.")!r}}}))
fold.add(Notification("turn/completed", {{"turn": {TURN!r}}}))
one, other = fold.result("t", "u"), fold.result("t", "u")
assert one == other and one.to_dict()["status"] == "completed" and one.is_completed
print(one.final_response, one._repr_markdown_().count("completed"), "pydantic" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("Hello. 1 False\n", "")
