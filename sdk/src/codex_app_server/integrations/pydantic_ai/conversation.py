"""One thread in the hands of a model: its turn, and the calls of tools that wait in it for an answer.

To the runtime a call is answered late; to the framework it is the end of a response, and its answer the next request.
So a turn goes on over several requests, and what it tells in between is kept by the client.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio

from codex_app_server.errors import AppServerError, InvalidRequestError
from codex_app_server.integrations.pydantic_ai.history import NOTHING, answer, digest_of
from codex_app_server.timeouts import end_after, left_until
from codex_app_server.tools.context import ToolContext, ToolError
from codex_app_server.tools.definition import Definition
from codex_app_server.tools.tool import Tool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from pydantic_ai.messages import ModelRequestPart
    from pydantic_ai.tools import ToolDefinition

    from codex_app_server.aio.client import AsyncAppServerClient
    from codex_app_server.aio.thread import AsyncThread
    from codex_app_server.aio.turn import AsyncTurn, AsyncTurnReader
    from codex_app_server.inputs import InputItem
    from codex_app_server.protocol.messages import JsonValue, Notification

__all__ = ["Conversation"]

QUIET_S = 0.05
"""How long no further call has to come, in seconds, where nothing says that there will be none."""

PATIENCE_S = 5.0
"""The same while the model still speaks, and how long a call that was announced has to come."""

ENDING_S = 10.0
"""How long a turn that was interrupted has to end, in seconds."""


@dataclass
class Spoken:
    """What the runtime has told of the model's own response, where it tells that.

    Attributes:
        calls: of tools of ours, in the order of the response.
        has_code: whether the model calls tools from code.
        is_complete: whether the response is.
    """

    calls: dict[str, None] = field(default_factory=dict)
    has_code: bool = False
    is_complete: bool = False


class Conversation:
    """A thread of a model.

    Args:
        tools: what the framework has.
        timeout: how long a call may wait for its answer, in seconds.

    Attributes:
        thread: it, once there is one.
        is_raw: whether the runtime tells of it what the model says, word for word; of a fork it does not.
        toolset: the digest of its tools.
        history: the digest of all that it has.
        instructions: the digest of the instructions that hold in it.
        is_busy: whether a request is under way.
        calls: those that the last step ended with: the items that tell of them, by their ids.
    """

    thread: AsyncThread

    def __init__(self, tools: Sequence[ToolDefinition], timeout: float | None) -> None:
        self.is_raw = False
        self.toolset = digest_of(
            *sorted(digest_of(each.name, each.description, each.parameters_json_schema) for each in tools)
        )
        self.history = ""
        self.instructions = ""
        self.is_busy = False
        self.calls: dict[str, Mapping[str, Any]] = {}
        self.tools: list[Tool[..., object]] = [_held(each, self, timeout) for each in tools]
        self._names = {each.name for each in tools}
        self._waiting: dict[str, asyncio.Future[object]] = {}
        self._arrivals: dict[str, asyncio.Future[None]] = {}
        self._turn: AsyncTurn | None = None
        self._reader: AsyncTurnReader | None = None
        self._batch: deque[Notification] = deque()
        self._spoken = Spoken()

    @property
    def turn_id(self) -> str:
        """Of the last turn."""
        return "" if self._turn is None else self._turn.id

    @property
    def has_open_turn(self) -> bool:
        """Whether the turn waits for answers of calls."""
        return self._reader is not None

    def is_waiting_for(self, call_id: str) -> bool:
        """Whether a call waits for its answer."""
        return self.has_open_turn and call_id in self._waiting

    async def inject(self, client: AsyncAppServerClient, items: Sequence[JsonValue]) -> None:
        """Put items into the thread's history, now."""
        if items:
            await client.thread_inject_items(thread_id=self.thread.id, items=items)

    async def begin(self, words: Sequence[InputItem], options: Mapping[str, Any]) -> None:
        """Begin a turn, when the one before is over."""
        if self._turn is not None:
            self.stop()
            await self._turn.result(timeout=ENDING_S)
        self.calls = {}
        self._turn = await self.thread.turn(list(words), **options)
        self._reader = self._turn._reader()  # noqa: SLF001 - the client's own
        self._spoken = Spoken()

    async def go_on(
        self, answers: Mapping[str, ModelRequestPart], words: Sequence[InputItem], options: Mapping[str, Any]
    ) -> None:
        """Answer the calls that wait, and say more to the turn; if it did not wait for that, begin another."""
        if words and self._turn is not None:
            try:
                await self._turn.steer(list(words))
            except InvalidRequestError:
                await self.begin(words, options)
                return
        for call_id in [*self.calls]:
            waiting = self._waiting.get(call_id)
            if waiting is None or waiting.done():
                continue
            try:
                waiting.set_result(answer(answers[call_id]) if call_id in answers else NOTHING)
            except ToolError as error:
                waiting.set_exception(error)
        self.calls = {}

    async def steps(self, timeout: float | None) -> AsyncIterator[Notification]:
        """What the turn tells, until it waits for answers, or is over; then `calls` says which.

        Raises:
            TimeoutError: if it takes longer than so many seconds.
            AppServerError: if events are missing, or the connection ends.
        """
        end = end_after(timeout)
        while (reader := self._reader) is not None:
            while self._batch:
                event = self._batch.popleft()
                await self._note(event)
                yield event
            if self._waits_for_all():
                return
            pause = self._pause()
            try:
                left = left_until(end)
                wait = pause if left is None or (pause is not None and pause < left) else left
                self._batch.extend(await reader.take(wait))
            except TimeoutError:
                if self.calls:
                    return
                raise TimeoutError(f"turn {self.turn_id} gave no response in time") from None
            if not self._batch:
                reader.close()
                self._reader = None
                self.calls = {}

    def stop(self) -> None:
        """Have an open turn stopped, and what waits in it with it; nobody waits for that here."""
        reader, self._reader = self._reader, None
        self._batch.clear()
        if reader is not None:
            with suppress(AppServerError, RuntimeError):  # the connection is over, or the loop
                reader.leave()

    def watch_the_run(self) -> None:
        """Stop what is open when the task ends that the run is in.

        Newer versions of the framework tell a model of the end of a run, which is sooner.
        """
        history, above = self.history, anyio.get_current_task().parent_id

        def stop(_: object) -> None:
            if self.history == history and not self.is_busy:
                self.stop()

        task = next((task for task in asyncio.all_tasks() if id(task) == above), asyncio.current_task())
        if task is not None:  # requests may be made in tasks below it
            task.add_done_callback(stop)

    async def hold(self, context: ToolContext, arguments: JsonValue) -> object:
        """A tool is called: wait for the answer, for as long as the turn does."""
        del arguments  # the event has told them
        if context.thread_id != self.thread.id:
            raise ToolError("Only the main agent can call this tool.")
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[context.call_id] = waiting
        if not (arrival := self._arrival(context.call_id)).done():
            arrival.set_result(None)
        try:
            return await waiting
        finally:
            self._waiting.pop(context.call_id, None)

    async def _note(self, event: Notification) -> None:
        """What an event says of calls."""
        params = event.params
        item = params.get("item") if isinstance(params, dict) else None
        if event.method == "rawResponse/completed":
            self._spoken.is_complete = True
        if not isinstance(item, dict):
            return
        if event.method == "rawResponseItem/completed":
            self._note_raw(item)
        elif item.get("type") == "dynamicToolCall" and item.get("tool") in self._names:
            call_id = str(item.get("id"))
            if event.method == "item/started":
                await asyncio.wait([self._arrival(call_id)], timeout=PATIENCE_S)
                self.calls[call_id] = item
            elif event.method == "item/completed":
                self.calls.pop(call_id, None)
                self._arrivals.pop(call_id, None)

    def _note_raw(self, item: Mapping[str, Any]) -> None:
        """What the model has said, word for word: so it is known which calls there will be."""
        if self._spoken.is_complete:
            self._spoken = Spoken()
        if item.get("type") == "function_call" and item.get("name") in self._names:
            self._spoken.calls[str(item.get("call_id"))] = None
        elif item.get("type") == "custom_tool_call":
            self._spoken.has_code = True

    def _waits_for_all(self) -> bool:
        """Whether all calls of a response wait; they are put in its order."""
        spoken = self._spoken
        if not self.calls or spoken.has_code or not spoken.is_complete or not spoken.calls.keys() <= self.calls.keys():
            return False
        self.calls = {name: self.calls[name] for name in [*spoken.calls, *(self.calls.keys() - spoken.calls)]}
        return True

    def _pause(self) -> float | None:
        """How long to wait for more; without limit, while no call waits."""
        if not self.calls:
            return None
        return PATIENCE_S if self.is_raw and not self._spoken.is_complete else QUIET_S

    def _arrival(self, call_id: str) -> asyncio.Future[None]:
        if (found := self._arrivals.get(call_id)) is None:
            found = self._arrivals[call_id] = asyncio.get_running_loop().create_future()
        return found


@dataclass(frozen=True)
class _AsGiven(Definition):
    """A tool that somebody else describes, and whose arguments he validates."""

    def bind(self, given: JsonValue, context: ToolContext) -> dict[str, Any]:
        return {"context": context, "arguments": given}


@dataclass(frozen=True, eq=False)
class _HeldTool(Tool[..., object]):
    """A tool of a framework's.

    Attributes:
        as_given: how the framework describes it.
    """

    as_given: Any = None

    @property
    def definition(self) -> Definition:
        made: Definition = self.as_given
        return made


def _held(tool: ToolDefinition, conversation: Conversation, timeout: float | None) -> Tool[..., object]:
    """A tool whose calls wait in a conversation; raises as `Tool`."""
    from pydantic import BaseModel

    definition = _AsGiven(tool.description or "", tool.parameters_json_schema, BaseModel, {}, ())
    return _HeldTool(conversation.hold, tool.name, timeout=timeout, as_given=definition)
