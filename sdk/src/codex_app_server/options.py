"""The client's own options of a call, as one value: those that are not parameters of the protocol.

What a method takes beside the protocol's options stands in ``release/protocol.toml``; the generated signatures hand it
on as one `ClientOptions`, so that what lies between does not name each of them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_app_server.limits import Limits
    from codex_app_server.observers import Observers
    from codex_app_server.tools.toolbox import ToolLike

__all__ = ["NOTHING", "ClientOptions"]


@dataclass(frozen=True, kw_only=True)
class ClientOptions:
    """The client's own options of a call; None for one that was not given.

    Attributes:
        timeout: how long a run may take, in seconds.
        output_type: the type that the reply has to be of.
        retries: how often to ask again for a reply that is not of that type.
        strict: whether the model is forced to answer in that type, or only asked to.
        tools: functions that the agent may call.
        observers: functions that are shown what happens.
        limits: how much the turns may use.
        stall_timeout: for how long nothing may happen in a turn, in seconds.
    """

    timeout: float | None = None
    output_type: object = None
    retries: int = 0
    strict: bool = True
    tools: Sequence[ToolLike] | None = None
    observers: Observers | None = None
    limits: Limits | None = None
    stall_timeout: float | None = None

    @property
    def is_watched(self) -> bool:
        """Whether the turns have to be watched, for observers or limits."""
        return self.observers is not None or self.limits is not None or self.stall_timeout is not None

    def check_retries(self) -> None:
        """Refuse `retries` for a call that expects no type or schema, so that there is nothing to ask for again.

        Raises:
            TypeError: if `retries` is not 0.
        """
        if self.retries:
            raise TypeError(
                "retries is how often a reply that does not fit is asked for again, and needs output_type or "
                "output_schema; `map` and a pool's `run` also try again what was busy"
            )

    def over(self, base: ClientOptions) -> ClientOptions:
        """These options; for one that was not given, that of the thread or client that the call is made on."""
        if base == NOTHING:
            return self
        unsaid = [each.name for each in fields(self) if getattr(self, each.name) is None]
        return replace(self, **{name: getattr(base, name) for name in unsaid})


NOTHING = ClientOptions()
"""No options at all."""
