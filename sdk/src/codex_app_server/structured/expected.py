"""What a reply is expected to be, beside a value of a type: JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_app_server.protocol.messages import JsonValue

__all__ = ["Expected", "MisfitError"]


class MisfitError(ValueError):
    """A reply is not what was expected.

    Attributes:
        reasons: why, one a fault, each with its path.
    """

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class Expected:
    """JSON.

    Attributes:
        schema: what the model is held to, if this knows it.
        instruction: what the model is told of it, if it is not held to it.
    """

    schema: Mapping[str, object] | None = None
    instruction: str | None = None

    def read(self, reply: str) -> Any:
        """The value that a reply is.

        Raises:
            MisfitError: if it is none.
        """
        try:
            return json.loads(reply)
        except (ValueError, RecursionError) as error:
            raise MisfitError(f"it is not JSON: {error}") from error

    def read_both(self, reply: str) -> tuple[Any, JsonValue]:
        """The value that a reply is, and the JSON that it was read from; raises as `read`."""
        value: Any = self.read(reply)
        return value, value
