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
    from codex_app_server.aio.stream import AsyncTurnStream
    from codex_app_server.aio.subscription import AsyncSubscription
    from codex_app_server.aio.thread import AsyncThread
    from codex_app_server.aio.turn import AsyncTurn
    from codex_app_server.aio.turn import AsyncTurn as AsyncTurnHandle
    from codex_app_server.config import AppServerConfig
    from codex_app_server.errors import (
        AppServerError,
        AppServerRpcError,
        ConfigurationError,
        EventOverflowError,
        ExperimentalApiError,
        InternalRpcError,
        InvalidParamsError,
        InvalidRequestError,
        JsonRpcError,
        MethodNotFoundError,
        OutputValidationError,
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
    from codex_app_server.events import Notification
    from codex_app_server.generated import (
        Account,
        AccountLoginCompletedNotification,
        AgentMessageDeltaNotification,
        ApprovalsReviewer,
        AskForApproval,
        CancelLoginAccountResponse,
        CancelLoginAccountStatus,
        GetAccountResponse,
        ItemCompletedNotification,
        ModelListResponse,
        Personality,
        PlanType,
        ReasoningEffort,
        ReasoningSummary,
        SandboxMode,
        SandboxPolicy,
        ServiceTier,
        SortDirection,
        ThreadArchiveResponse,
        ThreadCompactStartResponse,
        ThreadForkParams,
        ThreadItem,
        ThreadListCwdFilter,
        ThreadListParams,
        ThreadListResponse,
        ThreadReadResponse,
        ThreadResumeParams,
        ThreadSetNameResponse,
        ThreadSortKey,
        ThreadSource,
        ThreadSourceKind,
        ThreadStartParams,
        ThreadStartSource,
        ThreadTokenUsage,
        ThreadTokenUsageUpdatedNotification,
        TurnCompletedNotification,
        TurnError,
        TurnInterruptResponse,
        TurnStartParams,
        TurnStatus,
        TurnSteerParams,
        TurnSteerResponse,
    )
    from codex_app_server.generated import AskForApproval as ApprovalMode
    from codex_app_server.generated import SandboxMode as Sandbox
    from codex_app_server.generated.events import Event
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
    from codex_app_server.models.aliases import TurnCompletedNotificationPayload
    from codex_app_server.prices import Prices
    from codex_app_server.protocol.handshake import InitializeResult
    from codex_app_server.protocol.handshake import InitializeResult as InitializeResponse
    from codex_app_server.results import RunResult, TurnResult
    from codex_app_server.retry import is_retryable_error, retry_on_overload
    from codex_app_server.sync.client import AppServerClient
    from codex_app_server.sync.codex import Codex
    from codex_app_server.sync.stream import TurnStream
    from codex_app_server.sync.subscription import Subscription
    from codex_app_server.sync.thread import Thread
    from codex_app_server.sync.turn import Turn
    from codex_app_server.sync.turn import Turn as TurnHandle

__all__ = [
    "Account",
    "AccountLoginCompletedNotification",
    "AgentMessageDeltaNotification",
    "AppServerClient",
    "AppServerConfig",
    "AppServerError",
    "AppServerRpcError",
    "ApprovalMode",
    "ApprovalsReviewer",
    "AskForApproval",
    "AsyncAppServerClient",
    "AsyncCodex",
    "AsyncSubscription",
    "AsyncThread",
    "AsyncTurn",
    "AsyncTurnHandle",
    "AsyncTurnStream",
    "CancelLoginAccountResponse",
    "CancelLoginAccountStatus",
    "Codex",
    "ConfigurationError",
    "Event",
    "EventOverflowError",
    "ExperimentalApiError",
    "GetAccountResponse",
    "Handlers",
    "ImageInput",
    "InitializeResponse",
    "InitializeResult",
    "Input",
    "InputItem",
    "InternalRpcError",
    "InvalidParamsError",
    "InvalidRequestError",
    "ItemCompletedNotification",
    "JsonRpcError",
    "LocalImageInput",
    "MentionInput",
    "MethodNotFoundError",
    "ModelListResponse",
    "Notification",
    "OutputValidationError",
    "ParseError",
    "Personality",
    "PlanType",
    "Prices",
    "ReasoningEffort",
    "ReasoningSummary",
    "RequestTimeoutError",
    "RetryLimitExceededError",
    "RunInput",
    "RunResult",
    "RuntimeNotFoundError",
    "RuntimeStartError",
    "Sandbox",
    "SandboxMode",
    "SandboxPolicy",
    "ServerBusyError",
    "ServiceTier",
    "SkillInput",
    "SortDirection",
    "StartupTimeoutError",
    "Subscription",
    "TextInput",
    "Thread",
    "ThreadArchiveResponse",
    "ThreadCompactStartResponse",
    "ThreadForkParams",
    "ThreadItem",
    "ThreadListCwdFilter",
    "ThreadListParams",
    "ThreadListResponse",
    "ThreadReadResponse",
    "ThreadResumeParams",
    "ThreadSetNameResponse",
    "ThreadSortKey",
    "ThreadSource",
    "ThreadSourceKind",
    "ThreadStartParams",
    "ThreadStartSource",
    "ThreadTokenUsage",
    "ThreadTokenUsageUpdatedNotification",
    "TransportClosedError",
    "Turn",
    "TurnCompletedNotification",
    "TurnCompletedNotificationPayload",
    "TurnError",
    "TurnFailedError",
    "TurnHandle",
    "TurnInterruptResponse",
    "TurnResult",
    "TurnStartParams",
    "TurnStatus",
    "TurnSteerParams",
    "TurnSteerResponse",
    "TurnStream",
    "__version__",
    "is_retryable_error",
    "retry_on_overload",
]

_HOMES = {
    "Account": "generated",
    "AccountLoginCompletedNotification": "generated",
    "AgentMessageDeltaNotification": "generated",
    "AppServerClient": "sync.client",
    "AppServerConfig": "config",
    "AppServerError": "errors",
    "AppServerRpcError": "errors",
    "ApprovalMode": "generated:AskForApproval",
    "ApprovalsReviewer": "generated",
    "AskForApproval": "generated",
    "AsyncAppServerClient": "aio.client",
    "AsyncCodex": "aio.codex",
    "AsyncSubscription": "aio.subscription",
    "AsyncThread": "aio.thread",
    "AsyncTurn": "aio.turn",
    "AsyncTurnHandle": "aio.turn:AsyncTurn",
    "AsyncTurnStream": "aio.stream",
    "CancelLoginAccountResponse": "generated",
    "CancelLoginAccountStatus": "generated",
    "Codex": "sync.codex",
    "ConfigurationError": "errors",
    "Event": "generated.events",
    "EventOverflowError": "errors",
    "ExperimentalApiError": "errors",
    "GetAccountResponse": "generated",
    "Handlers": "handlers",
    "ImageInput": "inputs",
    "InitializeResponse": "protocol.handshake:InitializeResult",
    "InitializeResult": "protocol.handshake",
    "Input": "inputs",
    "InputItem": "inputs",
    "InternalRpcError": "errors",
    "InvalidParamsError": "errors",
    "InvalidRequestError": "errors",
    "ItemCompletedNotification": "generated",
    "JsonRpcError": "errors",
    "LocalImageInput": "inputs",
    "MentionInput": "inputs",
    "MethodNotFoundError": "errors",
    "ModelListResponse": "generated",
    "Notification": "events",
    "OutputValidationError": "errors",
    "ParseError": "errors",
    "Personality": "generated",
    "PlanType": "generated",
    "Prices": "prices",
    "ReasoningEffort": "generated",
    "ReasoningSummary": "generated",
    "RequestTimeoutError": "errors",
    "RetryLimitExceededError": "errors",
    "RunInput": "inputs",
    "RunResult": "results",
    "RuntimeNotFoundError": "errors",
    "RuntimeStartError": "errors",
    "Sandbox": "generated:SandboxMode",
    "SandboxMode": "generated",
    "SandboxPolicy": "generated",
    "ServerBusyError": "errors",
    "ServiceTier": "generated",
    "SkillInput": "inputs",
    "SortDirection": "generated",
    "StartupTimeoutError": "errors",
    "Subscription": "sync.subscription",
    "TextInput": "inputs",
    "Thread": "sync.thread",
    "ThreadArchiveResponse": "generated",
    "ThreadCompactStartResponse": "generated",
    "ThreadForkParams": "generated",
    "ThreadItem": "generated",
    "ThreadListCwdFilter": "generated",
    "ThreadListParams": "generated",
    "ThreadListResponse": "generated",
    "ThreadReadResponse": "generated",
    "ThreadResumeParams": "generated",
    "ThreadSetNameResponse": "generated",
    "ThreadSortKey": "generated",
    "ThreadSource": "generated",
    "ThreadSourceKind": "generated",
    "ThreadStartParams": "generated",
    "ThreadStartSource": "generated",
    "ThreadTokenUsage": "generated",
    "ThreadTokenUsageUpdatedNotification": "generated",
    "TransportClosedError": "errors",
    "Turn": "sync.turn",
    "TurnCompletedNotification": "generated",
    "TurnCompletedNotificationPayload": "models.aliases",
    "TurnError": "generated",
    "TurnFailedError": "errors",
    "TurnHandle": "sync.turn:Turn",
    "TurnInterruptResponse": "generated",
    "TurnResult": "results",
    "TurnStartParams": "generated",
    "TurnStatus": "generated",
    "TurnSteerParams": "generated",
    "TurnSteerResponse": "generated",
    "TurnStream": "sync.stream",
    "__version__": "_version",
    "is_retryable_error": "retry",
    "retry_on_overload": "retry",
}
"""The module of each name, and after a colon what it is called there if it is called otherwise."""


def __getattr__(name: str) -> object:
    """Import the home of a public name, once."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, _, there = home.partition(":")
    value: object = getattr(import_module(f"{__name__}.{module}"), there or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names too, imported or not."""
    return sorted({*globals(), *__all__})
