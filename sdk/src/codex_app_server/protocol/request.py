"""A call on its way: what is asked, who waits for the answer, and what is known of it so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codex_app_server.protocol.messages import encode_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_app_server.protocol.log import Log
    from codex_app_server.protocol.messages import ErrorResponse, Junk, Response

__all__ = ["Request"]


class Request:
    """A call: who waits for its answer, and what is known of it.

    Args:
        method: the protocol's name.
        params: its parameters; with None the member is left out.
        waiter: who waits, how it is woken the drivers know; None if nobody does.
        announces_turn: whether its answer names a turn that begins; that turn's log is open from then on.
        interrupts: the turn that it stops, if it does.

    Raises:
        TypeError: if the method is no string: no server would answer that.

    Attributes:
        answer: what came of it, once it did.
        is_given_up: whether nobody waits any more.
        is_sent: whether it may be on its way; kept by the driver.
        refusal: what the runtime said to an interruption, which now waits for the turn's next event.
        was_heard: whether there was an event of the turn since the interruption was sent.
        tries: how often it was sent again.
        trace: the trace that it belongs to, which goes along with it.
    """

    __slots__ = (
        "announces_turn",
        "answer",
        "id",
        "interrupts",
        "is_given_up",
        "is_sent",
        "method",
        "params",
        "refusal",
        "trace",
        "tries",
        "waiter",
        "was_heard",
    )

    def __init__(
        self,
        method: str,
        params: Mapping[str, object] | None,
        waiter: Any = None,
        *,
        announces_turn: bool = False,
        interrupts: Log | None = None,
    ) -> None:
        given: object = method
        if not isinstance(given, str):
            raise TypeError(f"the method of a call must be a string, e.g. 'model/list', not {method!r}")
        self.method = method
        self.waiter = waiter
        self.announces_turn = announces_turn
        self.interrupts = interrupts
        self.id = 0
        self.answer: Response | ErrorResponse | Junk | None = None
        self.is_given_up = False
        self.is_sent = False
        self.refusal: ErrorResponse | None = None
        self.was_heard = False
        self.tries = 0
        self.trace: Mapping[str, str] | None = None
        self.params = params

    def encode(self, request_id: int) -> bytes:
        """Its line; raises as `encode_request`."""
        self.id = request_id
        return encode_request(request_id, self.method, self.params, self.trace)

    def param(self, name: str) -> str | None:
        """One of its parameters, if it is a string."""
        found = self.params.get(name) if self.params else None
        return found if isinstance(found, str) else None

    @property
    def thread_id(self) -> str:
        """Of the thread that it is about; empty if it names none."""
        return self.param("threadId") or ""
