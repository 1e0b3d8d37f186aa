"""Rules: plain values that decide a request for approval, or leave it to the next rule.

A rule is a function that is called with an `ApprovalRequest`. It returns a decision, `True` (accept), `False`
(decline), or None, which leaves the request to the next rule. Rules are asked in the order of their list, and the first
one that decides counts. Ready rules and functions of your own, plain or async, may stand in one list. What no rule
decides is left to the handler for it, and otherwise declined.

No rule of this module grants anything for good.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypeAlias

from codex_app_server.approvals.commands import Pattern
from codex_app_server.approvals.paths import Places
from codex_app_server.approvals.reading import only_reads
from codex_app_server.approvals.requests import CommandApproval, FileChangeApproval, McpToolApproval
from codex_app_server.handlers import check_function

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from codex_app_server.approvals.requests import ApprovalRequest, FileChange
    from codex_app_server.handlers import Decision
    from codex_app_server.protocol.messages import JsonValue

__all__ = [
    "ApprovalDecision",
    "ApprovalRule",
    "allow_commands",
    "allow_mcp_tools",
    "allow_paths",
    "approve_all",
    "check_rule",
    "decline_all",
    "for_session",
    "name_of",
    "read_only",
    "wire",
]

ApprovalRule: TypeAlias = (
    "Callable[[ApprovalRequest], Decision | bool | Awaitable[Decision | bool | None] | None]"  # for type checkers
)
"""A function, plain or async, that decides a request, as `True`, ``"accept"`` or ``"acceptForSession"``, `False`,
``"decline"`` or ``"cancel"``; None leaves it to the next rule."""


@dataclass(frozen=True, kw_only=True)
class ApprovalDecision:
    """How a request was decided, and by which rule; `Observers.on_decision` is called with it.

    Attributes:
        request: what was asked.
        decision: the answer that the runtime gets.
        rule: what decided: a rule, e.g. ``allow_commands('git status')``, the name of a function, or a handler, e.g.
            ``Handlers.command_approval``. Empty if nothing did, and the request was declined.
        error: what the rule or the handler raised; the request was declined then. None if it raised nothing.
    """

    request: ApprovalRequest
    decision: Decision
    rule: str
    error: BaseException | None = field(default=None, compare=False)

    @property
    def is_granted(self) -> bool:
        """Whether it was allowed."""
        return self.decision in {"accept", "acceptForSession"}


class _Rule:
    """A rule of this package; it can be pickled, for a runtime in another process.

    Args:
        name: how it is written.
        decide: what it does; something that can be pickled.
    """

    def __init__(self, name: str, decide: Callable[[ApprovalRequest], Decision | bool | None]) -> None:
        self._name = name
        self._decide = decide

    def __call__(self, request: ApprovalRequest) -> Decision | bool | None:
        """Decide, or leave it with None to the next rule."""
        return self._decide(request)

    def __repr__(self) -> str:
        """How it is written."""
        return self._name


def _accept(_: ApprovalRequest) -> Decision:
    return "accept"


def _decline(_: ApprovalRequest) -> Decision:
    return "decline"


approve_all: ApprovalRule = _Rule("approve_all", _accept)
"""Accept everything, each time only for this once. For runtimes that can do no harm, as in a container."""

decline_all: ApprovalRule = _Rule("decline_all", _decline)
"""Decline everything. What no rule decides is declined anyway, unless a handler decides it."""


def _reads(request: ApprovalRequest) -> Decision | None:
    if not isinstance(request, CommandApproval) or not request.runs:
        return None
    return "accept" if all(map(only_reads, request.runs)) else None


read_only: ApprovalRule = _Rule("read_only", _reads)
"""Accept commands that only read, by this package's own list: ``ls``, ``cat``, ``rg`` and others like them, without the
options that write or run something. Other commands, changes of files, permissions and tools are left to the next
rule."""


def allow_commands(*patterns: str) -> ApprovalRule:
    r"""Accept commands that match a pattern; if a line has several commands, all of them must match one.

    A pattern consists of words. ``git status`` is that command and nothing else, and ``ls *`` is ``ls`` with any
    further words. Elsewhere ``*`` and ``?`` stand for characters of a file's name, and in quotes for themselves (see
    `approvals.commands.Pattern`).

    No pattern matches a line with more in it than plain commands (``$(…)``, backticks, ``>``, ``&``, ``VAR=…``,
    keywords), a command that wants more permissions than the sandbox gives, or what is typed into a running command.

    Args:
        *patterns: patterns of commands, quoted as in a shell.

    Raises:
        TypeError: if a pattern is no string.
        ValueError: if there is no pattern, or one is empty, or has something in it that no pattern matches.
    """
    known = [Pattern(each) for each in _texts("allow_commands", patterns)]
    return _Rule(_written("allow_commands", patterns), partial(_commands, known))


def _commands(patterns: Sequence[Pattern], request: ApprovalRequest) -> Decision | None:
    if not isinstance(request, CommandApproval) or not request.runs:
        return None
    is_allowed = all(any(pattern.matches(part) for pattern in patterns) for part in request.runs)
    return "accept" if is_allowed else None


def allow_paths(*paths: str | os.PathLike[str]) -> ApprovalRule:
    """Accept changes of files that all lie in these directories, or are these files, wherever links and ``..`` lead.

    A link that is deleted or moved has to lie there itself, too. Links are looked up on this machine, so the rule is
    none for a runtime on another one.

    Files in a directory ``.git``, ``.codex`` or ``.agents`` further down are left to the next rule, because such files
    are run, or tell agents what to do. So are changes that are not known, and a request to change anything below a
    directory.

    Args:
        *paths: files and directories; relative ones are in the current directory.

    Raises:
        TypeError: if one is no path, or is bytes.
        ValueError: if there is no path, or one is empty; the current directory is ``.``.
    """
    _check_some("allow_paths", paths)
    return _Rule(_written("allow_paths", paths), partial(_changes, Places(*paths)))


def _changes(places: Places, request: ApprovalRequest) -> Decision | None:
    if not isinstance(request, FileChangeApproval) or not request.changes or request.grant_root is not None:
        return None
    return "accept" if all(_is_covered(each, places) for each in request.changes) else None


def _is_covered(change: FileChange, places: Places) -> bool:
    is_removed = change.move_to is not None or change.kind not in {"add", "update"}
    return places.cover(change.path, is_removed=is_removed) and (change.move_to is None or places.cover(change.move_to))


def allow_mcp_tools(*tools: str) -> ApprovalRule:
    """Accept calls of tools of MCP servers.

    Args:
        *tools: each is ``server/tool``, where ``*`` stands for any characters: ``search/*``, ``files/read_*``.

    Raises:
        TypeError: if one is no string.
        ValueError: if there is none, or one does not name both a server and a tool.
    """
    pairs = [each.partition("/")[::2] for each in _texts("allow_mcp_tools", tools)]
    for tool, (server, name) in zip(tools, pairs, strict=True):
        if not server or not name:
            raise ValueError(f"a tool is named by its server and itself, as search/find, not {tool!r}")
    return _Rule(_written("allow_mcp_tools", tools), partial(_tools, pairs))


def _tools(pairs: Sequence[tuple[str, ...]], request: ApprovalRequest) -> Decision | None:
    if not isinstance(request, McpToolApproval):
        return None
    is_named = any(fnmatchcase(request.server, server) and fnmatchcase(request.tool, name) for server, name in pairs)
    return "accept" if is_named else None


class for_session:  # noqa: N801 - it is used like the functions above
    """Accept what another rule accepts, for the whole session: the runtime does not ask for the same again.

    "The same" means the same command, the same files or the same tool. Permissions that are granted stay granted.

    Args:
        rule: the other rule.

    Raises:
        TypeError: if it is no rule.
    """

    def __init__(self, rule: ApprovalRule) -> None:
        check_rule("for_session", rule)
        self._rule = rule

    def __call__(self, request: ApprovalRequest) -> Decision | bool | Awaitable[Decision | bool | None] | None:
        """Decide as the other one, for longer."""
        given = self._rule(request)
        return _later(given) if isawaitable(given) else _longer(given)

    def __repr__(self) -> str:
        """How it is written."""
        return f"for_session({name_of(self._rule)})"


def _longer(given: Decision | bool | None) -> Decision | bool | None:
    return "acceptForSession" if given is True or given == "accept" else given


async def _later(given: Awaitable[Decision | bool | None]) -> Decision | bool | None:
    return _longer(await given)


_MAKERS = (allow_commands, allow_paths, allow_mcp_tools)


def check_rule(where: str, rule: object) -> None:
    """Refuse what could not decide anything, or would decide everything, as `bool`.

    Args:
        where: what takes it, for messages.
        rule: what is checked.

    Raises:
        TypeError: if it is no function of a request, or one that makes a rule and was not called.
    """
    if isinstance(rule, type) or any(rule is each for each in _MAKERS):
        name = name_of(rule)
        is_ours = rule is for_session or not isinstance(rule, type)
        remedy = f"makes one when it is called: {name}(...)" if is_ours else "is a class"
        raise TypeError(f"{where} takes rules, which are functions of a request, and {name} {remedy}")
    check_function(f"{where}: the rule {name_of(rule)}", rule, "the request")


def name_of(rule: object) -> str:
    """What a rule is called: a function by its name, else as it is written."""
    name = getattr(rule, "__qualname__", None)
    return name if isinstance(name, str) else repr(rule)


def wire(request: ApprovalRequest, decision: Decision) -> dict[str, Any]:
    """The answer to a request."""
    is_granted = decision in {"accept", "acceptForSession"}
    is_longer = decision == "acceptForSession"
    if isinstance(request, McpToolApproval):
        answer: dict[str, JsonValue] = {"action": "accept" if is_granted else decision}
        if is_granted:
            answer["content"] = {}
        if is_longer and request.can_be_remembered:
            answer["_meta"] = {"persist": "session"}
        return answer
    if isinstance(request, CommandApproval | FileChangeApproval):
        return {"decision": decision}
    granted: Mapping[str, JsonValue] = request.permissions if is_granted else {}
    return {"permissions": dict(granted), "scope": "session" if is_longer else "turn"}


def _check_some(function: str, given: tuple[object, ...]) -> None:
    if not given:
        raise ValueError(f"{function}() allows nothing: name what it is to allow, or leave the rule out")


def _texts(function: str, given: tuple[object, ...]) -> list[str]:
    _check_some(function, given)
    for each in given:
        if not isinstance(each, str):
            raise TypeError(f"{function} takes strings, not {each!r}")
    return [str(each) for each in given]


def _written(function: str, given: tuple[object, ...]) -> str:
    return f"{function}({', '.join(repr(str(each)) for each in given)})"
