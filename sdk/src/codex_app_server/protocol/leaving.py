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

    def refusal(self, request: Request) -> str | None:
        """Why a request is not to be sent: nobody would hear of the turn that it begins; None if it may be."""
        if not request.announces_turn or request.thread_id not in self._ids:
            return None
        return (
            f"this client has left the thread {request.thread_id} (thread/unsubscribe), and would hear nothing of a "
            f"turn there; go on with thread_resume({request.thread_id!r})"
        )

    def answered(self, request: Request, result: JsonValue) -> None:
        """Keep in mind what an answer means for a thread."""
        if request.method == "thread/unsubscribe":
            self._ids[request.thread_id] = None
            if len(self._ids) > _MOST:
                del self._ids[next(iter(self._ids))]
        elif request.method == "thread/resume" and isinstance(result, dict):
            thread = result.get("thread")
            self._ids.pop(str(thread.get("id")) if isinstance(thread, dict) else request.thread_id, None)
