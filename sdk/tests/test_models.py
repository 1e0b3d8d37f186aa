"""The models: strict for people, tolerant of what the runtime sends, and made once, when they are first needed."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import threading
import time
import timeit
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

import codex_app_server
from codex_app_server import generated
from codex_app_server.events import faster_lists
from codex_app_server.generated import (
    AgentMessageDeltaNotification,
    AgentMessageThreadItem,
    AskForApproval,
    CodexErrorInfo,
    CommandHookMetadata,
    GranularAskForApproval,
    HideAgentMessageDisplay,
    MergeStrategy,
    ReadOnlySandboxPolicy,
    ReasoningEffort,
    ReasoningSummary,
    SandboxMode,
    SandboxPolicy,
    ServiceTier,
    TextUserInput,
    ThreadItem,
    ThreadStartParams,
    Turn,
    TurnStartParams,
    TurnStatus,
    WorkspaceWriteSandboxPolicy,
)
from codex_app_server.generated import turns as generated_turns
from codex_app_server.generated.registry import CLIENT_REQUESTS, NOTIFICATIONS, ROOMS, SERVER_REQUESTS
from codex_app_server.models.model import Model, TaggedModel, UnionModel, UnknownObject, decode, load
from codex_app_server.models.variants import UnionKind

SOURCE = str(Path(codex_app_server.__file__).parents[1])
DELTA = {"delta": "hi", "itemId": "i", "threadId": "t", "turnId": "u"}
# A union of one is that one.
ALIASES = {name for name in ROOMS if getattr(load(name), "__name__", name) != name}
CLASSES = [name for name in ROOMS if isinstance(load(name), type) and issubclass(load(name), Model)]
MODELS = [name for name in CLASSES if UnionModel not in load(name).__bases__]


def run(program: str) -> str:
    """What a fresh interpreter prints."""
    program = f"import sys; sys.path.insert(0, {SOURCE!r}); {program}"
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def parts(model: object, *names: str) -> list[object]:
    """Attributes that may hold other things than is declared."""
    return [getattr(model, name) for name in names]


# --- what the runtime sends


@pytest.mark.parametrize("text", [r"\u00fc\n", r"a\u00fcb", "ü\\n", r"\ud83d\ude00", "日本"])
def test_letters_are_what_they_are_however_they_are_written(text: str) -> None:
    """Until 2.7.3, pydantic's parser took the bytes of an escaped letter for letters."""
    assert faster_lists()(f'["{text}"]'.encode()) == json.loads(f'["{text}"]')


def test_what_is_as_expected_becomes_a_model() -> None:
    turn = decode(Turn, {"id": "1", "items": [{"type": "agentMessage", "id": "a", "text": "x"}], "status": "completed"})
    assert isinstance(turn, Turn)
    assert turn.status is TurnStatus.completed
    assert turn.error is None
    item = turn.items[0]
    assert isinstance(item, AgentMessageThreadItem)
    assert item.text == "x"


def test_unknown_fields_are_kept_and_go_back() -> None:
    sent = {**DELTA, "new": {"a": [1]}}
    delta = decode("AgentMessageDeltaNotification", sent)
    assert isinstance(delta, AgentMessageDeltaNotification)
    assert delta.new == {"a": [1]}  # type: ignore[attr-defined]  # nobody knows it, that is the point
    assert delta.model_dump(by_alias=True, exclude_unset=True) == sent


def test_an_enum_value_prints_as_its_string() -> None:
    status = decode("TurnStatus", "inProgress")
    assert isinstance(status, Enum)
    assert (str(status), f"{status:>11}") == ("inProgress", " inProgress")


def test_an_unknown_enum_value_is_its_string() -> None:
    turn = decode(Turn, {"id": "1", "items": [], "status": "paused"})
    assert turn.status == "paused"
    assert type(turn.status) is str


def test_an_unknown_variant_is_an_object_with_its_members() -> None:
    turn = decode(Turn, {"id": "1", "items": [{"type": "hologram", "sizeInCm": 7}], "status": "completed"})
    unknown = turn.items[0]
    assert isinstance(unknown, UnknownObject)
    assert (unknown.type, unknown.sizeInCm) == ("hologram", 7)
    assert unknown.model_dump() == {"type": "hologram", "sizeInCm": 7}


def test_a_missing_required_field_is_none_and_a_missing_optional_one_its_default() -> None:
    turn = decode(Turn, {"id": "1"})
    assert parts(turn, "items", "status", "error", "items_view") == [None, None, None, "full"]
    assert turn.model_fields_set == {"id"}


def test_a_value_of_another_type_arrives_as_it_came_and_spoils_nothing() -> None:
    items = [{"type": "agentMessage", "id": 5, "text": ["x"]}, {"type": "agentMessage", "id": "b", "text": "y"}, "odd"]
    turn = decode(Turn, {"id": True, "items": items, "status": {"a": 1}, "completedAt": "12", "rootTurnId": "r"})
    assert parts(turn, "id", "status", "completed_at", "root_turn_id") == [True, {"a": 1}, "12", "r"]
    first, second, third = turn.items
    assert isinstance(first, AgentMessageThreadItem)
    assert isinstance(second, AgentMessageThreadItem)
    assert [*parts(first, "id", "text"), *parts(second, "text"), third] == [5, ["x"], "y", "odd"]


def test_numbers_and_booleans_are_not_made_of_each_other() -> None:
    usage = decode("TokenUsageBreakdown", {"totalTokens": "5", "inputTokens": True, "outputTokens": 3.0})
    assert isinstance(usage, Model)
    values = usage.model_dump(warnings=False)
    assert (values["total_tokens"], values["input_tokens"], values["output_tokens"]) == ("5", True, 3.0)
    assert [type(values[name]) for name in ("input_tokens", "output_tokens")] == [bool, float]


@pytest.mark.parametrize("value", [None, 1, "x", [], [1], True])
def test_what_is_no_object_arrives_as_it_came(value: object) -> None:
    assert decode("Turn", value) is value
    assert decode("ThreadItem", value) is value
    assert decode(Turn, value) is value


def test_a_union_of_strings_and_objects() -> None:
    assert decode("AskForApproval", "never") == "never"
    assert decode("AskForApproval", "sometimes") == "sometimes"
    granular = decode("AskForApproval", {"granular": {"rules": True}})
    assert isinstance(granular, GranularAskForApproval)
    assert granular.granular.rules is True
    error = decode("CodexErrorInfo", {"somethingNew": {"x": 1}})
    assert isinstance(error, UnknownObject)
    assert error.somethingNew == {"x": 1}


def test_a_union_by_shape() -> None:
    assert type(decode("ResourceContent", {"uri": "u", "text": "t"})).__name__ == "TextResourceContent"
    assert type(decode("ResourceContent", {"uri": "u", "blob": "b"})).__name__ == "BlobResourceContent"
    assert isinstance(decode("ResourceContent", {"uri": "u", "video": "v"}), UnknownObject)
    schema = {"type": "string", "enum": ["a"], "title": 5}
    assert isinstance(decode("McpElicitationPrimitiveSchema", schema), (UnknownObject, Model))
    output = decode("FunctionCallOutputBody", [{"type": "input_text", "text": "x"}, {"type": "new"}])
    assert isinstance(output, list)
    assert [type(each).__name__ for each in output] == ["InputTextFunctionCallOutputContentItem", "UnknownObject"]


def test_aliases_and_enums_can_be_decoded_too() -> None:
    assert decode("RequestId", 1) == 1
    assert decode("SandboxMode", "read-only") is SandboxMode.read_only
    assert decode(SandboxMode, "new-mode") == "new-mode"


def test_a_model_that_was_decoded_is_left_alone() -> None:
    delta = decode(AgentMessageDeltaNotification, DELTA)
    assert decode(AgentMessageDeltaNotification, delta) is delta


def test_text_that_is_no_unicode_arrives() -> None:
    assert decode(AgentMessageDeltaNotification, {**DELTA, "delta": "\ud800"}).delta == "\ud800"


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(LookupError, match="the protocol has no model 'Nothing'"):
        decode("Nothing", {})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
carried = sorted(
    {*NOTIFICATIONS.values()}
    | {name for pair in SERVER_REQUESTS.values() for name in pair}
    | {name for params, result, *_ in CLIENT_REQUESTS.values() for name in (params, result) if name}
)


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, object]:
    """A model, and an object with some of its members, some of them right, some odd."""
    name = draw(st.sampled_from(carried))
    wires: list[str] = ["type", "mode"]
    cls = load(name)
    if isinstance(cls, type) and issubclass(cls, Model):
        wires += [field.alias or key for key, field in cls.model_fields.items()]
    values = json_values | st.sampled_from([{"type": "agentMessage"}, {"type": "text", "text": "x"}, "completed", []])
    return name, draw(st.dictionaries(st.sampled_from(wires) | st.text(max_size=8), values, max_size=8))


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages())
@example(("TurnDiffUpdatedNotification", {"turn_id": "named as in Python"}))
def test_whatever_the_runtime_says_is_decoded_and_kept(message: tuple[str, object]) -> None:
    name, value = message
    decoded = decode(name, value)
    if isinstance(decoded, Model):
        dumped = decoded.model_dump(mode="json", by_alias=True, exclude_unset=True, warnings=False)
        assert dumped == value
    else:
        assert decoded == value


def test_whoever_makes_a_union_holds_up_nobody_who_makes_another() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly(_: str) -> Any:
        begun.set()
        assert go_on.wait(10)
        return known("ThreadItem")

    def union(kind: Any) -> Any:
        return UnionKind("type", {}, {"a": "A"}, kind, known("UnknownObject"))

    def known(_: str) -> Any:
        return SimpleNamespace(type=int)

    type_of_slow = threading.Thread(target=lambda: union(slowly).type)
    type_of_slow.start()
    assert begun.wait(10)
    other = threading.Thread(target=lambda: union(known).type)
    other.start()
    other.join(5)
    is_held_up = other.is_alive()
    go_on.set()
    type_of_slow.join()
    assert not is_held_up


def test_a_member_that_has_a_fields_name_in_python_is_not_that_field() -> None:
    said = {"threadId": "t", "thread_id": "u", "turnId": "v", "itemId": "i", "delta": "d"}
    event = decode(AgentMessageDeltaNotification, said)
    assert event.thread_id == "t"
    assert event.model_dump(by_alias=True, exclude_unset=True) == said
    assert decode(AgentMessageDeltaNotification, {"thread_id": "u", "delta": "d"}).thread_id is None


# --- what people build


@pytest.mark.parametrize(
    "fields",
    [
        {"input": []},
        {"thread_id": 1, "input": []},
        {"thread_id": "t", "input": [{"type": "text"}]},
        {"thread_id": "t", "input": [{"type": "hologram"}]},
        {"thread_id": "t", "input": ["x"]},
        {"thread_id": "t", "input": [], "summary": "long"},
        {"thread_id": "t", "input": [], "approval_policy": "sometimes"},
        {"thread_id": "t", "input": [], "approval_policy": {"granular": {}}},
        {"thread_id": "t", "input": [], "sandbox_policy": {"type": "readOnly", "networkAccess": "yes"}},
    ],
)
def test_what_people_build_is_held_to_the_schema(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TurnStartParams(**fields)
    with pytest.raises(ValidationError):
        TurnStartParams.model_validate(fields)


def test_an_error_says_where_it_is_and_what_would_do() -> None:
    with pytest.raises(ValidationError) as caught:
        TurnStartParams.model_validate({"threadId": "t", "input": [{"type": "text", "text": "x"}, {"type": "txt"}]})
    (error,) = caught.value.errors()
    assert error["loc"] == ("input", 1)
    assert "its type must be one of: text, image" in error["msg"]


def test_fields_go_by_either_name_and_out_by_the_wires() -> None:
    by_name = TurnStartParams(thread_id="t", input=[], output_schema={"a": 1})
    by_wire = TurnStartParams.model_validate({"threadId": "t", "input": [], "outputSchema": {"a": 1}})
    assert by_name == by_wire
    assert by_name.model_dump(by_alias=True, exclude_unset=True) == {
        "threadId": "t",
        "input": [],
        "outputSchema": {"a": 1},
    }


def test_the_tag_of_a_variant_need_not_be_given_and_is_sent() -> None:
    params = TurnStartParams(thread_id="t", input=[TextUserInput(text="x")], sandbox_policy=ReadOnlySandboxPolicy())
    assert params.model_dump(by_alias=True, exclude_unset=True, mode="json") == {
        "threadId": "t",
        "input": [{"type": "text", "text": "x"}],
        "sandboxPolicy": {"type": "readOnly"},
    }


def test_plain_values_become_models_and_members() -> None:
    params = ThreadStartParams.model_validate({"sandbox": "read-only", "dynamic_tools": [], "approval_policy": "never"})
    assert params.sandbox is SandboxMode.read_only
    turn = TurnStartParams.model_validate({"threadId": "t", "input": [{"type": "text", "text": "x"}]})
    assert isinstance(turn.input[0], TextUserInput)


def test_what_was_not_known_can_be_sent_back() -> None:
    unknown = decode("UserInput", {"type": "hologram", "x": 1})
    params = TurnStartParams.model_validate({"thread_id": "t", "input": [unknown]})
    assert params.model_dump(exclude_unset=True)["input"] == [{"type": "hologram", "x": 1}]


def test_a_default_that_is_an_enum_is_its_member() -> None:
    assert load("ExternalSandboxSandboxPolicy")().network_access is load("NetworkAccess").restricted


def newer(monkeypatch: pytest.MonkeyPatch, **entries: str) -> None:
    """What a newer schema may say, in a room that is there; what is made of it stays, so its name is for one test."""
    for name, entry in entries.items():
        monkeypatch.setitem(ROOMS, name, "turns")
        monkeypatch.setitem(vars(generated_turns)["TABLE"], name, entry)


def test_a_default_that_is_an_object_is_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    newer(
        monkeypatch,
        DefaultsProbe="""model
            map: dict[str] = {"a": "b"}
            policy: SandboxPolicy = {"type": "readOnly", "networkAccess": true}
        """,
    )
    given: list[Any] = [load("DefaultsProbe")(), decode("DefaultsProbe", {}), decode("DefaultsProbe", {"map": 1})]
    for probe in given:
        assert isinstance(probe.policy, ReadOnlySandboxPolicy)
        assert probe.policy.network_access is True
    assert load("DefaultsProbe")().map == {"a": "b"}


# --- as classes


def test_every_model_can_be_made_and_described() -> None:
    assert len(MODELS) > 900
    for name in ROOMS:
        model = load(name)
        assert getattr(generated, name) is model
        if isinstance(model, type) and issubclass(model, (Model, Enum)) and name not in ALIASES:
            assert (model.__name__, model.__qualname__) == (name, name)
            assert model.__module__ == f"codex_app_server.generated.{ROOMS[name]}"
            assert getattr(sys.modules[model.__module__], name) is model
            assert pickle.loads(pickle.dumps(model)) is model


def test_every_model_has_a_json_schema() -> None:
    # All at once: one by one, they would describe what they share a thousand times.
    schemas, described = TypeAdapter.json_schemas([(name, "validation", TypeAdapter(load(name))) for name in ROOMS])
    for name in ROOMS:
        schema = schemas[name, "validation"]
        if "$ref" in schema:
            schema = described["$defs"][schema["$ref"].rpartition("/")[2]]
        assert (schema.get("type") == "object") >= (name in MODELS)
    alone = TurnStartParams.model_json_schema()
    assert "TextUserInput" in alone["$defs"]
    assert alone["properties"]["threadId"] == {"title": "Threadid", "type": "string"}
    assert set(alone["required"]) == {"input", "threadId"}


def test_a_moderated_answer_is_a_model_whatever_version_its_display_has() -> None:
    said = {"id": "i", "text": "x", "type": "agentMessage"}
    for version, kind in ((1, HideAgentMessageDisplay), (2, HideAgentMessageDisplay)):
        display = {"mode": "hide", "version": version, "replacement": {}}
        item = decode("ThreadItem", said | {"moderation": {"moderated": True, "display": display}})
        assert isinstance(item, AgentMessageThreadItem)
        assert item.moderation is not None
        assert isinstance(item.moderation.display, kind)
        assert item.moderation.display.version == version


def test_values_of_any_type_are_held_to_the_schema() -> None:
    number = load("HideAgentMessageDisplay")
    assert number.model_json_schema()["properties"]["version"]["const"] == 1
    for wrong in (2, True, 1.0, "1", None):
        with pytest.raises(ValidationError):
            number.model_validate({"mode": "hide", "version": wrong, "replacement": {}})


def test_unions_stand_in_annotations_and_isinstance() -> None:
    assert AgentMessageThreadItem in get_args(ThreadItem)
    assert isinstance(ReadOnlySandboxPolicy(), SandboxPolicy)
    assert isinstance(decode("AskForApproval", "never"), AskForApproval)
    assert len(get_args(CodexErrorInfo)) > 2
    policy = TypeAdapter(SandboxPolicy).validate_python({"type": "readOnly"})
    assert isinstance(policy, ReadOnlySandboxPolicy)


def test_a_union_that_is_a_class_makes_one_of_its_variants() -> None:
    policy = SandboxPolicy.model_validate({"type": "workspaceWrite", "writableRoots": ["/w"]})
    assert isinstance(policy, WorkspaceWriteSandboxPolicy)
    assert policy.writable_roots == ["/w"]
    assert SandboxPolicy.model_validate(policy) is policy
    assert isinstance(ReadOnlySandboxPolicy.model_validate({"networkAccess": True}), ReadOnlySandboxPolicy)
    assert isinstance(SandboxPolicy.model_validate_json('{"type": "readOnly"}'), ReadOnlySandboxPolicy)
    for wrong in ({"type": "unheardOf"}, {}, "readOnly", {"type": "readOnly", "networkAccess": "much"}):
        with pytest.raises(ValidationError):
            SandboxPolicy.model_validate(wrong)


def test_what_an_older_runtime_took_stays_in_a_policy() -> None:
    policy = SandboxPolicy.model_validate({"type": "readOnly", "access": {"type": "fullAccess"}})
    assert policy.model_dump(by_alias=True, exclude_unset=True) == {
        "type": "readOnly",
        "access": {"type": "fullAccess"},
    }


def test_strings_beside_models_are_an_enum_that_makes_either() -> None:
    assert [word.value for word in AskForApproval] == ["untrusted", "on-request", "never"]
    assert AskForApproval.model_validate("on-request") is AskForApproval.on_request
    granular = {"granular": {"mcp_elicitations": True, "rules": True, "sandbox_approval": True}}
    assert isinstance(AskForApproval.model_validate(granular), GranularAskForApproval)
    assert decode("AskForApproval", "never") is AskForApproval.never
    wrongs: list[object] = ["sometimes", {"granular": {}}, None]
    for wrong in wrongs:
        with pytest.raises(ValidationError):
            AskForApproval.model_validate(wrong)


def test_enums_can_be_validated_as_models_are() -> None:
    assert ReasoningSummary.model_validate("concise") is ReasoningSummary.concise
    assert ReasoningSummary.model_validate(ReasoningSummary.auto) is ReasoningSummary.auto
    with pytest.raises(ValidationError):
        ReasoningSummary.model_validate("verbose")


@pytest.mark.parametrize("words", [ReasoningEffort, ServiceTier])
def test_an_open_enum_takes_words_that_it_does_not_know(words: Any) -> None:
    known = next(iter(words))
    assert words(known.value) is known
    assert decode(words, known.value) is known
    for other in (words("beyond"), decode(words, "beyond"), words.model_validate("beyond")):
        assert isinstance(other, words)
        assert (other, other.value, str(other), hash(other)) == ("beyond", "beyond", "beyond", hash("beyond"))
        assert pickle.loads(pickle.dumps(other)) == copy.deepcopy(other) == other
        assert json.dumps([other, known]) == f'["beyond", "{known.value}"]'
    assert "beyond" not in [word.value for word in words]
    for nothing in ("", None, 1):
        with pytest.raises(ValueError, match="is not a valid"):
            words(nothing)


def test_a_word_that_is_not_known_goes_where_its_enum_goes() -> None:
    params = TurnStartParams(thread_id="t", input=[], effort=ReasoningEffort("beyond"), service_tier=ServiceTier.fast)
    assert params.model_dump(mode="json", exclude_unset=True)["effort"] == "beyond"
    model = decode("ReasoningEffortOption", {"reasoningEffort": "beyond", "description": ""})
    assert model.reasoning_effort.value == "beyond"  # type: ignore[attr-defined]  # decoded by its name


def test_the_enums_and_unions_can_stand_in_models_of_ones_own() -> None:
    class Mine(BaseModel):
        effort: ReasoningEffort
        policy: SandboxPolicy
        approval: AskForApproval | GranularAskForApproval

    granular = {"granular": {"mcp_elicitations": True, "rules": True, "sandbox_approval": True}}
    mine = Mine.model_validate({"effort": "beyond", "policy": {"type": "readOnly"}, "approval": granular})
    assert (mine.effort, type(mine.policy), type(mine.approval)) == (
        "beyond",
        ReadOnlySandboxPolicy,
        GranularAskForApproval,
    )
    assert set(Mine.model_json_schema()["properties"]) == {"effort", "policy", "approval"}


def test_models_can_be_pickled_copied_and_compared() -> None:
    turn = decode(Turn, {"id": "1", "items": [{"type": "new"}, {"type": "plan", "id": 3}], "status": "odd", "more": 1})
    assert pickle.loads(pickle.dumps(turn)) == turn
    assert copy.deepcopy(turn) == turn
    assert turn.model_copy(update={"id": "2"}).id == "2"


def test_a_pickle_is_read_where_no_model_was_made_yet() -> None:
    data = pickle.dumps(decode(Turn, {"id": "1", "items": [{"type": "plan", "id": "p", "text": "x"}], "status": "odd"}))
    assert run(f"import pickle; print(pickle.loads({data!r}).items[0].text)") == "x"


def test_models_can_be_read() -> None:
    assert repr(decode(AgentMessageDeltaNotification, DELTA)) == (
        "AgentMessageDeltaNotification(delta='hi', item_id='i', thread_id='t', turn_id='u')"
    )


def test_names_that_python_has_taken_end_in_an_underscore() -> None:
    assert MergeStrategy.replace_.value == "replace"
    assert "async_" in CommandHookMetadata.model_fields


def test_no_field_hides_an_attribute_of_a_model() -> None:
    taken = {*dir(BaseModel), *dir(TaggedModel)}
    assert not [(name, field) for name in MODELS for field in load(name).model_fields if field in taken]


def test_a_class_of_ones_own_can_be_decoded() -> None:
    class Mine(Model):
        a: int
        b: str = "x"

    assert decode(Mine, {"a": 1}) == Mine(a=1)
    assert decode(Mine, {"a": "z", "c": 2}).model_dump(warnings=False) == {"a": "z", "b": "x", "c": 2}


def test_another_name_is_an_attribute_error() -> None:
    for module, name in ((generated, "Nothing"), (sys.modules[Turn.__module__], "ThreadStartParams")):
        with pytest.raises(AttributeError, match=f"module '{module.__name__}' has no attribute '{name}'"):
            getattr(module, name)


# --- when, and how often


def test_threads_do_not_make_a_class_twice() -> None:
    program = """
import sys, threading
sys.setswitchinterval(1e-6)
from codex_app_server.models.model import load
start = threading.Barrier(8)
made = []
def work():
    start.wait()
    made.append([load(name) for name in ("Turn", "ThreadItem", "Thread", "TurnStatus", "AskForApproval")])
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join(20)
print(len(made), all(a is b for each in made for a, b in zip(each[::3], made[0][::3])), len(set(map(str, made))))
"""
    assert run(f"exec({program!r})") == "8 True 1"


def test_one_model_makes_no_other() -> None:
    program = (
        "from codex_app_server.models.model import load, _kinds; load('Turn'); a = len(_kinds); "
        "load('ThreadItem'); print(a, len(_kinds))"
    )
    assert run(program) == "1 21"


def test_what_costs_nothing_loads_no_pydantic() -> None:
    modules = ("registry", "front", "afront", "methods", "amethods", "threads", "turns")
    imports = "; ".join(f"import codex_app_server.generated.{name}" for name in modules)
    assert run(f"{imports}; import codex_app_server.models.encoding; print('pydantic' in sys.modules)") == "False"


def test_decoding_costs_what_validating_costs() -> None:
    bare = AgentMessageDeltaNotification.__pydantic_validator__.validate_python
    scope = {"decode": decode, "bare": bare, "delta": DELTA}
    # Of the processor: the clock tells what else goes on. Windows counts that in steps of 16 ms.
    timer = time.perf_counter if sys.platform == "win32" else time.thread_time
    ours, theirs = (
        min(timeit.repeat(each, timer=timer, globals=scope, number=20_000, repeat=7))
        for each in ("decode('AgentMessageDeltaNotification', delta)", "bare(delta)")
    )
    assert ours < 3 * theirs
    assert ours / 20_000 < 10e-6


def test_two_ways_at_once_do_not_mix() -> None:
    stop = threading.Event()
    failures: list[object] = []

    def build() -> None:
        while not stop.is_set():
            with pytest.raises(ValidationError):
                TurnStartParams.model_validate({"threadId": "t", "input": [{"type": "new"}]})

    thread = threading.Thread(target=build)
    thread.start()
    try:
        for _ in range(300):
            decoded = decode(TurnStartParams, {"threadId": "t", "input": [{"type": "new"}]})
            if not isinstance(decoded.input[0], UnknownObject):
                failures.append(decoded)
    finally:
        stop.set()
        thread.join(10)
    assert not failures
