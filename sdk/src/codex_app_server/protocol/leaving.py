"""Which threads a client has left: the runtime tells it nothing more of them, so no turn there would end for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue
    from codex_app_server.protocol.request import Request

__all__ = ["LeftThreads"]

_MOST = 1000
"""How many are kept in mind; whoever goes on by mistake with one that it has left does so soon."""


class LeftThreads:
    """The threads that were left, and not resumed since."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def __contains__(self, thread_id: str) -> bool:
        """Whether a thread was left."""
        return thread_id in self._ids

    def why(self, thread_id: str) -> str:
        """Why nothing is said of a turn in a thread that was left, and what to do."""
        return (
            f"this client has left the thread {thread_id} (thread/unsubscribe), and hears nothing of turns there; "
            f"go on with thread_resume({thread_id!r})"
        )

    def refusal(self, request: Request) -> str | None:
        """Why a request is not to be sent: nobody would hear of the turn that it begins; None if it may be."""
        return self.why(request.thread_id) if request.announces_turn and request.thread_id in self else None

    def answered(self, request: Request, result: JsonValue) -> None:
        """Keep in mind what an answer means for a thread."""
        if request.method == "thread/unsubscribe":
            self._ids[request.thread_id] = None
            if len(self._ids) > _MOST:
                del self._ids[next(iter(self._ids))]
        elif request.method == "thread/resume" and isinstance(result, dict):
            thread = result.get("thread")
            self._ids.pop(str(thread.get("id")) if isinstance(thread, dict) else request.thread_id, None)
