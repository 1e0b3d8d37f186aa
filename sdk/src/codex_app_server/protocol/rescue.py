"""What can be saved of a line that cannot be read: whose answer it is, or that it asks something.

Somebody waits on either end. A caller is told that its answer cannot be read, and the runtime that its question could
not be. Nothing is guessed: the id must stand where it can only be that of the message itself, at its beginning, or at
the end of what begins as an answer.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

from codex_app_server.protocol.messages import PARSE_ERROR, encode_error

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import Junk, RequestId

__all__ = ["rescue"]

_ID = rb'"id"\s*:\s*(-?\d{1,18}|"(?:[^"\\]|\\.){0,200}")\s*'
_BEGIN = rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"[^"]*"\s*,\s*)?'
_HEAD = re.compile(_BEGIN + _ID + rb'(?:,\s*("method"|"params")|[,}]|$)')
_OUTCOME = re.compile(_BEGIN + rb'"(?:result|error)"\s*:')
_TAIL = re.compile(rb",\s*" + _ID + rb"\}\s*$")
_TAIL_BYTES = 512


def rescue(junk: Junk) -> RequestId | bytes | None:
    """What to make of a line that is no message.

    Returns:
        the id of the request that it answers; what to reply, if it is a question; None if its id cannot be told.
    """
    found = _HEAD.match(junk.line)
    if found is None and _OUTCOME.match(junk.line):
        found = _TAIL.search(junk.line[-_TAIL_BYTES:])
    if found is None:
        return None
    try:
        request_id = cast("RequestId", json.loads(found[1]))
    except ValueError:
        return None
    if found.re is _HEAD and found[2]:
        return encode_error(request_id, PARSE_ERROR, f"this client cannot read the question, {junk.reason}")
    return request_id
