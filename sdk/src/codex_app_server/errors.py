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
    """The runtime cannot be started: the system refuses, or a subclass says why."""


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
    """The app-server at `AppServerConfig.url` cannot be reached, or refuses this client.

    Attributes:
        status: the HTTP status of its answer, e.g. 401 if the token is missing, wrong or expired; None if there was no
            such answer.
    """

    def __init__(self, what: str, *, status: int | None = None) -> None:
        super().__init__(what)
        self.status = status


class ConnectionLostError(AppServerError, ConnectionError):
    """The connection to a remote app-server broke during a request. The server may have done what was asked, or not.

    The request was not sent again: find out whether it was done before you repeat it. The client itself goes on, with a
    new connection. Requests that only read are sent again, so this is not raised for them.

    Attributes:
        method: the protocol's method that was called.
    """

    def __init__(self, what: str, *, method: str | None = None) -> None:
        super().__init__(what)
        self.method = method


class TransportClosedError(AppServerError):
    """The connection to the runtime has ended: the runtime did, or the client was closed. No call is possible any more.

    Attributes:
        exit_code: the exit code of the runtime's process, or the negative number of the signal that ended it; None if
            `close` ended the connection.
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
    """The runtime of a pool, or a worker of a cluster, was lost during a turn. How much of it was done is not known.

    The pool itself goes on, with another one. With ``on_crash="retry"`` this is raised after the last try.
    """


class PoolFullError(AppServerError):
    """All runtimes of a pool are busy, and as many callers wait for one as may; try again later."""


class RequestTimeoutError(AppServerError, TimeoutError):
    """The runtime did not answer a request within `AppServerConfig.request_timeout_s`.

    The request is not cancelled: the runtime may still do what was asked, but its answer is ignored.
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
    """What a call waited for, e.g. the end of a turn, a login or a free runtime, did not come within its `timeout`."""


class EventOverflowError(AppServerError):
    """More events waited to be read than `AppServerConfig.max_buffered_events` or `max_buffered_bytes` allow.

    The later events are lost. The turn itself goes on, and so do all others.
    """


class ExperimentalApiError(AppServerError):
    """A call, or an option of one, needs `AppServerConfig.experimental_api`; nothing was sent."""


class TurnFailedError(AppServerError):
    """A turn did not complete: it failed, or was interrupted.

    Attributes:
        result: the turn, as far as it came.
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
        """The HTTP status that the model's server answered, e.g. 429, if that is what went wrong."""
        return self.result.failure_http_status

    @property
    def is_retryable(self) -> bool:
        """Whether the same turn may succeed later: the model's server was busy or could not be reached."""
        return self.result.is_retryable

    def __str__(self) -> str:
        """Which turn, how it ended, and why."""
        return f"turn {self.result.turn_id} did not complete: {self.result.failure}"


class OutputValidationError(AppServerError):
    """A turn completed, but its reply is not what was asked for with `output_type` or `output_schema`.

    Attributes:
        result: the turn, without an `output`.
        reasons: what is wrong with the reply: one text for each fault, with its path in the reply.
    """

    def __init__(self, result: TurnResult[Any], reasons: Sequence[str]) -> None:
        super().__init__(result, tuple(reasons))
        self.result = result
        self.reasons = tuple(reasons)

    @property
    def reply(self) -> str | None:
        """The agent's final answer; None if it gave none."""
        return self.result.final_response

    def __str__(self) -> str:
        """Which turn, and the faults."""
        return f"the reply of turn {self.result.turn_id} does not fit: {'; '.join(self.reasons)}"


class LimitExceededError(AppServerError):
    """A turn took more than `Limits` allow, and was interrupted; or it was not begun.

    It is not begun if nothing of the limit is left, or if the runtime does not begin it within `stall_timeout`.

    Attributes:
        limit: the name of the limit, e.g. ``tokens``.
        allowed: how much the limit allows.
        used: how much was used, or would have been.
        scope: what the limit is for: one ``run``, a ``thread`` or the whole ``client``.
        result: the turn, as far as it came; None if it was not begun.
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
    """A login ended without success: it was refused or cancelled."""


class JsonRpcError(AppServerError):
    """The runtime answered a request with an error.

    Attributes:
        code: the JSON-RPC error code; Codex uses -32600 for nearly every error, unknown methods included.
        message: the runtime's own words.
        data: what else the runtime sent with the error, as plain JSON values.
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
    """An error whose code says its kind: of a subclass, or another one of -32099 to -32000."""


class ParseError(AppServerRpcError):
    """The runtime could not read a message (-32700)."""


class InvalidRequestError(AppServerRpcError):
    """The runtime refused the request (-32600); Codex uses this code for most mistakes."""


class ConfigConflictError(InvalidRequestError):
    """No settings were written, because the file has changed since it was read: read it again, and decide anew."""


class ConfigValueError(InvalidRequestError):
    """No settings were written, because there is no such setting, or it does not take the value."""


class MethodNotFoundError(AppServerRpcError):
    """The runtime does not know the method, for instance because it is older than the method.

    The code is -32601, or the one that Codex uses instead. `message` names every method that the runtime knows.
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
    """The runtime does not accept these parameters (-32602)."""


class InternalRpcError(AppServerRpcError):
    """Something failed inside the runtime (-32603)."""


class ServerBusyError(AppServerRpcError):
    """The runtime is overloaded; the call may succeed later.

    The code is -32001, or another one of -32099 to -32000 if the error says that this is the reason.
    """


class RetryLimitExceededError(ServerBusyError):
    """The runtime has itself tried as often as it may, so `retry_on_overload` does not try again."""


def _quoting(what: str, stderr_tail: tuple[str, ...]) -> str:
    if not stderr_tail:
        return what
    return "\n  ".join([f"{what}; the last lines of its stderr:", *stderr_tail])
