"""What a notification says, as the model that its method stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from codex_app_server.generated.registry import NOTIFICATIONS
from codex_app_server.models.model import decoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.protocol.messages import JsonValue

__all__ = ["json_list", "reader_of"]


def reader_of(method: str) -> Callable[[JsonValue], Any] | None:
    """What makes the model of a method's params; None if the method is unknown."""
    name = NOTIFICATIONS.get(method)
    return None if name is None else decoder(name)


def json_list(data: bytes) -> list[JsonValue]:
    """The values of a JSON list; stricter than `json` with surrogates and depth.

    Raises:
        ValueError: if it is none.
    """
    values: list[JsonValue] = from_json(data, cache_strings="keys")
    return values
