"""What the runtime tells, as a program gets it: events whose payload is a model, made when somebody looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from codex_app_server.protocol import messages
from codex_app_server.protocol.messages import Junk, parse, parse_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from codex_app_server.protocol.messages import JsonValue

__all__ = ["Notification", "read_events"]

_UNREAD: Any = object()


class Notification(messages.Notification):
    """Something the runtime tells.

    Attributes:
        method: the protocol's name of the event, e.g. ``turn/completed``.
        params: what it says, as plain JSON values.
    """

    __slots__ = ("_payload",)

    def __init__(self, method: str, params: JsonValue = None) -> None:
        self.method = method
        self.params = params
        self._payload: Any = _UNREAD

    @property
    def payload(self) -> Any:
        """What it says, as the model that belongs to the method; made when it is first asked for.

        The payload of a method that this client does not know is `params`. `isinstance` tells type checkers which
        model it is; its type is open, so that ``event.payload.delta`` needs no proof.
        """
        payload = self._payload
        if payload is _UNREAD:
            read = _readers.get(self.method) or _reader_of(self.method)
            payload = self._payload = read(self.params)
        return payload

    def __reduce__(self) -> tuple[type[Notification], tuple[str, JsonValue]]:
        """Copies and pickles are made of what it says, and make their own payload of it."""
        return Notification, (self.method, self.params)


def read_events(taken: Sequence[bytes | messages.Notification]) -> tuple[list[Notification], list[Junk]]:
    """Parse what was taken from a log; a consumer may do that beside everything else.

    Returns:
        the events, and the lines that only begin like one.
    """
    kinds = set(map(type, taken))
    read: Sequence[object] = taken
    if kinds == {bytes}:
        read = parse_all(cast("list[bytes]", taken), Notification)
    elif bytes in kinds:
        read = [parse(entry, Notification) if type(entry) is bytes else entry for entry in taken]
    events = [event for event in read if type(event) is Notification]
    return events, [each for each in read if type(each) is Junk] if len(events) < len(taken) else []


_readers: dict[str, Callable[[JsonValue], Any]] = {}


def _reader_of(method: str) -> Callable[[JsonValue], Any]:
    """What makes the payloads of a method; the models are only loaded when there is one to make."""
    from codex_app_server.models.payloads import json_list, reader_of

    messages.read_lists_with(json_list)  # once pydantic is loaded anyway, its parser does the same in less time
    reader = reader_of(method)
    if reader is None:
        return lambda params: params
    _readers[method] = reader
    return reader
