"""What a tool may know of the call it is in, and what it may say to the model when it cannot do what was asked."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

__all__ = ["ToolContext", "ToolError"]


class ToolError(Exception):
    """What a tool raises to tell the model, in these words, that it could not do what was asked.

    Whatever else a tool raises is told to the model too, with the name of its class before it, and is logged.
    """


@dataclass(frozen=True)
class ToolContext:
    """One call of a tool. A parameter that is annotated with this class gets it; the model does not see the parameter.

    Attributes:
        thread_id: the thread it is called in; if a sub-agent calls it, that of the sub-agent.
        turn_id: the turn.
        call_id: of the call; its item has the same id.
        tool: the name of the tool.
        namespace: where the tool belongs, if anywhere.
    """

    thread_id: str = ""
    turn_id: str = ""
    call_id: str = ""
    tool: str = ""
    namespace: str | None = None
    _over: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody waits for the result any more: the turn has ended, the time was up, or the client was closed.

        A coroutine is cancelled then. A plain function goes on, so one that takes long should look here now and then.
        """
        return self._over.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Sleep, unless nobody waits for the result any more; for plain functions.

        Args:
            seconds: how long; None is until then.

        Returns:
            whether the call is cancelled.
        """
        return self._over.wait(seconds)

    def cancel(self) -> None:
        """Say that nobody waits any more; the client does, and tests may."""
        self._over.set()
