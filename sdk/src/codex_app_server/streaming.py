"""What is said in a turn, word for word, of the events that tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_app_server.protocol.streams import turn_of

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import Notification

__all__ = ["Words"]


class Words:
    """Takes the events of turns, one after another, and gives the agent's words in them."""

    def __init__(self) -> None:
        self._streamed: set[tuple[str, str]] = set()  # turns and messages that are not finished

    def of(self, event: Notification) -> str:
        """The words that an event brings; a message that was not streamed brings all of them at its end."""
        params = event.params
        if not isinstance(params, dict):
            return ""
        if event.method == "item/agentMessage/delta":
            self._streamed.add((str(params.get("turnId")), str(params.get("itemId"))))
            return delta if isinstance(delta := params.get("delta"), str) else ""
        if event.method == "item/completed" and isinstance(item := params.get("item"), dict):
            message = str(params.get("turnId")), str(item.get("id"))
            is_news = item.get("type") == "agentMessage" and message not in self._streamed
            self._streamed.discard(message)
            return text if is_news and isinstance(text := item.get("text"), str) else ""
        if event.method == "turn/completed" and self._streamed:  # what was interrupted is not finished any more
            ended = turn_of(params)
            self._streamed = {message for message in self._streamed if message[0] != ended}
        return ""
