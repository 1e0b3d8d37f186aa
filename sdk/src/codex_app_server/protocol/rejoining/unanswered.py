"""Requests that are under way when a connection breaks: which are asked again, and what the others are told."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from codex_app_server.protocol.messages import LOST, LOST_DATA

__all__ = ["Call", "Unanswered"]

_CALL = re.compile(rb'\{"id":(-?\d+|"[^"\\]*"),"method":"([^"\\]*)"')
_THREAD = re.compile(rb'"threadId":"([^"\\]*)"')

_READS = frozenset(
    {"list", "read", "get", "status", "info", "installed", "search", "detect", "diagnostics"}
) | frozenset(
    {"searchOccurrences", "fuzzyFileSearch", "getMetadata", "readDirectory", "readFile", "readHistories", "listVoices"}
)
"""The last words of methods that only read."""

_SAME_TWICE = frozenset({"thread/resume", "thread/unsubscribe", "turn/interrupt"})
"""Methods that, done twice, have done what they do once."""


class Call(NamedTuple):
    """A request of this client.

    Attributes:
        id: as it is on the wire.
        method: the protocol's name.
        line: all of it.
    """

    id: bytes
    method: str
    line: bytes

    @classmethod
    def read(cls, line: bytes) -> Call | None:
        """The request on a line that this client wrote, if it is one."""
        found = _CALL.match(line)
        return None if found is None else cls(found[1], found[2].decode(), line)

    @property
    def thread_id(self) -> str | None:
        """The thread that it is about."""
        found = _THREAD.search(self.line)
        return None if found is None else found[1].decode()

    @property
    def may_be_repeated(self) -> bool:
        """Whether it does not matter if it is done twice."""
        return self.method in _SAME_TWICE or self.method.rpartition("/")[2] in _READS


class Unanswered:
    """The requests that are under way.

    Attributes:
        open: by their ids.
    """

    def __init__(self) -> None:
        self.open: dict[bytes, Call] = {}

    def sent(self, call: Call) -> None:
        """One goes out."""
        self.open[call.id] = call

    def answered(self, call_id: bytes) -> Call | None:
        """One has its answer; None if it is none of these."""
        return self.open.pop(call_id, None)

    def lost(self) -> tuple[list[bytes], list[bytes]]:
        """The connection broke.

        Returns:
            the lines to send again, and answers for the others.
        """
        calls, self.open = list(self.open.values()), {}
        return (
            [call.line for call in calls if call.may_be_repeated],
            [_unknown(call) for call in calls if not call.may_be_repeated],
        )


def _unknown(call: Call) -> bytes:
    what = "the connection broke before its answer came: it may have been done, and was not sent again"
    error = {"code": LOST, "message": what, "data": LOST_DATA}
    return b'{"id":' + call.id + b',"error":' + json.dumps(error).encode() + b"}"
