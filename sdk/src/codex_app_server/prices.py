"""The prices of tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Prices"]

_MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Prices:
    """The prices of a model, each for a million tokens, in a currency of your choice.

    Attributes:
        input: the price of tokens that the model reads, 0 or more.
        output: the price of tokens that the model writes, thinking included.
        cached_input: the price of tokens that the model reads from the cache; without it, the same as `input`.
        cache_write_input: the price of tokens that are put into the cache; without it, the same as `input`.

    Raises:
        TypeError: if one is no number.
        ValueError: if one is negative, infinite or NaN.
    """

    input: float | Decimal
    output: float | Decimal
    cached_input: float | Decimal | None = None
    cache_write_input: float | Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse what nothing can be counted with: a budget would be held to nothing."""
        for each in fields(self):
            value: object = getattr(self, each.name)
            if value is None and each.default is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float, Real, Decimal)):
                raise TypeError(f"Prices.{each.name} must be a number, not {value!r}")
            if not 0 <= float(value) < math.inf:  # so is NaN
                raise ValueError(f"Prices.{each.name} must be a finite number from 0 on, not {value!r}")

    def of(self, tokens: Mapping[str, object]) -> float:
        """The cost of a number of tokens.

        Args:
            tokens: numbers of tokens, under the names that they have in the protocol's ``TokenUsageBreakdown``. As
                there, tokens that are read from the cache or put into it are counted as input, too.
        """
        count = {name: each for name, each in tokens.items() if isinstance(each, (int, float))}
        read, wrote = float(self.input), float(self.output)
        kept = read if self.cached_input is None else float(self.cached_input)
        keeping = read if self.cache_write_input is None else float(self.cache_write_input)
        cached, written = count.get("cachedInputTokens", 0), count.get("cacheWriteInputTokens", 0)
        plain = count.get("inputTokens", 0) - cached - written
        costs = (plain * read, cached * kept, written * keeping, count.get("outputTokens", 0) * wrote)
        return sum(costs) / _MILLION
