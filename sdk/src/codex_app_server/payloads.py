"""What a notification says, as the model that its method stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codex_app_server.generated.registry import NOTIFICATIONS
from codex_app_server.models import decoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.protocol.messages import JsonValue

__all__ = ["payload_of"]

_decoders: dict[str, Callable[[JsonValue], Any]] = {}


def payload_of(method: str, params: JsonValue) -> Any:
    """The model of what it says; `params` itself if the method is unknown."""
    decode = _decoders.get(method)
    if decode is None:
        if method not in NOTIFICATIONS:
            return params
        decode = _decoders[method] = decoder(NOTIFICATIONS[method])
    return decode(params)
