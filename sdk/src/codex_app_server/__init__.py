"""Drives Codex from Python through its app-server.

    from codex_app_server import Codex

    with Codex() as codex:
        print(codex.thread_start().run("What is in this directory?").final_response)

The public names are imported when they are first used (PEP 562): importing the package itself costs nothing, and what
a program does not touch is never loaded.
"""

TYPE_CHECKING = False  # type checkers know the name; importing `typing` for it would cost more than this whole module
if TYPE_CHECKING:
    from codex_app_server._version import __version__
    from codex_app_server.aio.client import AsyncAppServerClient
    from codex_app_server.aio.codex import AsyncCodex
    from codex_app_server.aio.subscription import AsyncSubscription
    from codex_app_server.aio.thread import AsyncThread
    from codex_app_server.aio.turn import AsyncTurn
    from codex_app_server.config import AppServerConfig
    from codex_app_server.errors import (
        AppServerError,
        AppServerRpcError,
        EventOverflowError,
        ExperimentalApiError,
        InternalRpcError,
        InvalidParamsError,
        InvalidRequestError,
        JsonRpcError,
        MethodNotFoundError,
        ParseError,
        RequestTimeoutError,
        RetryLimitExceededError,
        RuntimeNotFoundError,
        RuntimeStartError,
        ServerBusyError,
        StartupTimeoutError,
        TransportClosedError,
        TurnFailedError,
    )
    from codex_app_server.generated import (
        AskForApproval,
        Personality,
        PlanType,
        ReasoningEffort,
        ReasoningSummary,
        SandboxMode,
        SandboxPolicy,
        ThreadForkParams,
        ThreadItem,
        ThreadListParams,
        ThreadResumeParams,
        ThreadSortKey,
        ThreadSourceKind,
        ThreadStartParams,
        ThreadTokenUsageUpdatedNotification,
        TurnStartParams,
        TurnStatus,
        TurnSteerParams,
    )
    from codex_app_server.handlers import Handlers
    from codex_app_server.inputs import (
        ImageInput,
        Input,
        InputItem,
        LocalImageInput,
        MentionInput,
        RunInput,
        SkillInput,
        TextInput,
    )
    from codex_app_server.models.aliases import ServiceTier, TurnCompletedNotificationPayload
    from codex_app_server.protocol.handshake import InitializeResult
    from codex_app_server.protocol.messages import Notification
    from codex_app_server.results import RunResult, TurnResult
    from codex_app_server.retry import is_retryable_error, retry_on_overload
    from codex_app_server.sync.client import AppServerClient
    from codex_app_server.sync.codex import Codex
    from codex_app_server.sync.subscription import Subscription
    from codex_app_server.sync.thread import Thread
    from codex_app_server.sync.turn import Turn

__all__ = [
    "AppServerClient",
    "AppServerConfig",
    "AppServerError",
    "AppServerRpcError",
    "AskForApproval",
    "AsyncAppServerClient",
    "AsyncCodex",
    "AsyncSubscription",
    "AsyncThread",
    "AsyncTurn",
    "Codex",
    "EventOverflowError",
    "ExperimentalApiError",
    "Handlers",
    "ImageInput",
    "InitializeResult",
    "Input",
    "InputItem",
    "InternalRpcError",
    "InvalidParamsError",
    "InvalidRequestError",
    "JsonRpcError",
    "LocalImageInput",
    "MentionInput",
    "MethodNotFoundError",
    "Notification",
    "ParseError",
    "Personality",
    "PlanType",
    "ReasoningEffort",
    "ReasoningSummary",
    "RequestTimeoutError",
    "RetryLimitExceededError",
    "RunInput",
    "RunResult",
    "RuntimeNotFoundError",
    "RuntimeStartError",
    "SandboxMode",
    "SandboxPolicy",
    "ServerBusyError",
    "ServiceTier",
    "SkillInput",
    "StartupTimeoutError",
    "Subscription",
    "TextInput",
    "Thread",
    "ThreadForkParams",
    "ThreadItem",
    "ThreadListParams",
    "ThreadResumeParams",
    "ThreadSortKey",
    "ThreadSourceKind",
    "ThreadStartParams",
    "ThreadTokenUsageUpdatedNotification",
    "TransportClosedError",
    "Turn",
    "TurnCompletedNotificationPayload",
    "TurnFailedError",
    "TurnResult",
    "TurnStartParams",
    "TurnStatus",
    "TurnSteerParams",
    "__version__",
    "is_retryable_error",
    "retry_on_overload",
]

_HOMES = {
    "AppServerClient": "sync.client",
    "AppServerConfig": "config",
    "AppServerError": "errors",
    "AppServerRpcError": "errors",
    "AskForApproval": "generated",
    "AsyncAppServerClient": "aio.client",
    "AsyncCodex": "aio.codex",
    "AsyncSubscription": "aio.subscription",
    "AsyncThread": "aio.thread",
    "AsyncTurn": "aio.turn",
    "Codex": "sync.codex",
    "EventOverflowError": "errors",
    "ExperimentalApiError": "errors",
    "Handlers": "handlers",
    "ImageInput": "inputs",
    "InitializeResult": "protocol.handshake",
    "Input": "inputs",
    "InputItem": "inputs",
    "InternalRpcError": "errors",
    "InvalidParamsError": "errors",
    "InvalidRequestError": "errors",
    "JsonRpcError": "errors",
    "LocalImageInput": "inputs",
    "MentionInput": "inputs",
    "MethodNotFoundError": "errors",
    "Notification": "protocol.messages",
    "ParseError": "errors",
    "Personality": "generated",
    "PlanType": "generated",
    "ReasoningEffort": "generated",
    "ReasoningSummary": "generated",
    "RequestTimeoutError": "errors",
    "RetryLimitExceededError": "errors",
    "RunInput": "inputs",
    "RunResult": "results",
    "RuntimeNotFoundError": "errors",
    "RuntimeStartError": "errors",
    "SandboxMode": "generated",
    "SandboxPolicy": "generated",
    "ServerBusyError": "errors",
    "ServiceTier": "models.aliases",
    "SkillInput": "inputs",
    "StartupTimeoutError": "errors",
    "Subscription": "sync.subscription",
    "TextInput": "inputs",
    "Thread": "sync.thread",
    "ThreadForkParams": "generated",
    "ThreadItem": "generated",
    "ThreadListParams": "generated",
    "ThreadResumeParams": "generated",
    "ThreadSortKey": "generated",
    "ThreadSourceKind": "generated",
    "ThreadStartParams": "generated",
    "ThreadTokenUsageUpdatedNotification": "generated",
    "TransportClosedError": "errors",
    "Turn": "sync.turn",
    "TurnCompletedNotificationPayload": "models.aliases",
    "TurnFailedError": "errors",
    "TurnResult": "results",
    "TurnStartParams": "generated",
    "TurnStatus": "generated",
    "TurnSteerParams": "generated",
    "__version__": "_version",
    "is_retryable_error": "retry",
    "retry_on_overload": "retry",
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
