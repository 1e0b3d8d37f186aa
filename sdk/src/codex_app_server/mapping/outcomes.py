"""What came of one prompt of many, and how far all of them are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

from codex_app_server.results import Output

if TYPE_CHECKING:
    from codex_app_server.inputs import RunInput
    from codex_app_server.results import RunResult

__all__ = ["MapOutcome", "MapProgress"]


@dataclass(frozen=True)
class MapOutcome(Generic[Output]):
    """What came of one prompt.

    Attributes:
        index: its number among the prompts, from 0.
        prompt: what was said.
        result: what came of it, if it succeeded.
        error: why it did not.
        attempts: how often it was tried; 0 if the journal had it.
    """

    index: int
    prompt: RunInput
    result: RunResult[Output] | None = None
    error: Exception | None = None
    attempts: int = 0

    @property
    def is_reused(self) -> bool:
        """Whether it was in the journal, and was not run again."""
        return self.attempts == 0

    def unwrap(self) -> RunResult[Output]:
        """The result; raises the error if there is none."""
        if self.error is not None:
            raise self.error
        if self.result is None:
            raise RuntimeError("this outcome is neither a result nor an error")
        return self.result


@dataclass(frozen=True)
class MapProgress:
    """How far all of them are.

    Attributes:
        done: how many have ended, those of the journal too.
        failed: how many of these failed.
        total: how many there are, if that is known.
    """

    done: int
    failed: int
    total: int | None
