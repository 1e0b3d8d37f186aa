"""Turns that are being stopped, and what waits until they are.

A turn that was started is not under way at once, and the runtime refuses to interrupt one that is not: such an
interruption is sent again with the turn's next event. Until it is over nothing is said in that thread, for it would
join the turn that is being stopped. The same holds while a turn may yet begin that nobody waits for any more.

`watch`, `is_refused`, `heard` and `forget` are for the one who reads; the others are steps that may be taken anywhere.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from codex_app_server.protocol.streams import LAST

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import ErrorResponse
    from codex_app_server.protocol.request import Request

__all__ = ["Stops"]

_MOST_TRIES = 10
"""How often an interruption is sent."""

_NOT_UNDER_WAY = "no active turn"
"""What the runtime says to an interruption that comes too early (0.169.0, 0.171.0), or too late."""


class Stops:
    """What is being stopped in one conversation, and what is held back for it."""

    def __init__(self) -> None:
        self._threads: dict[Request, str] = {}
        self._by_turn: dict[str, list[Request]] = {}
        self._held: deque[tuple[Request, bytes]] = deque()

    def begin(self, request: Request) -> None:
        """Something is on its way that stops a turn of its thread, or that nobody wants any more and begins one."""
        self._threads[request] = request.thread_id

    def end(self, request: Request) -> None:
        """It had its answer, or is not sent."""
        self._threads.pop(request, None)

    def end_all(self, thread_id: str) -> None:
        """Nothing is waited for any longer in a thread."""
        # Not `items()`: each pair that is made may set off the garbage collector, and by that another thread.
        for request in list(self._threads):
            if self._threads.get(request) == thread_id:
                self.end(request)

    def hold(self, request: Request, line: bytes) -> bool:
        """Hold back what is to be said in a thread where something is being stopped; whether it is held back."""
        if not self._is_in(request.thread_id):
            return False
        self._held.append((request, line))
        return self._is_in(request.thread_id) or self.withdraw(request) is None  # it may just have ended

    def is_held(self, request: Request) -> bool:
        """Whether a request is held back."""
        return any(held is request for held, _ in list(self._held))

    def withdraw(self, request: Request) -> bytes | None:
        """Hold a request back no longer: its line, if it was held back."""
        for held in list(self._held):
            if held[0] is request:
                with suppress(ValueError):  # somebody else was faster
                    self._held.remove(held)
                    return held[1]
        return None

    def released(self) -> list[tuple[Request, bytes]]:
        """What may be said now."""
        return [
            (request, line)
            for request, line in list(self._held)
            if not self._is_in(request.thread_id) and self.withdraw(request) is not None
        ]

    def _is_in(self, thread_id: str) -> bool:
        return bool(self._threads) and thread_id in list(self._threads.values())

    # What follows is for the one who reads.

    def watch(self, request: Request) -> None:
        """From here on what is heard of its turn counts for an interruption."""
        if (log := request.interrupts) is not None:
            self._by_turn.setdefault(log.topic.id, []).append(request)

    def is_refused(self, request: Request, answer: ErrorResponse) -> bool:
        """Whether an answer says that an interruption came too early, so that it is to be sent again."""
        is_early = request.interrupts is not None and not request.interrupts.is_complete
        return is_early and _NOT_UNDER_WAY in answer.message and request.tries < _MOST_TRIES

    def heard(self, turn_id: str | None, method: str) -> tuple[list[Request], list[tuple[Request, ErrorResponse]]]:
        """There was an event of a turn.

        Returns:
            the interruptions to send again, and those that came too late, with what the runtime said to them.
        """
        again: list[Request] = []
        late: list[tuple[Request, ErrorResponse]] = []
        for request in list(self._by_turn.get(turn_id or "", ())):
            request.was_heard = True
            if method in LAST["turn"]:
                self.forget(request)
                if request.refusal is not None:
                    late.append((request, request.refusal))
            elif request.refusal is not None:
                again.append(request)
        return again, late

    def forget(self, request: Request) -> None:
        """An interruption is over."""
        self.end(request)
        log = request.interrupts
        if log is not None and (others := self._by_turn.get(log.topic.id)) is not None:
            remaining = [other for other in others if other is not request]
            if remaining:
                self._by_turn[log.topic.id] = remaining
            else:
                del self._by_turn[log.topic.id]

    @property
    def are_watched(self) -> bool:
        """Whether any event counts."""
        return bool(self._by_turn)
