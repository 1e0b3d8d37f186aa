"""Observers: functions that are shown what happens, and change nothing.

They hold nothing else up, and are called in the order of the events: with asyncio async functions in the loop and plain
ones in a thread, otherwise all of them in a thread. Each `Observers` has a thread or a task of its own, so a slow one
is late itself, and nothing else is. One that falls more than `AppServerConfig.max_buffered_events` behind misses the
rest. If one raises, that is logged. A call that ends with the turn waits up to a second for its observers to see the
end too; so does `close`.

Nothing looks at what they return, so they cannot stop anything. An approval can (`AppServerConfig.approvals`), and
`Turn.interrupt`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from codex_app_server.handlers import check_function, is_async
from codex_app_server.suggesting import nearest, suggesting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codex_app_server.approvals.rules import ApprovalDecision
    from codex_app_server.events import Notification
    from codex_app_server.generated import ErrorNotification, ThreadTokenUsageUpdatedNotification
    from codex_app_server.generated.events import Event
    from codex_app_server.streaming import Words

__all__ = ["Call", "Observers", "calls"]

_WORDS = (
    *("userMessage", "hookPrompt", "agentMessage", "functionCallOutput", "plan", "reasoning", "commandExecution"),
    *("fileChange", "mcpToolCall", "dynamicToolCall", "collabAgentToolCall", "subAgentActivity", "webSearch"),
    *("imageView", "sleep", "imageGeneration", "enteredReviewMode", "exitedReviewMode", "contextCompaction"),
)
"""The protocol's words for items, to find what a misspelt one was meant to be; the models know more of them."""

_UNKNOWN = "UnknownObject"
"""What an item is whose kind is not known."""

_ALIKE = 0.85
"""From where on a word is a known one, misspelt: a slip, or another way to join its words."""


@dataclass(frozen=True, kw_only=True)
class Observers:
    """Functions that are shown what happens, and change nothing.

    They may be plain or async. Each takes one argument, and each may be left out.

    Attributes:
        on_event: is called with every event.
        on_item: functions for finished items, by the kind of item: its class, e.g.
            `generated.CommandExecutionThreadItem`, or the protocol's word for it, e.g. ``commandExecution``.
        on_text: is called with the agent's words, piece by piece; with a message that was not streamed, once.
        on_usage: is called with the tokens used so far, whenever the runtime reports them.
        on_error: is called with what went wrong, also if the runtime tries again.
        on_decision: is called with how an approval was decided, and by which rule.

    Raises:
        TypeError: if one is no function of one argument, or `on_item` is no mapping of such functions by kinds of
            items.
        ValueError: if a word in `on_item` is misspelt. A word that is like no known one is accepted, because a newer
            runtime may have it.
    """

    on_event: Callable[[Event], object] | None = None
    on_item: Mapping[type[Any] | str, Callable[[Any], object]] = field(default_factory=dict)
    on_text: Callable[[str], object] | None = None
    on_usage: Callable[[ThreadTokenUsageUpdatedNotification], object] | None = None
    on_error: Callable[[ErrorNotification], object] | None = None
    on_decision: Callable[[ApprovalDecision], object] | None = None

    def __post_init__(self) -> None:
        """Refuse what could only fail when something happens."""
        if not isinstance(self.on_item, Mapping):
            raise TypeError(f"on_item must be functions by the kind of item, not {self.on_item!r}")
        items: Any = self.on_item.items()
        for kind, function in items:
            if not isinstance(kind, (type, str)) or not callable(function):
                raise TypeError(f"on_item must be functions by the kind of item, not {kind!r}: {function!r}")
            _check_kind(kind)
            check_function(f"on_item: the function for {kind!r}", function, "the item")
        for each in fields(self):
            function = getattr(self, each.name)
            if function is not None and each.name != "on_item":
                check_function(each.name, function, "what it is shown")


# A misspelt name is answered with the one that was probably meant.
Observers.__init__ = suggesting(Observers.__init__)  # type: ignore[method-assign]


def _check_kind(kind: type[Any] | str) -> None:
    """Refuse a kind that no item is of."""
    if isinstance(kind, str):
        if kind not in _WORDS and (meant := nearest(kind, _WORDS, least=_ALIKE)) is not None:
            raise ValueError(f"on_item: no item is of the kind {kind!r}. Did you mean {meant!r}?")
    elif not any(name.endswith("ThreadItem") or name == _UNKNOWN for name in (cls.__name__ for cls in kind.__mro__)):
        raise TypeError(f"on_item: {kind.__name__} is no class of items, such as generated.AgentMessageThreadItem")


class Call(NamedTuple):
    """One function to call.

    Attributes:
        name: of the attribute that it is.
        function: itself.
        argument: what it is shown.
    """

    name: str
    function: Callable[[Any], object]
    argument: object

    @property
    def is_async(self) -> bool:
        """Whether calling it never takes long, and gives something to wait for."""
        return is_async(self.function)


def calls(observers: Observers, event: Notification, words: Words) -> Iterator[Call]:
    """Whom to show an event, and what of it; `words` are of all the events before."""
    method = event.method
    if observers.on_event is not None:
        yield Call("on_event", observers.on_event, event)
    if observers.on_text is not None and (text := words.of(event)):
        yield Call("on_text", observers.on_text, text)
    if method == "thread/tokenUsage/updated":
        if observers.on_usage is not None:
            yield Call("on_usage", observers.on_usage, event.payload)
    elif method == "error":
        if observers.on_error is not None:
            yield Call("on_error", observers.on_error, event.payload)
    elif method == "item/completed" and observers.on_item:
        item: Any = getattr(event.payload, "item", None)
        kind = getattr(item, "type", None)
        for wanted, function in observers.on_item.items():
            if kind == wanted if isinstance(wanted, str) else isinstance(item, wanted):
                yield Call("on_item", function, item)
