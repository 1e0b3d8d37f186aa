"""`release/protocol.toml` as typed values: what the schema does not say and the generator has to know.

It does not say what a method gives: that is told by the rules, by names, or else by a likeness of names.
"""

from __future__ import annotations

import bisect
import json
import keyword
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codex_release.base.errors import ProtocolError
from codex_release.base.table import Table, read_toml
from codex_release.protocol.naming import pascal, room_name, snake
from codex_release.protocol.prose import Prose, require_words
from codex_release.protocol.schema import Schema, name_in

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path


__all__ = [
    "ClientOption",
    "FrontMethod",
    "Overload",
    "RoomRule",
    "Rules",
    "WordsRule",
    "guess",
    "params_name",
    "result_lines",
    "result_names",
    "with_results",
]

_RESULT = "Response"
_RESULTS = re.compile(r"(?<=^\[results\]\n)(?:.+\n)*", re.MULTILINE)


@dataclass(frozen=True)
class RoomRule:
    """What a room of the generated models takes first.

    Attributes:
        name: of the module.
        methods: prefixes of protocol methods.
        definitions: names of definitions.
    """

    name: str
    methods: tuple[str, ...] = ()
    definitions: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClientOption:
    """An option that is the client's own, and never sent.

    Attributes:
        type: its annotation.
        methods: who has it, e.g. ``Thread.run``.
        about: what it is.
        default: as it stands in the signature.
    """

    type: str
    methods: tuple[str, ...]
    about: str
    default: str = "None"


@dataclass(frozen=True)
class Overload:
    """What a method gives where some of its options have narrower types.

    Attributes:
        result: what it returns then.
        options: option to type; one whose type is ``None`` may be left out.
    """

    result: str
    options: Mapping[str, str]


@dataclass(frozen=True)
class FrontMethod:
    """A method of the high-level interface whose options are those of a protocol method.

    Attributes:
        owner: the class it belongs to, ``Codex`` or ``Thread``.
        name: of the method.
        method: whose parameters its options are.
        result: what it returns; None if it is what the protocol method returns.
        arguments: what comes before the options, name to type.
        given: the wire names that are no options, because an argument or the object itself says them.
        about: what its docstring says beside its options: what it does, then sections, parted by blank lines.
        is_plain: whether it is no coroutine in the asynchronous twin either.
        overloads: where it returns something more special than `result`, the most special first.
        base: the class that has it too, where others beside the owner do, e.g. ``ThreadStart``.
    """

    owner: str
    name: str
    method: str
    about: str
    result: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    given: tuple[str, ...] = ()
    is_plain: bool = False
    overloads: tuple[Overload, ...] = ()
    base: str = ""


@dataclass(frozen=True)
class WordsRule:
    """Known words where the schema takes any string.

    Attributes:
        name: of the enum they become; that of a definition, or a new one.
        values: the words.
        fields: wire names of the fields that hold one, where the schema has no definition for it.
    """

    name: str
    values: tuple[str, ...]
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rules:
    """The whole file, and the one beside it.

    Attributes:
        rooms: in the order in which they take definitions.
        results: method to name of its result, where no rule finds it.
        path_definitions: definitions that are paths.
        path_options: wire names of options that are paths.
        left_out_definitions: glob patterns of definitions that nobody needs.
        left_out_methods: methods that get no Python method.
        words: enums that take other strings too.
        classes: unions that are classes.
        reserved: what no attribute can be called.
        front: the high-level methods.
        client_options: the options of the high-level methods that are the client's own, by their names.
        front_names: the homes of the names in `front` and `client_options`: a module, and where there is an
            asynchronous twin, its module.
        prose: what docstrings say, from ``protocol.prose.toml``.
    """

    rooms: tuple[RoomRule, ...]
    results: Mapping[str, str]
    path_definitions: frozenset[str]
    path_options: frozenset[str]
    left_out_definitions: tuple[str, ...]
    left_out_methods: frozenset[str]
    words: tuple[WordsRule, ...]
    classes: frozenset[str]
    reserved: frozenset[str]
    front: tuple[FrontMethod, ...]
    client_options: Mapping[str, ClientOption]
    front_names: Mapping[str, tuple[str, ...]]
    prose: Prose

    @classmethod
    def load(cls, path: Path) -> Rules:
        """Read the two files.

        Raises:
            WorkspaceError: if one cannot be read, lacks something or has too much, or has a name that can be none.
        """
        tables = read_toml(path)
        _require_names(tables)
        paths, left_out = tables.table("paths"), tables.table("left_out")
        names = tables.table("front_names")
        return cls(
            rooms=tuple(table.filled(RoomRule) for table in tables.tables("rooms")),
            results=tables.mapping("results"),
            path_definitions=frozenset(paths.texts("definitions")),
            path_options=frozenset(paths.texts("options")),
            left_out_definitions=left_out.texts("definitions"),
            left_out_methods=frozenset(left_out.texts("methods")),
            words=tuple(table.filled(WordsRule) for table in tables.tables("words")),
            classes=frozenset(tables.table("classes").texts("definitions")),
            reserved=frozenset(tables.table("reserved").texts("attributes")),
            front=tuple(table.filled(FrontMethod) for table in tables.tables("front")),
            client_options={name: table.filled(ClientOption) for name, table in tables.each("client_options")},
            front_names={name: names.texts(name) for name in names},
            prose=Prose.load(path.with_name("protocol.prose.toml")),
        )


def _require_names(tables: Table) -> None:
    """Refuse what can be no name in Python, most of all of a module, which is written where its name leads."""
    for room in tables.tables("rooms"):
        name = room.text("name")
        if not name.isidentifier() or room_name(name) != name:
            room.refuse("name", f"is {name!r}, which can be no module's name")
    for front in tables.tables("front"):
        for key in ("owner", "name"):
            _require_name(front, key, front.text(key))
        for name in front.table("arguments") if "arguments" in front else ():
            _require_name(front, "arguments", name)
        require_words(front, ("about",))
    for words in tables.tables("words"):
        _require_name(words, "name", words.text("name"))
    for name, option in tables.each("client_options"):
        _require_name(option, "", name)
        require_words(option, ("about",))
    homes = tables.table("front_names")
    for name in homes:
        _require_name(homes, name, name)
        if len(homes.texts(name)) not in {1, 2}:
            homes.refuse(name, "has to be one module, or two where there is an asynchronous twin")


def _require_name(table: Table, key: str, name: str) -> None:
    if not name.isidentifier() or keyword.iskeyword(name):
        table.refuse(key, f"is {name!r}, which can be no name in Python")


def result_lines(results: Mapping[str, str]) -> list[str]:
    """Entries of the table of results, as they stand in the file."""
    return [f"{json.dumps(method)} = {json.dumps(name)}" for method, name in results.items()]


def with_results(text: str, results: Mapping[str, str]) -> str:
    """The file with more entries in its table of results, each in its place by the alphabet."""

    def extended(table: re.Match[str]) -> str:
        lines = table[0].splitlines()
        for line in result_lines(results):
            bisect.insort(lines, line)
        return "".join(f"{line}\n" for line in lines)

    return _RESULTS.sub(extended, text, count=1)


def params_name(params: Any) -> str | None:
    """The definition of a method's parameters; None if it has none."""
    options = [params, *params.get("anyOf", ())] if isinstance(params, dict) else []
    return next((name_in(option) for option in options if "$ref" in option), None)


def result_names(method: str, params: Any, rules: Rules) -> list[str]:
    """The names that the definition of a method's result can have, by the rules and by its own names."""
    taken = params_name(params)
    names = [rules.results.get(method), taken and taken.removesuffix("Params") + _RESULT, pascal(method) + _RESULT]
    return [name for name in names if name]


def guess(method: str, schema: Schema, taken: Collection[str], definitions: Collection[str]) -> str:
    """The most likely result of a method for which no rule finds one.

    That is what no method has yet, or else what several methods share and none has to itself; of these, what has most
    words in common with the method.

    Args:
        method: of the client's, or of the runtime's.
        schema: that has it.
        taken: the results of other methods.
        definitions: what is known of the schema.

    Raises:
        ProtocolError: if nothing in the schema is called like a result.
    """
    requests = {**schema.client_requests, **schema.server_requests}
    own = {pascal(each) + _RESULT for each in requests}
    words = {*snake(method).split("_"), *snake(params_name(requests[method]) or "").split("_")}

    def likeness(name: str) -> tuple[object, ...]:
        has_owner = name in own or name.removesuffix(_RESULT) + "Params" in definitions
        return name not in taken, not has_owner, len(words & {*snake(name).split("_")}), -len(name), name

    candidates = [name for name in schema.definitions if name in definitions and name.endswith(_RESULT)]
    if not candidates:
        raise ProtocolError(f"the schema has no result for {method}: no definition in it is called ...{_RESULT}")
    return max(candidates, key=likeness)
