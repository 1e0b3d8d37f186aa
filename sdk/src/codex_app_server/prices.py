"""What tokens cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Prices"]

_MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Prices:
    """What a million tokens of a model cost, in a currency of your choice.

    Attributes:
        input: what the model reads.
        output: what it writes, thinking included.
        cached_input: what it reads from the cache; as any input if not given.
        cache_write_input: what is put into the cache; as any input if not given.
    """

    input: float
    output: float
    cached_input: float | None = None
    cache_write_input: float | None = None

    def of(self, tokens: Mapping[str, object]) -> float:
        """What some tokens cost.

        Args:
            tokens: counts by the protocol's names, as in its ``TokenUsageBreakdown``: those from and for the cache are
                part of the input.
        """
        count = {name: each for name, each in tokens.items() if isinstance(each, (int, float))}
        cached, written = count.get("cachedInputTokens", 0), count.get("cacheWriteInputTokens", 0)
        plain = count.get("inputTokens", 0) - cached - written
        costs = (
            plain * self.input,
            cached * (self.input if self.cached_input is None else self.cached_input),
            written * (self.input if self.cache_write_input is None else self.cache_write_input),
            count.get("outputTokens", 0) * self.output,
        )
        return sum(costs) / _MILLION
