"""Which tools each thread has here, and how the runtime is told of them.

Plain values, read and written in single steps, from any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codex_app_server.errors import ExperimentalApiError
from codex_app_server.tools.names import check_no_duplicates
from codex_app_server.tools.tool import Tool, tool_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeAlias

    from codex_app_server.protocol.messages import JsonValue

    ToolLike: TypeAlias = Callable[..., object] | Tool[..., object]
    Key: TypeAlias = tuple[str | None, str]
    Tools: TypeAlias = Mapping[Key, Tool[..., object]]

__all__ = ["Toolbox", "announced", "parent_in", "tools_of"]


def tools_of(given: Iterable[ToolLike]) -> Tools:
    """Tools by namespace and name.

    Raises:
        TypeError, ValueError: if something is no tool, cannot be described, or has a name that will not do.
    """
    if callable(given):
        raise TypeError(f"tools is a list of functions, not {given!r}")
    tools = [tool_of(each) for each in given]
    keys: list[Key] = [(each.namespace.name if each.namespace else None, each.name) for each in tools]
    check_no_duplicates(keys)
    for each in tools:
        each.definition  # noqa: B018 - so that what is wrong is told now
    return dict(zip(keys, tools, strict=True))


def announced(tools: Tools, options: Mapping[str, object], *, experimental_api: bool) -> dict[str, object]:
    """The options of ``thread/start`` with the tools in them, behind those that are there already.

    Raises:
        ExperimentalApiError: without `experimental_api`, which a client must have said when it connected.
    """
    if not experimental_api:
        raise ExperimentalApiError(
            "that the agent calls Python functions is an experimental part of the protocol: set "
            "AppServerConfig(experimental_api=True)"
        )
    others: Any = options.get("dynamicTools") or ()
    return {**options, "dynamicTools": [*others, *_declared(tools)]}


def _declared(tools: Tools) -> list[JsonValue]:
    """Those of a namespace together, in the order they were given."""
    declarations: list[JsonValue] = []
    of_namespaces: dict[str, list[JsonValue]] = {}
    words = {each.namespace.name: "" for each in tools.values() if each.namespace}
    words |= {
        each.namespace.name: each.namespace.description
        for each in tools.values()
        if each.namespace and each.namespace.description
    }
    for each in tools.values():
        definition = each.definition
        function: dict[str, JsonValue] = {
            "type": "function",
            "name": each.name,
            "description": definition.description,
            "inputSchema": definition.schema,
        }
        if each.deferred:
            function["deferLoading"] = True
        if each.namespace is None:
            declarations.append(function)
            continue
        name = each.namespace.name
        if name not in of_namespaces:
            members = of_namespaces[name] = []
            declarations.append({"type": "namespace", "name": name, "description": words[name], "tools": members})
        of_namespaces[name].append(function)
    return declarations


def parent_in(answer: JsonValue) -> str | None:
    """The thread that a thread works for, of what ``thread/read`` answers."""
    thread = answer.get("thread") if isinstance(answer, dict) else None
    parent = thread.get("parentThreadId") if isinstance(thread, dict) else None
    return parent if isinstance(parent, str) else None


class Toolbox:
    """The tools of a client's threads."""

    def __init__(self) -> None:
        self._of_threads: dict[str, Tools] = {}

    def put(self, thread_id: str, tools: Tools | None) -> Tools | None:
        """A thread has these tools from now on, perhaps none, or with None nothing is known; which it had before."""
        before = self._of_threads.get(thread_id)
        if tools is None:
            self._of_threads.pop(thread_id, None)
        else:
            self._of_threads[thread_id] = tools
        return before

    def found(self, thread_id: str, tools: Tools) -> Tools:
        """A thread of which nothing was known has these tools, unless it was given others meanwhile; which it has."""
        return self._of_threads.setdefault(thread_id, tools)

    def forget(self, params: JsonValue) -> None:
        """A thread is gone, as ``thread/closed`` and its like say; who opens it again gives it its tools again."""
        if isinstance(params, dict):
            self._of_threads.pop(str(params.get("threadId")), None)

    def of(self, thread_id: str) -> Tools | None:
        """The tools of a thread; None if nothing is known of it."""
        return self._of_threads.get(thread_id)
