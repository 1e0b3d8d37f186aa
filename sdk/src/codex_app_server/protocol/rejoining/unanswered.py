"""Requests that are under way when a connection breaks: which are asked again, and what the others are told."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from codex_app_server.protocol.messages import LOST, LOST_DATA

__all__ = ["Call", "unknown"]

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


def unknown(call: Call) -> bytes:
    """The answer to a request that may have been done, and is not sent again."""
    what = "the connection broke before its answer came: it may have been done, and was not sent again"
    error = {"code": LOST, "message": what, "data": LOST_DATA}
    return b'{"id":' + call.id + b',"error":' + json.dumps(error).encode() + b"}"
