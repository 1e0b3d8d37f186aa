"""What the runtime reports, as a program gets it: events whose payload is a model, made when it is first asked for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Generic, cast

from codex_app_server.protocol import messages
from codex_app_server.protocol.messages import Junk, parse, parse_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import TypeVar

    from codex_app_server.generated.events import Event
    from codex_app_server.protocol.messages import JsonValue

    Method_co = TypeVar("Method_co", bound=str, default=str, covariant=True)
    Payload_co = TypeVar("Payload_co", default=Any, covariant=True)
else:  # before Python 3.13 they have no defaults, and importing what gives them takes longer than this whole module
    from typing import TypeVar

    Method_co, Payload_co = TypeVar("Method_co"), TypeVar("Payload_co")

__all__ = ["Notification", "faster_lists", "read_events"]

_UNREAD: Any = object()


class Notification(messages.Notification, Generic[Method_co, Payload_co]):
    """A notification of the runtime: something that happened.

    Streams and subscriptions give an `Event`, which is the union of all notifications and knows the type of each one's
    payload. `Notification` without parameters is any of them, with a payload of any type. With parameters it is a
    certain one, e.g. ``Notification[Literal["turn/completed"], TurnCompletedNotification]``.

    Attributes:
        method: the protocol's name of the event, e.g. ``turn/completed``.
        params: the content of the event, as plain JSON values.
    """

    __slots__ = ("_payload",)

    method: Method_co  # declared, for pyright tells events apart by it only then
    params: JsonValue

    def __init__(self, method: Method_co, params: JsonValue = None) -> None:
        self.method = method
        self.params = params
        self._payload: Any = _UNREAD

    @property
    def payload(self) -> Payload_co:
        """The content of the event, as the model that belongs to the method; made when it is first asked for.

        For a method that this client does not know, it is the same as `params`.
        """
        payload: Payload_co = self._payload
        if payload is _UNREAD:
            read = _readers.get(self.method) or _reader_of(self.method)
            payload = self._payload = read(self.params)
        return payload

    def __reduce__(self) -> tuple[type[Notification], tuple[str, JsonValue]]:
        """Copies and pickles are made of what it says, and make their own payload of it."""
        return Notification, (self.method, self.params)


def read_events(taken: Sequence[bytes | messages.Notification]) -> tuple[list[Event], list[Junk]]:
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
    events = cast("list[Event]", [event for event in read if type(event) is Notification])
    return events, [each for each in read if type(each) is Junk] if len(events) < len(taken) else []


_readers: dict[str, Callable[[JsonValue], Any]] = {}


def _reader_of(method: str) -> Callable[[JsonValue], Any]:
    """What makes the payloads of a method; the models are only loaded when there is one to make."""
    from codex_app_server.generated.registry import NOTIFICATIONS
    from codex_app_server.models.model import decoder

    messages.read_lists_with(faster_lists())
    if method not in NOTIFICATIONS:
        return lambda params: params
    reader = _readers[method] = decoder(NOTIFICATIONS[method])
    return reader


def faster_lists() -> Callable[[bytes], list[JsonValue]]:
    """Pydantic's parser of JSON lists, which takes less time where pydantic is loaded anyway.

    It is stricter than `json` with surrogates and depth, and raises `ValueError` for what is no JSON.
    """
    from pydantic_core import from_json

    return partial(from_json, cache_strings="keys")
