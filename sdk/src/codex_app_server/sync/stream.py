"""One turn as a block of a program: it is read inside the block, and over when the block is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from codex_app_server.errors import WaitTimeoutError
from codex_app_server.folding import TurnFold
from codex_app_server.results import Output
from codex_app_server.streaming import Words
from codex_app_server.sync.turn import Turn, begin_turn
from codex_app_server.timeouts import end_after, left_until

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

    from typing_extensions import Self

    from codex_app_server.generated import ThreadItem
    from codex_app_server.generated.events import Event
    from codex_app_server.protocol.request import Request
    from codex_app_server.results import TurnResult
    from codex_app_server.structured.asking import Asking
    from codex_app_server.sync.driver import Driver
    from codex_app_server.sync.turn import TurnReader
    from codex_app_server.sync.watching import Watching

__all__ = ["TurnStream"]


class TurnStream(Generic[Output]):
    """A turn that begins with a ``with`` block, as `Thread.stream` gives it.

        with thread.stream("What is in this directory?") as stream:
            for words in stream.text():
                print(words, end="")
        print(stream.result.usage)

    To iterate over it gives the events of the turn, up to ``turn/completed``. `text` and `items` read the same events,
    and give only the agent's words or only the finished items. If the block is left before the turn has ended, for
    whatever reason, the turn is interrupted, unless somebody else reads it, too.
    """

    def __init__(
        self,
        driver: Driver,
        thread_id: str,
        request: Request,
        limit: float | None,
        asking: Asking | None,
        load: Callable[[float | None, Watching | None], None],
        watching: Watching | None = None,
    ) -> None:
        self._driver = driver
        self._thread_id = thread_id
        self._request = request
        self._limit = limit
        self._asking = asking
        self._load = load
        self._watching = watching
        self._end: float | None = None
        self._begun: tuple[Turn, TurnReader] | None = None
        self._batch: list[Event] = []
        self._fold = TurnFold()
        self._words = Words()
        self._result: TurnResult[Any] | None = None

    @property
    def turn(self) -> Turn:
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

    def text(self) -> Generator[str, None, None]:
        """Only the agent's words, piece by piece as they come."""
        for event in self:
            if words := self._words.of(event):
                yield words

    def items(self) -> Generator[ThreadItem, None, None]:
        """Only the items of the turn, each when it is finished: messages, commands, file changes."""
        for event in self:
            if event.method == "item/completed":
                yield event.payload.item

    def __enter__(self) -> Self:
        if self._begun is not None or self._request.is_sent or self._request.is_given_up:
            raise RuntimeError("a stream is one turn: call `stream` again for another one")
        self._end = end_after(self._limit)
        self._load(self._limit, self._watching)
        if self._watching is not None:
            self._watching.admit()
        try:
            cursor = begin_turn(self._driver, self._request, left_until(self._end), self._watching)
            turn = Turn(self._driver, self._thread_id, cursor, self._watching)
            self._begun = turn, turn._reader()  # noqa: SLF001 - its own
        except BaseException:
            self._driver.give_up(self._request)  # whatever it was, wherever it came
            if self._watching is not None:
                self._watching.give_back()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened()[1].leave()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
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
                self._batch = reader.take(left_until(self._end))
            except TimeoutError:
                raise WaitTimeoutError(f"turn {turn.id} did not end in time") from None
            self._batch.reverse()  # what was read is nobody's any more
        if not self._batch:
            if self._watching is not None:
                self._opened()[0]._settled(self._fold)  # noqa: SLF001 - as its `run` does
            raise StopIteration
        event = self._batch.pop()
        self._fold.add(event)
        return event

    def _opened(self) -> tuple[Turn, TurnReader]:
        if self._begun is None:
            raise RuntimeError("the turn has not begun: use the stream in a `with` block")
        return self._begun
