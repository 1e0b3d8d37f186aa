"""Two protocols to the list of what changed between them. Pure: the same two give the same list, in the same order.

The methods that both have are the roots. From their parameters and results the two protocols are walked side by side:
what stands in the same place corresponds, whatever it is called, and two definitions that correspond are compared once.
Each way from a method to a pair of them is kept, because it decides how users meet a change: a field of what they send
is another thing than a field of what they receive. What no method reaches nobody meets, and it is not compared.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from codex_release.protocol.changes import Change, Way, What
from codex_release.protocol.fitting import Definitions, align, choices, fits, in_words, stands_for
from codex_release.protocol.shapes import (
    Field,
    Literals,
    Message,
    Named,
    Nullable,
    OneOf,
    Protocol,
    Struct,
    Type,
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


__all__ = ["differences"]

_NOTHING = ""
"""The name of the parameters of a method that has none: an object without members."""
_KINDS: tuple[tuple[Callable[[Protocol], Sequence[Message]], Way, str, What, What], ...] = (
    (lambda protocol: protocol.client_requests, Way.SENT, "result", What.METHOD_ADDED, What.METHOD_REMOVED),
    (
        lambda protocol: protocol.server_requests,
        Way.RECEIVED,
        "answer",
        What.SERVER_REQUEST_ADDED,
        What.SERVER_REQUEST_REMOVED,
    ),
    (lambda protocol: protocol.notifications, Way.RECEIVED, "", What.NOTIFICATION_ADDED, What.NOTIFICATION_REMOVED),
)
"""Of each kind of message where it is, how users meet its parameters, what its result is called, if it has one, and
what it is called that one comes and goes. A result is met in the other way."""


def differences(old: Protocol, new: Protocol) -> tuple[Change, ...]:
    """What changed from one protocol to another, sorted by place.

    Args:
        old: the protocol that users know.
        new: the one that they will meet.
    """
    compared = _Comparison(_with_nothing(old.definitions), _with_nothing(new.definitions))
    changes = []
    for messages, way, answer, added, removed in _KINDS:
        olds, news = ({each.method: each for each in messages(protocol)} for protocol in (old, new))
        changes += [_of_method(removed, each, way) for method, each in olds.items() if method not in news]
        changes += [_of_method(added, each, way) for method, each in news.items() if method not in olds]
        for one, other in ((each, news[method]) for method, each in olds.items() if method in news):
            if way is Way.SENT and one.is_experimental != other.is_experimental:
                what = What.METHOD_EXPERIMENTAL if other.is_experimental else What.METHOD_STABLE
                changes.append(_of_method(what, one, way))
            use = _Use(one.method, way, one.is_experimental)
            compared.walk(use, f"{one.method} parameters", one.params, other.params)
            if answer:
                back = replace(use, way=Way.RECEIVED if way is Way.SENT else Way.SENT)
                compared.walk(back, f"{one.method} {answer}", one.result, other.result)
    return tuple(sorted([*changes, *compared.changes()], key=_order))


@dataclass(frozen=True)
class _Use:
    """One of the ways in which users meet something."""

    method: str
    way: Way
    is_experimental: bool


@dataclass
class _Pair:
    """Two definitions that correspond: what differs, what they refer to, and how users meet them.

    The children are pairs of names, each with whether only an experimental member leads there.
    """

    findings: list[Change] = field(default_factory=list)
    children: list[tuple[str, str, bool]] = field(default_factory=list)
    uses: set[_Use] = field(default_factory=set)

    def ways(self) -> dict[Way, tuple[str, ...]]:
        """How users meet them, and through which methods."""
        met = {way: tuple(sorted({use.method for use in self.uses if use.way is way})) for way in Way}
        return {way: methods for way, methods in met.items() if methods}


@dataclass
class _Comparison:
    """The pairs that were found so far."""

    before: Definitions
    after: Definitions
    pairs: dict[tuple[str, str], _Pair] = field(default_factory=dict)

    def walk(self, use: _Use, place: str, old: str, new: str) -> None:
        """Compare what a place leads to: parameters or a result, by the names of their definitions."""
        top = _Pair()
        self.types(place, Named(old), Named(new), top)
        self.pairs.setdefault((place, place), top).uses.add(use)
        pending = [(one, other, use.is_experimental) for one, other, _ in top.children]
        while pending:
            one, other, is_gated = pending.pop()
            pair = self.pair(one, other)
            met = replace(use, is_experimental=is_gated or self.before[one].is_experimental)
            if met not in pair.uses:
                pair.uses.add(met)
                pending += [(was, comes, met.is_experimental or gated) for was, comes, gated in pair.children]

    def pair(self, old: str, new: str) -> _Pair:
        """Two definitions, compared when they are first asked for."""
        if (old, new) not in self.pairs:
            self.pairs[old, new] = self.definitions(old, new)
        return self.pairs[old, new]

    def definitions(self, old: str, new: str) -> _Pair:
        """Compare two definitions."""
        pair = _Pair()
        one, other = self.before[old], self.after[new]
        where = old if old == new or not new else new if not old else f"{old} -> {new}"
        if old and new and old not in self.after:
            pair.findings.append(Change(What.TYPE_RENAMED, where, old, new))
        if isinstance(one, Struct) and isinstance(other, Struct):
            self.structs(where, one, other, pair)
        elif (olds := choices(one)) is not None and (news := choices(other)) is not None:
            self.unions(where, olds, news, pair)
        else:
            self.types(where, stands_for(one), stands_for(other), pair)
        return pair

    def structs(self, where: str, old: Struct, new: Struct, pair: _Pair) -> None:
        """Compare two objects, member by member; a tag is compared with its union."""
        olds = {each.wire: each for each in old.fields if each.name != old.tag}
        news = {each.wire: each for each in new.fields if each.name != new.tag}
        for wire in dict.fromkeys((*olds, *news)):
            one, other, place = olds.get(wire), news.get(wire), f"{where}.{wire}"
            if one and other:
                self.fields(place, one, other, pair)
            elif one:
                what = What.FIELD_REMOVED
                pair.findings.append(Change(what, place, _field_in_words(one), "", one.is_experimental))
            elif other:
                what = What.FIELD_ADDED_REQUIRED if other.is_required else What.FIELD_ADDED
                pair.findings.append(Change(what, place, "", _field_in_words(other), other.is_experimental))

    def fields(self, where: str, old: Field, new: Field, pair: _Pair) -> None:
        """Compare two members."""
        found, is_gated = partial(Change, is_experimental=old.is_experimental), old.is_experimental
        if old.is_required == new.is_required:
            self.types(where, old.type, new.type, pair, is_gated=is_gated)
        else:  # what need not be there can be null as far as we know, so that says nothing more
            self.types(where, _never_null(old.type), _never_null(new.type), pair, is_gated=is_gated)
            is_new_null = isinstance(new.type, Nullable) and not isinstance(old.type, Nullable)
            optional = What.FIELD_OPTIONAL if is_new_null else What.FIELD_OMISSIBLE
            what = What.FIELD_REQUIRED if new.is_required else optional
            pair.findings.append(found(what, where, _field_in_words(old), _field_in_words(new)))
        if old.default != new.default and None not in (old.default, new.default):  # what is not said may be the same
            pair.findings.append(found(What.FIELD_DEFAULT, where, json.dumps(old.default), json.dumps(new.default)))
        if old.is_experimental != new.is_experimental:
            pair.findings.append(found(What.FIELD_EXPERIMENTAL if new.is_experimental else What.FIELD_STABLE, where))

    def unions(self, where: str, old: Mapping[str, Type], new: Mapping[str, Type], pair: _Pair) -> None:
        """Compare the options of two enumerations or unions.

        A string that its union does not list is still one of its options if any string is.
        """
        olds, news = OneOf(tuple(old.values())), OneOf(tuple(new.values()))
        for label, gone in old.items():
            if label not in new and (isinstance(gone, Named) or not fits(gone, news, self.before, self.after)):
                what = What.VALUE_REMOVED if isinstance(gone, Literals) else What.VARIANT_REMOVED
                experimental = _is_experimental(gone, self.before)
                pair.findings.append(Change(what, where, label, "", experimental))
        for label, added in new.items():
            if label in old:
                self.types(where, old[label], added, pair)
            elif isinstance(added, Named) or not fits(added, olds, self.after, self.before):
                what = What.VALUE_ADDED if isinstance(added, Literals) else What.VARIANT_ADDED
                pair.findings.append(Change(what, where, "", label, _is_experimental(added, self.after)))

    def types(self, where: str, old: Type, new: Type, pair: _Pair, *, is_gated: bool = False) -> None:
        """Compare what two types are apart from what their definitions are; those become children."""
        found = partial(Change, is_experimental=is_gated)
        aligned = align(old, new, self.before, self.after)
        pair.children += [(*names, is_gated) for names in aligned.names]
        for gone, come in aligned.values:
            pair.findings += [found(What.VALUE_REMOVED, where, each) for each in _missing(gone, come)]
            pair.findings += [found(What.VALUE_ADDED, where, "", each) for each in _missing(come, gone)]
        still_fits = fits(aligned.old, aligned.new, self.before, self.after)
        did_fit = fits(aligned.new, aligned.old, self.after, self.before)
        if not (still_fits and did_fit):
            what = What.TYPE_WIDER if still_fits else What.TYPE_NARROWER if did_fit else What.TYPE_ANOTHER
            pair.findings.append(found(what, where, in_words(old), in_words(new)))

    def changes(self) -> Iterable[Change]:
        """What was found, with how users meet it."""
        for pair in self.pairs.values():
            is_gated = all(use.is_experimental for use in pair.uses)
            for each in pair.findings:
                yield replace(each, is_experimental=each.is_experimental or is_gated, ways=pair.ways())


def _order(change: Change) -> tuple[object, ...]:
    """By place; the rest makes the order the same in every run."""
    place = change.where, change.what.words, change.old, change.new
    return *place, change.is_experimental, *(change.ways.get(way, ()) for way in Way)


def _of_method(what: What, message: Message, way: Way) -> Change:
    ways = {way: (message.method,)}
    return Change(what, message.method, is_experimental=message.is_experimental, ways=ways)


def _with_nothing(definitions: Definitions) -> Definitions:
    return {**definitions, _NOTHING: Struct(_NOTHING, ())}


def _missing(values: Sequence[Value], among: Sequence[Value]) -> list[str]:
    known = {json.dumps(value) for value in among}
    return [each for each in map(json.dumps, values) if each not in known]


def _never_null(kind: Type) -> Type:
    return kind.inner if isinstance(kind, Nullable) else kind


def _is_experimental(kind: Type, definitions: Definitions) -> bool:
    """Whether a type is a definition that only experimental things refer to."""
    return isinstance(kind, Named) and definitions[kind.name].is_experimental


def _field_in_words(member: Field) -> str:
    return f"{in_words(member.type)}{', required' if member.is_required else ''}"
