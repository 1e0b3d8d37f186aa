"""Several runtimes: each with a home, a login and a life of its own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from codex_app_server.generated.front import ThreadStartOptions
from codex_app_server.pooling.members import PoolMember, PoolOptions

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Literal, overload

    from typing_extensions import Self, TypeForm

    from codex_app_server.config import AppServerConfig
    from codex_app_server.inputs import RunInput
    from codex_app_server.mapping.outcomes import MapOutcome, MapProgress
    from codex_app_server.options import ClientOptions
    from codex_app_server.results import Output, RunResult
    from codex_app_server.sync.codex import Codex
    from codex_app_server.sync.thread import Thread

__all__ = ["CodexPool"]


class CodexPool(ThreadStartOptions):
    """Several runtimes, each with its own home and login. When one of them crashes, the others go on.

        with CodexPool(AppServerConfig(api_key=key), size=4) as pool:
            with pool.client() as codex:
                print(codex.thread_start().run("What is in this directory?").final_response)

    A runtime is started when it is first needed, and is replaced when it has ended. `thread_start` starts a thread on
    the runtime that has least to do; the thread stays there, and ends with that runtime. A pool makes nothing faster:
    a single runtime serves as many turns at once.

    Args:
        config: how each runtime is started; or a sequence with a configuration for each. A single one is for `size`
            runtimes, each with a home that the pool makes: with the ``config.toml`` of the home that the configuration
            names, if it names one, and without a login. Those of a sequence keep the home that they name.
        size: how many runtimes there are for a single configuration; 2 without it.
        homes: the directory in which homes are made, and stay. Without it they are temporary, and are removed with the
            pool.
        per_runtime: how many clients of each runtime may be lent at a time.
        max_waiting: how many callers may wait for a client; one more gets a `PoolFullError`.
        on_crash: what happens to a turn of `run` or `map` whose runtime ends. With ``"fail"`` it fails with
            `RuntimeLostError`. With ``"retry"`` it is run again, and repeats what it had done already.
        restarts: how often a turn is run again for that, at most; and how often a runtime that does not start is
            started again for one caller.
        tenant_config: a function from the name of a tenant to the configuration of its runtime. Without it, that is
            `config`, or the first of a sequence. With it and without `config` the pool is for tenants alone.
        max_tenants: how many tenants may have a runtime at a time. For one more, the runtime is closed that was not
            used for longest.
        idle_timeout: after how many seconds without use a tenant's runtime is closed; None is never.

    Raises:
        TypeError: if an option is of another type.
        ValueError: if a number is out of range, there is no configuration, or two have the same home.
    """

    def __init__(
        self,
        config: AppServerConfig | Sequence[AppServerConfig] | None = None,
        *,
        size: int | None = None,
        homes: str | os.PathLike[str] | None = None,
        per_runtime: int = 16,
        max_waiting: int = 1000,
        on_crash: Literal["fail", "retry"] = "fail",
        restarts: int = 3,
        tenant_config: Callable[[str], AppServerConfig] | None = None,
        max_tenants: int = 8,
        idle_timeout: float | None = 300.0,
    ) -> None:
        from codex_app_server.sync.leasing import Leasing

        self._options = PoolOptions(
            config,
            size=size,
            homes=homes,
            per_runtime=per_runtime,
            max_waiting=max_waiting,
            on_crash=on_crash,
            restarts=restarts,
            tenant_config=tenant_config,
            max_tenants=max_tenants,
            idle_timeout=idle_timeout,
        )
        self._desk = self._options.desk()
        self._leasing = Leasing(
            self._desk, self._options.config_of, restarts=restarts, idle_timeout=self._options.idle_timeout
        )

    @property
    def members(self) -> tuple[PoolMember, ...]:
        """How the runtimes are, those of tenants after the others."""
        return self._options.members(self._desk)

    @property
    def waiting(self) -> int:
        """How many wait for a client."""
        return sum(map(len, list(self._desk.waiting.values())))

    @contextmanager
    def client(self, *, tenant: str | None = None, timeout: float | None = None) -> Iterator[Codex]:
        """Lend a client, for a ``with`` block: that of the runtime that has least to do.

        If its runtime ends meanwhile, its calls raise `TransportClosedError`; the next block has another one.

        Args:
            tenant: whose runtime it has to be, by any name. A tenant has one of its own, with a home, a login and,
                unless the configuration names one, a working directory: always the same, and nobody else's.
            timeout: how long to wait for one, in seconds; None is as long as it takes.

        Raises:
            TypeError: if the pool has a configuration for tenants alone, and none is named.
            PoolFullError: if too many wait already.
            WaitTimeoutError: if there is none in time.
            RuntimeStartError, StartupTimeoutError: if its runtime cannot be started.
            TransportClosedError: if the pool is or gets closed, or runtimes end again and again as they start.
        """
        place = self._leasing.take(self._options.checked_tenant(tenant), timeout)
        try:
            yield place.codex
        finally:
            self._leasing.give_back(place)

    if TYPE_CHECKING:

        @overload
        def run(
            self,
            prompt: RunInput,
            *,
            tenant: str | None = None,
            retries: int = 3,
            output_type: type[Output],
            timeout: float | None = None,
            thread: Mapping[str, Any] | None = None,
            run: Mapping[str, Any] | None = None,
        ) -> RunResult[Output]: ...
        @overload
        def run(
            self,
            prompt: RunInput,
            *,
            tenant: str | None = None,
            retries: int = 3,
            output_type: TypeForm[Output],
            timeout: float | None = None,
            thread: Mapping[str, Any] | None = None,
            run: Mapping[str, Any] | None = None,
        ) -> RunResult[Output]: ...
        @overload
        def run(
            self,
            prompt: RunInput,
            *,
            tenant: str | None = None,
            retries: int = 3,
            output_type: None = None,
            timeout: float | None = None,
            thread: Mapping[str, Any] | None = None,
            run: Mapping[str, Any] | None = None,
        ) -> RunResult[None]: ...

    def run(
        self,
        prompt: RunInput,
        *,
        tenant: str | None = None,
        retries: int = 3,
        output_type: Any = None,
        timeout: float | None = None,
        thread: Mapping[str, Any] | None = None,
        run: Mapping[str, Any] | None = None,
    ) -> RunResult[Any]:
        """Say something in a new thread of whichever runtime, and wait until the turn has ended.

        Args:
            prompt: what to say.
            tenant: whose runtime it has to be, as for `client`.
            retries: how often it is tried again when the runtime or the model was busy; also how often a reply that is
                not an `output_type` is asked for again, which ``run={"retries": 0}`` sets apart.
            output_type: what the reply has to be, as for `run` of a thread.
            timeout: how long it may take, the wait for a runtime too, in seconds.
            thread: options for `thread_start`; the thread is ephemeral unless these say otherwise.
            run: more options for `run` of a thread.

        Raises:
            RuntimeLostError: if the runtime ends, with `on_crash` ``"retry"`` too often.
            WaitTimeoutError: if it takes longer.
            AppServerError: as `client`, and as `run` of a thread.
        """
        from codex_app_server.sync.mapping import Pooled, done
        from codex_app_server.timeouts import seconds

        plan = self._options.plan_of_one(prompt, retries=retries, output_type=output_type, thread=thread, run=run)
        tenant = self._options.checked_tenant(tenant)
        runner = Pooled(self._leasing, tenant, timeout=seconds(timeout, "timeout"), **self._options.after_crash)
        outcome = done(runner, plan, plan.job(prompt))
        return outcome.unwrap()

    if TYPE_CHECKING:

        @overload
        def map(
            self,
            prompts: Iterable[RunInput],
            *,
            tenant: str | None = None,
            concurrency: int = 8,
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
            tenant: str | None = None,
            concurrency: int = 8,
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
            tenant: str | None = None,
            concurrency: int = 8,
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
        tenant: str | None = None,
        concurrency: int = 8,
        retries: int = 3,
        in_order: bool = False,
        output_type: Any = None,
        timeout: float | None = None,
        thread: Mapping[str, Any] | None = None,
        run: Mapping[str, Any] | None = None,
        journal: str | os.PathLike[str] | None = None,
        progress: Callable[[MapProgress], object] | bool | None = None,
    ) -> Generator[MapOutcome[Any], None, None]:
        """Run many prompts, each in a thread of its own, on whichever runtime has room, as `map` of a client does.

        A prompt whose runtime ends is an outcome with a `RuntimeLostError`, or is run again, as `on_crash` says.

        Args:
            prompts: what to say; taken one by one, as there is room, never two at once. A client for threads takes them
                in threads that the map begins. One for asyncio takes async iterables, too, all of it in one task, and
                closes them when the loop is left early; a plain iterable that waits holds up its event loop.
            tenant: whose runtime it has to be, as for `client`.
            concurrency: how many at a time.
            retries: how often a prompt is tried again when the runtime or the model was busy; also how often a reply
                that is not an `output_type` is asked for again, which ``run={"retries": 0}`` sets apart.
            in_order: whether outcomes come in the order of the prompts. Those that are early are held in memory, and no
                prompt is begun that is ``16 * concurrency`` or more behind the one whose outcome comes next.
            output_type: what the replies have to be, as for `run` of a thread.
            timeout: how long a run may take, in seconds, without the wait for a runtime.
            thread: options for `thread_start`; the threads are ephemeral unless these say otherwise.
            run: more options for `run` of a thread.
            journal: a file of lines of JSON; what it has is not run again, and what comes of the others is added.
            progress: a function that is called with a `MapProgress` for each outcome; with `True` a terminal shows it.

        Raises:
            TypeError, ValueError: if an option is of another type, or out of range.
            OSError: in the loop, if the journal cannot be read or written.
            RuntimeStartError: likewise, if a runtime cannot be started.
            TransportClosedError: likewise, if the pool is or gets closed.
        """
        from codex_app_server.mapping.plan import Plan
        from codex_app_server.sync.mapping import Pooled, mapped

        plan = Plan(
            prompts,
            concurrency=concurrency,
            retries=retries,
            in_order=in_order,
            thread=thread,
            output_type=output_type,
            timeout=timeout,
            run=run,
            journal=journal,
            progress=progress,
        )
        tenant = self._options.checked_tenant(tenant)
        return mapped(Pooled(self._leasing, tenant, is_patient=True, **self._options.after_crash), plan)

    def close(self) -> None:
        """End whoever waits with `TransportClosedError`, stop all runtimes, and remove what was temporary.

        May be called again.
        """
        self._leasing.close()
        self._options.homes.remove()  # if that was broken off, runtimes still write there: the next time, or at the end

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _thread_start(self, options: Mapping[str, object], own: ClientOptions) -> Thread:
        # The thread keeps its member from being thought idle, for as long as anybody has it.
        place = self._leasing.take(self._options.checked_tenant(None), None)
        try:
            codex: Codex = place.codex
            thread = codex._thread_start(options, own)  # noqa: SLF001 - its own
            if place.member is not None:
                place.member.threads.add(thread)
            return thread
        finally:
            self._leasing.give_back(place)
