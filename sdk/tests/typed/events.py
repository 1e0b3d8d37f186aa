"""What type checkers have to understand of events; nobody runs it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from codex_app_server import Event, Notification
from codex_app_server.generated import (
    AgentMessageDeltaNotification,
    CommandExecutionThreadItem,
    ItemCompletedNotification,
    ItemStartedNotification,
    ThreadItem,
    TurnCompletedNotification,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from codex_app_server import AsyncSubscription, AsyncTurn, Subscription, Turn
    from codex_app_server.generated import Turn as TurnModel
    from codex_app_server.protocol.messages import JsonValue


def the_method_tells_the_payload(turn: Turn) -> str:
    text = ""
    for event in turn.stream():
        if event.method == "item/agentMessage/delta":
            delta: AgentMessageDeltaNotification = event.payload
            text += delta.delta
        elif event.method == "item/started" and event.payload.item.type == "commandExecution":
            command: CommandExecutionThreadItem = event.payload.item
            text += command.command
        elif event.method in {"warning", "error"}:
            text += event.method
        if event.method != "turn/completed":
            continue
        last: TurnModel = event.payload.turn
        text += last.status.value
    return text


async def in_asyncio_too(turn: AsyncTurn, subscription: AsyncSubscription) -> list[str]:
    deltas = [event.payload.delta async for event in turn.stream() if event.method == "item/agentMessage/delta"]
    return deltas + [event.payload.thread_id async for event in subscription if event.method == "thread/archived"]


def so_does_a_match_of_the_method(subscription: Subscription) -> list[str]:
    said: list[str] = []
    for event in subscription:
        match event.method:
            case "item/agentMessage/delta":
                said.append(event.payload.delta)
            case "turn/completed":
                said.append(event.payload.turn.id)
            case _:
                pass
    return said


def payloads_are_matched(event: Event) -> ThreadItem | str | None:
    match event.payload:
        case AgentMessageDeltaNotification(delta=text):
            same: str = text
            return same
        case ItemStartedNotification(item=item) | ItemCompletedNotification(item=item):
            return item
        case dict() as params:  # of a method that only a newer runtime has
            some: JsonValue = params.get("text")
            return str(some)
        case _:
            return None


def two_methods_are_told_together(event: Event) -> ThreadItem | None:
    if event.method == "item/started" or event.method == "item/completed":
        return event.payload.item
    return None


def methods_are_strings(events: Iterable[Event]) -> Counter[str]:
    return Counter(event.method.partition("/")[0] for event in events)


def any_event_will_do(event: Notification) -> str:
    return f"{event.method} {event.payload.whatever}"


def one_kind(event: Notification[Literal["turn/completed"], TurnCompletedNotification]) -> str:
    return event.payload.turn.id


def events_are_notifications(events: Iterable[Event]) -> list[Notification]:
    for event in events:
        any_event_will_do(event)
        if event.method == "turn/completed":
            one_kind(event)
    return [*events, Notification("made/up", {"by": "hand"})]
