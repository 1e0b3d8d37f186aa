"""From the options of a call to its parameters, and from an answer to what it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_app_server.encoding import encode_options
from codex_app_server.errors import AppServerError, ExperimentalApiError
from codex_app_server.generated.registry import CLIENT_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_app_server.protocol.messages import JsonValue

__all__ = ["params_of", "thread_named_by"]

_REMEDY = "set AppServerConfig(experimental_api=True)"


def params_of(method: str, options: Mapping[str, object], *, experimental_api: bool) -> Mapping[str, JsonValue] | None:
    """What to send for the options of a typed call.

    Args:
        method: the protocol's name.
        options: by their names on the wire; None is not sent.
        experimental_api: whether methods and options that Codex marks as experimental may be used.

    Returns:
        the parameters; None if the method takes none.

    Raises:
        ExperimentalApiError: if it needs `experimental_api`.
        TypeError: if JSON cannot say an option.
    """
    model, _, is_experimental, experimental_options = CLIENT_REQUESTS[method]
    params = encode_options(options)
    if not experimental_api:
        if is_experimental:
            raise ExperimentalApiError(f"{method} is experimental: {_REMEDY}")
        if used := sorted(experimental_options & params.keys()):
            raise ExperimentalApiError(f"the options {', '.join(used)} of {method} are experimental: {_REMEDY}")
    return None if model is None else params


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
