"""The messages: JSON-RPC 2.0 without its ``jsonrpc`` member, one object a line, UTF-8.

Reading is lenient: whatever a line holds becomes one of the five kinds below, `Junk` at worst, and no line raises.
Writing is strict: what JSON cannot say, or the runtime cannot read, raises before a byte is sent, because the runtime
only logs such a line, and the request on it would wait forever.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from codex_app_server.protocol.log import Cursor

__all__ = [
    "INTERNAL_ERROR",
    "LOST",
    "LOST_DATA",
    "METHOD_NOT_FOUND",
    "PARSE_ERROR",
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
    "encode_result",
    "parse",
    "parse_all",
    "read_lists_with",
]

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"
"""What JSON can say, as `json` decodes it."""

RequestId: TypeAlias = "int | str"
"""The id of a request; this client counts, the runtime may do either."""

LOST, LOST_DATA = 1, {"connection": "lost"}
"""The code and the data of an answer that no server gave: the connection broke, and the request may have been done."""

METHOD_NOT_FOUND = -32601
PARSE_ERROR = -32700
INTERNAL_ERROR = -32603
_SHOWN = 200

_DEPTH = 127
"""How deep a message may be nested, itself counted: the runtime's parser gives up at 128."""

_scan: Callable[[str, int], tuple[JsonValue, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # typeshed leaves it out
"""What `json.loads` stands on and takes three times as long as; it stops where the value ends."""


class Response(NamedTuple):
    """The result of a request.

    Attributes:
        id: of the request.
        result: as plain JSON values.
        cursor: at the beginning of the turn that it announces, if it does.
        is_joined: whether somebody has that turn already.
    """

    id: RequestId
    result: JsonValue
    cursor: Cursor | None = None
    is_joined: bool = False


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


class Notification:
    """Something the runtime tells.

    Attributes:
        method: the protocol's name of the event, e.g. ``turn/completed``.
        params: what it says, as plain JSON values.
    """

    __slots__ = ("method", "params")

    def __init__(self, method: str, params: JsonValue = None) -> None:
        self.method = method
        self.params = params

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Notification):
            return NotImplemented
        return self.method == other.method and self.params == other.params

    __hash__ = None  # type: ignore[assignment]  # its params are mutable

    def __repr__(self) -> str:
        """Method and params; cut short, for params can be megabytes."""
        params = repr(self.params)
        return f"Notification({self.method!r}, {params if len(params) < _SHOWN else params[:_SHOWN] + '…'})"


class Junk(NamedTuple):
    """A line that is no message, or not one for us.

    Attributes:
        line: its bytes.
        reason: what is wrong with it.
    """

    line: bytes
    reason: str


Message: TypeAlias = "Response | ErrorResponse | ServerRequest | Notification | Junk"


def parse(line: bytes, kind: type[Notification] = Notification) -> Message:
    """The message on a line.

    Args:
        line: its bytes.
        kind: what an event becomes; the core itself needs no more than the default.
    """
    try:
        text = line.decode()
        message, end = _scan(text, 0)
        if end != len(text):
            message = json.loads(text)  # there is white space around it, or more than that
    except StopIteration:  # it begins with none of what a JSON value begins with, but perhaps with white space
        return _parse_slowly(line, kind)
    except (ValueError, RecursionError) as error:
        return Junk(line, f"not JSON: {error}")
    return _message(line, message, kind)


def parse_all(lines: list[bytes], kind: type[Notification] = Notification) -> list[Message]:
    """The messages on some lines.

    They are read as one JSON list, which takes less time than one by one. Where that is none, or has not as many values
    as there are lines, some line is odd, and each is looked at alone. A line break between them keeps the lines apart:
    no JSON string goes beyond it.
    """
    try:
        values = _json_list(b"[" + b",\n".join(lines) + b"]")
    except (StopIteration, ValueError, RecursionError):
        return [parse(line, kind) for line in lines]
    if len(values) != len(lines):
        return [parse(line, kind) for line in lines]
    messages: list[Message] = []
    add = messages.append
    for line, value in zip(lines, values):  # noqa: B905 - just compared, and `strict` takes time
        if type(value) is dict and "id" not in value and type(method := value.get("method")) is str:
            add(kind(method, value.get("params")))  # nearly always; the rest is told apart slowly
        else:
            add(_message(line, value, kind))
    return messages


def _scan_list(data: bytes) -> list[JsonValue]:
    """The values of a JSON list."""
    text = data.decode()
    values, end = _scan(text, 0)
    if end != len(text) or not isinstance(values, list):
        raise ValueError("more than a list")
    return values


_json_list: Callable[[bytes], list[JsonValue]] = _scan_list
"""What reads many lines."""


def read_lists_with(reader: Callable[[bytes], list[JsonValue]]) -> None:
    """Have many lines read by another parser, that is as strict at least."""
    global _json_list  # noqa: PLW0603 - one for the process
    _json_list = reader


def _parse_slowly(line: bytes, kind: type[Notification]) -> Message:
    try:
        return _message(line, json.loads(line.decode()), kind)
    except (ValueError, RecursionError) as error:
        return Junk(line, f"not JSON: {error}")


def _message(line: bytes, message: JsonValue, kind: type[Notification]) -> Message:
    """The message that a JSON value is."""
    if not isinstance(message, dict):
        return Junk(line, "not a JSON object")
    method = message.get("method")
    request_id = message.get("id")
    if request_id is None:
        if isinstance(method, str):
            return kind(method, message.get("params"))
        return Junk(line, "it has neither a method nor an id")
    # By type, not `isinstance`: `true` is no id, and neither is 1.0, but both equal the id 1.
    if type(request_id) not in (int, str):
        return Junk(line, "its id is neither a string nor an integer")
    known_id = cast("RequestId", request_id)
    if isinstance(method, str):
        return ServerRequest(known_id, method, message.get("params"))
    if message.get("error") is not None:
        return _error_response(known_id, message["error"])
    if "result" in message:
        return Response(known_id, message["result"])
    return Junk(line, "it has an id, but no method, result or error")


def encode_request(
    request_id: RequestId,
    method: str,
    params: Mapping[str, object] | None,
    trace: Mapping[str, str] | None = None,
) -> bytes:
    """A request as a line.

    Args:
        request_id: what the answer will carry.
        method: the protocol's name, e.g. ``thread/start``.
        params: its parameters; with None the member is left out.
        trace: a W3C trace context, which the runtime continues; likewise.

    Raises:
        TypeError: if `params` holds what is no JSON value.
        ValueError: if it holds a NaN, an infinity, a cycle, or text that is not Unicode, or is nested too deep.
    """
    message = {"id": request_id, **_call(method, params)}
    return _line(message if trace is None else {**message, "trace": trace})


def encode_notification(method: str, params: Mapping[str, object] | None = None) -> bytes:
    """A notification as a line; raises as `encode_request`."""
    return _line(_call(method, params))


def encode_result(request_id: RequestId, result: JsonValue) -> bytes:
    """The answer to a server's request, as a line; raises as `encode_request` for what is in `result`."""
    return _reply(request_id, {"result": result})


def encode_error(request_id: RequestId, code: int, message: str) -> bytes:
    """The refusal of a server's request, as a line, whatever is in the message: what no bytes can say is spelled."""
    sayable = message.encode(errors="backslashreplace").decode()
    return _reply(request_id, {"error": {"code": code, "message": sayable}})


def _reply(request_id: RequestId, outcome: dict[str, object]) -> bytes:
    # The id goes back as it came, in escapes, whatever it is: without an answer the runtime would wait for ever.
    return b'{"id":' + json.dumps(request_id).encode() + b"," + _line(outcome)[1:]


def _call(method: str, params: Mapping[str, object] | None) -> dict[str, object]:
    return {"method": method} if params is None else {"method": method, "params": dict(params)}


def _line(message: dict[str, object]) -> bytes:
    try:
        # UTF-8 instead of \u escapes: shorter, and a lone surrogate raises here instead of reaching the runtime.
        text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        raise _too_deep() from None
    # Brackets are counted in no time, and nearly always say that there is nothing to measure.
    if text.count("[") + text.count("{") > _DEPTH and _is_deeper(message, _DEPTH):
        raise _too_deep()
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{_no_unicode_in(message)} has {error.object[error.start]!r} in it, which is no Unicode"
        ) from None


def _no_unicode_in(message: Mapping[str, object]) -> str:
    """Which part of a message it is that no bytes can say."""
    params = message.get("params")
    for name, value in params.items() if isinstance(params, dict) else ():
        if re.search("[\ud800-\udfff]", json.dumps(value, ensure_ascii=False)):
            return f"{name} of {message['method']}"
    return str(message.get("method", "the answer"))


def _is_deeper(value: object, levels: int) -> bool:
    """Whether a JSON value is nested deeper than so many levels, of which it is the first."""
    containers = [value]
    for _ in range(levels):
        members = [each.values() if isinstance(each, dict) else each for each in containers]
        containers = [each for several in members for each in several if isinstance(each, (dict, list, tuple))]  # type: ignore[attr-defined]  # containers
        if not containers:
            return False
    return True


def _too_deep() -> ValueError:
    return ValueError(f"it is nested deeper than the {_DEPTH - 1} levels that the runtime can read")


def _error_response(request_id: RequestId, error: JsonValue) -> ErrorResponse:
    # Somebody waits for it, so an odd error is still an error.
    fields = error if isinstance(error, dict) else {"message": error}
    code = fields.get("code")
    message = fields.get("message")
    return ErrorResponse(
        request_id,
        code if isinstance(code, int) else INTERNAL_ERROR,
        message if isinstance(message, str) else json.dumps(error),
        fields.get("data"),
    )
