"""Drives Codex from Python through its app-server.

    from codex_app_server import AppServerClient

    with AppServerClient() as client:
        print(client.metadata.server_version)

The public names are imported when they are first used (PEP 562): importing the package itself costs nothing, and what
a program does not touch is never loaded.
"""

TYPE_CHECKING = False  # type checkers know the name; importing `typing` for it would cost more than this whole module
if TYPE_CHECKING:
    from codex_app_server._version import __version__
    from codex_app_server.aclient import AsyncAppServerClient
    from codex_app_server.client import AppServerClient
    from codex_app_server.config import AppServerConfig
    from codex_app_server.errors import (
        AppServerError,
        JsonRpcError,
        RequestTimeoutError,
        RuntimeNotFoundError,
        RuntimeStartError,
        StartupTimeoutError,
        TransportClosedError,
        TurnOverflowError,
    )
    from codex_app_server.protocol.handshake import InitializeResult
    from codex_app_server.protocol.messages import Notification

__all__ = [
    "AppServerClient",
    "AppServerConfig",
    "AppServerError",
    "AsyncAppServerClient",
    "InitializeResult",
    "JsonRpcError",
    "Notification",
    "RequestTimeoutError",
    "RuntimeNotFoundError",
    "RuntimeStartError",
    "StartupTimeoutError",
    "TransportClosedError",
    "TurnOverflowError",
    "__version__",
]

_HOMES = {
    "AppServerClient": "client",
    "AppServerConfig": "config",
    "AppServerError": "errors",
    "AsyncAppServerClient": "aclient",
    "InitializeResult": "protocol.handshake",
    "JsonRpcError": "errors",
    "Notification": "protocol.messages",
    "RequestTimeoutError": "errors",
    "RuntimeNotFoundError": "errors",
    "RuntimeStartError": "errors",
    "StartupTimeoutError": "errors",
    "TransportClosedError": "errors",
    "TurnOverflowError": "errors",
    "__version__": "_version",
}


def __getattr__(name: str) -> object:
    """Import the home of a public name, once."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names too, imported or not."""
    return sorted({*globals(), *__all__})
