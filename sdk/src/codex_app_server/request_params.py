"""From the options of a call to its parameters, and from an answer to what it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_app_server.errors import AppServerError, ExperimentalApiError
from codex_app_server.generated.registry import CLIENT_REQUESTS
from codex_app_server.models.encoding import encode_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_app_server.protocol.messages import JsonValue

__all__ = ["params_of", "thread_named_by"]

_REMEDY = "set AppServerConfig(experimental_api=True)"


def params_of(
    method: str, options: Mapping[str, object] | object | None, *, experimental_api: bool
) -> dict[str, JsonValue] | None:
    """What to send for the options of a typed call.

    Args:
        method: the protocol's name.
        options: by their names on the wire, of which None is not sent; or a model that is all of them; None if the
            method takes no parameters.
        experimental_api: whether methods and options that Codex marks as experimental may be used.

    Raises:
        ExperimentalApiError: if it needs `experimental_api`.
        TypeError: if JSON cannot say an option.
    """
    params = None if options is None else encode_options(options)
    if not experimental_api:
        request = CLIENT_REQUESTS[method]
        if request[2]:
            raise ExperimentalApiError(f"{method} is experimental: {_REMEDY}")
        if used := sorted(request[3] & (params or {}).keys()):
            raise ExperimentalApiError(f"the options {', '.join(used)} of {method} are experimental: {_REMEDY}")
    return params


def thread_named_by(answer: JsonValue, method: str) -> str:
    """The id of the thread that an answer is about.

    Raises:
        AppServerError: if it names none.
    """
    thread = answer.get("thread") if isinstance(answer, dict) else None
    thread_id = thread.get("id") if isinstance(thread, dict) else None
    if not isinstance(thread_id, str):
        raise AppServerError(f"the answer to {method} names no thread")
    return thread_id
