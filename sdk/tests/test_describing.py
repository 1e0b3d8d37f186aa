"""What a person at a prompt is told of models and events: signatures, docstrings, and `help`."""

from __future__ import annotations

import ast
import inspect
import pydoc
import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Any, get_origin

import pytest

from codex_app_server import Event, Notification, ThreadStartParams, TurnStatus
from codex_app_server.generated import (
    AgentMessageDeltaNotification,
    AgentMessageThreadItem,
    CommitReviewTarget,
    TurnCompletedNotification,
)
from codex_app_server.generated import Turn as TurnModel
from codex_app_server.generated.front import CodexOptions, ThreadOptions
from codex_app_server.generated.prose import FIELDS, MODELS
from codex_app_server.generated.registry import NOTIFICATIONS, ROOMS
from codex_app_server.models.model import Model, load

DELTA: dict[str, Any] = {"delta": "hi", "itemId": "i", "threadId": "t", "turnId": "u"}
GENERATED = Path(inspect.getfile(CodexOptions)).parent


def classes() -> list[type]:
    """Every model and enum of the protocol."""
    return [found for name in ROOMS if isinstance(found := load(name), type) and found.__name__ == name]


# --- events at run time


def test_payloads_are_matched_by_class_and_field() -> None:
    event = Notification("item/agentMessage/delta", DELTA)
    match event.payload:
        case TurnCompletedNotification():
            pytest.fail("it is another event")
        case AgentMessageDeltaNotification(delta=text, item_id="i"):
            assert text == "hi"
        case other:
            pytest.fail(f"it is {other}")


def test_what_only_a_newer_runtime_tells_is_matched_as_json() -> None:
    match Notification("item/newer", {"some": 1}).payload:
        case Model():
            pytest.fail("no model is known")
        case {"some": number}:
            assert number == 1


def test_event_is_a_name_at_run_time_and_takes_parameters_as_for_type_checkers() -> None:
    event: object = Event
    kind: object = Notification[str, TurnModel]
    assert event is Notification
    assert get_origin(kind) is Notification


def test_importing_events_loads_no_models() -> None:
    code = "import codex_app_server, sys; codex_app_server.Event; print('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


# --- signatures


def test_a_signature_has_python_names_and_types() -> None:
    assert str(inspect.signature(AgentMessageDeltaNotification)) == (
        "(*, delta: str, item_id: str, thread_id: str, turn_id: str, **more: JsonValue)"
    )
    assert str(inspect.signature(CommitReviewTarget)) == (
        "(*, sha: str, title: str | None = None, type: Literal[\"commit\"] = 'commit', **more: JsonValue)"
    )
    assert "approval_policy: AskForApproval | None = None, " in str(inspect.signature(ThreadStartParams))
    assert "config: dict[str, JsonValue] | None = None, " in str(inspect.signature(ThreadStartParams))


def test_every_model_is_called_as_its_signature_says() -> None:
    for cls in classes():
        if issubclass(cls, Model):
            parameters = inspect.signature(cls).parameters
            assert {*parameters} == {*cls.model_fields, "more"}, cls
            required = {name for name, each in parameters.items() if each.default is each.empty} - {"more"}
            assert required == {name for name, field in cls.model_fields.items() if field.is_required()}, cls


def test_a_class_of_ones_own_has_its_own_fields_too() -> None:
    class Mine(AgentMessageDeltaNotification):
        """Mine."""

        more_of_it: int = 3

    assert str(inspect.signature(Mine)) == (
        "(*, delta: str, item_id: str, thread_id: str, turn_id: str, more_of_it: int = 3, **more: JsonValue)"
    )
    assert Mine.__doc__ == "Mine."


# --- docstrings


def test_every_model_says_what_it_is_for() -> None:
    for cls in classes():
        assert cls.__doc__ is not None, cls
        summary, _, rest = cls.__doc__.partition("\n")
        assert len(summary) > 8, cls
        assert summary.endswith("."), cls
        assert rest == "" or rest.startswith("\n"), cls
    assert MODELS.keys() == ROOMS.keys()


def test_a_docstring_says_what_the_fields_are() -> None:
    assert AgentMessageDeltaNotification.__doc__ == (
        "The agent's text goes on: the next piece of it. The event ``item/agentMessage/delta``.\n\n"
        "Attributes:\n"
        "    delta: the next piece.\n"
        "    item_id: the id of the item.\n"
        "    thread_id: the id of the thread.\n"
        "    turn_id: the id of the turn."
    )
    assert AgentMessageDeltaNotification(**DELTA).__doc__ == AgentMessageDeltaNotification.__doc__
    assert TurnStatus.__doc__ == "How a turn stands: it goes on, has ended well, was interrupted, or failed."
    assert issubclass(TurnStatus, Enum)
    assert TurnStatus.completed.__doc__ == TurnStatus.__doc__


@pytest.mark.parametrize("cls", [ThreadStartParams, TurnStatus, AgentMessageThreadItem])
def test_help_shows_it(cls: type) -> None:
    shown = pydoc.plain(pydoc.render_doc(cls))
    assert cls.__doc__ is not None
    assert all(line.strip() in shown for line in cls.__doc__.splitlines())
    assert inspect.getdoc(cls) == cls.__doc__


def test_editors_and_prompts_are_told_the_same() -> None:
    """The stubs have it for editors, the classes for prompts."""
    said: dict[str, str | None] = {}
    for stub in GENERATED.glob("*.pyi"):
        for node in ast.parse(stub.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                said[node.name] = ast.get_docstring(node)
    assert {cls.__name__ for cls in classes()} <= said.keys()
    for cls in classes():
        in_stub = said[cls.__name__]
        assert in_stub is not None, cls
        assert cls.__doc__ is not None, cls
        assert cls.__doc__.split() == in_stub.split(), cls


def test_it_is_in_the_json_schema_too() -> None:
    assert TurnModel.model_json_schema()["description"].startswith("What was said to the agent once")


def test_making_models_does_not_read_what_is_said_of_them() -> None:
    code = (
        "import sys; from codex_app_server import ThreadStartParams, TurnStatus; ThreadStartParams();"
        "name = 'codex_app_server.generated.prose'; before = name in sys.modules; ThreadStartParams.__doc__;"
        "print(before, name in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False True\n"


# --- options


@pytest.mark.parametrize(
    "method",
    [
        CodexOptions.thread_start,
        CodexOptions.thread_list,
        CodexOptions.thread_resume,
        CodexOptions.thread_fork,
        ThreadOptions.turn,
        ThreadOptions.run,
    ],
)
def test_every_option_of_the_high_level_methods_says_what_it_is(method: object) -> None:
    assert callable(method)
    assert method.__doc__ is not None
    _, _, arguments = inspect.cleandoc(method.__doc__).partition("\nArgs:\n")
    for name in [*inspect.signature(method).parameters][1:]:
        assert f"    {name}: " in arguments, name


def test_every_event_of_an_ordinary_turn_says_what_it_tells_and_what_of() -> None:
    for method, name in NOTIFICATIONS.items():
        if method.startswith(("item/", "turn/")):
            assert MODELS[name].split(".")[0] not in ("", "The event"), method
    for name in ("Turn", "TokenUsageBreakdown", "AgentMessageDeltaNotification", "TurnCompletedNotification"):
        assert all(FIELDS.get(f"{name}.{field}") or FIELDS.get(field) for field in load(name).model_fields), name
