"""What is said in a turn, word for word, of the events that tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import Notification

__all__ = ["Words"]


class Words:
    """Takes the events of one turn, one after another, and gives the agent's words in them."""

    def __init__(self) -> None:
        self._streamed: set[str] = set()

    def of(self, event: Notification) -> str:
        """The words that an event brings; a message that was not streamed brings all of them at its end."""
        params = event.params
        if not isinstance(params, dict):
            return ""
        if event.method == "item/agentMessage/delta":
            self._streamed.add(str(params.get("itemId")))
            return delta if isinstance(delta := params.get("delta"), str) else ""
        if event.method == "item/completed" and isinstance(item := params.get("item"), dict):
            is_news = item.get("type") == "agentMessage" and item.get("id") not in self._streamed
            return text if is_news and isinstance(text := item.get("text"), str) else ""
        return ""
