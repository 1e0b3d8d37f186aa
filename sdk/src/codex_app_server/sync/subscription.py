"""Subscriptions to the events of one thing, or to all events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_app_server.protocol.log import Topic
from codex_app_server.protocol.streams import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from typing_extensions import Self

    from codex_app_server.generated.events import Event
    from codex_app_server.protocol.log import Cursor
    from codex_app_server.sync.driver import Driver

__all__ = ["Subscription", "topic_of"]


class Subscription:
    """The events from its creation on, to be iterated over once; `AppServerClient.subscribe` makes it.

    The iteration raises `EventOverflowError` if too many events waited to be read, and `TransportClosedError` if the
    connection ends first.
    """

    def __init__(self, driver: Driver, cursor: Cursor) -> None:
        self._driver = driver
        self._cursor = cursor

    def close(self) -> None:
        """End the subscription; a loop over it ends, too."""
        self._driver.drop(self._cursor)

    def __iter__(self) -> Iterator[Event]:
        while batch := self._driver.take(self._cursor):
            batch.reverse()
            while batch:  # what was read is nobody's any more: the fewer live objects, the less the collector does
                yield batch.pop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
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
