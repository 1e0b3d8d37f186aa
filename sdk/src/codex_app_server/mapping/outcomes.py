"""The outcome of one prompt of many, and the progress of all."""

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
    """The outcome of one prompt of a `map`.

    Attributes:
        index: the number of the prompt, from 0.
        prompt: the prompt.
        result: the result of its turn, if it succeeded.
        error: the error, if it failed.
        attempts: how often it was tried; 0 if the result is from the journal.
    """

    index: int
    prompt: RunInput
    result: RunResult[Output] | None = None
    error: Exception | None = None
    attempts: int = 0

    @property
    def is_reused(self) -> bool:
        """Whether the result is from the journal, so that the prompt was not run again."""
        return self.attempts == 0

    def unwrap(self) -> RunResult[Output]:
        """The result of a prompt that succeeded; for one that failed, its error is raised."""
        if self.error is not None:
            raise self.error
        if self.result is None:
            raise RuntimeError("this outcome is neither a result nor an error")
        return self.result


@dataclass(frozen=True)
class MapProgress:
    """How far a `map` has come.

    Attributes:
        done: how many prompts have an outcome, those from the journal included.
        failed: how many of these failed.
        total: how many prompts there are, if that is known.
    """

    done: int
    failed: int
    total: int | None
