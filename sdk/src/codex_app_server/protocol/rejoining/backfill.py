"""What a client has missed of a turn, as the events it would have seen: made of the turn as the server has it now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from codex_app_server.protocol.rejoining.progress import streamed

if TYPE_CHECKING:
    from codex_app_server.protocol.rejoining.progress import Turn

__all__ = ["completed", "event", "fill", "stopped"]

_RUNS = "inProgress"


def event(method: str, /, **params: object) -> bytes:
    """An event, as a line."""
    message = {"method": method, "params": params}
    try:
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half a character, which a server can say by its number alone: so is it said here
        return json.dumps(message, separators=(",", ":")).encode()


def fill(thread_id: str, turn: Turn, now: dict[str, Any]) -> list[bytes]:
    """The events of a turn that were missed, but for its end.

    Args:
        thread_id: of which thread.
        turn: what was seen; it is brought up to date.
        now: the turn as the server has it.
    """
    lines: list[bytes] = []
    turn.break_off()
    if not turn.is_started:
        turn.is_started = True
        begun = {**now, "items": [], "status": _RUNS, "completedAt": None, "durationMs": None, "error": None}
        lines.append(event("turn/started", threadId=thread_id, turn=begun))
    for item in now["items"]:
        if turn.items.get(item["id"]):
            continue
        if item.get("status") != _RUNS:
            lines += completed(thread_id, turn, item, None)
        elif item["id"] not in turn.items:
            turn.items[item["id"]] = False
            turn.broken.add(item["id"])
            lines.append(_started(thread_id, turn, item))
    return lines


def completed(thread_id: str, turn: Turn, item: dict[str, Any], line: bytes | None) -> list[bytes]:
    """The events of an item up to its completion that were missed, and that.

    Args:
        thread_id: of which thread.
        turn: what was seen of its turn; it is brought up to date.
        item: as it is now.
        line: how the server said that it is complete, if it did.
    """
    item_id = item["id"]
    when = {"completedAtMs": item.get("completedAtMs") or 0}
    line = line or event("item/completed", item=item, threadId=thread_id, turnId=turn.id, **when)
    is_new, turn.items[item_id] = item_id not in turn.items, True
    if not turn.is_rejoined or not (is_new or item_id in turn.broken):
        return [line]
    lines = [_started(thread_id, turn, item)] if is_new else []
    seen = {pieces.method: pieces.texts() for pieces in turn.pieces.get(item_id, ())}
    for method, member, number in streamed(item):
        whole = item.get(member)
        for index, text in enumerate(whole if isinstance(whole, list) else [whole]):
            before = seen.get(method, {}).get(index, "")
            if isinstance(text, str) and text.startswith(before) and len(text) > len(before):
                which = {number: index} if number else {}
                params = {"threadId": thread_id, "turnId": turn.id, "itemId": item_id, **which}
                lines.append(event(method, **params, delta=text[len(before) :]))
    return [*lines, line]


def stopped(thread_id: str, turn_id: str, reason: str) -> bytes:
    """The end of a turn of which nothing more can be learned."""
    error = {"message": reason, "codexErrorInfo": None, "additionalDetails": None}
    turn = {"id": turn_id, "items": [], "itemsView": "notLoaded", "status": "failed", "error": error}
    return event("turn/completed", threadId=thread_id, turn=turn)


def _started(thread_id: str, turn: Turn, item: dict[str, Any]) -> bytes:
    """The beginning of an item that is known by its end only."""
    begun = dict(item)
    for _, member, _ in streamed(item):
        if member in begun:
            begun[member] = [] if isinstance(begun[member], list) else "" if member == "text" else None
    if "status" in begun:
        begun["status"] = _RUNS
    when = {"startedAtMs": item.get("startedAtMs") or 0}
    return event("item/started", item=begun, threadId=thread_id, turnId=turn.id, **when)
