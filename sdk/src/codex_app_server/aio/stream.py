"""One turn as a block of a program, for asyncio: it is read inside the block, and over when the block is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from codex_app_server.aio.turn import AsyncTurn, begin_turn
from codex_app_server.errors import WaitTimeoutError
from codex_app_server.folding import TurnFold
from codex_app_server.results import Output
from codex_app_server.streaming import Words
from codex_app_server.timeouts import end_after, left_until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from types import TracebackType

    from typing_extensions import Self

    from codex_app_server.aio.driver import AsyncDriver
    from codex_app_server.aio.turn import AsyncTurnReader
    from codex_app_server.aio.watching import AsyncWatching
    from codex_app_server.generated import ThreadItem
    from codex_app_server.generated.events import Event
    from codex_app_server.protocol.request import Request
    from codex_app_server.results import TurnResult
    from codex_app_server.structured.asking import Asking

__all__ = ["AsyncTurnStream"]


class AsyncTurnStream(Generic[Output]):
    """A turn that begins with an ``async with`` block, as `AsyncThread.stream` gives it.

        async with thread.stream("What is in this directory?") as stream:
            async for words in stream.text():
                print(words, end="")
        print(stream.result.usage)

    To iterate over it gives the events of the turn, up to ``turn/completed``. `text` and `items` read the same events,
    and give only the agent's words or only the finished items. If the block is left before the turn has ended, for
    whatever reason, the turn is interrupted, unless somebody else reads it, too.
    """

    def __init__(
        self,
        driver: AsyncDriver,
        thread_id: str,
        request: Request,
        limit: float | None,
        asking: Asking | None,
        load: Callable[[float | None, AsyncWatching | None], Awaitable[None]],
        watching: AsyncWatching | None = None,
    ) -> None:
        self._driver = driver
        self._thread_id = thread_id
        self._request = request
        self._limit = limit
        self._asking = asking
        self._load = load
        self._watching = watching
        self._end: float | None = None
        self._begun: tuple[AsyncTurn, AsyncTurnReader] | None = None
        self._batch: list[Event] = []
        self._fold = TurnFold()
        self._words = Words()
        self._result: TurnResult[Any] | None = None

    @property
    def turn(self) -> AsyncTurn:
        """The turn itself, to `steer` and to `interrupt` it.

        Raises:
            RuntimeError: before the block has begun.
        """
        return self._opened()[0]

    @property
    def result(self) -> TurnResult[Output]:
        """The result of the turn. Before it has ended, and if it was left early, this is the turn as far as it came.

        Raises:
            OutputValidationError: if the turn has ended, and its reply is not what was asked for.
            RuntimeError: before the block has begun.
        """
        turn, _ = self._opened()
        if self._result is None:
            fold = self._fold if self._fold.has_ended else turn._folded()  # noqa: SLF001 - as its `result` does
            result: TurnResult[Any] = fold.result(self._thread_id, turn.id)
            if not result.is_completed:
                return result
            if self._asking is not None:
                self._asking.fits(result)
            self._result = result
        return self._result

    async def text(self) -> AsyncGenerator[str, None]:
        """Only the agent's words, piece by piece as they come."""
        async for event in self:
            if words := self._words.of(event):
                yield words

    async def items(self) -> AsyncGenerator[ThreadItem, None]:
        """Only the items of the turn, each when it is finished: messages, commands, file changes."""
        async for event in self:
            if event.method == "item/completed":
                yield event.payload.item

    async def __aenter__(self) -> Self:
        if self._begun is not None or self._request.is_sent or self._request.is_given_up:
            raise RuntimeError("a stream is one turn: call `stream` again for another one")
        self._end = end_after(self._limit)
        await self._load(self._limit, self._watching)
        if self._watching is not None:
            self._watching.admit()
        try:
            cursor = await begin_turn(self._driver, self._request, left_until(self._end), self._watching)
            turn = AsyncTurn(self._driver, self._thread_id, cursor, self._watching)
            self._begun = turn, turn._reader()  # noqa: SLF001 - its own
        except BaseException:
            self._driver.give_up(self._request)  # whatever it was, wherever it came
            if self._watching is not None:
                self._watching.give_back()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened()[1].leave()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """The next event.

        Raises:
            EventOverflowError: if too many events waited to be read.
            LimitExceededError: at the end, if the turn was interrupted because it took more than `Limits` allow.
            WaitTimeoutError: if the turn takes longer than its `timeout`.
            TransportClosedError: if the connection ends before the turn does.
            RuntimeError: outside of the block.
        """
        if not self._batch:
            turn, reader = self._opened()
            try:
                self._batch = await reader.take(left_until(self._end))
            except TimeoutError:
                raise WaitTimeoutError(f"turn {turn.id} did not end in time") from None
            self._batch.reverse()  # what was read is nobody's any more
        if not self._batch:
            if self._watching is not None:
                await self._opened()[0]._settled(self._fold)  # noqa: SLF001 - as its `run` does
            raise StopAsyncIteration
        event = self._batch.pop()
        self._fold.add(event)
        return event

    def _opened(self) -> tuple[AsyncTurn, AsyncTurnReader]:
        if self._begun is None:
            raise RuntimeError("the turn has not begun: use the stream in an `async with` block")
        return self._begun
