"""What can change between two releases of the protocol, and whether and why it can break those who use the client.

A change is a frozen record of what happened, where, and how users meet it; `RULES` judges it. The client is tolerant
(it keeps unknown fields, hands on unknown values and variants as they are, and declines questions that nobody handles),
so what is new in what the runtime sends is harmless. What breaks is what somebody relies on: what they pass, what they
read, and the names that they import. A change that they meet in both ways breaks them if one of its rules says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RULES", "Change", "Verdict", "Way", "What"]


class Way(Enum):
    """How users of the client meet something: they send it, or they receive it."""

    SENT = "sent"
    RECEIVED = "received"


class What(Enum):
    """What happened, in words.

    The options of a union without a value that tells them apart count as variants, the strings of an enumeration as
    values. A field that *became optional* can be null now, one that *may be left out* could be before, or has a
    default. A type is *wider* than before if it has every value it had, and more; *narrower* if it lost some and
    gained none; *another* if both.
    """

    METHOD_ADDED = "method added"
    METHOD_REMOVED = "method removed"
    METHOD_STABLE = "method became stable"
    METHOD_EXPERIMENTAL = "method became experimental"
    SERVER_REQUEST_ADDED = "server request added"
    SERVER_REQUEST_REMOVED = "server request removed"
    NOTIFICATION_ADDED = "notification added"
    NOTIFICATION_REMOVED = "notification removed"
    FIELD_ADDED = "optional field added"
    FIELD_ADDED_REQUIRED = "required field added"
    FIELD_REMOVED = "field removed"
    FIELD_REQUIRED = "field became required"
    FIELD_OPTIONAL = "field became optional"
    FIELD_OMISSIBLE = "field may be left out"
    FIELD_DEFAULT = "default changed"
    FIELD_STABLE = "field became stable"
    FIELD_EXPERIMENTAL = "field became experimental"
    TYPE_WIDER = "type widened"
    TYPE_NARROWER = "type narrowed"
    TYPE_ANOTHER = "type changed"
    TYPE_RENAMED = "type renamed"
    VALUE_ADDED = "value added"
    VALUE_REMOVED = "value removed"
    VARIANT_ADDED = "variant added"
    VARIANT_REMOVED = "variant removed"


@dataclass(frozen=True)
class Verdict:
    """What a change does to users.

    Attributes:
        is_breaking: whether it can break them.
        why: the reason, as a sentence without a full stop.
    """

    is_breaking: bool
    why: str


def _breaks(why: str) -> Verdict:
    return Verdict(is_breaking=True, why=why)


def _harmless(why: str) -> Verdict:
    return Verdict(is_breaking=False, why=why)


def _both(sent: Verdict, received: Verdict) -> Mapping[Way, Verdict]:
    return {Way.SENT: sent, Way.RECEIVED: received}


_GATE = "it is refused now unless experimental things are allowed"
_NO_GATE = "it needs no permission any more"
_PASSED_OVER = _harmless("who does not know it passes over it")

RULES: Mapping[What, Mapping[Way, Verdict]] = {
    What.METHOD_ADDED: {Way.SENT: _harmless("nobody calls it yet")},
    What.METHOD_REMOVED: {Way.SENT: _breaks("a call is answered with: method not found")},
    What.METHOD_STABLE: {Way.SENT: _harmless(_NO_GATE)},
    What.METHOD_EXPERIMENTAL: {Way.SENT: _breaks(_GATE)},
    What.SERVER_REQUEST_ADDED: {Way.RECEIVED: _harmless("it is declined until somebody handles it")},
    What.SERVER_REQUEST_REMOVED: {Way.RECEIVED: _breaks("its handler is never called again")},
    What.NOTIFICATION_ADDED: {Way.RECEIVED: _PASSED_OVER},
    What.NOTIFICATION_REMOVED: {Way.RECEIVED: _breaks("who waits for it waits in vain")},
    What.FIELD_ADDED: _both(_harmless("it need not be passed"), _PASSED_OVER),
    What.FIELD_ADDED_REQUIRED: _both(_breaks("what is passed today lacks it"), _PASSED_OVER),
    What.FIELD_REMOVED: _both(_breaks("who passes it is ignored or refused"), _breaks("who reads it finds nothing")),
    What.FIELD_REQUIRED: _both(_breaks("who does not pass it is refused"), _harmless("it is always there now")),
    What.FIELD_OPTIONAL: _both(_harmless("it need not be passed any more"), _breaks("it can be None now")),
    What.FIELD_OMISSIBLE: _both(
        _harmless("it need not be passed any more"), _harmless("it is None no more often than before")
    ),
    What.FIELD_DEFAULT: _both(
        _breaks("who does not pass it gets something else"), _harmless("the model fills in what its absence means now")
    ),
    What.FIELD_STABLE: dict.fromkeys(Way, _harmless(_NO_GATE)),
    What.FIELD_EXPERIMENTAL: _both(_breaks(_GATE), _breaks("it is there only if experimental things are allowed")),
    What.TYPE_WIDER: _both(
        _harmless("what is passed today still fits"), _breaks("it can be what its readers do not expect")
    ),
    What.TYPE_NARROWER: _both(
        _breaks("some of what could be passed is refused"), _harmless("it is nothing that it could not be before")
    ),
    What.TYPE_ANOTHER: _both(
        _breaks("what is passed today does not fit"), _breaks("it is not what its readers expect")
    ),
    What.TYPE_RENAMED: dict.fromkeys(Way, _breaks("who imports the model does not find it")),
    What.VALUE_ADDED: _both(_harmless("nobody passes it yet"), _harmless("who does not know it gets the string")),
    What.VALUE_REMOVED: _both(
        _breaks("who passes it is refused"), _breaks("who waits for it waits in vain, and its name in Python is gone")
    ),
    What.VARIANT_ADDED: _both(_harmless("nobody passes it yet"), _harmless("who does not know it gets the raw object")),
    What.VARIANT_REMOVED: _both(
        _breaks("who passes it is refused"), _breaks("who waits for it waits in vain, and its model is gone")
    ),
}
"""Of each kind of change a rule for each way in which users can meet it."""


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
        verdicts = [RULES[self.what][way] for way in self.ways]
        gravest = [each for each in verdicts if each.is_breaking] or verdicts
        return Verdict(gravest[0].is_breaking, "; ".join(dict.fromkeys(each.why for each in gravest)))
