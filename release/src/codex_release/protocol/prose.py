"""What methods, models and fields are for: `release/protocol.prose.toml`, and sentences made for what has no entry.

Nothing of it comes from the schema, whose prose is left out. Whatever the schema has gets a sentence, so that a new
release needs no new entry: of the method that a model belongs to, of the union that it is a kind of, or of its name and
the field that holds it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_release.base.table import Table, read_toml
from codex_release.protocol.naming import snake
from codex_release.protocol.shapes import (
    Definition,
    Enumeration,
    KeyedUnion,
    Protocol,
    Struct,
    TaggedUnion,
    names_in,
    names_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


__all__ = ["About", "Prose", "abouts_of", "require_words"]

_LINE = 100
"""So many columns sentences may take that stand on one line; longer ones are paragraphs."""
_SHOWN = 3
"""So many methods are named where a model belongs to several."""
_SPELLED = {"api": "API", "aws": "AWS", "id": "ID", "mcp": "MCP", "oauth": "OAuth", "sdp": "SDP", "url": "URL"}


@dataclass(frozen=True)
class Prose:
    """The file.

    Attributes:
        methods: what a method does, an event tells or a question asks.
        definitions: what a model is.
        fields: what a field is, by its name or by ``Model.name``, which goes first.
    """

    methods: Mapping[str, str]
    definitions: Mapping[str, str]
    fields: Mapping[str, str]

    @classmethod
    def load(cls, path: Path) -> Prose:
        """Read the file.

        Raises:
            WorkspaceError: if it cannot be read, lacks something or has too much, or says what no docstring can.
        """
        said = read_toml(path)
        prose = said.filled(cls)
        for table in map(said.table, said):
            require_words(table, table)
        return prose

    def of_field(self, owner: str, name: str) -> str | None:
        """What a field of a model is, if that is said."""
        return self.fields.get(f"{owner}.{name}") or self.fields.get(name)

    def of_call(self, method: str) -> str:
        """What a client's method does, for its docstring."""
        said = self.methods.get(method)
        return f"Call ``{method}``: {said[0].lower()}{said[1:]}" if said else f"Call ``{method}``."


@dataclass(frozen=True)
class About:
    """What is said of a definition.

    Attributes:
        paragraphs: of it as a whole, at least one.
        fields: field to what it is, of those of which that is said.
    """

    paragraphs: tuple[str, ...]
    fields: Mapping[str, str]


def require_words(table: Table, keys: Iterable[str]) -> None:
    """Refuse texts that would end a docstring, or mean something else in it.

    Raises:
        ReleaseError: of the table's kind.
    """
    for key in keys:
        if '"""' in table.text(key) or "\\" in table.text(key):
            table.refuse(key, "has three quotes or a backslash, which no docstring can have")


def abouts_of(protocol: Protocol, prose: Prose) -> dict[str, About]:
    """Definition to what is said of it, of all definitions."""
    made = _made(protocol, prose)
    abouts = {}
    for name, definition in protocol.definitions.items():
        sentences = [prose.definitions[name]] if name in prose.definitions else made.get(name) or [_in_words(name)]
        together = " ".join(sentences)
        fields = definition.fields if isinstance(definition, Struct) else ()
        said = {field.name: text for field in fields if (text := prose.of_field(name, field.name))}
        paragraphs = [together] if len(together) <= _LINE else sentences
        abouts[name] = About((*paragraphs, *_remarks(definition)), said)
    return abouts


def _remarks(definition: Definition) -> list[str]:
    """What there is to know about it besides."""
    remarks = []
    match definition:
        case Enumeration(is_open=True):
            remarks.append("These are the words that are known; any other will do too, and has a `value` as they have.")
        case TaggedUnion(is_class=True):
            remarks.append("One of its subclasses; its `model_validate` gives the one that fits.")
        case KeyedUnion(is_class=True):
            remarks.append(f"The strings of it; beside them there is `{'`, `'.join(definition.variants.values())}`.")
        case Struct(fields=fields) if names := [f"`{field.name}`" for field in fields if field.is_experimental]:
            remarks.append(f"Experimental: {', '.join(names)}.")
    return ["Experimental."] if definition.is_experimental else remarks


def _made(protocol: Protocol, prose: Prose) -> dict[str, list[str]]:
    """Sentences for what has no entry: of the method that it belongs to, else of its union, else of where it stands."""
    said: dict[str, list[str]] = {}
    for owner, definition in protocol.definitions.items():
        for name, place in _places(owner, definition):
            said.setdefault(name, [_in_words(name), f"It stands in `{place}`."])
    for owner, definition in protocol.definitions.items():
        if isinstance(definition, (TaggedUnion, KeyedUnion)):
            said |= {name: [f"The kind ``{value}`` of `{owner}`."] for value, name in definition.variants.items()}
    takes, gives, tells = defaultdict(list), defaultdict(list), defaultdict(list)
    for request in (*protocol.client_requests, *protocol.server_requests):
        gives[request.result].append(request.method)
        if request.params:
            takes[request.params].append(request.method)
    for event in protocol.notifications:
        tells[event.params].append(event.method)
    said |= {name: [f"The answer to {_listed(methods)}."] for name, methods in gives.items()}
    for what, by_name in (("The parameters of", takes), ("The event", tells)):
        for name, methods in by_name.items():
            known = [prose.methods[methods[0]]] if len(methods) == 1 and methods[0] in prose.methods else []
            said[name] = [*known, f"{what} {_listed(methods)}."]
    return said


def _places(owner: str, definition: Definition) -> list[tuple[str, str]]:
    """What a definition refers to, and where."""
    if isinstance(definition, Struct):
        return [(name, f"{owner}.{each.name}") for each in definition.fields for name in names_in(each.type)]
    return [(name, owner) for name in names_of(definition)]


def _listed(methods: list[str]) -> str:
    named = [f"``{method}``" for method in methods[:_SHOWN]]
    if len(methods) > _SHOWN:
        return f"{', '.join(named)} and others"
    return " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))


def _in_words(name: str) -> str:
    text = " ".join(_SPELLED.get(word, word) for word in snake(name).split("_"))
    return f"{text[0].upper()}{text[1:]}."
