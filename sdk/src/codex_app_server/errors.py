"""Every failure this client expects, as one tree under `AppServerError`.

A message says which call it was, what was found, and where there is a remedy, the remedy. Any other exception out of
this package is a wrong argument (`TypeError`, `ValueError`) or a bug. All of them can be pickled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_app_server.protocol.messages import JsonValue

__all__ = [
    "AppServerError",
    "JsonRpcError",
    "RequestTimeoutError",
    "RuntimeNotFoundError",
    "RuntimeStartError",
    "StartupTimeoutError",
    "TransportClosedError",
    "TurnOverflowError",
]


class AppServerError(Exception):
    """The base of all errors of this package."""


class RuntimeStartError(AppServerError):
    """The operating system would not start the runtime."""


class RuntimeNotFoundError(RuntimeStartError):
    """There is no runtime to start: none is installed, or `codex_bin` names no executable file."""


class TransportClosedError(AppServerError):
    """The connection to the runtime is over: it ended by itself, or the client was closed.

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


class TurnOverflowError(AppServerError):
    """More events of a turn waited to be read than `AppServerConfig.max_buffered_events`; the later ones are lost.

    The turn itself goes on, and so do all others.
    """


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


def _quoting(what: str, stderr_tail: tuple[str, ...]) -> str:
    if not stderr_tail:
        return what
    return "\n  ".join([f"{what}; the last lines of its stderr:", *stderr_tail])
