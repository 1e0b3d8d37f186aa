"""What a reply is expected to be, if it is not a value of a type: JSON."""

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
        reasons: what is wrong with it: one text for each fault, with its path in the reply.
    """

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class Expected:
    """JSON as the expected reply.

    Attributes:
        schema: the schema that the model is forced to follow, if it is made here.
        instruction: the words that ask the model for it, if it is not forced.
    """

    schema: Mapping[str, object] | None = None
    instruction: str | None = None

    def read(self, reply: str) -> Any:
        """Read the value from a reply.

        Raises:
            MisfitError: if the reply does not fit.
        """
        try:
            return json.loads(reply)
        except (ValueError, RecursionError) as error:
            raise MisfitError(f"it is not JSON: {error}") from error

    def read_both(self, reply: str) -> tuple[Any, JsonValue]:
        """Read the value from a reply, and the JSON that it was made of; raises as `read`."""
        value: Any = self.read(reply)
        return value, value
