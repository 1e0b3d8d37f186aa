"""How a program answers when the runtime asks: one function for each kind of question.

A function may be plain or async. It gets the question as a model and returns an answer: the model of the protocol, the
same as a mapping, or the short form that the attribute names. To a yes-no question, such as an approval, `True` and
`False` are answers too. None declines. So does whatever the function raises, which is logged. A question that has no
function is declined too, so nothing is granted that nobody granted.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from inspect import iscoroutinefunction, signature
from typing import TYPE_CHECKING, Any, TypeVar

from codex_app_server.suggesting import suggesting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import Literal, TypeAlias

    from codex_app_server import generated as g

    _Question = TypeVar("_Question")
    _Answer = TypeVar("_Answer")
    Handler: TypeAlias = Callable[
        [_Question], _Answer | Mapping[str, object] | Awaitable[_Answer | Mapping[str, object] | None] | None
    ]
    Decision: TypeAlias = Literal["accept", "acceptForSession", "decline", "cancel"]
    Legacy: TypeAlias = Literal["approved", "approved_for_session", "abort"]

__all__ = ["Handlers", "check_function", "is_async"]


@dataclass(frozen=True, kw_only=True)
class Handlers:
    """The functions that answer the runtime's questions; each may be left out.

    A function may be plain or async. It is called with the question, as a model, and returns the protocol's answer: as
    a model, as a mapping with the same content, or in the short form that is named below. Approvals, and what an MCP
    server asks, may be answered with `True` and `False`. A question is declined if it has no function, or if the
    function returns None or raises, which is logged. An async one is cancelled once no answer is needed any more.

    Attributes:
        command_approval: whether a command may run (``item/commandExecution/requestApproval``). In short:
            ``"accept"``, ``"acceptForSession"``, ``"decline"``, or ``"cancel"``, which also ends the turn.
        file_change_approval: whether files may be changed (``item/fileChange/requestApproval``). In short: the same
            words.
        permissions_approval: which of the permissions that a tool asks for it gets
            (``item/permissions/requestApproval``). `True` is all of them, until the turn ends.
        user_input: the person's answers to a tool's questions (``item/tool/requestUserInput``). In short: a mapping
            from the id of a question to the answer or answers.
        mcp_elicitation: the person's answer to an MCP server (``mcpServer/elicitation/request``). In short: the action
            alone.
        tool_call: the result of a tool of this program (``item/tool/call``). In short: a text. Such tools are announced
            with the option ``dynamic_tools`` of `Codex.thread_start`.
        token_refresh: new tokens, for a program that logs in by itself (``account/chatgptAuthTokens/refresh``).
        attestation: a token that vouches for this program (``attestation/generate``). In short: the token alone.
        current_time: what time it is (``currentTime/read``). In short: seconds since 1970.
        patch_approval: as `file_change_approval`, in the words of the first protocol (``applyPatchApproval``).
        exec_approval: as `command_approval`, in the words of the first protocol (``execCommandApproval``).

    Raises:
        TypeError: if one of them is no function, or cannot be called with the question alone.
    """

    command_approval: (
        Handler[g.CommandExecutionRequestApprovalParams, g.CommandExecutionRequestApprovalResponse | Decision | bool]
        | None
    ) = None
    file_change_approval: (
        Handler[g.FileChangeRequestApprovalParams, g.FileChangeRequestApprovalResponse | Decision | bool] | None
    ) = None
    permissions_approval: (
        Handler[g.PermissionsRequestApprovalParams, g.PermissionsRequestApprovalResponse | bool] | None
    ) = None
    user_input: (
        Handler[g.ToolRequestUserInputParams, g.ToolRequestUserInputResponse | Mapping[str, str | Sequence[str]]] | None
    ) = None
    mcp_elicitation: (
        Handler[
            g.McpServerElicitationRequestParams,
            g.McpServerElicitationRequestResponse | Literal["accept", "decline", "cancel"] | bool,
        ]
        | None
    ) = None
    tool_call: Handler[g.DynamicToolCallParams, g.DynamicToolCallResponse | str] | None = None
    token_refresh: Handler[g.ChatgptAuthTokensRefreshParams, g.ChatgptAuthTokensRefreshResponse] | None = None
    attestation: Handler[g.AttestationGenerateParams, g.AttestationGenerateResponse | str] | None = None
    current_time: Handler[g.CurrentTimeReadParams, g.CurrentTimeReadResponse | int] | None = None
    patch_approval: Handler[g.ApplyPatchApprovalParams, g.ApplyPatchApprovalResponse | Legacy | bool] | None = None
    exec_approval: Handler[g.ExecCommandApprovalParams, g.ExecCommandApprovalResponse | Legacy | bool] | None = None

    def __post_init__(self) -> None:
        """Refuse what could only fail when it is asked."""
        for each in fields(self):
            handler = getattr(self, each.name)
            if handler is not None:
                check_function(f"Handlers.{each.name}", handler, "the question")
                if isinstance(handler, type):  # `bool` would say yes to everything
                    raise TypeError(f"Handlers.{each.name} must be a function, not the class {handler.__name__}")


# A misspelt name is answered with the one that was probably meant.
Handlers.__init__ = suggesting(Handlers.__init__)  # type: ignore[method-assign]


def check_function(name: str, function: object, takes: str) -> None:
    """Refuse what cannot be called with one argument, which could only fail when it is.

    Args:
        name: what it is called in messages.
        function: what is checked.
        takes: what it is called with, in a few words.

    Raises:
        TypeError: if it is no function, or wants more or fewer arguments.
    """
    if not callable(function):
        raise TypeError(f"{name} must be a function that takes {takes}, not {function!r}")
    try:
        parameters = signature(function)
    except Exception:  # it is of a kind that does not say, or its annotations are for type checkers (Python 3.14)
        return
    try:
        parameters.bind(None)
    except TypeError as error:
        raise TypeError(f"{name} is called with one argument, {takes}: {error}") from None


def is_async(function: Callable[..., object]) -> bool:
    """Whether an event loop calls a function itself, for it gives something to wait for; any other needs a thread."""
    plain: Any = function
    while isinstance(plain, functools.partial):  # not by its attributes: a mock has every one, and so on without end
        plain = plain.func
    return iscoroutinefunction(plain) or iscoroutinefunction(getattr(plain, "__call__", None))  # noqa: B004
