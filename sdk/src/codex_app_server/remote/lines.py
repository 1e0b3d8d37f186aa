"""Messages as the lines that the client's core is made for, and back."""

from __future__ import annotations

import json

from codex_app_server._log import logger
from codex_app_server.protocol.framing import MOST_BYTES
from codex_app_server.protocol.messages import INTERNAL_ERROR, encode_error

__all__ = ["as_lines", "split_lines"]


def as_lines(messages: list[bytes]) -> bytes:
    """Messages as they would come over a pipe: one a line."""
    lines = b"\n".join(messages)
    if lines.count(b"\n") != len(messages) - 1:  # JSON with line breaks in it, none of them in a string
        lines = b"\n".join([message.replace(b"\n", b" ") for message in messages])
    return lines + b"\n"


def split_lines(data: bytes) -> list[bytes]:
    """The messages on some whole lines; an answer that is too long for the server becomes an error.

    A request that is too long never comes here.
    """
    lines = data.split(b"\n")[:-1]
    if len(data) <= MOST_BYTES:
        return lines
    return [line if len(line) <= MOST_BYTES else _refused(line) for line in lines]


def _refused(line: bytes) -> bytes:
    request_id = json.loads(line)["id"]
    error = f"the answer of this client is {len(line):,} bytes long, and the server takes {MOST_BYTES:,} at most"
    logger().error("%s; it got an error instead", error)
    return encode_error(request_id, INTERNAL_ERROR, error)[:-1]
