"""Every method of the protocol, and every event: the layer below `Codex`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from codex_app_server.generated.methods import Methods
from codex_app_server.models.encoding import encode_options
from codex_app_server.request_params import params_of
from codex_app_server.sync.driver import Driver
from codex_app_server.sync.subscription import Subscription, topic_of

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from codex_app_server.config import AppServerConfig
    from codex_app_server.handlers import Handlers
    from codex_app_server.models.model import Model
    from codex_app_server.protocol.handshake import InitializeResult
    from codex_app_server.protocol.messages import JsonValue

__all__ = ["AppServerClient"]


class AppServerClient(Methods):
    """A running Codex app-server, with a method for each method of the protocol.

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
        self._driver = Driver(config)
        self._is_owner = True

    @classmethod
    def over(cls, driver: Driver) -> Self:
        """A client of a connection that exists, and stays open at the end of a ``with`` block."""
        client = cls.__new__(cls)
        client._driver = driver  # noqa: SLF001 - its own
        client._is_owner = False  # noqa: SLF001 - its own
        return client

    @property
    def metadata(self) -> InitializeResult:
        """What the runtime said about itself in the handshake."""
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

    def request(self, method: str, params: Mapping[str, object] | Model | None = None) -> JsonValue:
        """Call a protocol method by its name, and wait for the result.

        Args:
            method: the name, e.g. ``model/list``. Methods that this client does not know are possible, too.
            params: the parameters, as JSON values or as a model. With None, no parameters are sent at all, which most
                methods refuse; for a method whose parameters are all optional, give ``{}``.

        Raises:
            JsonRpcError: if the runtime answers with an error.
            RequestTimeoutError: if there is no answer within `AppServerConfig.request_timeout_s`; this is a
                `TimeoutError`, too.
            TransportClosedError: if the runtime ends, or the client is closed before or meanwhile.
            TypeError, ValueError: if `method` is no string, or `params` cannot be JSON; nothing is sent then.
        """
        if params is not None and not isinstance(params, Mapping):
            params = encode_options(params)
        return self._driver.call(method, params)

    def subscribe(
        self,
        *,
        turn_id: str | None = None,
        thread_id: str | None = None,
        login_id: str | None = None,
        process_id: str | None = None,
    ) -> Subscription:
        """Subscribe to the events of one thing, or without an id to all events, from now on.

        Args:
            turn_id: the id of a turn; the subscription ends with ``turn/completed``.
            thread_id: the id of a thread, for its events and those of its turns; ends with ``thread/closed``.
            login_id: the id of a login; ends with ``account/login/completed``.
            process_id: the name that a process was given when it was started; ends with ``process/exited``, or with the
                answer to the ``command/exec`` that started it.

        Raises:
            ValueError: if several ids are given.
        """
        topic = topic_of(turn=turn_id, thread=thread_id, login=login_id, process=process_id)
        return Subscription(self._driver, self._driver.listen(topic))

    def close(self) -> None:
        """End every waiting call with `TransportClosedError`, and stop the runtime.

        May be called again. Returns when the process is gone; this takes about 10 ms, or some seconds if it has to be
        forced.
        """
        self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_owner:
            self.close()

    def _call(self, method: str, options: Mapping[str, object] | object | None, result: str) -> Any:
        from codex_app_server.models.model import decode  # not at the top: pydantic costs a tenth of a second

        params = params_of(method, options, experimental_api=self._driver.config.experimental_api)
        return decode(result, self._driver.call(method, params))
