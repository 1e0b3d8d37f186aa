"""What changed in the protocol: every rule on hand-made schemas, and what real releases changed."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from programs import PINNED, codex_release

from codex_release.commands.answer import Answer, show
from codex_release.facts.workspace import Workspace
from codex_release.protocol.changes import Change, Way, What
from codex_release.protocol.difference import differences
from codex_release.protocol.normalise import normalise
from codex_release.protocol.render_changes import as_markdown, as_rows, gravest_first, headline
from codex_release.protocol.rules import Rules
from codex_release.protocol.schema import Schema, Side
from codex_release.protocol.shapes import Protocol

STRING = {"type": "string"}


@pytest.fixture(scope="module")
def rules(workspace: Workspace) -> Rules:
    return Rules.load(workspace.protocol_file)


# --- hand-made schemas


def string(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def obj(required: str = "", **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required.split()}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/definitions/v2/{name}"}


def array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def nullable(schema: Any) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def tagged(*values: str) -> dict[str, Any]:
    return {"oneOf": [obj("type", type=string(value)) for value in values]}


def experimental(schema: dict[str, Any]) -> dict[str, Any]:
    """A property that the stable schema lacks; see `Printed`."""
    return schema | {"experimental": True}


@dataclass
class Printed:
    """What a runtime prints that knows these messages: method to the name of the parameters, or none.

    Of those whose method is in `gated` the stable schema knows nothing.
    """

    definitions: Mapping[str, Any]
    calls: Mapping[str, str | None] = field(default_factory=dict)
    asks: Mapping[str, str] = field(default_factory=dict)
    tells: Mapping[str, str] = field(default_factory=dict)
    gated: frozenset[str] = frozenset()

    def protocol(self, rules: Rules) -> Protocol:
        def messages(names: Mapping[str, str | None]) -> dict[str, Any]:
            return {method: ref(name) if name else {"type": "null"} for method, name in names.items()}

        every = [messages(dict(each)) for each in (self.calls, self.asks, self.tells)]
        known = [{method: each[method] for method in each if method not in self.gated} for each in every]
        definitions = {name: stripped(body) for name, body in self.definitions.items()}
        return normalise(Side(Schema(self.definitions, *every), Schema(definitions, *known)), rules)


def stripped(schema: dict[str, Any]) -> dict[str, Any]:
    properties = {
        key: body for key, body in schema.get("properties", {}).items() if body is True or "experimental" not in body
    }
    return schema | ({"properties": properties} if "properties" in schema else {})


def meeting(way: Way, definitions: Mapping[str, Any]) -> Printed:
    """One method whose users send the definition `Thing`, or receive it."""
    holder, other = ("DoParams", "DoResponse") if way is Way.SENT else ("DoResponse", "DoParams")
    return Printed({**definitions, holder: obj("thing", thing=ref("Thing")), other: obj()}, {"do": "DoParams"})


def found(rules: Rules, old: Printed, new: Printed) -> list[Change]:
    return list(differences(old.protocol(rules), new.protocol(rules)))


def summary(changes: list[Change]) -> list[tuple[What, str]]:
    return [(change.what, change.where) for change in changes]


# Of each kind of change the definition `Thing` before and after, and whether it can break who sends it or receives it.
CASES: list[tuple[What, dict[str, Any], dict[str, Any], bool, bool]] = [
    (What.FIELD_ADDED, obj(), obj(x=STRING), False, False),
    (What.FIELD_ADDED_REQUIRED, obj(), obj("x", x=STRING), True, False),
    (What.FIELD_REMOVED, obj(x=STRING), obj(), True, True),
    (What.FIELD_REQUIRED, obj(x=STRING), obj("x", x=STRING), True, False),
    (What.FIELD_OPTIONAL, obj("x", x=STRING), obj(x=STRING), False, True),
    (What.FIELD_OMISSIBLE, obj("x", x=nullable(STRING)), obj(x=STRING), False, False),
    (
        What.FIELD_DEFAULT,
        obj(x={"type": "integer", "default": 1}),
        obj(x={"type": "integer", "default": 2}),
        True,
        False,
    ),
    (What.FIELD_STABLE, obj(x=experimental(STRING)), obj(x=STRING), False, False),
    (What.FIELD_EXPERIMENTAL, obj(x=STRING), obj(x=experimental(STRING)), True, True),
    (What.TYPE_WIDER, obj("x", x={"type": "integer"}), obj("x", x={"type": "number"}), False, True),
    (What.TYPE_NARROWER, obj("x", x=True), obj("x", x=STRING), True, False),
    (What.TYPE_ANOTHER, obj("x", x=STRING), obj("x", x={"type": "boolean"}), True, True),
    (What.TYPE_RENAMED, obj("x", x=ref("Old")), obj("x", x=ref("New")), True, True),
    (What.VALUE_ADDED, string("a"), string("a", "b"), False, False),
    (What.VALUE_REMOVED, string("a", "b"), string("a"), True, True),
    (What.VARIANT_ADDED, tagged("a"), tagged("a", "b"), False, False),
    (What.VARIANT_REMOVED, tagged("a", "b"), tagged("a"), True, True),
]


@pytest.mark.parametrize(
    ("what", "old", "new", "breaks_sender", "breaks_receiver"), CASES, ids=[case[0].name for case in CASES]
)
def test_a_change_of_a_definition(
    rules: Rules, what: What, old: dict[str, Any], new: dict[str, Any], breaks_sender: bool, breaks_receiver: bool
) -> None:
    before, after = {"Thing": old}, {"Thing": new}
    if what is What.TYPE_RENAMED:
        before["Old"] = after["New"] = obj()
    for way, is_breaking in ((Way.SENT, breaks_sender), (Way.RECEIVED, breaks_receiver)):
        (change,) = found(rules, meeting(way, before), meeting(way, after))
        assert change.what is what
        assert change.ways == {way: ("do",)}
        assert change.verdict.is_breaking is is_breaking
        assert change.is_experimental is (what is What.FIELD_STABLE)


@pytest.mark.parametrize(
    ("what", "way", "old", "new", "is_breaking"),
    [
        (What.METHOD_ADDED, Way.SENT, {}, {"calls": {"do": "P"}}, False),
        (What.METHOD_REMOVED, Way.SENT, {"calls": {"do": "P"}}, {}, True),
        (
            What.METHOD_STABLE,
            Way.SENT,
            {"calls": {"do": "P"}, "gated": frozenset({"do"})},
            {"calls": {"do": "P"}},
            False,
        ),
        (
            What.METHOD_EXPERIMENTAL,
            Way.SENT,
            {"calls": {"do": "P"}},
            {"calls": {"do": "P"}, "gated": frozenset({"do"})},
            True,
        ),
        (What.SERVER_REQUEST_ADDED, Way.RECEIVED, {}, {"asks": {"do": "P"}}, False),
        (What.SERVER_REQUEST_REMOVED, Way.RECEIVED, {"asks": {"do": "P"}}, {}, True),
        (What.NOTIFICATION_ADDED, Way.RECEIVED, {}, {"tells": {"do": "P"}}, False),
        (What.NOTIFICATION_REMOVED, Way.RECEIVED, {"tells": {"do": "P"}}, {}, True),
        *(
            (what, way, {part: {"do": "P"}, "gated": frozenset({"do"})}, {}, True)
            for what, way, part in (
                (What.METHOD_REMOVED, Way.SENT, "calls"),
                (What.SERVER_REQUEST_REMOVED, Way.RECEIVED, "asks"),
                (What.NOTIFICATION_REMOVED, Way.RECEIVED, "tells"),
            )
        ),
    ],
)
def test_a_change_of_a_method(
    rules: Rules, what: What, way: Way, old: dict[str, Any], new: dict[str, Any], is_breaking: bool
) -> None:
    definitions = {"P": obj(), "DoResponse": obj()}
    (change,) = found(rules, Printed(definitions, **old), Printed(definitions, **new))
    assert (change.what, change.where, change.ways) == (what, "do", {way: ("do",)})
    assert change.verdict.is_breaking is is_breaking
    assert change.is_experimental is ("gated" in old)


def test_every_kind_of_change_has_a_rule() -> None:
    """And each rule is tested above: of a definition in both ways, of a method in the one there is."""
    of_definitions = {case[0] for case in CASES}
    assert all(set(what.rules) == set(Way) for what in of_definitions)
    assert all(len(what.rules) == 1 for what in set(What) - of_definitions)


def test_what_is_sent_and_received_breaks_by_its_gravest_rule(rules: Rules) -> None:
    def both(thing: dict[str, Any]) -> Printed:
        holder = obj("thing", thing=ref("Thing"))
        return Printed({"Thing": thing, "DoParams": holder, "DoResponse": holder}, {"do": "DoParams"})

    (change,) = found(rules, both(obj("x", x=STRING)), both(obj(x=STRING)))
    assert change.ways == {Way.SENT: ("do",), Way.RECEIVED: ("do",)}
    assert change.verdict == What.FIELD_OPTIONAL.rules[Way.RECEIVED]


def test_the_answer_to_a_question_is_sent_and_its_parameters_are_received(rules: Rules) -> None:
    def asking(**fields: Any) -> Printed:
        return Printed({"AskParams": obj(**fields), "AskResponse": obj(**fields)}, asks={"ask": "AskParams"})

    changes = found(rules, asking(), asking(x=STRING))
    assert [(change.where, list(change.ways)) for change in changes] == [
        ("AskParams.x", [Way.RECEIVED]),
        ("AskResponse.x", [Way.SENT]),
    ]


def test_what_nobody_meets_is_not_compared(rules: Rules) -> None:
    assert found(rules, Printed({"Stray": obj()}), Printed({"Stray": obj("x", x=STRING)})) == []


def test_what_only_an_experimental_method_leads_to_is_experimental(rules: Rules) -> None:
    def calling(*methods: str, **fields: Any) -> Printed:
        names = {"DoResponse": obj(), "TryResponse": obj(), "P": obj(thing=ref("Thing")), "Thing": obj(**fields)}
        return Printed(names, dict.fromkeys(methods, "P"), gated=frozenset({"try"}))

    (change,) = found(rules, calling("try"), calling("try", x=STRING))
    assert change.is_experimental
    (change,) = found(rules, calling("do", "try"), calling("do", "try", x=STRING))
    assert not change.is_experimental
    assert change.ways == {Way.SENT: ("do", "try")}


@pytest.mark.parametrize("part", ["asks", "tells"])
def test_what_only_an_experimental_question_or_event_leads_to_is_experimental(rules: Rules, part: str) -> None:
    def saying(**fields: Any) -> Printed:
        messages: Any = {part: {"do": "P"}}
        return Printed({"P": obj(**fields), "DoResponse": obj()}, **messages, gated=frozenset({"do"}))

    (change,) = found(rules, saying(x=STRING), saying())
    assert (change.where, change.is_experimental) == ("P.x", True)


def test_what_an_experimental_field_leads_to_is_experimental(rules: Rules) -> None:
    def with_field(**fields: Any) -> Printed:
        thing = obj(part=experimental(ref("Part")))
        return meeting(Way.SENT, {"Thing": thing, "Part": obj(**fields)})

    (change,) = found(rules, with_field(x=STRING), with_field())
    assert (change.where, change.is_experimental) == ("Part.x", True)


def test_a_method_that_takes_parameters_now(rules: Rules) -> None:
    def calling(name: str | None, required: str) -> Printed:
        return Printed({"DoParams": obj(required, a=STRING, b=STRING), "DoResponse": obj()}, {"do": name})

    assert summary(found(rules, calling(None, "b"), calling("DoParams", "b"))) == [
        (What.FIELD_ADDED, "DoParams.a"),
        (What.FIELD_ADDED_REQUIRED, "DoParams.b"),
    ]
    assert summary(found(rules, calling("DoParams", ""), calling(None, ""))) == [
        (What.FIELD_REMOVED, "DoParams.a"),
        (What.FIELD_REMOVED, "DoParams.b"),
    ]


def test_a_renamed_type_is_compared_with_what_it_was(rules: Rules) -> None:
    old = meeting(Way.SENT, {"Thing": obj("x", x=array(ref("One"))), "One": obj(a=STRING, b=STRING)})
    new = meeting(Way.SENT, {"Thing": obj("x", x=array(ref("Two"))), "Two": obj(a=STRING)})
    assert summary(found(rules, old, new)) == [
        (What.TYPE_RENAMED, "One -> Two"),
        (What.FIELD_REMOVED, "One -> Two.b"),
    ]


def test_a_type_that_refers_to_itself_is_compared_once(rules: Rules) -> None:
    def recursive(**more: Any) -> Printed:
        return meeting(Way.RECEIVED, {"Thing": obj(children=array(ref("Thing")), **more)})

    assert summary(found(rules, recursive(), recursive(x=STRING))) == [(What.FIELD_ADDED, "Thing.x")]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # Written otherwise, and the same: an enumeration in place, an alias, one part or several.
        (obj("x", x=string("a", "b")), obj("x", x=ref("Letter")), []),
        (obj("x", x=ref("Letter")), obj("x", x=string("b", "a")), []),
        (obj("x", x=STRING), obj("x", x=ref("Text")), []),
        (obj("x", x=nullable(STRING)), obj("x", x={"type": ["string", "null"]}), []),
        # A set of strings in place.
        (obj("x", x=string("a")), obj("x", x=ref("Letter")), [(What.VALUE_ADDED, "Thing.x")]),
        (obj("x", x=array(string("a", "c"))), obj("x", x=array(string("a"))), [(What.VALUE_REMOVED, "Thing.x")]),
        # What was a closed set and is any string now, in place or by itself, is one change.
        (obj("x", x=string("a", "b")), obj("x", x=STRING), [(What.TYPE_WIDER, "Thing.x")]),
        (string("a", "b"), STRING, [(What.TYPE_WIDER, "Thing")]),
        (STRING, string("a", "b"), [(What.TYPE_NARROWER, "Thing")]),
        (string("a"), {"anyOf": [string("b"), STRING, obj("c", c=STRING)]}, None),
        # Strings get company.
        (string("a"), {"oneOf": [string("a"), obj("b", b=STRING)]}, [(What.VARIANT_ADDED, "Thing")]),
        (obj("a", a=STRING), tagged("b"), [(What.TYPE_ANOTHER, "Thing")]),
        # Values that are no strings.
        (obj("x", x={"enum": [1]}), obj("x", x={"enum": [1, 2]}), [(What.VALUE_ADDED, "Thing.x")]),
        (obj("x", x={"enum": [1]}), obj("x", x={"type": "number"}), [(What.TYPE_WIDER, "Thing.x")]),
        (obj("x", x={"type": "boolean"}), obj("x", x={"enum": [True]}), [(What.TYPE_NARROWER, "Thing.x")]),
        (
            obj("x", x={"enum": [1]}),
            obj("x", x={"enum": [True]}),
            [(What.VALUE_ADDED, "Thing.x"), (What.VALUE_REMOVED, "Thing.x")],
        ),
        # Lists and maps.
        (obj("x", x=array(STRING)), obj("x", x={"anyOf": [STRING, array(STRING)]}), [(What.TYPE_WIDER, "Thing.x")]),
        (
            obj("x", x={"type": "object", "additionalProperties": {"type": "number"}}),
            obj("x", x={"type": "object", "additionalProperties": {"type": "integer"}}),
            [(What.TYPE_NARROWER, "Thing.x")],
        ),
        (obj("x", x=array(STRING)), obj("x", x=STRING), [(What.TYPE_ANOTHER, "Thing.x")]),
        (obj("x", x=obj("y", y=STRING)), obj("x", x={"type": "object"}), [(What.TYPE_WIDER, "Thing.x")]),
        (obj("x", x=nullable(ref("Letter"))), obj("x", x=ref("Letter")), [(What.TYPE_NARROWER, "Thing.x")]),
        # A path is a string, but not every string is one.
        (obj("x", x=STRING), obj("x", x=ref("AbsolutePathBuf")), [(What.TYPE_NARROWER, "Thing.x")]),
        # What is not said may be the same: a default that only one of the two has.
        (
            obj(x={"type": "boolean", "default": False}),
            obj(x={"type": "boolean"}),
            [(What.TYPE_WIDER, "Thing.x")],
        ),
        # What is left out is what its default says, not null.
        (
            obj("x", x={"type": "boolean"}),
            obj(x={"type": "boolean", "default": True}),
            [(What.FIELD_OMISSIBLE, "Thing.x")],
        ),
        # Types that refer to themselves under two names.
        (
            obj("x", x={"anyOf": [STRING, ref("Nest")]}),
            obj("x", x={"anyOf": [STRING, {"type": "boolean"}, ref("Tree")]}),
            [(What.TYPE_WIDER, "Thing.x")],
        ),
        # Both at once.
        (
            obj(x=True),
            obj("x", x=STRING),
            [(What.FIELD_REQUIRED, "Thing.x"), (What.TYPE_NARROWER, "Thing.x")],
        ),
        # The tag is compared with its union.
        ({"oneOf": [obj("kind", kind=string("a"))]}, tagged("a"), None),
    ],
)
def test_types_are_compared_by_what_they_can_be(
    rules: Rules, old: dict[str, Any], new: dict[str, Any], expected: list[tuple[What, str]] | None
) -> None:
    others = {"Letter": string("a", "b"), "Text": STRING, "AbsolutePathBuf": STRING}
    others |= {name: array(ref(name)) for name in ("Nest", "Tree")}
    sides = (meeting(Way.SENT, {"Thing": thing, **others}) for thing in (old, new))
    changes = found(rules, *sides)
    if expected is None:
        assert changes
        assert {change.where for change in changes} == {"Thing"}
    else:
        assert summary(changes) == expected


def test_an_open_union_still_takes_a_string_that_it_no_longer_lists(rules: Rules) -> None:
    old, new = (
        meeting(Way.SENT, {"Thing": {"anyOf": [*listed, obj("c d", c=STRING, d=STRING)]}})
        for listed in ([string("a")], [STRING])
    )
    assert summary(found(rules, old, new)) == [(What.VARIANT_ADDED, "Thing")]


def test_the_order_of_the_schemas_changes_nothing(rules: Rules) -> None:
    old, new = (
        {f"Thing{number}": case[side] for number, case in enumerate(CASES)} | {"Old": obj(), "New": obj()}
        for side in (1, 2)
    )
    members: dict[str, Any] = {name: ref(name) for name in old}
    top = obj(**members)

    def shuffled(definitions: dict[str, Any], seed: int) -> Printed:
        names = [*definitions, "DoParams", "DoResponse"]
        random.Random(seed).shuffle(names)
        every = {**definitions, "DoParams": top, "DoResponse": top}
        return Printed({name: every[name] for name in names}, {"do": "DoParams"})

    first = found(rules, shuffled(old, 0), shuffled(new, 0))
    assert len(first) >= len(CASES) - 1
    assert all(found(rules, shuffled(old, seed), shuffled(new, seed + 7)) == first for seed in range(1, 6))


# --- how it is shown


def test_what_can_break_comes_first_and_what_is_experimental_after_what_is_stable() -> None:
    changes = [
        Change(What.METHOD_ADDED, "a", "", "", is_experimental=False, ways={Way.SENT: ("a",)}),
        Change(What.METHOD_REMOVED, "b", "", "", is_experimental=True, ways={Way.SENT: ("b",)}),
        Change(
            What.FIELD_REMOVED,
            "C.d",
            "list[str] | null",
            "",
            is_experimental=False,
            ways={Way.RECEIVED: ("x", "y", "z")},
        ),
    ]
    shown = gravest_first(changes)
    assert [row[:5] for row in as_rows(shown)] == [
        ("breaking", "field removed", "C.d", "list[str] | null", "received: x, y and 1 more"),
        ("breaking, experimental", "method removed", "b", "-", "-"),
        ("harmless", "method added", "a", "-", "-"),
    ]
    assert headline(shown) == ("3 changes, 2 of which can break users (1 only those who allow experimental things)")
    document = as_markdown("1", "2", shown)
    assert document.startswith("# Codex app-server protocol: 1 to 2\n\n3 changes, ")
    assert (
        "| field removed | `C.d` | `list[str] \\| null` | received: x, y and 1 more | reading it finds nothing |"
        in document
    )
    assert document.index("## Can break users") < document.index("## Harmless")


def test_no_change_is_said_so() -> None:
    assert as_rows([])[0][0] == headline([]) == "nothing changed"
    assert as_markdown("1", "2", []) == "# Codex app-server protocol: 1 to 2\n\nNothing changed.\n"


def test_a_bracket_in_a_cell_is_shown_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show(Answer(("type",), [("list[str]",)], None), as_json=False)
    assert "list[str]" in capsys.readouterr().out


# --- real releases


@pytest.fixture(scope="module")
def release(executable_of: Callable[[str], Path], rules: Rules) -> Callable[[str], tuple[Protocol, Schema]]:
    """Of a version its protocol, and the schema with everything experimental as it was printed."""

    @cache
    def printed(version: str) -> tuple[Protocol, Schema]:
        side = Side.printed_by(executable_of(version))
        return normalise(side, rules), side.schema

    return printed


@pytest.mark.parametrize("version", ["0.115.0", "0.147.0", "0.163.0"])
def test_methods_came_and_went_as_the_schemas_say(
    release: Callable[[str], tuple[Protocol, Schema]], version: str
) -> None:
    (old, old_schema), (new, new_schema) = release(version), release(PINNED)
    changes = differences(old, new)
    assert changes == differences(old, new)
    for added, removed, before, after in (
        (What.METHOD_ADDED, What.METHOD_REMOVED, old_schema.client_requests, new_schema.client_requests),
        (
            What.SERVER_REQUEST_ADDED,
            What.SERVER_REQUEST_REMOVED,
            old_schema.server_requests,
            new_schema.server_requests,
        ),
        (What.NOTIFICATION_ADDED, What.NOTIFICATION_REMOVED, old_schema.notifications, new_schema.notifications),
    ):
        assert {change.where for change in changes if change.what is added} == set(after) - set(before)
        assert {change.where for change in changes if change.what is removed} == set(before) - set(after)


@pytest.mark.parametrize("version", ["0.115.0", "0.147.0", "0.163.0", PINNED])
def test_nothing_changed_from_a_release_to_itself(
    release: Callable[[str], tuple[Protocol, Schema]], version: str
) -> None:
    protocol, _ = release(version)
    assert differences(protocol, protocol) == ()


def test_every_field_of_the_parameters_is_accounted_for(release: Callable[[str], tuple[Protocol, Schema]]) -> None:
    """Read straight from the two schemas: the members of parameters that both know."""
    (old, old_schema), (new, new_schema) = release("0.163.0"), release(PINNED)
    changes = differences(old, new)
    methods = old_schema.client_requests.keys() & new_schema.client_requests.keys()
    names = {
        params["$ref"].rpartition("/")[2]
        for method in methods
        if "$ref" in (params := new_schema.client_requests[method])
    }
    expected = set()
    for name in names & old_schema.definitions.keys():
        before, after = (side.definitions[name].get("properties", {}) for side in (old_schema, new_schema))
        expected |= {f"{name}.{wire}" for wire in after.keys() - before.keys()}
    added = {change.where for change in changes if change.what in {What.FIELD_ADDED, What.FIELD_ADDED_REQUIRED}}
    assert len(expected) >= 3
    assert {where for where in added if where.partition(".")[0] in names} == expected


def test_what_changed_from_0_163_to_0_169(release: Callable[[str], tuple[Protocol, Schema]]) -> None:
    changes = differences(release("0.163.0")[0], release("0.169.0")[0])
    breaking = [change for change in changes if change.verdict.is_breaking]
    assert summary(breaking) == [
        (What.FIELD_OPTIONAL, "AudioUserInput.url"),
        (What.FIELD_OPTIONAL, "ImageGenerationThreadItem.result"),
        (What.FIELD_OPTIONAL, "InputAudioFunctionCallOutputContentItem.audio_url"),
        (What.VALUE_REMOVED, "ReviewDelivery"),
    ]
    assert (breaking[-1].old, breaking[-1].ways) == ('"detached"', {Way.SENT: ("review/start",)})
    kinds = {(change.what, change.where, change.new) for change in changes}
    assert {
        (What.NOTIFICATION_ADDED, "thread/section/changed", ""),
        (What.VARIANT_ADDED, "Account", 'type: "gcp"'),
        (What.VALUE_ADDED, "PlanType", '"sci"'),
        (What.VALUE_ADDED, "CodexErrorInfo", '"modelNotFound"'),
    } <= kinds


def test_what_changed_from_0_115_to_0_169(release: Callable[[str], tuple[Protocol, Schema]]) -> None:
    changes = differences(release("0.115.0")[0], release("0.169.0")[0])
    facts = {(change.what, change.where, change.old, change.new, change.verdict.is_breaking) for change in changes}
    efforts = " | ".join(json.dumps(each) for each in ("none", "minimal", "low", "medium", "high", "xhigh"))
    assert {
        (What.METHOD_REMOVED, "thread/rollback", "", "", True),
        (What.VALUE_REMOVED, "AskForApproval", '"on-failure"', "", True),
        (What.TYPE_WIDER, "ReasoningEffort", efforts, "str", True),
        (What.TYPE_NARROWER, "SkillsConfigWriteParams.path", "str", "path", True),
        (What.TYPE_NARROWER, "Thread.cwd", "str", "path", False),
        (What.TYPE_WIDER, "TurnStartParams.serviceTier", "ServiceTier | null", "str | null", False),
        (What.TYPE_WIDER, "ThreadStartResponse.serviceTier", "ServiceTier | null", "str | null", True),
    } <= facts


# --- the command


@pytest.fixture(scope="module")
def directory(codex_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pinned runtime prints, in the two directories."""
    root = tmp_path_factory.mktemp("printed")
    for name, options in (("stable", []), ("experimental", ["--experimental"])):
        command = [str(codex_binary), "app-server", "generate-json-schema", *options, "--out", str(root / name)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    return root


def test_an_older_release_is_fetched_without_the_lock_and_compared_with_the_pinned_one(directory: Path) -> None:
    ended = codex_release("protocol-diff", "0.163.0", "--fail-on-breaking", code=1)
    assert "WARNING: UNLOCKED: 0.163.0" in ended.stderr
    assert " of which can break users" in ended.stderr.splitlines()[-1]
    assert ended.stderr.endswith("; see what is said of each, or leave --fail-on-breaking out\n")
    assert 'breaking  value removed  ReviewDelivery  "detached"  sent: review/start  passing it is refused' in (
        ended.stdout.splitlines()
    )
    assert codex_release("protocol-diff", "0.163.0", directory).stdout == ended.stdout


def test_the_pinned_release_is_what_it_prints(directory: Path) -> None:
    ended = codex_release("protocol-diff", f"rust-v{PINNED}", directory, "--fail-on-breaking")
    assert ended.stdout == "nothing changed\n"
    assert "UNLOCKED" not in ended.stderr
    answer = json.loads(codex_release("protocol-diff", directory, "--json").stdout)
    assert answer == {"old": str(directory), "new": PINNED, "breaking": 0, "changes": []}


def test_two_directories_with_one_schema_each_are_compared(directory: Path) -> None:
    answer = json.loads(
        codex_release("protocol-diff", directory / "experimental", directory / "stable", "--json").stdout
    )
    removed = {each["where"] for each in answer["changes"] if each["what"] == "method removed"}
    every, stable = (Schema.read(directory / name).client_requests for name in ("experimental", "stable"))
    assert removed == every.keys() - stable.keys() != set()
    assert not any(each["experimental"] for each in answer["changes"])
    said = codex_release("protocol-diff", directory / "stable", directory / "experimental", "--markdown").stdout
    assert "## Harmless" in said


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("0.169", "{dir}"), "'0.169' is neither a Codex version nor a directory; write it like"),
        (("{dir}", "{dir}/.."), "holds no printed schema; print one with: codex app-server generate-json-schema"),
        (("{dir}", "{dir}/stable"), "holds one printed schema, which does not say what is experimental"),
        (("{dir}", "{dir}", "--json", "--markdown"), "--json and --markdown exclude each other"),
    ],
)
def test_words_that_make_no_sense(directory: Path, words: tuple[str, ...], complaint: str) -> None:
    ended = codex_release("protocol-diff", *(word.format(dir=directory) for word in words), code=2)
    assert complaint in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
