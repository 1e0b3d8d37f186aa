"""The front door: Codex, its threads and its models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codex_app_server.generated.front import CodexOptions
from codex_app_server.preloading import load_ahead
from codex_app_server.sync.services import Services

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterable, Mapping
    from types import TracebackType
    from typing import overload

    from typing_extensions import Self, TypeForm

    from codex_app_server.config import AppServerConfig
    from codex_app_server.generated import ModelListResponse, ThreadArchiveResponse, ThreadListResponse
    from codex_app_server.handlers import Handlers
    from codex_app_server.inputs import RunInput
    from codex_app_server.mapping.outcomes import MapOutcome, MapProgress
    from codex_app_server.options import ClientOptions
    from codex_app_server.protocol.handshake import InitializeResult
    from codex_app_server.protocol.messages import JsonValue
    from codex_app_server.results import Output
    from codex_app_server.sync.client import AppServerClient
    from codex_app_server.sync.thread import Thread

# All else is imported where it is used: what follows the handshake is loaded ahead of that, while the runtime boots.

__all__ = ["Codex"]


class Codex(CodexOptions, Services):
    """A running Codex, for any number of threads and turns at once.

        with Codex() as codex:
            print(codex.thread_start().run("What is in this directory?").final_response)

    Its constructor starts it; `close`, or the end of a ``with`` block, stops it. Any thread may call it.

    Args:
        config: how to start it; without it, the installed runtime with its own settings.

    Raises:
        TypeError: if `config` is something else.
        RuntimeNotFoundError: if there is no runtime.
        RuntimeStartError: if it cannot be started.
        StartupTimeoutError: if it does not answer ``initialize`` in time.
        TransportClosedError: if it ends before it answers.
        JsonRpcError: if it refuses the handshake.
    """

    def __init__(self, config: AppServerConfig | None = None) -> None:
        from codex_app_server.sync.driver import Driver

        load_ahead("sync.thread")
        self._driver = Driver(config)
        self._client: AppServerClient | None = None

    @property
    def metadata(self) -> InitializeResult:
        """What the runtime said of itself in the handshake."""
        return self._driver.metadata

    @property
    def skipped_lines(self) -> int:
        """How many lines of the runtime's output could not be understood; each is in the log."""
        return self._driver.skipped_lines

    @property
    def handlers(self) -> Handlers:
        """The functions that answer the runtime's questions; may be replaced at any time."""
        return self._driver.handlers

    @handlers.setter
    def handlers(self, handlers: Handlers) -> None:
        self._driver.handlers = handlers

    @property
    def client(self) -> AppServerClient:
        """A client with every method of the protocol, over the same connection; always the same client.

        A ``with`` block of it does not close the connection at its end, for that belongs to this object.
        """
        if self._client is None:
            from codex_app_server.sync.client import AppServerClient

            self._client = AppServerClient.over(self._driver)
        return self._client

    def thread_archive(self, thread_id: str) -> ThreadArchiveResponse:
        """Archive a thread: lists have it only if they are asked for archived threads."""
        answer = self._driver.call("thread/archive", {"threadId": thread_id})
        from codex_app_server.generated import ThreadArchiveResponse
        from codex_app_server.models.model import decode

        return decode(ThreadArchiveResponse, answer)

    def thread_unarchive(self, thread_id: str) -> Thread:
        """Take a thread out of the archive again."""
        return self._thread("thread/unarchive", {"threadId": thread_id})

    def models(self, *, include_hidden: bool = False) -> ModelListResponse:
        """The models that may be chosen, all of them, however many pages the runtime makes of them.

        Args:
            include_hidden: also those that pickers do not show.

        Raises:
            JsonRpcError: if the runtime refuses.
            TransportClosedError: if the connection ends.
            AppServerError: also if the pages do not end.
        """
        from codex_app_server.errors import AppServerError
        from codex_app_server.generated import ModelListResponse
        from codex_app_server.handles.threads import MOST_PAGES, page_of, with_all
        from codex_app_server.models.model import decode

        models: list[JsonValue] = []
        params: dict[str, JsonValue] = {"includeHidden": include_hidden}
        for _ in range(MOST_PAGES):
            answer = self._driver.call("model/list", params)
            found, cursor = page_of(answer)
            models += found
            if cursor is None:
                return decode(ModelListResponse, with_all(answer, models))
            params["cursor"] = cursor
        raise AppServerError(f"the answer to model/list has more than {MOST_PAGES} pages")

    if TYPE_CHECKING:

        @overload
        def map(
            self,
            prompts: Iterable[RunInput],
            *,
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
        """Run many prompts, each in a thread of its own, and give the outcome of each as soon as it has one.

        A prompt that fails has an outcome too, with its error. To close the generator before its end, as Ctrl-C does,
        interrupts the turns that are running.

        Args:
            prompts: what to say; taken one by one, as there is room, never two at once. A client for threads takes them
                in threads that the map begins. One for asyncio takes async iterables, too, all of it in one task, and
                closes them when the loop is left early; a plain iterable that waits holds up its event loop.
            concurrency: how many at a time.
            retries: how often a prompt is tried again when the runtime or the model was busy; also how often a reply
                that is not an `output_type` is asked for again, which ``run={"retries": 0}`` sets apart.
            in_order: whether outcomes come in the order of the prompts. Those that are early are held in memory, and no
                prompt is begun that is ``16 * concurrency`` or more behind the one whose outcome comes next.
            output_type: what the replies have to be, as for `run` of a thread.
            timeout: how long a run may take, in seconds.
            thread: options for `thread_start`; the threads are ephemeral unless these say otherwise.
            run: more options for `run` of a thread.
            journal: a file of lines of JSON; what it has is not run again, and what comes of the others is added.
            progress: a function that is called with a `MapProgress` for each outcome; with `True` a terminal shows it.

        Raises:
            TypeError, ValueError: if an option is of another type, or out of range.
            OSError: in the loop, if the journal cannot be read or written.
            TransportClosedError: likewise, if the connection ends.
        """
        from codex_app_server.mapping.plan import Plan
        from codex_app_server.sync.mapping import OneClient, mapped

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
        return mapped(OneClient(self), plan)

    def close(self) -> None:
        """End every waiting call with `TransportClosedError`, and stop the runtime; may be called again.

        Calls of tools with ``on_turn_end="finish"`` get some seconds to finish first; all others are given up.
        """
        try:
            self._driver.finish()
        finally:
            self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _thread_start(self, options: Mapping[str, object], own: ClientOptions) -> Thread:
        return self._thread("thread/start", options, own)

    def _thread_resume(self, thread_id: str, options: Mapping[str, object], own: ClientOptions) -> Thread:
        return self._thread("thread/resume", {"threadId": thread_id, **options}, own)

    def _thread_fork(self, thread_id: str, options: Mapping[str, object], own: ClientOptions) -> Thread:
        return self._thread("thread/fork", {"threadId": thread_id, **options}, own)

    def _thread_list(self, options: Mapping[str, object]) -> ThreadListResponse:
        from codex_app_server.generated import ThreadListResponse
        from codex_app_server.models.model import decode
        from codex_app_server.request_params import params_of

        params = params_of("thread/list", options, experimental_api=self._driver.config.experimental_api)
        return decode(ThreadListResponse, self._driver.call("thread/list", params))

    def _thread(self, method: str, options: Mapping[str, object], own: ClientOptions | None = None) -> Thread:
        from codex_app_server.sync.opening import opened

        return opened(self._driver, method, options, own)
