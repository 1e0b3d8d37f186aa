"""What can change between two releases of the protocol, and whether and why it can break those who use the client.

A change is a frozen record of what happened, where, and how users meet it; `What` has the rules. The client is tolerant
(it keeps unknown fields, hands on unknown values and variants as they are, and declines questions that nobody handles),
so what is new in what the runtime sends is harmless. What breaks is what somebody relies on: what they pass, what they
read, and the names that they import. A change that they meet in both ways breaks them if one of its rules says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Change", "Verdict", "Way", "What"]


class Way(Enum):
    """How users of the client meet something: they send it, or they receive it."""

    SENT = "sent"
    RECEIVED = "received"


@dataclass(frozen=True)
class Verdict:
    """What a change does to users.

    Attributes:
        is_breaking: whether it can break them.
        why: the reason, as a sentence without a full stop.
    """

    is_breaking: bool
    why: str


_breaks, _harmless = partial(Verdict, True), partial(Verdict, False)
_GATE = "it is refused now unless experimental things are allowed"
_NO_GATE = "it needs no permission any more"
_PASSED_OVER = _harmless("a client that does not know it ignores it")


class What(Enum):
    """What happened: in words, and a rule for each way in which users can meet it, when they send and receive it.

    The options of a union without a value that tells them apart count as variants, the strings of an enumeration as
    values. A field that *became optional* can be null now, one that *may be left out* could be before, or has a
    default. A type is *wider* than before if it has every value it had, and more; *narrower* if it lost some and
    gained none; *another* if both.
    """

    METHOD_ADDED = "method added", _harmless("nobody calls it yet"), None
    METHOD_REMOVED = "method removed", _breaks("calling it fails: method not found"), None
    METHOD_STABLE = "method became stable", _harmless(_NO_GATE), None
    METHOD_EXPERIMENTAL = "method became experimental", _breaks(_GATE), None
    SERVER_REQUEST_ADDED = "server request added", None, _harmless("it is declined until somebody handles it")
    SERVER_REQUEST_REMOVED = "server request removed", None, _breaks("its handler is never called again")
    NOTIFICATION_ADDED = "notification added", None, _PASSED_OVER
    NOTIFICATION_REMOVED = "notification removed", None, _breaks("it never arrives any more")
    FIELD_ADDED = "optional field added", _harmless("it need not be passed"), _PASSED_OVER
    FIELD_ADDED_REQUIRED = "required field added", _breaks("what is passed today lacks it"), _PASSED_OVER
    FIELD_REMOVED = (
        "field removed",
        _breaks("passing it is ignored or refused"),
        _breaks("reading it finds nothing"),
    )
    FIELD_REQUIRED = (
        "field became required",
        _breaks("a call without it is refused"),
        _harmless("it is always there now"),
    )
    FIELD_OPTIONAL = "field became optional", _harmless("it need not be passed any more"), _breaks("it can be None now")
    FIELD_OMISSIBLE = (
        "field may be left out",
        _harmless("it need not be passed any more"),
        _harmless("it is None no more often than before"),
    )
    FIELD_DEFAULT = (
        "default changed",
        _breaks("a call without it gets another value"),
        _harmless("the model fills in what its absence means now"),
    )
    FIELD_STABLE = "field became stable", _harmless(_NO_GATE), _harmless(_NO_GATE)
    FIELD_EXPERIMENTAL = (
        "field became experimental",
        _breaks(_GATE),
        _breaks("it is there only if experimental things are allowed"),
    )
    TYPE_WIDER = (
        "type widened",
        _harmless("what is passed today still fits"),
        _breaks("it can be something that its readers do not expect"),
    )
    TYPE_NARROWER = (
        "type narrowed",
        _breaks("some of what could be passed is refused"),
        _harmless("it is always something that it could be before"),
    )
    TYPE_ANOTHER = (
        "type changed",
        _breaks("what is passed today does not fit"),
        _breaks("it is not what its readers expect"),
    )
    TYPE_RENAMED = (
        "type renamed",
        _breaks("importing the model by its old name fails"),
        _breaks("importing the model by its old name fails"),
    )
    VALUE_ADDED = (
        "value added",
        _harmless("nobody passes it yet"),
        _harmless("a client that does not know it gets the string"),
    )
    VALUE_REMOVED = (
        "value removed",
        _breaks("passing it is refused"),
        _breaks("it never arrives any more, and its name in Python is gone"),
    )
    VARIANT_ADDED = (
        "variant added",
        _harmless("nobody passes it yet"),
        _harmless("a client that does not know it gets the raw object"),
    )
    VARIANT_REMOVED = (
        "variant removed",
        _breaks("passing it is refused"),
        _breaks("it never arrives any more, and its model is gone"),
    )

    def __init__(self, words: str, sent: Verdict | None, received: Verdict | None) -> None:
        self.words = words
        self.rules = {way: rule for way, rule in ((Way.SENT, sent), (Way.RECEIVED, received)) if rule}


@dataclass(frozen=True)
class Change:
    """One difference.

    Attributes:
        what: happened.
        where: a method, a definition, or a member of a definition with a dot between the two.
        old: what it was, in words; empty if there was nothing.
        new: what it is, likewise.
        is_experimental: whether only those meet it who allow experimental things.
        ways: how users meet it, and in which requests and notifications, in alphabetical order.
    """

    what: What
    where: str
    old: str = ""
    new: str = ""
    is_experimental: bool = False
    ways: Mapping[Way, tuple[str, ...]] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """What it does to users; with several rules that hold, what the graver ones say."""
        verdicts = [self.what.rules[way] for way in self.ways]
        gravest = [each for each in verdicts if each.is_breaking] or verdicts
        return Verdict(gravest[0].is_breaking, "; ".join(dict.fromkeys(each.why for each in gravest)))
