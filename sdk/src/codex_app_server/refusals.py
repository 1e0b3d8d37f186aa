"""Which error is raised for a refusal of the runtime: by the code and message of its answer, or by its last lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from codex_app_server.errors import (
    AppServerError,
    AppServerRpcError,
    ConfigConflictError,
    ConfigurationError,
    ConfigValueError,
    InternalRpcError,
    InvalidParamsError,
    InvalidRequestError,
    JsonRpcError,
    MethodNotFoundError,
    ParseError,
    RetryLimitExceededError,
    ServerBusyError,
    TransportClosedError,
)

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue

__all__ = ["rpc_error", "start_error"]

_BY_CODE: dict[int, type[AppServerRpcError]] = {
    -32700: ParseError,
    -32600: InvalidRequestError,
    -32601: MethodNotFoundError,
    -32602: InvalidParamsError,
    -32603: InternalRpcError,
}
_CONFIG_WRITE_ERRORS: dict[str, type[AppServerRpcError]] = {
    "configVersionConflict": ConfigConflictError,
    "configValidationError": ConfigValueError,
}
_OVERLOAD = -32001
_SERVER_ERRORS = range(-32099, -31999)
_OVERLOADED = {"server_overloaded", "serverOverloaded"}
_REFUSAL = re.compile(r"^Error: (.*?)(?: in -c/--config override)?$")
_REFUSED_KEY = re.compile(r"^in `(.+)`$|^.*unknown configuration field `(.+)`|config\.toml:\d+:\d+: ")


def start_error(error: TransportClosedError) -> AppServerError:
    """Why the runtime ended before it answered: a `ConfigurationError` if it says so, else the same error."""
    for number, line in enumerate(error.stderr_tail):
        refusal = _REFUSAL.match(line)
        keys = [found for each in error.stderr_tail[number:] if (found := _REFUSED_KEY.search(each))]
        if refusal and keys:
            path = keys[0][1] or keys[0][2]
            where = f" (in {path})" if path and path not in refusal[1] else ""
            return ConfigurationError(f"the runtime refuses its configuration: {refusal[1]}{where}", path=path)
    return error


def rpc_error(code: int, message: str, data: JsonValue, *, method: str) -> JsonRpcError:
    """The error to raise for an answer that is an error.

    Args:
        code: the answer's error code.
        message: the answer's message.
        data: the answer's further data.
        method: the method that was called.
    """
    return _kind(code, message, data, method)(code, message, data, method=method)


def _kind(code: int, message: str, data: JsonValue, method: str) -> type[JsonRpcError]:
    if code in _SERVER_ERRORS:
        if "retry limit" in message.lower() or "too many failed attempts" in message.lower():
            return RetryLimitExceededError
        return ServerBusyError if code == _OVERLOAD or _says_overloaded(data) else AppServerRpcError
    # Codex reads a request as one of those it knows, and says which words it expected: no error has a code for it.
    if code in {-32600, -32601} and f"unknown variant `{method}`" in message:
        return MethodNotFoundError
    if isinstance(data, dict) and isinstance(word := data.get("config_write_error_code"), str):
        return _CONFIG_WRITE_ERRORS.get(word, InvalidRequestError)
    return _BY_CODE.get(code, JsonRpcError)


def _says_overloaded(data: JsonValue) -> bool:
    """Whether an error's data say that the runtime is overloaded, at any depth and in either spelling."""
    left = [data]
    while left:
        each = left.pop()
        if isinstance(each, str) and each in _OVERLOADED:
            return True
        if isinstance(each, dict):
            left += [*each, *each.values()]
        elif isinstance(each, list):
            left += each
    return False
