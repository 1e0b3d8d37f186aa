"""One thread, for asyncio: a conversation with the agent, in turns."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from codex_app_server.aio.handle import AsyncHandle
from codex_app_server.aio.turn import AsyncTurn, begin_turn
from codex_app_server.errors import OutputValidationError, TurnFailedError
from codex_app_server.generated.afront import AsyncThreadOptions
from codex_app_server.handles.threads import known_from
from codex_app_server.inputs import input_items
from codex_app_server.options import NOTHING
from codex_app_server.protocol.request import Request
from codex_app_server.request_params import params_of
from codex_app_server.timeouts import end_after, left_until, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from codex_app_server.aio.driver import AsyncDriver
    from codex_app_server.aio.stream import AsyncTurnStream
    from codex_app_server.aio.watching import AsyncWatching
    from codex_app_server.generated import ThreadCompactStartResponse, ThreadReadResponse, ThreadSetNameResponse
    from codex_app_server.inputs import Input, RunInput
    from codex_app_server.limits import Meter
    from codex_app_server.options import ClientOptions
    from codex_app_server.results import RunResult

__all__ = ["AsyncThread"]


class AsyncThread(AsyncThreadOptions, AsyncHandle):
    """A conversation with the agent, in turns; an `AsyncCodex` starts, resumes and lists them.

    This is a handle. The protocol's model of a thread is `ThreadInfo`.
    """

    def __init__(self, driver: AsyncDriver, thread_id: str, own: ClientOptions | None = None) -> None:
        self._driver = driver
        self._id = thread_id
        self._own = own or NOTHING
        self._on_turn: Callable[[AsyncTurn], object] | None = None  # is told of a turn as it begins
        self._meter: Meter | None = None
        if self._own.limits is not None:
            from codex_app_server.limits import Meter

            self._meter = Meter(self._own.limits, "thread")

    @property
    def id(self) -> str:
        """The thread's id. `thread_resume` continues the thread by it, also in another process."""
        return self._id

    async def read(self, *, include_turns: bool = False) -> ThreadReadResponse:
        """Read what the runtime has stored of the thread.

        Args:
            include_turns: whether to read all turns and their items, too.
        """
        from codex_app_server.generated import ThreadReadResponse
        from codex_app_server.models.model import decode

        answer = await self._driver.call("thread/read", {"threadId": self._id, "includeTurns": include_turns})
        self._known = known_from(answer)
        return decode(ThreadReadResponse, answer)

    async def set_name(self, name: str) -> ThreadSetNameResponse:
        """Give the thread a name, which lists of threads show."""
        answer = await self._driver.call("thread/name/set", {"threadId": self._id, "name": name})
        self._known = {**self._known, "name": name}
        from codex_app_server.generated import ThreadSetNameResponse
        from codex_app_server.models.model import decode

        return decode(ThreadSetNameResponse, answer)

    async def compact(self) -> ThreadCompactStartResponse:
        """Have the runtime shorten what the model is told of the thread so far.

        The runtime does this in a turn of its own, which has only begun when this method returns. Until that turn has
        ended, which a subscription to the thread shows as ``turn/completed``, the runtime refuses to begin another one
        (`InternalRpcError`).
        """
        await self._load()
        answer = await self._driver.call("thread/compact/start", {"threadId": self._id})
        from codex_app_server.generated import ThreadCompactStartResponse
        from codex_app_server.models.model import decode

        return decode(ThreadCompactStartResponse, answer)

    def __repr__(self) -> str:
        """Its id."""
        return f"<{type(self).__name__} {self._id}>"

    def _repr_markdown_(self) -> str:
        """For notebooks."""
        return f"**thread** `{self._id}`"

    async def _run_only(self, prompt: RunInput, **options: Any) -> RunResult[Any]:
        """Run the only turn of this thread, which nobody goes on with if it is ephemeral, and be done with it then.

        The runtime keeps in memory what somebody follows.
        """
        is_over = False
        try:
            result: RunResult[Any] = await self.run(prompt, **options)
            is_over = True
        except (TurnFailedError, OutputValidationError):  # any other error may come before the end of the turn
            is_over = True
            raise
        finally:
            if is_over and self._known.get("ephemeral") is True:
                await self._leave()
        return result

    async def _leave(self) -> None:
        """Follow this thread no more: no turn runs in it, and nobody has another handle of it."""
        if (tools := self._driver.reading.tools) is not None:
            tools.toolbox.put(self._id, None)
        await self._driver.post(Request("thread/unsubscribe", {"threadId": self._id}))

    async def _fork(self, options: Mapping[str, object], own: ClientOptions) -> AsyncThread:
        from codex_app_server.aio.opening import opened

        return await opened(self._driver, "thread/fork", {"threadId": self._id, **options}, own.over(self._own))

    async def _turn(
        self,
        given: Input,
        options: Mapping[str, object],
        own: ClientOptions,
    ) -> AsyncTurn:
        watching = self._watching(own)
        request = self._request(given, options)
        await self._load(None, watching)
        if watching is not None:
            watching.admit()
        try:
            return AsyncTurn(self._driver, self._id, await begin_turn(self._driver, request, None, watching), watching)
        except BaseException:
            self._driver.give_up(request)
            if watching is not None:
                watching.give_back()
            raise

    def _stream(self, given: RunInput, options: Mapping[str, object], own: ClientOptions) -> AsyncTurnStream[Any]:
        from codex_app_server.aio.stream import AsyncTurnStream

        watching = self._watching(own)
        asking = None
        if own.output_type is not None or options.get("outputSchema") is not None:
            from codex_app_server.structured.asking import Asking

            asking = Asking(given, options, own)
            given, options = asking.given, asking.options
        limit = seconds(own.timeout, "timeout")
        return AsyncTurnStream(
            self._driver, self._id, self._request(given, options), limit, asking, self._load, watching
        )

    async def _run(self, given: RunInput, options: Mapping[str, object], own: ClientOptions) -> RunResult[Any]:
        watching = self._watching(own)
        end = end_after(seconds(own.timeout, "timeout"))
        if own.output_type is None and options.get("outputSchema") is None:
            own.check_retries()
            return await self._run_once(given, options, end, watching)
        from codex_app_server.structured.asking import Asking

        asking = Asking(given, options, own)
        while True:
            result = await self._run_once(asking.given, asking.options, end, watching)
            if asking.fits(result):
                return result

    async def _run_once(
        self,
        given: RunInput,
        options: Mapping[str, object],
        end: float | None,
        watching: AsyncWatching | None,
    ) -> RunResult[Any]:
        """One turn to its end; it is not left behind."""
        request = self._request(given, options)
        await self._load(left_until(end), watching)
        if watching is not None:
            watching.admit()
        try:
            cursor = await begin_turn(self._driver, request, left_until(end), watching)
            turn = AsyncTurn(self._driver, self._id, cursor, watching)
            if self._on_turn is not None:
                self._on_turn(turn)
            result = await turn.run(timeout=None if end is None else max(0.0, end - time.monotonic()))
        except BaseException:
            self._driver.give_up(request)  # whatever it was, wherever it came
            if watching is not None:
                watching.give_back()
            raise
        if not result.is_completed:
            raise TurnFailedError(result)
        return result

    def _watching(self, own: ClientOptions) -> AsyncWatching | None:
        """Who watches the turns of a call, if anybody does."""
        if not (own.is_watched or self._own.is_watched or self._driver.config.limits is not None):
            return None
        from codex_app_server.aio.watching import AsyncWatching

        return AsyncWatching(self._driver, self._id, own, self._own, self._meter)

    def _request(self, given: Input, options: Mapping[str, object]) -> Request:
        whole = {"threadId": self._id, "input": input_items(given), **options}
        experimental_api = self._driver.config.experimental_api
        params = params_of("turn/start", whole, experimental_api=experimental_api)
        return Request("turn/start", params, announces_turn=True)
