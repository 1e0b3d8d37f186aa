"""The messages: JSON-RPC 2.0 without its ``jsonrpc`` member, one object a line, UTF-8.

Reading is lenient: whatever a line holds becomes one of the five kinds below, `Junk` at worst, and no line raises.
Writing is strict: what JSON cannot say raises before a byte is sent, because the runtime only logs a line that it
cannot read, and the request on it would wait forever.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

__all__ = [
    "METHOD_NOT_FOUND",
    "ErrorResponse",
    "JsonValue",
    "Junk",
    "Message",
    "Notification",
    "RequestId",
    "Response",
    "ServerRequest",
    "encode_error",
    "encode_notification",
    "encode_request",
    "parse",
]

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"
"""What JSON can say, as `json` decodes it."""

RequestId: TypeAlias = "int | str"
"""The id of a request; this client counts, the runtime may do either."""

METHOD_NOT_FOUND = -32601
_INTERNAL_ERROR = -32603


class Response(NamedTuple):
    """The result of a request."""

    id: RequestId
    result: JsonValue


class ErrorResponse(NamedTuple):
    """The refusal or failure of a request."""

    id: RequestId
    code: int
    message: str
    data: JsonValue


class ServerRequest(NamedTuple):
    """Something the runtime asks of the client, and waits for."""

    id: RequestId
    method: str
    params: JsonValue


class Notification(NamedTuple):
    """Something the runtime tells."""

    method: str
    params: JsonValue


class Junk(NamedTuple):
    """A line that is no message, or not one for us.

    Attributes:
        line: its bytes.
        reason: what is wrong with it.
    """

    line: bytes
    reason: str


Message: TypeAlias = "Response | ErrorResponse | ServerRequest | Notification | Junk"


def parse(line: bytes) -> Message:
    """The message on a line."""
    try:
        message = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        return Junk(line, f"not JSON: {error}")
    if not isinstance(message, dict):
        return Junk(line, "not a JSON object")
    method = message.get("method")
    request_id = message.get("id")
    # By type, not `isinstance`: `true` is no id, and neither is 1.0, but both equal the id 1.
    if request_id is not None and type(request_id) not in (int, str):
        return Junk(line, "its id is neither a string nor an integer")
    if isinstance(method, str):
        if request_id is None:
            return Notification(method, message.get("params"))
        return ServerRequest(request_id, method, message.get("params"))
    if request_id is None:
        return Junk(line, "it has neither a method nor an id")
    if message.get("error") is not None:
        return _error_response(request_id, message["error"])
    if "result" in message:
        return Response(request_id, message["result"])
    return Junk(line, "it has an id, but no method, result or error")


def encode_request(request_id: RequestId, method: str, params: Mapping[str, object] | None) -> bytes:
    """A request as a line.

    Args:
        request_id: what the answer will carry.
        method: the protocol's name, e.g. ``thread/start``.
        params: its parameters; with None the member is left out.

    Raises:
        TypeError: if `params` holds what is no JSON value.
        ValueError: if it holds a NaN, an infinity, a cycle, or text that is not Unicode.
    """
    return _line({"id": request_id, **_call(method, params)})


def encode_notification(method: str, params: Mapping[str, object] | None = None) -> bytes:
    """A notification as a line; raises as `encode_request`."""
    return _line(_call(method, params))


def encode_error(request_id: RequestId, code: int, message: str) -> bytes:
    """The refusal of a server's request, as a line."""
    return _line({"id": request_id, "error": {"code": code, "message": message}})


def _call(method: str, params: Mapping[str, object] | None) -> dict[str, object]:
    return {"method": method} if params is None else {"method": method, "params": dict(params)}


def _line(message: dict[str, object]) -> bytes:
    # UTF-8 instead of \u escapes: shorter, and a lone surrogate raises here instead of reaching the runtime.
    return json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _error_response(request_id: RequestId, error: JsonValue) -> ErrorResponse:
    # Somebody waits for it, so an odd error is still an error.
    fields = error if isinstance(error, dict) else {"message": error}
    code = fields.get("code")
    message = fields.get("message")
    return ErrorResponse(
        request_id,
        code if isinstance(code, int) else _INTERNAL_ERROR,
        message if isinstance(message, str) else json.dumps(error),
        fields.get("data"),
    )
