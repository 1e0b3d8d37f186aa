"""How a thread comes to its handle: by a call whose answer names it, and with the tools that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_app_server.generated.front import ThreadStartOptions
from codex_app_server.handles.threads import known_from
from codex_app_server.request_params import params_of, thread_named_by
from codex_app_server.sync.thread import Thread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_app_server.options import ClientOptions
    from codex_app_server.protocol.messages import JsonValue
    from codex_app_server.sync.driver import Driver

__all__ = ["Starting", "listed", "opened"]


class Starting(ThreadStartOptions):
    """Begins threads as a client does, within a time of which these options do not know.

    Args:
        driver: of the client.
        timeout: how long it may take, in seconds.
    """

    def __init__(self, driver: Driver, timeout: float | None) -> None:
        self._driver = driver
        self._timeout = timeout

    def _thread_start(self, options: Mapping[str, object], own: ClientOptions) -> Thread:
        return opened(self._driver, "thread/start", options, own, self._timeout)


def opened(
    driver: Driver,
    method: str,
    options: Mapping[str, object],
    own: ClientOptions | None,
    timeout: float | None = None,
) -> Thread:
    """Make a call, and a handle of the thread that its answer is about; `timeout` is that of `Driver.call`."""
    if own is None or not own.tools:
        return _named(driver, _answer(driver, method, options, timeout), method, own)
    from codex_app_server.tools.toolbox import announced, tools_of

    tools = tools_of(own.tools)
    if method == "thread/start":
        options = announced(tools, options, experimental_api=driver.config.experimental_api)
    toolbox = driver.toolbox
    # Before it is resumed, for a goal of its own may set it off at once.
    resumed = str(options["threadId"]) if method == "thread/resume" else None
    before = None if resumed is None else toolbox.put(resumed, tools)
    try:
        thread = _named(driver, _answer(driver, method, options, timeout), method, own)
    except BaseException:
        if resumed is not None:
            toolbox.put(resumed, before)
        raise
    toolbox.put(thread.id, tools)
    return thread


def listed(driver: Driver, said: JsonValue) -> Thread:
    """A handle of a thread that a list has told."""
    return _named(driver, {"thread": said}, "thread/list", None)


def _answer(driver: Driver, method: str, options: Mapping[str, object], timeout: float | None) -> JsonValue:
    params = params_of(method, options, experimental_api=driver.config.experimental_api)
    return driver.call(method, params, timeout)


def _named(driver: Driver, answer: JsonValue, method: str, own: ClientOptions | None) -> Thread:
    thread = Thread(driver, thread_named_by(answer, method), own)
    thread._known = known_from(answer)  # noqa: SLF001 - its own
    return thread
