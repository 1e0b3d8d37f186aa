"""The rooms of the models: of each a table, which the client interprets when a model is first needed, and a stub.

A table is text, a few lines to a definition, because text costs nothing until it is read. Its first line says what it
is, the others are its parts::

    model [TAG [UNION]]  NAME[=WIRE]: TYPE [= DEFAULT], the default in JSON
    enum [open]          NAME[=VALUE]
    union TAG [class]    VALUE=MODEL
    keyed [class]        "VALUE", with a class NAME="VALUE", or KEY=MODEL
    shape                TYPE
    alias                TYPE, on several lines if it is several

A type is ``str``, ``int``, ``float``, ``bool``, ``json``, ``None``, a value as JSON writes it (``"high"``, ``1``,
``true``), the name of a definition, ``list[TYPE]``, ``dict[TYPE]`` (the keys are strings), or several of them with
`` | `` between.
"""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from codex_release.base.errors import ProtocolError
from codex_release.protocol.naming import member
from codex_release.protocol.shapes import (
    Alias,
    Definition,
    Enumeration,
    Field,
    KeyedUnion,
    Literals,
    OneOf,
    Protocol,
    ShapeUnion,
    Struct,
    TaggedUnion,
    names_of,
    parts_of,
)
from codex_release.protocol.spelling import Spelling, in_json, in_python, literal
from codex_release.protocol.text import PACKAGE, WIDTH, alternatives, bracketed, docstring, imports, quoted, section

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from codex_release.protocol.layer import Layer

__all__ = ["render_names", "render_rooms"]

_TABLE_GETTER = '''

def __getattr__(name: str) -> object:
    """A model, which is created now."""
    from codex_app_server.models.model import from_room

    return from_room(__name__, name)
'''
_PACKAGE_GETTER = '''
from __future__ import annotations


def __getattr__(name: str) -> object:
    """A model, which is created now."""
    from codex_app_server.models.model import from_package

    return from_package(name)
'''


def render_rooms(layer: Layer) -> dict[str, str]:
    """The table and the stub of each room, by their paths within the generated package."""
    files = {}
    for room, definitions in layer.by_room().items():
        about = layer.header(f"Models: {room.replace('_', ' ')}.")
        files[f"{room}.py"] = about + _table(definitions, layer.protocol)
        files[f"{room}.pyi"] = about + _Stub(room, layer).text(definitions)
    return files


def render_names(layer: Layer) -> dict[str, str]:
    """The package itself, where every model can be imported from."""
    about = layer.header("The protocol as this client knows it: every model, by its name.")
    stars = "".join(f"from {PACKAGE}.{room} import *\n" for room in layer.by_room())
    return {"__init__.py": about + _PACKAGE_GETTER, "__init__.pyi": f"{about}\n{stars}"}


def _table(definitions: Iterable[Definition], protocol: Protocol) -> str:
    words = _table_spelling(protocol)
    entries = []
    for definition in definitions:
        kind, *parts = _lines(definition, words)
        inner = "".join(f"        {part}\n" for part in parts).replace("\\", "\\\\")
        entries.append(f'    "{definition.name}": """{kind}\n{inner}    """,\n')
    return f"\nfrom __future__ import annotations\n\nTABLE: dict[str, str] = {{\n{''.join(entries)}}}\n{_TABLE_GETTER}"


def _lines(definition: Definition, words: Spelling) -> list[str]:
    """A definition in the words of the table."""
    match definition:
        case Struct():
            head = ["model", definition.tag, definition.base]
            return [" ".join(filter(None, head)), *(_field_line(field, words) for field in definition.fields)]
        case Enumeration():
            return [
                "enum open" if definition.is_open else "enum",
                *(_pair(name, _plain(value)) for name, value in definition.members),
            ]
        case TaggedUnion():
            tags = definition.variants.items()
            kind = f"union {definition.tag}{' class' if definition.is_class else ''}"
            return [kind, *(f"{_plain(value, '=')}={name}" for value, name in tags)]
        case KeyedUnion():
            keys = (f"{_plain(key, '=')}={name}" for key, name in definition.variants.items())
            if definition.is_class:
                return ["keyed class", *(f"{member(value)}={quoted(value)}" for value in definition.values), *keys]
            return ["keyed", *map(quoted, definition.values), *keys]
        case ShapeUnion():
            return ["shape", *map(words.of, definition.options)]
        case Alias(_, OneOf(options)):
            return ["alias", *map(words.of, options)]
        case Alias(_, Literals(values)):
            return ["alias", *(in_json((value,)) for value in values)]
        case Alias():
            return ["alias", words.of(definition.type)]


def _field_line(field: Field, words: Spelling) -> str:
    default = "" if field.is_required else f" = {json.dumps(field.default)}"
    return f"{_pair(field.name, field.wire)}: {words.of(field.type)}{default}"


def _plain(value: str, without: str = "") -> str:
    """A string that stands in the table without quotes."""
    if value != value.strip() or not value.isprintable() or '"' in value or (without and without in value):
        raise ProtocolError(f"the tables of the models cannot hold the string {json.dumps(value)}")
    return value


def _pair(name: str, wire: str) -> str:
    return name if name == wire else f"{name}={wire}"


def _table_spelling(protocol: Protocol) -> Spelling:
    """The words of the table; aliases are resolved, and a path is a string."""

    def named(name: str) -> str:
        definition = protocol.definitions[name]
        return spelling.of(definition.type) if isinstance(definition, Alias) else name

    spelling = Spelling("list[{}]", "dict[{}]", "{} | None".format, in_json, named, {"path": "str", "null": "None"})
    return spelling


_VALIDATES = """
    @overload
    @classmethod
    def model_validate(cls, obj: str) -> {name}: ...
    @overload
    @classmethod
    def model_validate(cls, obj: object) -> _{name}: ...
"""


_NEEDED = (
    # A model of the protocol may be called Model itself, so what is not of the protocol has an underscore.
    ("(_Model)", "codex_app_server.models.model", "Model as _Model"),
    ("(_TaggedModel)", "codex_app_server.models.model", "TaggedModel as _TaggedModel"),
    ("(_OpenWord, Enum)", "codex_app_server.models.variants", "OpenWord as _OpenWord"),
    ("(_Word, Enum)", "codex_app_server.models.variants", "Word as _Word"),
    ("JsonValue", "codex_app_server.protocol.messages", "JsonValue"),
    (", Enum)", "enum", "Enum"),
    ("Literal[", "typing", "Literal"),
    (": TypeAlias ", "typing", "TypeAlias"),
    ("@overload\n", "typing", "overload"),
)
"""What a stub imports beside models: what of its text shows that, the module, and the name."""


@dataclass(frozen=True)
class _Stub:
    """Writes the stub of one room."""

    room: str
    layer: Layer

    @cached_property
    def spelling(self) -> Spelling:
        """The type of a field, as the runtime's value has it after decoding."""
        scalars = {"json": "JsonValue", "path": "str", "null": "None"}
        return Spelling("list[{}]", "dict[str, {}]", "{} | None".format, in_python, self.read, scalars)

    def read(self, name: str) -> str:
        """What a field holds that the definition of a name describes: of a union that is a class, all there is."""
        definition = self.layer.protocol.definitions[name]
        return f"_{name}" if isinstance(definition, (TaggedUnion, KeyedUnion)) and definition.is_class else name

    def text(self, definitions: Sequence[Definition]) -> str:
        body = "".join(self._definition(each) for each in definitions)
        return f"\n{self._imports(definitions, body)}{body}"

    def _imports(self, definitions: Iterable[Definition], body: str) -> str:
        standard: dict[str, list[str]] = defaultdict(list)
        ours: dict[str, list[str]] = defaultdict(list)
        for definition in definitions:
            wanted = [(name, self.read(name)) for name in names_of(definition)]
            if isinstance(definition, Struct) and definition.base:
                wanted.append((definition.base, definition.base))
            for name, word in wanted:
                if (room := self.layer.rooms[name]) != self.room:
                    ours[f"{PACKAGE}.{room}"].append(word)
        for shown, module, name in _NEEDED:
            if shown in body:
                (ours if "." in module else standard)[module].append(name)
        return "\n".join(filter(None, [imports(standard), imports(ours)]))

    def _definition(self, definition: Definition) -> str:
        match definition:
            case Struct():
                return self._struct(definition)
            case Enumeration():
                bases = "_OpenWord, Enum" if definition.is_open else "_Word, Enum"
                return _enum(definition.name, bases, self._docstring(definition), definition.members)
            case TaggedUnion() if definition.is_class:
                head = f"\nclass {definition.name}(_TaggedModel):\n{self._docstring(definition)}"
                return f"{head}\n    {definition.tag}: str\n" + self._alias(
                    f"_{definition.name}", list(definition.variants.values())
                )
            case KeyedUnion() if definition.is_class:
                members = [(member(value), value) for value in definition.values]
                return (
                    _enum(definition.name, "str, Enum", self._docstring(definition), members)
                    + _VALIDATES.format(name=definition.name)
                    + self._alias(f"_{definition.name}", [definition.name, *definition.variants.values()])
                )
            case _:
                return self._alias(
                    definition.name, [self.spelling.of(each) for each in parts_of(definition)]
                ) + self._docstring(definition, "")

    def _struct(self, definition: Struct) -> str:
        base = definition.base or ("_TaggedModel" if definition.tag else "_Model")
        lines = "".join(
            f"    {field.name}: {self.spelling.of(field.type)}{'' if field.is_required else ' = ...'}\n"
            for field in definition.fields
        )
        between = "\n" if lines else ""
        return f"\nclass {definition.name}({base}):\n{self._docstring(definition)}{between}{lines}"

    def _docstring(self, definition: Definition, indent: str = "    ") -> str:
        about = self.layer.abouts[definition.name]
        return docstring([*about.paragraphs, section("Attributes", about.fields, indent)], indent)

    def _alias(self, name: str, options: list[str]) -> str:
        line = f"{name}: TypeAlias = {' | '.join(options)}\n"
        if len(line) <= WIDTH + 1:
            return f"\n{line}"
        if len(options) == 1:
            return f"\n{_long_literal(f'{name}: TypeAlias = ', options[0], '')}"
        together = f"    {' | '.join(options)}\n"
        if len(together) <= WIDTH + 1:
            return f"\n{name}: TypeAlias = (\n{together})\n"
        lines = [_long_literal("", each, "    ") if len(each) > WIDTH - 6 else f"{each}\n" for each in options]
        return f"\n{alternatives(name, lines)}"


def _enum(name: str, bases: str, remark: str, members: Iterable[tuple[str, str]]) -> str:
    lines = "".join(f"    {name} = {quoted(value)}\n" for name, value in members)
    return f"\nclass {name}({bases}):\n{remark}\n{lines}"


def _long_literal(before: str, literal_type: str, indent: str) -> str:
    """A ``Literal[...]`` with a line for each of its values."""
    values = ast.literal_eval(literal_type.removeprefix("Literal"))
    return bracketed(f"{before}Literal[", [*map(literal, values)], "]", indent).lstrip() + "\n"
