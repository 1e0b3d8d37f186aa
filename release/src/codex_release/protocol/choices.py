"""What people choose from: strings that are enums though the schema leaves them open, and unions that are classes.

The schema says less than people know, and its unions are nothing that a program can hold on to; the rules say where it
matters. The difference of two protocols is taken without any of this.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from codex_release.base.errors import ProtocolError
from codex_release.protocol.naming import member
from codex_release.protocol.shapes import (
    Alias,
    Definition,
    Enumeration,
    Field,
    KeyedUnion,
    Named,
    Nullable,
    Protocol,
    Scalar,
    Struct,
    TaggedUnion,
)

if TYPE_CHECKING:
    from codex_release.protocol.rules import Rules, WordsRule

__all__ = ["with_choices"]

_WORD = Scalar("str")


def with_choices(protocol: Protocol, rules: Rules) -> Protocol:
    """A protocol with the enums and the classes of the rules; what it does not have is passed over.

    Raises:
        ProtocolError: if a definition is nothing that the rules can make this of.
    """
    definitions = dict(protocol.definitions)
    for words in rules.words:
        definitions |= _with_words(definitions, words)
    for name in rules.classes & definitions.keys():
        definitions |= _as_class(definitions, name)
    return replace(protocol, definitions=dict(sorted(definitions.items())))


def _with_words(definitions: dict[str, Definition], words: WordsRule) -> dict[str, Definition]:
    """The definitions that some known words change."""
    known = definitions.get(words.name)
    if known is not None and not (isinstance(known, Alias) and known.type == _WORD):
        raise ProtocolError(f"{words.name} is no string of the schema's, but release/protocol.toml lists words for it")
    changed: dict[str, Definition] = {}
    for name, definition in definitions.items():
        if isinstance(definition, Struct):
            fields = tuple(_field(field, words) for field in definition.fields)
            if fields != definition.fields:
                changed[name] = replace(definition, fields=fields)
    if known is None and not changed:
        return {}
    members = tuple((member(value), value) for value in words.values)
    return {**changed, words.name: Enumeration(words.name, members, is_open=True)}


def _field(field: Field, words: WordsRule) -> Field:
    if field.wire not in words.fields:
        return field
    if field.type == _WORD:
        return replace(field, type=Named(words.name))
    return replace(field, type=Nullable(Named(words.name))) if field.type == Nullable(_WORD) else field


def _as_class(definitions: dict[str, Definition], name: str) -> dict[str, Definition]:
    """A union as a class, and its variants if they inherit it."""
    union = definitions[name]
    if isinstance(union, KeyedUnion):
        return {name: replace(union, is_class=True)}
    if not isinstance(union, TaggedUnion):
        raise ProtocolError(f"{name} is no union with a tag or with strings: release/protocol.toml calls it a class")
    variants = {each: definitions[each] for each in union.variants.values()}
    heirs = {each: replace(kind, base=name) for each, kind in variants.items() if isinstance(kind, Struct)}
    return {name: replace(union, is_class=True), **heirs}
