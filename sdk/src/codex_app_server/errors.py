"""Every failure this client expects, as one tree under `AppServerError`.

A message says which call it was, what was found, and where there is a remedy, the remedy. Any other exception out of
this package is a wrong argument (`TypeError`, `ValueError`) or a bug. All of them can be pickled.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from codex_app_server.suggesting import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from codex_app_server.protocol.messages import JsonValue
    from codex_app_server.results import TurnResult

__all__ = [
    "AppServerError",
    "AppServerRpcError",
    "ConfigConflictError",
    "ConfigValueError",
    "ConfigurationError",
    "ConnectError",
    "ConnectionLostError",
    "EventOverflowError",
    "ExperimentalApiError",
    "InternalRpcError",
    "InvalidParamsError",
    "InvalidRequestError",
    "JsonRpcError",
    "LimitExceededError",
    "LoginFailedError",
    "MethodNotFoundError",
    "OutputValidationError",
    "ParseError",
    "PoolFullError",
    "RequestTimeoutError",
    "RetryLimitExceededError",
    "RuntimeLostError",
    "RuntimeNotFoundError",
    "RuntimeStartError",
    "ServerBusyError",
    "StartupTimeoutError",
    "TransportClosedError",
    "TurnFailedError",
    "WaitTimeoutError",
]


class AppServerError(Exception):
    """The base of all errors of this package."""


class RuntimeStartError(AppServerError):
    """The operating system would not start the runtime."""


class RuntimeNotFoundError(RuntimeStartError):
    """There is no runtime to start: none is installed, or `codex_bin` names no executable file."""


class ConfigurationError(RuntimeStartError):
    """The runtime does not start with these settings, those of the client or those in its ``config.toml``.

    Attributes:
        path: the key that is wrong, with dots, if the runtime says it.
    """

    def __init__(self, what: str, *, path: str | None = None) -> None:
        super().__init__(what)
        self.path = path


class ConnectError(RuntimeStartError):
    """There is no connection to the app-server at `AppServerConfig.url`: it is not reached, or refuses this client.

    Attributes:
        status: what it answered, as a status of HTTP: 401 for a token that is missing, wrong or expired; None if it
            gave no such answer.
    """

    def __init__(self, what: str, *, status: int | None = None) -> None:
        super().__init__(what)
        self.status = status


class ConnectionLostError(AppServerError, ConnectionError):
    """The connection to a remote app-server broke while a request was under way: it may have been done, or not.

    It was not sent again. The client itself goes on, with a new connection; look at what became of it before you repeat
    it. Requests that only read are sent again, so this is not raised for them.

    Attributes:
        method: what was called.
    """

    def __init__(self, what: str, *, method: str | None = None) -> None:
        super().__init__(what)
        self.method = method


class TransportClosedError(AppServerError):
    """The connection to the runtime is over: it ended by itself, or the client was closed; nothing more can be asked.

    Attributes:
        exit_code: what the runtime's process returned, negative for the signal that ended it; None if it was `close`
            that ended the connection.
        stderr_tail: the last lines the runtime wrote to stderr, oldest first.
    """

    def __init__(self, what: str, *, exit_code: int | None = None, stderr_tail: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.exit_code = exit_code
        self.stderr_tail = tuple(stderr_tail)

    def __str__(self) -> str:
        """What happened, then what the runtime said last."""
        return _quoting(super().__str__(), self.stderr_tail)


class RuntimeLostError(TransportClosedError):
    """The runtime of a pool, or a worker of a cluster, was lost in the midst of a turn: what it did of it is not known.

    The pool itself goes on, with another one. Where `on_crash` is ``"retry"``, this is after the last try.
    """


class PoolFullError(AppServerError):
    """All runtimes of a pool are taken, and as many wait as may; later there may be room."""


class RequestTimeoutError(AppServerError, TimeoutError):
    """The runtime did not answer a request within `AppServerConfig.request_timeout_s`.

    Nothing is taken back: the runtime may still do what it was asked, but its answer finds nobody.
    """


class StartupTimeoutError(AppServerError, TimeoutError):
    """The runtime did not finish the handshake within `AppServerConfig.startup_timeout_s`.

    Attributes:
        stderr_tail: the last lines the runtime wrote to stderr, oldest first.
    """

    def __init__(self, what: str, *, stderr_tail: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.stderr_tail = tuple(stderr_tail)

    def __str__(self) -> str:
        """What happened, then what the runtime said last."""
        return _quoting(super().__str__(), self.stderr_tail)


class WaitTimeoutError(AppServerError, TimeoutError):
    """What a call waits for did not come within its `timeout`: the end of a turn, a login, a free runtime."""


class EventOverflowError(AppServerError):
    """More of a stream waited to be read than `AppServerConfig.max_buffered_events` or `max_buffered_bytes` allow.

    The later events are lost.

    The turn itself goes on, and so do all others.
    """


class ExperimentalApiError(AppServerError):
    """A call, or an option of one, needs `AppServerConfig.experimental_api`; nothing was sent."""


class TurnFailedError(AppServerError):
    """A turn did not complete: it failed, or was interrupted.

    Attributes:
        result: what there is of it.
    """

    def __init__(self, result: TurnResult[Any]) -> None:
        super().__init__(result)
        self.result = result

    @property
    def kind(self) -> str | None:
        """The protocol's word for what went wrong (``codexErrorInfo``), e.g. ``contextWindowExceeded``."""
        return self.result.failure_kind

    @property
    def http_status(self) -> int | None:
        """What the model's server answered, e.g. 429, if that is what went wrong."""
        return self.result.failure_http_status

    @property
    def is_retryable(self) -> bool:
        """Whether the same may succeed later: the model's server was busy or could not be reached."""
        return self.result.is_retryable

    def __str__(self) -> str:
        """Which turn, how it ended, and why."""
        return f"turn {self.result.turn_id} did not complete: {self.result.failure}"


class OutputValidationError(AppServerError):
    """A turn completed, but its reply is not what was asked for with `output_type` or `output_schema`.

    Attributes:
        result: of the turn; it has no `output`.
        reasons: what is wrong with the reply, one a fault, each with its path.
    """

    def __init__(self, result: TurnResult[Any], reasons: Sequence[str]) -> None:
        super().__init__(result, tuple(reasons))
        self.result = result
        self.reasons = tuple(reasons)

    @property
    def reply(self) -> str | None:
        """What the agent answered; None if it gave no final answer."""
        return self.result.final_response

    def __str__(self) -> str:
        """Which turn, and the faults."""
        return f"the reply of turn {self.result.turn_id} does not fit: {'; '.join(self.reasons)}"


class LimitExceededError(AppServerError):
    """A turn took more than `Limits` allow, and was interrupted; or it was not begun.

    That is because nothing of the limit is left, or because the runtime did not begin it within `stall_timeout`.

    Attributes:
        limit: the name of the limit, e.g. ``tokens``.
        allowed: how much may be taken.
        used: how much was, or would have been.
        scope: whose limit it is: ``run``, ``thread`` or ``client``.
        result: what there is of the turn; None if it was not begun.
    """

    def __init__(
        self, limit: str, allowed: float, used: float, scope: str, result: TurnResult[Any] | None = None
    ) -> None:
        super().__init__(limit, allowed, used, scope, result)
        self.limit = limit
        self.allowed = allowed
        self.used = used
        self.scope = scope
        self.result = result

    def __str__(self) -> str:
        """Which limit, and what became of the turn."""
        which = f"Limits.{self.limit} of the {self.scope}"
        if self.result is None and self.limit == "stall_timeout":
            return f"no turn was begun: the runtime did not answer for {self.used:.1f} s ({which})"
        if self.result is None:
            return f"no turn was begun: {which} is {self.allowed:g}, and nothing is left of it"
        if self.limit == "stall_timeout":
            return f"turn {self.result.turn_id} was interrupted: nothing happened for {self.used:.1f} s ({which})"
        taken = f"{self.used:.1f}" if self.limit == "seconds" else f"{self.used:g}"
        return f"turn {self.result.turn_id} was interrupted: it took {taken} of {self.allowed:g} ({which})"


class LoginFailedError(AppServerError):
    """A login ended without success: it was refused or broken off."""


class JsonRpcError(AppServerError):
    """The runtime answered a request with an error.

    Attributes:
        code: the JSON-RPC error code; Codex says -32600 for nearly everything, unknown methods included.
        message: the runtime's own words.
        data: whatever else it sent along, as plain JSON values.
        method: the method that was called.
    """

    def __init__(self, code: int, message: str, data: JsonValue = None, *, method: str | None = None) -> None:
        super().__init__(code, message, data)
        self.code = code
        self.message = message
        self.data = data
        self.method = method

    def __str__(self) -> str:
        """The method, the runtime's words and the code."""
        failed = f"{self.method} failed" if self.method else "request failed"
        return f"{failed}: {self.message} (code {self.code})"


class AppServerRpcError(JsonRpcError):
    """An error whose kind is known by its code: the ones below, and what Codex may add."""


class ParseError(AppServerRpcError):
    """The runtime could not read a message (-32700)."""


class InvalidRequestError(AppServerRpcError):
    """The runtime would not do it (-32600): Codex says so of most mistakes."""


class ConfigConflictError(InvalidRequestError):
    """Settings were not written, for the file has changed since it was read: read it again, and decide anew."""


class ConfigValueError(InvalidRequestError):
    """Settings were not written, none of them: there is no such setting, or it does not take the value."""


class MethodNotFoundError(AppServerRpcError):
    """The runtime does not know the method (-32601, and what Codex says instead): it is older than the call.

    Its `message` names every method that the runtime does know.
    """

    def __str__(self) -> str:
        """The method, and the one that was probably meant, in one line."""
        _, *known = re.findall("`([^`]+)`", self.message) or [""]
        if "not supported" in self.message:  # it knows the method, but not what is asked of it
            return super().__str__()
        meant = nearest(self.method or "", known)
        hint = f"; did you mean {meant}?" if meant else ""
        return f"{self.method or 'request'} failed: this runtime does not know the method{hint} (code {self.code})"


class InvalidParamsError(AppServerRpcError):
    """The runtime does not take these parameters (-32602)."""


class InternalRpcError(AppServerRpcError):
    """Something failed inside of the runtime (-32603)."""


class ServerBusyError(AppServerRpcError):
    """The runtime has too much to do (-32001, or another of -32099 to -32000 that says so); later it may succeed."""


class RetryLimitExceededError(ServerBusyError):
    """The runtime itself has tried as often as it may."""


def _quoting(what: str, stderr_tail: tuple[str, ...]) -> str:
    if not stderr_tail:
        return what
    return "\n  ".join([f"{what}; the last lines of its stderr:", *stderr_tail])
