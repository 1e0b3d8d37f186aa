"""Questions of a server over several connections: each is put to this client once, and has one answer.

A server asks again, with the same id, whoever joins a thread in which something waits for an answer. But one that was
started anew counts its questions from 0 again: an answer to an old one must never be taken for one to a new one, which
may be about another command. So a question is known by what it says, and after the first connection it has an id here
that it has nowhere else.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue, RequestId

__all__ = ["Questions"]

_ANSWER = re.compile(rb'\{"id":(-?\d+|"(?:[^"\\]|\\.)*")(?=,"(?:result|error)":)')


class _Question:
    """A question that is not known to be settled.

    Attributes:
        id: what it is called here, as on the wire.
        remote_id: what the server calls it on this connection; None until it asks it there.
        answer: this client's, once there is one.
        is_late: whether its turn is over: in code mode, what a turn has begun may still be asked for then.
    """

    __slots__ = ("answer", "id", "is_late", "method", "params", "remote_id")

    def __init__(self, own_id: bytes, remote_id: bytes, method: str, params: JsonValue) -> None:
        self.id = own_id
        self.remote_id: bytes | None = remote_id
        self.method = method
        self.params = params
        self.answer: bytes | None = None
        self.is_late = False

    def of(self, member: str) -> str | None:
        """A member of its params."""
        found = self.params.get(member) if isinstance(self.params, dict) else None
        return found if isinstance(found, str) else None


class Questions:
    """The questions that are not settled."""

    def __init__(self) -> None:
        self._open: dict[bytes, _Question] = {}
        self._connections = 0

    def asked(self, request_id: RequestId, method: str, params: JsonValue, line: bytes) -> tuple[bytes, bytes]:
        """The server asks.

        Returns:
            the line to hand on, and the answer to send; each empty if there is none.
        """
        remote_id = json.dumps(request_id).encode()
        for known in self._open.values():
            if known.remote_id in {None, remote_id} and known.method == method and known.params == params:
                if known.remote_id is not None:  # the thread was resumed once more: what is to be sent was sent
                    return b"", b""
                known.remote_id = remote_id
                return b"", self._addressed(known)
        own_id = json.dumps(self._own_id(request_id)).encode()
        if self._connections:
            line = json.dumps({"method": method, "id": self._own_id(request_id), "params": params}).encode()
        self._open[own_id] = _Question(own_id, remote_id, method, params)
        return line, b""

    def answered(self, line: bytes) -> bytes | None:
        """This client answers: what to send now, or nothing yet; None if the line is no answer."""
        found = _ANSWER.match(line)
        if found is None:
            return None
        question = self._open.get(found[1])
        if question is None:  # it was settled otherwise
            return b""
        question.answer = line[found.end() :]
        if question.of("threadId") is None or question.is_late:  # perhaps nobody will say that it is settled
            del self._open[question.id]
        return self._addressed(question)

    def resolved(self, request_id: RequestId) -> RequestId:
        """The server says that a question is settled: what that one is called here."""
        remote_id = json.dumps(request_id).encode()
        for question in self._open.values():
            if question.remote_id == remote_id:
                del self._open[question.id]
                own_id: RequestId = json.loads(question.id)
                return own_id
        return self._own_id(request_id)

    def turn_ended(self, turn_id: str) -> None:
        """A turn is over, and with it what was asked in it, unless that waits for an answer on this connection."""
        for question in list(self._open.values()):
            if question.of("turnId") == turn_id:
                question.is_late = True
                if question.answer is not None or question.remote_id is None:
                    del self._open[question.id]

    def lost(self) -> None:
        """The connection broke: no question can be answered before it is asked again."""
        self._connections += 1
        for question in self._open.values():
            question.remote_id = None

    def _own_id(self, request_id: RequestId) -> RequestId:
        """What a question is called here that is asked now."""
        return f"{self._connections}/{request_id}" if self._connections else request_id

    @staticmethod
    def _addressed(question: _Question) -> bytes:
        if question.answer is None or question.remote_id is None:
            return b""
        return b'{"id":' + question.remote_id + question.answer
