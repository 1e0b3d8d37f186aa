"""Executing the calls of tools: side by side, bounded, each with an answer, whatever happens.

All of it runs in one event loop, in which async functions run as well; plain ones get threads. A call ends when its
function does, when its time is up, when its turn ends or when the client is closed. A function that does not end then
is left alone: what it returns finds nobody, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import WeakKeyDictionary

from codex_app_server._log import logger
from codex_app_server.handlers import is_async
from codex_app_server.protocol.messages import encode_result
from codex_app_server.questions import answer, decline, failed, question
from codex_app_server.tools.context import ToolContext, ToolError
from codex_app_server.tools.names import qualified
from codex_app_server.tools.results import failure, success
from codex_app_server.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable

    from codex_app_server.handlers import Handlers
    from codex_app_server.protocol.messages import JsonValue, ServerRequest
    from codex_app_server.telemetry import Tracing
    from codex_app_server.tools.tool import Tool
    from codex_app_server.tools.toolbox import Toolbox, Tools
    from codex_app_server.workers import Outcome

__all__ = ["FINISH_S", "LIMIT", "THREADS", "Executor"]

T = TypeVar("T")

LIMIT = 128
"""How many calls run at once in one client; the others wait."""

FINISH_S = 10.0
"""How long the end of a client waits for calls that are to finish, in seconds."""

THREADS = "codex-app-server tool"
"""What the threads are called that plain functions run in."""

_ENDING_S = 1.0
"""How long functions that were cancelled may take to clean up, in seconds, before their loop ends."""

_NAMES = ("threadId", "turnId", "callId", "tool")

_ANCESTORS = 16
"""How far back the threads of sub-agents are followed."""


@dataclass(eq=False)
class _Call:
    """A call that is under way.

    Attributes:
        request: how it was asked for.
        context: what the function may know.
        arguments: what the model passed.
        why: why it is over although the function has not ended.
        tool: what is called, once it is known.
        is_begun: whether somebody sees to it already; a task that is cancelled before never does anything.
        task: who sees to it.
        running: in which the function runs.
    """

    request: ServerRequest
    context: ToolContext
    arguments: JsonValue
    why: str = ""
    tool: Tool[..., object] | None = None
    is_begun: bool = False
    task: asyncio.Task[None] = field(init=False)
    running: asyncio.Task[Outcome[dict[str, JsonValue]]] | None = None

    @property
    def is_to_finish(self) -> bool:
        """Whether it goes on when its turn has ended."""
        return self.tool is not None and self.tool.on_turn_end == "finish"

    def end(self, why: str) -> None:
        """Nobody waits for it any more."""
        self.why = self.why or why
        self.context.cancel()
        if self.is_begun:
            self.task.cancel()


class Executor:
    """Executes the calls of one client. Everything here is for the loop's own thread.

    Attributes:
        is_closed: whether it was closed.

    Args:
        toolbox: which thread has which tools.
        send: takes an answer.
        handlers: gives those who may answer for threads without tools.
        parent: plain or async; gives the thread that a sub-agent's thread works for, and None for any other thread.
        tracing: what telemetry is told, if there is any.
    """

    def __init__(
        self,
        toolbox: Toolbox,
        send: Callable[[bytes], None],
        handlers: Callable[[], Handlers],
        parent: Callable[[str], str | Awaitable[str | None] | None],
        tracing: Tracing | None = None,
    ) -> None:
        self._toolbox = toolbox
        self._send = send
        self._handlers = handlers
        self._parent = parent
        self._tracing = tracing
        self._workers = Workers(THREADS, LIMIT)
        self._slots = asyncio.Semaphore(LIMIT)
        self._slots_of: WeakKeyDictionary[Tool[..., object], asyncio.Semaphore] = WeakKeyDictionary()
        self._of_turns: defaultdict[str, set[_Call]] = defaultdict(set)
        self._tasks: set[asyncio.Task[Any]] = set()  # the loop itself holds tasks weakly
        self.is_closed = False

    def ask(self, request: ServerRequest) -> None:
        """Have a call answered, until all is closed. Never blocks."""
        if self.is_closed:
            return
        asked = request.params if isinstance(request.params, dict) else {}
        thread_id, turn_id, call_id, tool = (str(asked.get(name) or "") for name in _NAMES)
        space = asked.get("namespace")
        context = ToolContext(thread_id, turn_id, call_id, tool, space if isinstance(space, str) else None)
        if any(each.request == request for each in self._of_turns.get(turn_id, ())):  # its thread was resumed meanwhile
            return
        call = _Call(request, context, asked.get("arguments"))
        self._of_turns[context.turn_id].add(call)
        call.task = self._task(self._see_to(call))

    def turns_ended(self, turn_ids: Iterable[str]) -> None:
        """Some turns are over, and with them the calls that are not to finish."""
        for turn_id in turn_ids:
            for call in list(self._of_turns.get(turn_id, ())):
                if not call.is_to_finish:
                    call.end("its turn has ended")

    async def finish(self) -> None:
        """Wait for the calls that are to finish, some seconds at most; but for one that waits here itself."""
        calls = [call for calls in self._of_turns.values() for call in calls]
        here = asyncio.current_task()
        if tasks := [each.task for each in calls if each.is_to_finish and each.running is not here]:
            await asyncio.wait(tasks, timeout=FINISH_S)

    def close(self) -> None:
        """End all calls; nothing is sent any more. May be called again, and leaves those alone that clean up then."""
        if self.is_closed:
            return
        self.is_closed = True
        self._workers.close()
        for calls in list(self._of_turns.values()):
            for call in list(calls):
                call.end("the client was closed")
        for task in list(self._tasks):
            task.cancel()

    async def ended(self) -> None:
        """Give functions that were cancelled a moment to clean up."""
        if tasks := self._tasks - {asyncio.current_task()}:
            await asyncio.wait(tasks, timeout=_ENDING_S)

    async def _see_to(self, call: _Call) -> None:
        """Answer a call, whatever comes of it."""
        call.is_begun = True
        try:
            if call.why:
                raise asyncio.CancelledError  # noqa: TRY301 - as if it came a moment later
            data = await self._answered(call)
        except asyncio.CancelledError:
            data = encode_result(call.request.id, failure(f"The tool was stopped: {call.why or 'the program ends'}."))
        except BaseException as error:
            data = failed(call.request, error)
        finally:
            call.context.cancel()
            calls = self._of_turns[call.context.turn_id]
            calls.discard(call)
            if not calls:
                self._of_turns.pop(call.context.turn_id, None)
        if not self.is_closed:
            with contextlib.suppress(Exception):  # the connection is over
                self._send(data)

    async def _answered(self, call: _Call) -> bytes:
        request, context = call.request, call.context
        tools = await self._tools_of(context.thread_id)
        tool = call.tool = (tools or {}).get((context.namespace, context.tool))
        if tool is None and (handler := self._handlers().tool_call) is not None:
            said, error = await self._result(handler, [question(request)], {}, lambda given: given)
            if call.why and isinstance(error, asyncio.CancelledError):
                raise error
            return answer(request, said) if error is None else failed(request, error)
        name = qualified(context.namespace, context.tool)
        if tool is None:
            logger().warning(
                "the model called %s in thread %s, which was started with that tool, but was not given it here: "
                "declined; pass the function to thread_resume or thread_fork: tools=[...]",
                name,
                context.thread_id,
            )
            return decline(request)
        try:
            given = await self._outcome(tool, call)
        except ToolError as error:
            given = failure(error)
        return encode_result(request.id, given)

    async def _outcome(self, tool: Tool[..., object], call: _Call) -> dict[str, JsonValue]:
        """What comes of calling a function.

        Raises:
            ToolError: what the model is to be told instead.
        """
        arguments = tool.definition.bind(call.arguments, call.context)
        async with AsyncExitStack() as slots:
            if tool.concurrency is not None:
                await slots.enter_async_context(self._slots_of.setdefault(tool, asyncio.Semaphore(tool.concurrency)))
            await slots.enter_async_context(self._slots)
            if self._tracing is not None:
                self._tracing.on_call(call.request)
            running = call.running = self._task(
                self._result(tool.function, [], arguments, lambda given: success(given, tool.max_bytes))
            )
            try:
                done, _ = await asyncio.wait([running], timeout=tool.timeout)
            finally:
                running.cancel()
            if not done:
                call.context.cancel()
                raise ToolError(f"The tool gave no result within {tool.timeout:g} s, and was stopped.")
        given, error = running.result()
        if error is None:
            return given or {}
        if self._tracing is not None:
            self._tracing.on_call_error(call.request, error)
        if isinstance(error, ToolError):
            return failure(error, tool.max_bytes)
        if isinstance(error, asyncio.CancelledError):  # of its own making: nobody has cancelled it
            return failure("The tool was cancelled.")
        logger().error("the tool %s failed; the model is told so", tool.name, exc_info=error)
        return failure(error, tool.max_bytes)

    async def _result(
        self,
        function: Callable[..., object],
        positional: list[object],
        named: dict[str, object],
        made: Callable[[object], T],
    ) -> Outcome[T]:
        """What is made of what a function returns, in the same thread; or what it raised.

        As a value: `SystemExit` in a task would end the loop, and `StopIteration` cannot leave a coroutine.
        """
        try:
            if is_async(function):
                given = await cast("Awaitable[object]", function(*positional, **named))
                return made(given), None
            called = self._workers.call(lambda: _now(function, positional, named, made))
            if called is None:
                return None, ToolError("The program has no thread to run the tool in.")
            given, error = await called
            if error is None and isawaitable(given):
                return made(await given), None
            return cast("T", given), error
        except BaseException as error:
            return None, error

    async def _tools_of(self, thread_id: str) -> Tools | None:
        """The tools of a thread; a sub-agent's thread has those of the thread that it works for."""
        tools = self._toolbox.of(thread_id)
        if tools is not None:
            return tools
        asked: object = thread_id
        for _ in range(_ANCESTORS):
            asked, error = await self._result(self._parent, [asked], {}, lambda given: given)
            if isinstance(error, asyncio.CancelledError):
                raise error
            if error is not None:  # the runtime does not say; another time it may
                return None
            if not isinstance(asked, str):  # it works for none
                break
            if (tools := self._toolbox.of(asked)) is not None:
                break
        return self._toolbox.found(thread_id, tools or {})

    def _task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _now(
    function: Callable[..., object],
    positional: list[object],
    named: dict[str, object],
    made: Callable[[object], Any],
) -> object:
    """What is made of what a plain function returns; or an awaitable, which the loop must wait for."""
    given = function(*positional, **named)
    return given if isawaitable(given) else made(given)
