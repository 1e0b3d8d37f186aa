"""The actors of a pool, and who of them gets which prompt; waiting is for those who know how."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError, RayTaskError

from codex_app_server.errors import RuntimeLostError, TransportClosedError
from codex_app_server.extras import lacking
from codex_app_server.integrations.ray.worker import Worker
from codex_app_server.mapping.plan import Plan
from codex_app_server.results import RunResult
from codex_app_server.retry import backoff
from codex_app_server.sync.waiting import guard
from codex_app_server.timeouts import check_count

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Iterator, Mapping

    from codex_app_server.config import AppServerConfig
    from codex_app_server.inputs import RunInput
    from codex_app_server.integrations.ray.worker import Answer
    from codex_app_server.mapping.plan import Job

__all__ = ["CLOSING_S", "Actor", "Cluster"]

CLOSING_S = 15.0
"""How long runtimes may take to be closed, in seconds; then their workers are ended."""

_RESUBMITS = 12
"""How often a prompt is given to an actor again; with the waits between them it is about a minute."""

_PER_ACTOR = 8
_IN_ITS_CONSTRUCTOR = "raised in its creation task"
_LACKS = re.compile(r"No module named '([^']+)'")


@dataclass(eq=False)
class Actor:
    """An actor, and how it is doing.

    Attributes:
        handle: Ray's.
        load: how many prompts it has.
        failures: how often it could not be reached since it last answered.
    """

    handle: Any
    load: int = 0
    failures: int = 0


class Cluster:
    """The actors of a pool: what both kinds do alike."""

    def __init__(
        self,
        config: AppServerConfig | None = None,
        *,
        workers: int = 2,
        pool: Mapping[str, Any] | None = None,
        actor_options: Mapping[str, Any] | None = None,
    ) -> None:
        check_count(workers, "workers", 1)
        options = {"scheduling_strategy": "SPREAD", "max_restarts": -1, **(actor_options or {})}
        self._made = ray.remote(Worker).options(**options)
        self._arguments = (config, {"size": 1, "per_runtime": 1000, "on_crash": "retry", **(pool or {})})
        self._guard = guard()
        self._ended: list[Actor] = []
        self._actors = [Actor(self._made.remote(*self._arguments)) for _ in range(workers)]

    def check_open(self) -> None:
        """Raise if there are no actors any more.

        Raises:
            TransportClosedError: if the pool is closed.
        """
        if not self._actors:
            raise TransportClosedError("there is no worker: the pool was closed")

    def plan(
        self, prompts: Iterable[RunInput] | AsyncIterable[RunInput], concurrency: int | None, **options: Any
    ) -> Plan:
        """What is to be done, and how many at a time; without a number, some for each actor."""
        if concurrency is None:
            concurrency = _PER_ACTOR * max(1, len(self._actors))  # that there is none, `submit` says
        return Plan(prompts, concurrency=concurrency, is_keyed=True, **options)

    def submit(self, plan: Plan, job: Job, actor: Actor | None) -> tuple[Actor, Any]:
        """Give a prompt to an actor, if to none in particular, to the one that does best."""
        with self._guard:
            self.check_open()
            if actor is None:
                actor = min(self._actors, key=lambda each: (each.failures, each.load))
            actor.load += 1
            run = {"client_user_message_id": job.key, **plan.run}
            return actor, actor.handle.run.remote(job.key, job.outcome.prompt, plan.thread, run)

    def answered(self, actor: Actor, answer: Answer, plan: Plan) -> RunResult[Any]:
        """An actor answered; the result, or raise why there is none."""
        actor.failures = 0
        if isinstance(answer, Exception):
            raise answer
        return RunResult.from_dict(answer, plan.output_type)

    def unreachable(self, actor: Actor, error: RayError, delays: Iterator[float]) -> tuple[Actor | None, float]:
        """An actor cannot be reached; who is to have the prompt, None for any, and after how many seconds.

        Raises:
            ImportError: if the actor has no client.
            RuntimeLostError: if that was so too often.
            RayError: if it is something else.
        """
        if isinstance(error, RayTaskError):
            raise error.cause from None
        if not isinstance(error, (ActorDiedError, ActorUnavailableError)):
            raise error
        if isinstance(error, ActorDiedError) and _IN_ITS_CONSTRUCTOR in str(error):
            if (found := _LACKS.search(str(error))) is None:
                raise error
            text = lacking("ray", ImportError(name=found[1]))
            raise ImportError(f"on a worker of the Ray cluster {text}, there or by runtime_env in actor_options")
        delay = next(delays, None)
        if delay is None:
            raise RuntimeLostError(f"no worker of the Ray cluster could be reached: {error}") from error
        with self._guard:
            actor.failures += 1
            if isinstance(error, ActorDiedError):
                if actor in self._actors:  # it does not come back: another one takes its place
                    self._actors[self._actors.index(actor)] = Actor(self._made.remote(*self._arguments), failures=1)
                return None, delay
        # It may only be out of reach, and at it: there the same prompt runs once. Others have it if that lasts.
        return (actor, delay) if actor.failures == 1 else (None, delay)

    def left(self, actor: Actor) -> None:
        """An actor has one prompt less."""
        with self._guard:
            actor.load -= 1

    @staticmethod
    def delays() -> Iterator[float]:
        """How long to wait before each time that a prompt is given away again, in seconds."""
        return backoff(_RESUBMITS)

    @staticmethod
    def cancel(answer: Any) -> None:
        """Nobody waits for an answer any more."""
        with suppress(RayError):
            ray.cancel(answer)

    def end(self) -> list[Any]:
        """No more prompts; what is to be waited for."""
        with self._guard:
            actors, self._actors = self._actors, []
        closing = []
        for actor in actors:
            with suppress(RayError):
                closing.append(actor.handle.close.remote())
        self._ended = actors
        return closing

    def kill(self) -> None:
        """Be rid of the actors."""
        for actor in self._ended:
            with suppress(RayError, ValueError):
                ray.kill(actor.handle)
