"""What a tool may know of the call it is in, and what it may say to the model when it cannot do what was asked."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

__all__ = ["ToolContext", "ToolError"]


class ToolError(Exception):
    """Raise this in a tool to tell the model, in these words, that the tool could not do what was asked.

    The model is told of any other exception of a tool too, with the name of its class before it. Those are also logged.
    """


@dataclass(frozen=True)
class ToolContext:
    """One call of a tool. A parameter that is annotated with this class gets it; the model does not see the parameter.

    Attributes:
        thread_id: the id of the thread that the tool is called in; if a sub-agent calls it, of the sub-agent's thread.
        turn_id: the id of the turn.
        call_id: the id of the call; its item has the same id.
        tool: the name of the tool.
        namespace: the namespace of the tool, if it has one.
    """

    thread_id: str = ""
    turn_id: str = ""
    call_id: str = ""
    tool: str = ""
    namespace: str | None = None
    _over: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody waits for the result any more: the turn has ended, the time is up, or the client is closed.

        A coroutine is cancelled then. A plain function goes on, so if it takes long, it should look here now and then.
        """
        return self._over.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Sleep, but only as long as somebody waits for the result; for plain functions.

        Args:
            seconds: how long to sleep; None is until the call is cancelled.

        Returns:
            whether the call is cancelled.
        """
        return self._over.wait(seconds)

    def cancel(self) -> None:
        """Say that nobody waits any more. The client calls this, and tests may."""
        self._over.set()
