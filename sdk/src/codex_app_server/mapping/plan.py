"""What is to be done of many prompts, and in which order it is told: what both clients do alike."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from codex_app_server.mapping.journal import Journal, Keys
from codex_app_server.mapping.outcomes import MapOutcome, MapProgress
from codex_app_server.options import ClientOptions
from codex_app_server.retry import backoff
from codex_app_server.timeouts import check_count, seconds

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, Callable, Iterable, Iterator

    from codex_app_server.inputs import RunInput
    from codex_app_server.results import RunResult

__all__ = ["Job", "Plan"]

_AHEAD = 2
_AHEAD_IN_ORDER = 16
"""How many prompts may be taken and not told yet, for each that may run at a time: in order, one may hold up many."""


class Job(NamedTuple):
    """One prompt.

    Attributes:
        outcome: what came of it so far; only the journal's is one.
        key: what it is known by, to the journal too; empty if nobody has to tell them apart.
    """

    outcome: MapOutcome[Any]
    key: str


class Plan:
    """What to do of each prompt, as they are taken, and of what came of them. Who takes them depends on the client.

    Args:
        prompts: what to say.
        concurrency: how many at a time.
        retries: how often a prompt is tried again, and a reply that does not fit is asked for again, unless `run` has
            `retries` of its own for that.
        in_order: whether outcomes are told in the order of the prompts.
        thread: options of each prompt's thread.
        output_type: what the replies have to be.
        timeout: how long a run may take, in seconds.
        run: more options of each prompt's run.
        journal: where to note what is done.
        progress: who is told how far all of it is.
        is_keyed: whether prompts are told apart, as for a journal, without one too.

    Raises:
        TypeError, ValueError: if one of them is of another type, or out of range.

    Attributes:
        prompts: what to say, as it was given.
        concurrency: how many at a time.
        ahead: how many may be taken and not told yet. The next to be told is always one of them, so it comes.
        thread: options of each prompt's thread.
        run: options of each prompt's run.
        output_type: what the replies have to be.
    """

    def __init__(
        self,
        prompts: Iterable[RunInput] | AsyncIterable[RunInput],
        *,
        concurrency: int,
        retries: int,
        in_order: bool = False,
        thread: Mapping[str, Any] | None,
        output_type: Any,
        timeout: float | None = None,
        run: Mapping[str, Any] | None,
        journal: str | os.PathLike[str] | None = None,
        progress: Callable[[MapProgress], object] | bool | None = None,
        is_keyed: bool = False,
    ) -> None:
        if isinstance(prompts, (str, bytes)):
            raise TypeError("prompts must be several, not one string")
        self.run = dict(run or {})
        asked_again = self.run.get("retries", 0)
        check_count(concurrency, "concurrency", 1)
        check_count(retries, "retries", 0)
        check_count(asked_again, "retries of run", 0)
        self.concurrency = concurrency
        self.ahead = concurrency * (_AHEAD_IN_ORDER if in_order else _AHEAD)
        self.thread = {"ephemeral": True, **(thread or {})}
        for name in ("output_type", "timeout"):
            if name in self.run:
                raise TypeError(f"{name} is an option of map itself, not of run")
        if timeout is not None:
            self.run["timeout"] = seconds(timeout, "timeout")
        if output_type is not None:
            self.run = {"retries": retries, **self.run, "output_type": output_type}
        elif self.run.get("output_schema") is None:
            ClientOptions(retries=asked_again).check_retries()
        self._retries = retries
        self.prompts = prompts
        self._taken = 0
        self._in_order = in_order
        self._early: dict[int, MapOutcome[Any]] = {}
        self._next = 0
        self.output_type = output_type
        self._journal_path = journal
        self._journal: Journal | None = None
        self._keys: Keys | None = None
        if journal is not None or is_keyed:
            own = {each.name for each in fields(ClientOptions)}
            ways = [{name: value for name, value in way.items() if name not in own} for way in (self.thread, self.run)]
            self._keys = Keys({"thread": ways[0], "run": ways[1]}, output_type)
        self._progress = MapProgress(0, 0, len(prompts) if isinstance(prompts, Sized) else None)
        self._progress_to = progress
        self._tell, self._hush = _teller(None)

    @property
    def timeout(self) -> float | None:
        """How long a run may take, with the start of its thread, in seconds."""
        return self.run.get("timeout")

    def open(self) -> None:
        """The first prompt is about to be taken.

        Raises:
            OSError: if the journal cannot be read or written.
        """
        if self._journal_path is not None:
            self._journal = Journal(self._journal_path, self.output_type)
        self._tell, self._hush = _teller(self._progress_to)

    def job(self, prompt: RunInput) -> Job:
        """What to do of the prompt that was taken next; to be called once for each, in their order."""
        index, self._taken = self._taken, self._taken + 1
        key = "" if self._keys is None else self._keys.key(prompt)
        result = None if self._journal is None else self._journal.done(key)
        return Job(MapOutcome(index, prompt, result, attempts=0 if result is not None else 1), key)

    def delays(self) -> Iterator[float]:
        """How long to wait before each further attempt, in seconds."""
        return backoff(self._retries)

    def succeeded(self, job: Job, result: RunResult[Any], attempts: int) -> MapOutcome[Any]:
        """A prompt has its result."""
        return self._noted(job, replace(job.outcome, result=result, attempts=attempts))

    def failed(self, job: Job, error: Exception, attempts: int) -> MapOutcome[Any]:
        """A prompt has none, for good."""
        _let_go(error)
        return self._noted(job, replace(job.outcome, error=error, attempts=attempts))

    def ready(self, outcome: MapOutcome[Any]) -> Iterator[MapOutcome[Any]]:
        """An outcome came: those that can be told now."""
        self._progress = MapProgress(
            self._progress.done + 1, self._progress.failed + (outcome.error is not None), self._progress.total
        )
        self._tell(self._progress)
        if not self._in_order:
            yield outcome
            return
        self._early[outcome.index] = outcome
        while (ready := self._early.pop(self._next, None)) is not None:
            self._next += 1
            yield ready

    def close(self) -> None:
        """There will be no more."""
        self._hush()
        if self._journal is not None:
            self._journal.close()

    def _noted(self, job: Job, outcome: MapOutcome[Any]) -> MapOutcome[Any]:
        if self._journal is not None:
            self._journal.add(job.key, outcome)
        return outcome


def _let_go(error: BaseException | None) -> None:
    """Keep where an error came from, but not what the functions there held: all that was said in its turn."""
    from traceback import clear_frames

    seen: list[BaseException] = []
    while error is not None and error not in seen:  # somebody's may lead back to itself
        clear_frames(error.__traceback__)
        seen.append(error)
        error = error.__cause__ or error.__context__


def _teller(
    progress: Callable[[MapProgress], object] | bool | None,
) -> tuple[Callable[[MapProgress], object], Callable[[], object]]:
    """Who is told of progress, and how that ends."""
    if callable(progress):
        return progress, lambda: None
    if progress:
        from codex_app_server.mapping.bar import ProgressBar

        bar = ProgressBar()
        return bar.show, bar.close
    return lambda _: None, lambda: None
