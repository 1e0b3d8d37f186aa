"""Two protocols to the list of what changed between them. Pure: the same two give the same list, in the same order.

The methods that both have are the roots. From their parameters and results the two protocols are walked side by side:
what stands in the same place corresponds, whatever it is called, and two definitions that correspond are compared once.
Each way from a method to a pair of them is kept, because it decides how users meet a change: a field of what they send
is another thing than a field of what they receive. What no method reaches nobody meets, and it is not compared.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from codex_release.protocol.changes import Change, Way, What
from codex_release.protocol.fitting import align, choices, fits, in_words, stands_for
from codex_release.protocol.shapes import Literals, Named, Nullable, OneOf, Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from codex_release.protocol.fitting import Definitions
    from codex_release.protocol.shapes import (
        ClientRequest,
        Definition,
        Field,
        Notification,
        Protocol,
        ServerRequest,
        Type,
        Value,
    )

__all__ = ["differences"]

_NOTHING = ""
"""The name of the parameters of a method that has none: an object without members."""


def differences(old: Protocol, new: Protocol) -> tuple[Change, ...]:
    """What changed from one protocol to another, sorted by place.

    Args:
        old: the protocol that users know.
        new: the one that they will meet.
    """
    compared = _Comparison(_with_nothing(old.definitions), _with_nothing(new.definitions))
    for root in _roots(old, new):
        compared.walk(root)
    changes = [*_method_changes(old, new), *compared.changes()]
    return tuple(sorted(changes, key=_order))


@dataclass(frozen=True)
class _Root:
    """Where a walk begins: the parameters or the result of a method, in both protocols."""

    method: str
    way: Way
    is_experimental: bool
    place: str
    old: str
    new: str


@dataclass(frozen=True)
class _Use:
    """One of the ways in which users meet something."""

    method: str
    way: Way
    is_experimental: bool


@dataclass(frozen=True)
class _Finding:
    """A change of which it is not known yet how users meet it."""

    what: What
    where: str
    old: str = ""
    new: str = ""
    is_experimental: bool = False


@dataclass(frozen=True)
class _Child:
    """A pair of definitions that another one refers to."""

    old: str
    new: str
    is_experimental: bool = False


@dataclass
class _Pair:
    """Two definitions that correspond: what differs, what they refer to, and how users meet them."""

    findings: list[_Finding] = field(default_factory=list)
    children: list[_Child] = field(default_factory=list)
    uses: set[_Use] = field(default_factory=set)

    def methods(self, way: Way) -> tuple[str, ...]:
        """Those through which users meet them in one way."""
        return tuple(sorted({use.method for use in self.uses if use.way is way}))


@dataclass
class _Comparison:
    """The pairs that were found so far."""

    before: Definitions
    after: Definitions
    pairs: dict[tuple[str, str], _Pair] = field(default_factory=dict)

    def walk(self, root: _Root) -> None:
        """Compare what a root leads to."""
        top = _Pair()
        self.types(root.place, Named(root.old), Named(root.new), top)
        self.pairs.setdefault((root.place, root.place), top).uses.add(_Use(root.method, root.way, root.is_experimental))
        pending = [replace(child, is_experimental=root.is_experimental) for child in top.children]
        while pending:
            child = pending.pop()
            pair = self.pair(child.old, child.new)
            is_experimental = child.is_experimental or self.before[child.old].is_experimental
            use = _Use(root.method, root.way, is_experimental)
            if use not in pair.uses:
                pair.uses.add(use)
                pending += [
                    replace(each, is_experimental=each.is_experimental or is_experimental) for each in pair.children
                ]

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
            pair.findings.append(_Finding(What.TYPE_RENAMED, where, old, new))
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
        for wire, gone in olds.items():
            if wire not in news:
                words, experimental = _field_in_words(gone), gone.is_experimental
                pair.findings.append(_Finding(What.FIELD_REMOVED, f"{where}.{wire}", words, "", experimental))
        for wire, added in news.items():
            if wire in olds:
                self.fields(f"{where}.{wire}", olds[wire], added, pair)
            else:
                what = What.FIELD_ADDED_REQUIRED if added.is_required else What.FIELD_ADDED
                words, experimental = _field_in_words(added), added.is_experimental
                pair.findings.append(_Finding(what, f"{where}.{wire}", "", words, experimental))

    def fields(self, where: str, old: Field, new: Field, pair: _Pair) -> None:
        """Compare two members."""
        found = _Pair()
        if old.is_required == new.is_required:
            self.types(where, old.type, new.type, found)
        else:  # what need not be there can be null as far as we know, so that says nothing more
            self.types(where, _never_null(old.type), _never_null(new.type), found)
            is_new_null = isinstance(new.type, Nullable) and not isinstance(old.type, Nullable)
            optional = What.FIELD_OPTIONAL if is_new_null else What.FIELD_OMISSIBLE
            what = What.FIELD_REQUIRED if new.is_required else optional
            found.findings.append(_Finding(what, where, _field_in_words(old), _field_in_words(new)))
        if old.default != new.default and None not in (old.default, new.default):  # what is not said may be the same
            words = json.dumps(old.default), json.dumps(new.default)
            found.findings.append(_Finding(What.FIELD_DEFAULT, where, *words))
        if old.is_experimental != new.is_experimental:
            what = What.FIELD_EXPERIMENTAL if new.is_experimental else What.FIELD_STABLE
            found.findings.append(_Finding(what, where))
        is_experimental = old.is_experimental
        pair.findings += [replace(each, is_experimental=is_experimental) for each in found.findings]
        pair.children += [replace(each, is_experimental=is_experimental) for each in found.children]

    def unions(self, where: str, old: Mapping[str, Type], new: Mapping[str, Type], pair: _Pair) -> None:
        """Compare the options of two enumerations or unions.

        A string that its union does not list is still one of its options if any string is.
        """
        olds, news = OneOf(tuple(old.values())), OneOf(tuple(new.values()))
        for label, gone in old.items():
            if label not in new and (isinstance(gone, Named) or not fits(gone, news, self.before, self.after)):
                what = What.VALUE_REMOVED if isinstance(gone, Literals) else What.VARIANT_REMOVED
                experimental = _is_experimental(gone, self.before)
                pair.findings.append(_Finding(what, where, label, "", experimental))
        for label, added in new.items():
            if label in old:
                self.types(where, old[label], added, pair)
            elif isinstance(added, Named) or not fits(added, olds, self.after, self.before):
                what = What.VALUE_ADDED if isinstance(added, Literals) else What.VARIANT_ADDED
                pair.findings.append(_Finding(what, where, "", label, _is_experimental(added, self.after)))

    def types(self, where: str, old: Type, new: Type, pair: _Pair) -> None:
        """Compare what two types are apart from what their definitions are; those become children."""
        aligned = align(old, new, self.before, self.after)
        pair.children += [_Child(*names) for names in aligned.names]
        for gone, come in aligned.values:
            removed, added = _missing(gone, come), _missing(come, gone)
            pair.findings += [_Finding(What.VALUE_REMOVED, where, each) for each in removed]
            pair.findings += [_Finding(What.VALUE_ADDED, where, "", each) for each in added]
        still_fits = fits(aligned.old, aligned.new, self.before, self.after)
        did_fit = fits(aligned.new, aligned.old, self.after, self.before)
        if not (still_fits and did_fit):
            what = What.TYPE_WIDER if still_fits else What.TYPE_NARROWER if did_fit else What.TYPE_ANOTHER
            pair.findings.append(_Finding(what, where, in_words(old), in_words(new)))

    def changes(self) -> Iterable[Change]:
        """What was found, with how users meet it."""
        for pair in self.pairs.values():
            for each in pair.findings:
                yield Change(
                    each.what,
                    each.where,
                    each.old,
                    each.new,
                    each.is_experimental or all(use.is_experimental for use in pair.uses),
                    sent=pair.methods(Way.SENT),
                    received=pair.methods(Way.RECEIVED),
                )


def _order(change: Change) -> tuple[object, ...]:
    """By place; the rest makes the order the same in every run."""
    place = change.where, change.what.value, change.old, change.new
    return *place, change.is_experimental, change.sent, change.received


def _roots(old: Protocol, new: Protocol) -> Iterator[_Root]:
    """The parameters and results of the methods that both protocols have."""
    calls = {request.method: request for request in new.client_requests}
    for call in old.client_requests:
        if other := calls.get(call.method):
            names = call.params or _NOTHING, other.params or _NOTHING
            yield _Root(call.method, Way.SENT, call.is_experimental, f"{call.method} parameters", *names)
            names = call.result, other.result
            yield _Root(call.method, Way.RECEIVED, call.is_experimental, f"{call.method} result", *names)
    questions = {request.method: request for request in new.server_requests}
    for question in old.server_requests:
        if asked := questions.get(question.method):
            method, gated = question.method, question.is_experimental
            yield _Root(method, Way.RECEIVED, gated, f"{method} parameters", question.params, asked.params)
            yield _Root(method, Way.SENT, gated, f"{method} answer", question.result, asked.result)
    tellings = {event.method: event for event in new.notifications}
    for event in old.notifications:
        if told := tellings.get(event.method):
            place = f"{event.method} parameters"
            yield _Root(event.method, Way.RECEIVED, event.is_experimental, place, event.params, told.params)


def _method_changes(old: Protocol, new: Protocol) -> Iterator[Change]:
    """What became of the methods themselves."""
    olds, news = _gates(old.client_requests), _gates(new.client_requests)
    for what, method, gated in _came_and_went(olds, news, What.METHOD_ADDED, What.METHOD_REMOVED):
        yield Change(what, method, "", "", gated, sent=(method,))
    for method in sorted(olds.keys() & news.keys()):
        if olds[method] != news[method]:
            what = What.METHOD_EXPERIMENTAL if news[method] else What.METHOD_STABLE
            yield Change(what, method, "", "", olds[method], sent=(method,))
    for told, tells, came, went in (
        (old.server_requests, new.server_requests, What.SERVER_REQUEST_ADDED, What.SERVER_REQUEST_REMOVED),
        (old.notifications, new.notifications, What.NOTIFICATION_ADDED, What.NOTIFICATION_REMOVED),
    ):
        for what, method, gated in _came_and_went(_gates(told), _gates(tells), came, went):
            yield Change(what, method, "", "", gated, received=(method,))


def _gates(messages: Iterable[ClientRequest | ServerRequest | Notification]) -> dict[str, bool]:
    """Method to whether it is experimental."""
    return {each.method: each.is_experimental for each in messages}


def _came_and_went(
    old: Mapping[str, bool], new: Mapping[str, bool], came: What, went: What
) -> Iterator[tuple[What, str, bool]]:
    """The methods that only one of two releases has, and whether they are experimental there."""
    yield from ((went, method, old[method]) for method in old.keys() - new.keys())
    yield from ((came, method, new[method]) for method in new.keys() - old.keys())


def _with_nothing(definitions: Definitions) -> Definitions:
    return {**definitions, _NOTHING: Struct(_NOTHING, ())}


def _missing(values: Sequence[Value], among: Sequence[Value]) -> list[str]:
    known = {json.dumps(value) for value in among}
    return [each for each in map(json.dumps, values) if each not in known]


def _never_null(kind: Type) -> Type:
    return kind.inner if isinstance(kind, Nullable) else kind


def _is_experimental(kind: Type, definitions: Definitions) -> bool:
    """Whether a type is a definition that only experimental things refer to."""
    definition: Definition | None = definitions.get(kind.name) if isinstance(kind, Named) else None
    return definition is not None and definition.is_experimental


def _field_in_words(member: Field) -> str:
    return f"{in_words(member.type)}{', required' if member.is_required else ''}"
