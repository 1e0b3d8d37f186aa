"""Subscriptions to the events of one thing, or to all events, for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_app_server.protocol.log import Topic
from codex_app_server.protocol.streams import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from typing_extensions import Self

    from codex_app_server.aio.driver import AsyncDriver
    from codex_app_server.generated.events import Event
    from codex_app_server.protocol.log import Cursor

__all__ = ["AsyncSubscription", "topic_of"]


class AsyncSubscription:
    """The events from its creation on, to be iterated over once; `AsyncAppServerClient.subscribe` makes it.

    The iteration raises `EventOverflowError` if too many events waited to be read, and `TransportClosedError` if the
    connection ends first.
    """

    def __init__(self, driver: AsyncDriver, cursor: Cursor) -> None:
        self._driver = driver
        self._cursor = cursor

    def close(self) -> None:
        """End the subscription; a loop over it ends, too."""
        self._driver.drop(self._cursor)

    async def __aiter__(self) -> AsyncIterator[Event]:
        while batch := await self._driver.take(self._cursor):
            batch.reverse()
            while batch:  # what was read is nobody's any more: the fewer live objects, the less the collector does
                yield batch.pop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def topic_of(**ids: str | None) -> Topic:
    """The topic for a subscription, from at most one id, which is named after its kind.

    Raises:
        ValueError: if there are several.
    """
    topics = [Topic(kind, topic_id) for kind, topic_id in ids.items() if topic_id is not None]
    if len(topics) > 1:
        raise ValueError(f"a subscription is to one thing, not to {' and '.join(map(str, topics))}")
    return topics[0] if topics else EVERYTHING
