"""How many examples hypothesis makes up: some in every run, all of them where there is time, as in the workflow."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings

__all__ = ["up_to"]

_ALL = "all"
_LEAST = 25


def up_to(number: int = 100, **more: Any) -> settings:
    """Settings for a property, which has no deadline if not told otherwise.

    It is tried with so many examples if ``CODEX_TESTS_EXAMPLES`` is ``all``; otherwise with a quarter of them, but not
    with too few to find anything.
    """
    wants_all = os.environ.get("CODEX_TESTS_EXAMPLES") == _ALL
    return settings(**{"deadline": None, **more}, max_examples=number if wants_all else max(number // 4, _LEAST))
