"""The pool of a Ray cluster, for threads."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from codex_app_server.integrations.ray.cluster import CLOSING_S, Cluster
from codex_app_server.sync.mapping import mapped

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterable, Mapping
    from types import TracebackType
    from typing import overload

    from typing_extensions import Self, TypeForm

    from codex_app_server.config import AppServerConfig
    from codex_app_server.inputs import RunInput
    from codex_app_server.integrations.ray.cluster import Actor
    from codex_app_server.mapping.outcomes import MapOutcome, MapProgress
    from codex_app_server.mapping.plan import Job, Plan
    from codex_app_server.results import Output, RunResult

__all__ = ["RayPool"]


class RayPool:
    """Codex on a Ray cluster: workers with runtimes of their own, and `map` over all of them.

        ray.init("auto")
        with RayPool(AppServerConfig(api_key=key), workers=8) as pool:
            for outcome in pool.map(prompts, journal="s3://bucket/run.jsonl"):
                print(outcome.index, outcome.unwrap().final_response)

    Every worker is an actor of Ray with a `CodexPool` of one runtime. The runtime's home is on the worker's own disk,
    private and temporary. Ray decides where workers run, and restarts those that are lost. Their environment needs this
    package and the runtime. `config` is sent to them through Ray, with the keys in it.

    Args:
        config: how each runtime is started; paths in it are those of the worker's machine.
        workers: how many actors there are.
        pool: options of each worker's pool, as `CodexPool` takes them, e.g. ``{"size": 2}``. A turn whose runtime
            ends is run again, unless these say otherwise.
        actor_options: options of Ray's actors, e.g. ``{"num_cpus": 1, "runtime_env": {...}}``.

    Raises:
        TypeError, ValueError: if `workers` is no number, or less than one.
    """

    def __init__(
        self,
        config: AppServerConfig | None = None,
        *,
        workers: int = 2,
        pool: Mapping[str, Any] | None = None,
        actor_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._cluster = Cluster(config, workers=workers, pool=pool, actor_options=actor_options)

    if TYPE_CHECKING:

        @overload
        def map(
            self,
            prompts: Iterable[RunInput],
            *,
            concurrency: int | None = None,
            retries: int = 3,
            in_order: bool = False,
            output_type: type[Output],
            timeout: float | None = None,
            thread: Mapping[str, Any] | None = None,
            run: Mapping[str, Any] | None = None,
            journal: str | os.PathLike[str] | None = None,
            progress: Callable[[MapProgress], object] | bool | None = None,
        ) -> Generator[MapOutcome[Output], None, None]: ...
        @overload
        def map(
            self,
            prompts: Iterable[RunInput],
            *,
            concurrency: int | None = None,
            retries: int = 3,
            in_order: bool = False,
            output_type: TypeForm[Output],
            timeout: float | None = None,
            thread: Mapping[str, Any] | None = None,
            run: Mapping[str, Any] | None = None,
            journal: str | os.PathLike[str] | None = None,
            progress: Callable[[MapProgress], object] | bool | None = None,
        ) -> Generator[MapOutcome[Output], None, None]: ...
        @overload
        def map(
            self,
            prompts: Iterable[RunInput],
            *,
            concurrency: int | None = None,
            retries: int = 3,
            in_order: bool = False,
            output_type: None = None,
            timeout: float | None = None,
            thread: Mapping[str, Any] | None = None,
            run: Mapping[str, Any] | None = None,
            journal: str | os.PathLike[str] | None = None,
            progress: Callable[[MapProgress], object] | bool | None = None,
        ) -> Generator[MapOutcome[None], None, None]: ...

    def map(
        self,
        prompts: Iterable[RunInput],
        *,
        concurrency: int | None = None,
        retries: int = 3,
        in_order: bool = False,
        output_type: Any = None,
        timeout: float | None = None,
        thread: Mapping[str, Any] | None = None,
        run: Mapping[str, Any] | None = None,
        journal: str | os.PathLike[str] | None = None,
        progress: Callable[[MapProgress], object] | bool | None = None,
    ) -> Generator[MapOutcome[Any], None, None]:
        """Run many prompts, each in a thread of its own, and give each outcome as soon as it is there.

        It is used like `map` of a client. A prompt whose worker is lost is given to another worker, for about a minute,
        with longer and longer waits; then its outcome has a `RuntimeLostError`. The prompt may have run all the same,
        even more than once. What it changes elsewhere can tell this by its key: the `client_id` of its first item,
        which is in the journal, too.

        Args:
            prompts: what to say; taken one by one, as there is room, never two at once. A client for threads takes them
                in threads that the map begins. One for asyncio takes async iterables, too, all of it in one task, and
                closes them when the loop is left early; a plain iterable that waits holds up its event loop.
            concurrency: how many at a time, on all workers together; without it, 8 for each.
            retries: how often a prompt is tried again when the runtime or the model was busy; also how often a reply
                that is not an `output_type` is asked for again, which ``run={"retries": 0}`` sets apart.
            in_order: whether outcomes come in the order of the prompts. Those that are early are held in memory, and no
                prompt is begun that is ``16 * concurrency`` or more behind the one whose outcome comes next.
            output_type: what the replies have to be, as for `run` of a thread.
            timeout: how long a run may take, in seconds.
            thread: options for `thread_start`; the threads are ephemeral unless these say otherwise.
            run: more options for `run` of a thread.
            journal: a file of lines of JSON, or a URL of one wherever `fsspec` can write; what it has is not run again,
                and what comes of the others is added.
            progress: a function that is called with a `MapProgress` for each outcome; with `True` a terminal shows it.

        Raises:
            TypeError, ValueError: if an option is of another type, or out of range.
            OSError: in the loop, if the journal cannot be read or written.
            ImportError: likewise, if a worker has no client.
            AppServerError: likewise, if a worker's runtime cannot be started, or the pool is closed.
        """
        plan = self._cluster.plan(
            prompts,
            concurrency,
            retries=retries,
            in_order=in_order,
            thread=thread,
            output_type=output_type,
            timeout=timeout,
            run=run,
            journal=journal,
            progress=progress,
        )
        return mapped(_Runner(self._cluster), plan)

    def close(self) -> None:
        """Stop all runtimes and workers; may be called again."""
        with suppress(RayError, GetTimeoutError):
            ray.get(self._cluster.end(), timeout=CLOSING_S)
        self._cluster.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class _Runner:
    """Runs prompts on the actors."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def run(self, plan: Plan, job: Job, began: Callable[[Callable[[], object]], object]) -> RunResult[Any]:
        """Run a prompt, wherever it can be."""
        cluster = self._cluster
        delays = cluster.delays()
        wanted: Actor | None = None
        while True:
            actor, answer = cluster.submit(plan, job, wanted)
            try:
                began(partial(cluster.cancel, answer))
                return cluster.answered(actor, ray.get(answer), plan)
            except RayError as error:
                wanted, delay = cluster.unreachable(actor, error, delays)
            finally:
                cluster.left(actor)
            time.sleep(delay)

    def check(self) -> None:
        """Raise if the pool is closed."""
        self._cluster.check_open()
