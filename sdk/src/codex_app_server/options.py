"""The client's own options of a call, as one value: those that are no parameters of the protocol.

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
    """What was asked of the client itself; None is what nobody said.

    Attributes:
        timeout: how long a run may take, in seconds.
        output_type: what the reply has to be.
        retries: how often a reply that is not that is asked for again.
        strict: whether the model is held to it, or told of it only.
        tools: functions that the agent may call.
        observers: who is shown what happens.
        limits: how much may be taken.
        stall_timeout: how long nothing may happen, in seconds.
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
        """Whether anybody is to look on."""
        return self.observers is not None or self.limits is not None or self.stall_timeout is not None

    def check_retries(self) -> None:
        """Refuse `retries` where nothing is expected that could be asked for again.

        Raises:
            TypeError: if there are some.
        """
        if self.retries:
            raise TypeError(
                "retries is how often a reply that does not fit is asked for again, and needs output_type or "
                "output_schema; `map` and a pool's `run` also try again what was busy"
            )

    def over(self, base: ClientOptions) -> ClientOptions:
        """These, and where they say nothing, those of the thread or client that the call is made on."""
        if base == NOTHING:
            return self
        unsaid = [each.name for each in fields(self) if getattr(self, each.name) is None]
        return replace(self, **{name: getattr(base, name) for name in unsaid})


NOTHING = ClientOptions()
"""Where nobody said anything."""
