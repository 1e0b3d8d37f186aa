"""The front door: Codex, its threads and its models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_app_server.generated.front import CodexOptions
from codex_app_server.preloading import load_ahead

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

    from codex_app_server.config import AppServerConfig
    from codex_app_server.generated import ModelListResponse, ThreadArchiveResponse, ThreadListResponse
    from codex_app_server.handlers import Handlers
    from codex_app_server.options import ClientOptions
    from codex_app_server.protocol.handshake import InitializeResult
    from codex_app_server.protocol.messages import JsonValue
    from codex_app_server.sync.client import AppServerClient
    from codex_app_server.sync.thread import Thread

# All else is imported where it is used: what follows the handshake is loaded ahead of that, while the runtime boots.

__all__ = ["Codex"]


class Codex(CodexOptions):
    """A running Codex, for any number of threads and turns at once.

        with Codex() as codex:
            print(codex.thread_start().run("What is in this directory?").final_response)

    Its constructor starts it; `close`, or the end of a ``with`` block, stops it. Any thread may call it.

    Args:
        config: how to start it; without it, the installed runtime with its own settings.

    Raises:
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
        """How many lines of the runtime's output made no sense; each is in the log."""
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
        """The same connection as a client with every method of the protocol; always the same client.

        The end of a ``with`` block of it leaves the connection open: it is this object's.
        """
        if self._client is None:
            from codex_app_server.sync.client import AppServerClient

            self._client = AppServerClient.over(self._driver)
        return self._client

    def thread_archive(self, thread_id: str) -> ThreadArchiveResponse:
        """Put a thread away: lists leave it out."""
        answer = self._driver.call("thread/archive", {"threadId": thread_id})
        from codex_app_server.generated import ThreadArchiveResponse
        from codex_app_server.models.model import decode

        return decode(ThreadArchiveResponse, answer)

    def thread_unarchive(self, thread_id: str) -> Thread:
        """Take a thread out of the archive again."""
        return self._thread("thread/unarchive", {"threadId": thread_id})

    def models(self, *, include_hidden: bool = False) -> ModelListResponse:
        """The models that may be chosen.

        Args:
            include_hidden: also those that pickers do not show.
        """
        from codex_app_server.generated import ModelListResponse
        from codex_app_server.models.model import decode

        answer = self._driver.call("model/list", {"includeHidden": include_hidden})
        return decode(ModelListResponse, answer)

    def close(self) -> None:
        """End every waiting call with `TransportClosedError`, and stop the runtime; may be called again.

        Calls of tools that are to finish have some seconds for that before; all others end with it.
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

        return decode(ThreadListResponse, self._call("thread/list", options))

    def _thread(self, method: str, options: Mapping[str, object], own: ClientOptions | None = None) -> Thread:
        from codex_app_server.request_params import thread_named_by
        from codex_app_server.sync.thread import Thread

        if own is None or not own.tools:
            return Thread(self._driver, thread_named_by(self._call(method, options), method), own)
        from codex_app_server.tools.toolbox import announced, tools_of

        tools = tools_of(own.tools)
        if method == "thread/start":
            options = announced(tools, options, experimental_api=self._driver.config.experimental_api)
        toolbox = self._driver.calling.toolbox
        # Before it is resumed, for a goal of its own may set it off at once.
        resumed = str(options["threadId"]) if method == "thread/resume" else ""
        before = toolbox.put(resumed, tools)
        try:
            thread_id = thread_named_by(self._call(method, options), method)
        except BaseException:
            toolbox.put(resumed, before)
            raise
        toolbox.put(thread_id, tools)
        return Thread(self._driver, thread_id, own)

    def _call(self, method: str, options: Mapping[str, object]) -> JsonValue:
        from codex_app_server.request_params import params_of

        params = params_of(method, options, experimental_api=self._driver.config.experimental_api)
        return self._driver.call(method, params)
