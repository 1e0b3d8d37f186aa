"""Listening to what the runtime tells about one thing, or to everything, for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from typing_extensions import Self

    from codex_app_server.aio.driver import AsyncDriver
    from codex_app_server.protocol.messages import Notification
    from codex_app_server.protocol.streams import Stream

__all__ = ["AsyncSubscription"]


class AsyncSubscription:
    """What is told from its creation on, to be iterated over once; `AsyncAppServerClient.subscribe` makes it.

    Iterating raises `EventOverflowError` if events were not read in time and there were too many, and
    `TransportClosedError` if the connection ends first.
    """

    def __init__(self, driver: AsyncDriver, stream: Stream) -> None:
        self._driver = driver
        self._stream = stream

    def close(self) -> None:
        """Listen no longer; whoever iterates comes to the end."""
        self._driver.drop(self._stream)

    async def __aiter__(self) -> AsyncIterator[Notification]:
        while batch := await self._driver.take(self._stream):
            for event in batch:
                yield event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
