"""The front door for asyncio: Codex, its threads and its models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codex_app_server.aio.services import AsyncServices
from codex_app_server.generated.afront import AsyncCodexOptions
from codex_app_server.preloading import load_ahead

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
    from types import TracebackType
    from typing import overload

    from typing_extensions import Self, TypeForm

    from codex_app_server.aio.client import AsyncAppServerClient
    from codex_app_server.aio.thread import AsyncThread
    from codex_app_server.config import AppServerConfig
    from codex_app_server.generated import ModelListResponse, ThreadArchiveResponse, ThreadListResponse
    from codex_app_server.handlers import Handlers
    from codex_app_server.inputs import RunInput
    from codex_app_server.mapping.outcomes import MapOutcome, MapProgress
    from codex_app_server.options import ClientOptions
    from codex_app_server.protocol.handshake import InitializeResult
    from codex_app_server.protocol.messages import JsonValue
    from codex_app_server.results import Output

# All else is imported where it is used: what follows the handshake is loaded ahead of that, while the runtime boots.

__all__ = ["AsyncCodex"]


class AsyncCodex(AsyncCodexOptions, AsyncServices):
    """A running Codex, for any number of threads and turns at once.

        async with AsyncCodex() as codex:
            thread = await codex.thread_start()
            print((await thread.run("What is in this directory?")).final_response)

    It belongs to one event loop. It starts with ``async with``, or with the first awaited call, which then raises
    what `Codex` raises; `close`, or the end of the block, stops it. Awaiting tasks may be cancelled.

    Args:
        config: how to start it; without it, the installed runtime with its own settings.
    """

    def __init__(self, config: AppServerConfig | None = None) -> None:
        from codex_app_server.aio.driver import AsyncDriver

        load_ahead("aio.thread")
        self._driver = AsyncDriver(config)
        self._client: AsyncAppServerClient | None = None

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
    def client(self) -> AsyncAppServerClient:
        """A client with every method of the protocol, over the same connection; always the same client.

        A ``with`` block of it does not close the connection at its end, for that belongs to this object.
        """
        if self._client is None:
            from codex_app_server.aio.client import AsyncAppServerClient

            self._client = AsyncAppServerClient.over(self._driver)
        return self._client

    async def thread_archive(self, thread_id: str) -> ThreadArchiveResponse:
        """Archive a thread: lists have it only if they are asked for archived threads."""
        answer = await self._driver.call("thread/archive", {"threadId": thread_id})
        from codex_app_server.generated import ThreadArchiveResponse
        from codex_app_server.models.model import decode

        return decode(ThreadArchiveResponse, answer)

    async def thread_unarchive(self, thread_id: str) -> AsyncThread:
        """Take a thread out of the archive again."""
        return await self._thread("thread/unarchive", {"threadId": thread_id})

    async def models(self, *, include_hidden: bool = False) -> ModelListResponse:
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
            answer = await self._driver.call("model/list", params)
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
            prompts: Iterable[RunInput] | AsyncIterable[RunInput],
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
        ) -> AsyncGenerator[MapOutcome[Output], None]: ...
        @overload
        def map(
            self,
            prompts: Iterable[RunInput] | AsyncIterable[RunInput],
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
        ) -> AsyncGenerator[MapOutcome[Output], None]: ...
        @overload
        def map(
            self,
            prompts: Iterable[RunInput] | AsyncIterable[RunInput],
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
        ) -> AsyncGenerator[MapOutcome[None], None]: ...

    def map(
        self,
        prompts: Iterable[RunInput] | AsyncIterable[RunInput],
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
    ) -> AsyncGenerator[MapOutcome[Any], None]:
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
        from codex_app_server.aio.mapping import OneClient, mapped
        from codex_app_server.mapping.plan import Plan

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

    async def close(self) -> None:
        """End every waiting call with `TransportClosedError`, and stop the runtime; may be called again.

        Calls of tools with ``on_turn_end="finish"`` get some seconds to finish first; all others are given up.
        """
        try:
            await self._driver.finish()
        finally:
            await self._driver.close()

    async def __aenter__(self) -> Self:
        await self._driver.enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _thread_start(self, options: Mapping[str, object], own: ClientOptions) -> AsyncThread:
        return await self._thread("thread/start", options, own)

    async def _thread_resume(self, thread_id: str, options: Mapping[str, object], own: ClientOptions) -> AsyncThread:
        return await self._thread("thread/resume", {"threadId": thread_id, **options}, own)

    async def _thread_fork(self, thread_id: str, options: Mapping[str, object], own: ClientOptions) -> AsyncThread:
        return await self._thread("thread/fork", {"threadId": thread_id, **options}, own)

    async def _thread_list(self, options: Mapping[str, object]) -> ThreadListResponse:
        from codex_app_server.generated import ThreadListResponse
        from codex_app_server.models.model import decode
        from codex_app_server.request_params import params_of

        params = params_of("thread/list", options, experimental_api=self._driver.config.experimental_api)
        return decode(ThreadListResponse, await self._driver.call("thread/list", params))

    async def _thread(
        self, method: str, options: Mapping[str, object], own: ClientOptions | None = None
    ) -> AsyncThread:
        from codex_app_server.aio.opening import opened

        return await opened(self._driver, method, options, own)
