"""What can change between two releases of the protocol, as values: one frozen record for each change.

A change knows what happened, where, and how users meet it; whether that can break them is for `verdicts` to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Change", "Way", "What"]


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
class Change:
    """One difference.

    Attributes:
        what: happened.
        where: a method, a definition, or a member of a definition with a dot between the two.
        old: what it was, in words; empty if there was nothing.
        new: what it is, likewise.
        is_experimental: whether only those meet it who allow experimental things.
        sent: the requests and notifications in which users send what changed, in alphabetical order.
        received: those in which they receive it.
    """

    what: What
    where: str
    old: str = ""
    new: str = ""
    is_experimental: bool = False
    sent: tuple[str, ...] = ()
    received: tuple[str, ...] = ()

    @property
    def ways(self) -> dict[Way, tuple[str, ...]]:
        """How users meet it, and in which requests and notifications."""
        ways = {Way.SENT: self.sent, Way.RECEIVED: self.received}
        return {way: methods for way, methods in ways.items() if methods}
