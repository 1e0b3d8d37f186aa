"""Which changes of the protocol can break those who use the client, and why: one table.

The client is tolerant (it keeps unknown fields, hands on unknown values and variants as they are, and declines
questions that nobody handles), so what is new in what the runtime sends is harmless. What breaks is what somebody
relies on: what they pass, what they read, and the names that they import. Each kind of change has a rule for each way
in which users can meet it; a change that they meet in both ways breaks them if one of its rules says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_release.protocol.changes import Way, What

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_release.protocol.changes import Change

__all__ = ["RULES", "Verdict", "verdict"]


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


_GATE = "it is refused now unless experimental things are allowed"
_NO_GATE = "it needs no permission any more"

RULES: Mapping[What, Mapping[Way, Verdict]] = {
    What.METHOD_ADDED: {Way.SENT: _harmless("nobody calls it yet")},
    What.METHOD_REMOVED: {Way.SENT: _breaks("a call is answered with: method not found")},
    What.METHOD_STABLE: {Way.SENT: _harmless(_NO_GATE)},
    What.METHOD_EXPERIMENTAL: {Way.SENT: _breaks(_GATE)},
    What.SERVER_REQUEST_ADDED: {Way.RECEIVED: _harmless("it is declined until somebody handles it")},
    What.SERVER_REQUEST_REMOVED: {Way.RECEIVED: _breaks("its handler is never called again")},
    What.NOTIFICATION_ADDED: {Way.RECEIVED: _harmless("who does not know it passes over it")},
    What.NOTIFICATION_REMOVED: {Way.RECEIVED: _breaks("who waits for it waits in vain")},
    What.FIELD_ADDED: {
        Way.SENT: _harmless("it need not be passed"),
        Way.RECEIVED: _harmless("who does not know it passes over it"),
    },
    What.FIELD_ADDED_REQUIRED: {
        Way.SENT: _breaks("what is passed today lacks it"),
        Way.RECEIVED: _harmless("who does not know it passes over it"),
    },
    What.FIELD_REMOVED: {
        Way.SENT: _breaks("who passes it is ignored or refused"),
        Way.RECEIVED: _breaks("who reads it finds nothing"),
    },
    What.FIELD_REQUIRED: {
        Way.SENT: _breaks("who does not pass it is refused"),
        Way.RECEIVED: _harmless("it is always there now"),
    },
    What.FIELD_OPTIONAL: {
        Way.SENT: _harmless("it need not be passed any more"),
        Way.RECEIVED: _breaks("it can be None now"),
    },
    What.FIELD_OMISSIBLE: {
        Way.SENT: _harmless("it need not be passed any more"),
        Way.RECEIVED: _harmless("it is None no more often than before"),
    },
    What.FIELD_DEFAULT: {
        Way.SENT: _breaks("who does not pass it gets something else"),
        Way.RECEIVED: _harmless("the model fills in what its absence means now"),
    },
    What.FIELD_STABLE: {Way.SENT: _harmless(_NO_GATE), Way.RECEIVED: _harmless(_NO_GATE)},
    What.FIELD_EXPERIMENTAL: {
        Way.SENT: _breaks(_GATE),
        Way.RECEIVED: _breaks("it is there only if experimental things are allowed"),
    },
    What.TYPE_WIDER: {
        Way.SENT: _harmless("what is passed today still fits"),
        Way.RECEIVED: _breaks("it can be what its readers do not expect"),
    },
    What.TYPE_NARROWER: {
        Way.SENT: _breaks("some of what could be passed is refused"),
        Way.RECEIVED: _harmless("it is nothing that it could not be before"),
    },
    What.TYPE_ANOTHER: {
        Way.SENT: _breaks("what is passed today does not fit"),
        Way.RECEIVED: _breaks("it is not what its readers expect"),
    },
    What.TYPE_RENAMED: {
        Way.SENT: _breaks("who imports the model does not find it"),
        Way.RECEIVED: _breaks("who imports the model does not find it"),
    },
    What.VALUE_ADDED: {
        Way.SENT: _harmless("nobody passes it yet"),
        Way.RECEIVED: _harmless("who does not know it gets the string"),
    },
    What.VALUE_REMOVED: {
        Way.SENT: _breaks("who passes it is refused"),
        Way.RECEIVED: _breaks("who waits for it waits in vain, and its name in Python is gone"),
    },
    What.VARIANT_ADDED: {
        Way.SENT: _harmless("nobody passes it yet"),
        Way.RECEIVED: _harmless("who does not know it gets the raw object"),
    },
    What.VARIANT_REMOVED: {
        Way.SENT: _breaks("who passes it is refused"),
        Way.RECEIVED: _breaks("who waits for it waits in vain, and its model is gone"),
    },
}


def verdict(change: Change) -> Verdict:
    """What a change does to users; with several rules that hold, what the graver ones say."""
    verdicts = [RULES[change.what][way] for way in change.ways]
    gravest = [each for each in verdicts if each.is_breaking] or verdicts
    return Verdict(gravest[0].is_breaking, "; ".join(dict.fromkeys(each.why for each in gravest)))
