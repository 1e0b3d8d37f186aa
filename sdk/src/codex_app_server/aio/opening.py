"""How a thread comes to its handle, for asyncio: by a call whose answer names it, and with the tools that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_app_server.aio.thread import AsyncThread
from codex_app_server.generated.afront import AsyncThreadStartOptions
from codex_app_server.handles.threads import known_from
from codex_app_server.request_params import params_of, thread_named_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_app_server.aio.driver import AsyncDriver
    from codex_app_server.options import ClientOptions
    from codex_app_server.protocol.messages import JsonValue

__all__ = ["AsyncStarting", "listed", "opened"]


class AsyncStarting(AsyncThreadStartOptions):
    """Begins threads as a client does, within a time of which these options do not know.

    Args:
        driver: of the client.
        timeout: how long it may take, in seconds.
    """

    def __init__(self, driver: AsyncDriver, timeout: float | None) -> None:
        self._driver = driver
        self._timeout = timeout

    async def _thread_start(self, options: Mapping[str, object], own: ClientOptions) -> AsyncThread:
        return await opened(self._driver, "thread/start", options, own, self._timeout)


async def opened(
    driver: AsyncDriver,
    method: str,
    options: Mapping[str, object],
    own: ClientOptions | None,
    timeout: float | None = None,
) -> AsyncThread:
    """Make a call, and a handle of the thread that its answer is about; `timeout` is that of `AsyncDriver.call`."""
    if own is None or not own.tools:
        return _named(driver, await _answer(driver, method, options, timeout), method, own)
    from codex_app_server.tools.toolbox import announced, tools_of

    tools = tools_of(own.tools)
    if method == "thread/start":
        options = announced(tools, options, experimental_api=driver.config.experimental_api)
    toolbox = driver.toolbox
    # Before it is resumed, for a goal of its own may set it off at once.
    resumed = str(options["threadId"]) if method == "thread/resume" else None
    before = None if resumed is None else toolbox.put(resumed, tools)
    try:
        thread = _named(driver, await _answer(driver, method, options, timeout), method, own)
    except BaseException:
        if resumed is not None:
            toolbox.put(resumed, before)
        raise
    toolbox.put(thread.id, tools)
    return thread


def listed(driver: AsyncDriver, said: JsonValue) -> AsyncThread:
    """A handle of a thread that a list has told."""
    return _named(driver, {"thread": said}, "thread/list", None)


async def _answer(driver: AsyncDriver, method: str, options: Mapping[str, object], timeout: float | None) -> JsonValue:
    params = params_of(method, options, experimental_api=driver.config.experimental_api)
    return await driver.call(method, params, timeout)


def _named(driver: AsyncDriver, answer: JsonValue, method: str, own: ClientOptions | None) -> AsyncThread:
    thread = AsyncThread(driver, thread_named_by(answer, method), own)
    thread._known = known_from(answer)  # noqa: SLF001 - its own
    return thread
