"""The result of a turn: a dataclass like any other, whose models are made when they are looked at."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import pickle
import subprocess
import sys
from typing import Annotated, Any, get_args

import pydantic_core
import pytest
import rich.console
from pydantic import AfterValidator, BaseModel, Field, Json, SecretStr

from codex_app_server import Notification, Prices, TurnError, TurnResult, TurnStatus
from codex_app_server.folding import TurnFold
from codex_app_server.generated import AgentMessageThreadItem, ThreadTokenUsageUpdatedNotification
from codex_app_server.options import ClientOptions
from codex_app_server.structured.asking import Asking

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
        *("tokens", "diff", "plans", "troubles"),
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
    assert result.failure == "not ended"


def test_what_a_newer_runtime_says_in_another_type_is_kept_and_spoils_nothing() -> None:
    result: Any = folded(status="failed", error="no more", durationMs="2.1 s")
    assert (result.duration_ms, result.duration) == ("2.1 s", None)
    assert (result.error, result.failure) == ("no more", "failed: no more")


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
            "tokens": COUNTS,
            "diff": "",
            "plans": [],
            "troubles": [],
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


def of_events(*events: tuple[str, Any]) -> TurnResult:
    fold = TurnFold()
    for method, params in events:
        fold.add(Notification(method, params))
    return fold.result("t", "u")


def done(kind: str, **more: Any) -> tuple[str, Any]:
    return "item/completed", {"item": {"type": kind, "id": kind, "status": "completed", **more}}


def usage(total: int, last: int) -> tuple[str, Any]:
    counts = [{"totalTokens": each, "inputTokens": each - 1, "outputTokens": 1} for each in (total, last)]
    return "thread/tokenUsage/updated", {"tokenUsage": dict(zip(("total", "last"), counts, strict=True))}


def test_items_come_by_their_kind() -> None:
    result = of_events(
        done("commandExecution", command="ls", exitCode=2),
        done("agentMessage", text="It is done."),
        done("fileChange", changes=[{"path": "a.txt", "kind": {"type": "add"}, "diff": ""}]),
        done("mcpToolCall", tool="find", server="files"),
        done("dynamicToolCall", tool="stock"),
        done("webSearch", query="tea `time`"),
        done("reasoning", summary=["Hm."]),
        done("hologram"),
        ("item/completed", {"item": None}),
        ("turn/completed", {"turn": TURN}),
    )
    assert [each.command for each in result.commands()] == ["ls"]
    assert [each.text for each in result.agent_messages()] == ["It is done."]
    assert [each.changes[0].path for each in result.file_changes()] == ["a.txt"]
    assert [each.server for each in result.mcp_tool_calls()] == ["files"]
    assert [each.tool for each in result.tool_calls()] == ["stock"]
    assert [each.query for each in result.web_searches()] == ["tea `time`"]
    assert [each.summary for each in result.reasoning()] == [["Hm."]]
    assert result.to_markdown().splitlines()[2:7] == [
        "- ran `ls`: completed, exit code 2",
        "- changed `a.txt`: completed",
        "- called `find` of `files`: completed",
        "- called `stock`: completed",
        "- searched the web for `` tea `time` ``",
    ]


def test_plans_and_troubles_come_one_after_another() -> None:
    busy = {"message": "busy", "codexErrorInfo": "serverOverloaded"}
    plans = [{"plan": [{"step": "look", "status": status}]} for status in ("pending", "completed")]
    result = of_events(
        ("turn/plan/updated", plans[0]),
        ("error", {"error": busy, "willRetry": True}),
        ("turn/plan/updated", plans[1]),
        ("error", {"error": FAILED, "willRetry": False}),
        ("turn/completed", {"turn": {**TURN, "status": "failed", "error": FAILED}}),
    )
    assert [each.plan[0].status.value for each in result.todo_lists()] == ["pending", "completed"]
    assert [each.message for each in result.errors()] == ["busy", "no"]
    alone = of_events(("turn/completed", {"turn": {**TURN, "status": "failed", "error": FAILED}}))
    assert [each.message for each in alone.errors()] == ["no"]
    assert alone.duration == 2.1


def test_tokens_are_those_of_the_turn_with_all_its_requests() -> None:
    result = of_events(usage(110, 10), usage(125, 15), usage(125, 15))
    assert result.tokens is not None
    assert (result.tokens.total_tokens, result.tokens.output_tokens) == (25, 1)
    assert result.usage is not None
    assert result.usage.token_usage.last.total_tokens == 15
    assert of_events(("thread/tokenUsage/updated", {"tokenUsage": 5})).tokens is None


def test_what_a_turn_costs() -> None:
    tokens = {"inputTokens": 1_000_000, "cachedInputTokens": 400_000, "cacheWriteInputTokens": 100_000}
    counts = {**tokens, "outputTokens": 50_000, "totalTokens": 1_050_000}
    spent = ("thread/tokenUsage/updated", {"tokenUsage": {"total": counts, "last": counts}})
    result = of_events(spent)
    assert result.cost(Prices(input=2, output=10)) == pytest.approx(2.5)
    assert result.cost(Prices(input=2, output=10, cached_input=0.5, cache_write_input=4)) == pytest.approx(2.1)
    assert TurnFold().result("t", "u").cost(Prices(input=2, output=10)) is None


def test_the_diff_is_the_last_one_and_shown_in_a_fence_that_it_cannot_end() -> None:
    result = of_events(("turn/diff/updated", {"diff": "a"}), ("turn/diff/updated", {"diff": "+```\n"}))
    assert result.diff == "+```\n"
    assert "````diff\n+```\n````" in result.to_markdown()


@dataclasses.dataclass
class Place:
    city: str


def test_results_go_to_json_and_come_back() -> None:
    for result in (folded(), folded(status="failed", error=FAILED), of_events(usage(3, 3), done("reasoning"))):
        again = TurnResult.from_json(result.to_json())
        assert again == result
        assert looked_at(again) == result
    result = folded()
    result.output = Place("Rome")
    assert json.loads(result.to_json())["output"] == {"city": "Rome"}
    assert TurnResult.from_json(result.to_json(), Place).output == Place("Rome")
    assert TurnResult.from_dict(result.to_dict()).output == {"city": "Rome"}
    with pytest.raises(ValueError, match="city"):
        TurnResult.from_dict(result.to_dict() | {"output": {}}, Place)


def in_cents(value: int) -> int:
    return value * 100


class Bill(BaseModel):
    """Whatever does not come back by what pydantic writes of it."""

    cents: Annotated[int, AfterValidator(in_cents)]
    code: SecretStr
    note: str = Field(exclude=True)
    name: str = Field(validation_alias="called")
    place: Json[Place]
    when: Annotated[str, AfterValidator(lambda text: object if text == "always" else text)]


REPLY = {"cents": 5, "code": "s", "note": "n", "called": "x", "place": '{"city": "Rome"}', "when": "always"}


def answered(reply: Any, kind: Any, *, is_strict: bool) -> TurnResult[Any]:
    """The result of a turn that was asked for a type."""
    result: TurnResult[Any] = dataclasses.replace(folded(), final_response=json.dumps(reply))
    assert Asking("Say it.", {}, ClientOptions(output_type=kind, strict=is_strict)).fits(result)
    return result


def test_an_output_comes_back_as_it_was_read_whatever_its_type_makes_of_the_reply() -> None:
    result = answered(REPLY, Bill, is_strict=False)
    assert (result.output.cents, result.output.code.get_secret_value(), result.output.when) == (500, "s", object)
    assert result == result  # though pydantic cannot write it
    assert result.to_dict()["output"] == REPLY
    again = TurnResult.from_json(result.to_json(), Bill)
    assert again.output == result.output
    assert again == result
    assert TurnResult.from_json(again.to_json(), Bill).output == result.output  # however often
    assert pickle.loads(pickle.dumps(answered([5], list[int], is_strict=False))).to_dict()["output"] == [5]


def test_the_json_of_an_output_is_without_what_the_model_had_to_say_around_it() -> None:
    result = answered({"result": [5]}, list[Annotated[int, AfterValidator(in_cents)]], is_strict=True)
    assert result.output == [500]
    assert result.to_dict()["output"] == [5]
    assert TurnResult.from_dict(result.to_dict(), list[Annotated[int, AfterValidator(in_cents)]]).output == [500]
    result.output = [7]  # another one than the agent's
    assert result.to_dict()["output"] == [7]
    assert result != answered({"result": [5]}, list[int], is_strict=True)


def test_what_is_no_result_is_refused_and_what_is_of_another_version_is_not() -> None:
    least = TurnResult.from_dict({"thread_id": "t", "turn_id": "u", "of_a_later_version": 1})
    assert (least.id, least.text, least.items, least.is_completed) == ("u", "", [], False)
    wrong: Any
    for wrong in ({}, [], "x"):
        with pytest.raises(ValueError, match="no result of a turn"):
            TurnResult.from_dict(wrong)


def test_rich_shows_a_result() -> None:
    console = rich.console.Console(file=io.StringIO(), width=60)
    console.print(folded(status="failed", error={"message": "It broke."}))
    assert isinstance(console.file, io.StringIO)
    assert "It broke." in console.file.getvalue()


def test_the_fields_are_typed() -> None:
    kinds = {each.name: each.type for each in dataclasses.fields(TurnResult)}
    assert kinds["items"] == "list[ThreadItem]"
    assert not get_args(kinds["status"])


def test_who_wants_the_text_only_loads_no_model() -> None:
    program = f"""
import sys
from codex_app_server.folding import TurnFold
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
