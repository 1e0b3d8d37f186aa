"""Codex as the model of a PydanticAI agent: the agent's tools are tools of Codex, and its history is a thread."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections import OrderedDict
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic_ai import exceptions
from pydantic_ai.exceptions import ModelAPIError, UserError
from pydantic_ai.models import Model, check_allow_model_requests
from pydantic_ai.profiles import ModelProfile

from codex_app_server.errors import AppServerError, ExperimentalApiError, InvalidRequestError
from codex_app_server.integrations.delegating import for_asyncio
from codex_app_server.integrations.pydantic_ai import history
from codex_app_server.integrations.pydantic_ai.conversation import Conversation
from codex_app_server.integrations.pydantic_ai.history import PROVIDER, digest_of
from codex_app_server.integrations.pydantic_ai.streaming import CodexStreamedResponse
from codex_app_server.structured.strict import NotStrictError, strict
from codex_app_server.timeouts import seconds

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from pydantic_ai import RunContext
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import ModelRequestParameters, StreamedResponse
    from pydantic_ai.native_tools import AbstractNativeTool
    from pydantic_ai.profiles import ModelProfileSpec
    from pydantic_ai.settings import ModelSettings
    from pydantic_ai.tools import ToolDefinition

    from codex_app_server.aio.codex import AsyncCodex
    from codex_app_server.structured.strict import Strict

__all__ = ["CodexAgentModel"]

_MOST = 128
"""How many threads a model remembers; one that is forgotten is forked when it is needed again."""

_OF_THE_FRAMEWORK = frozenset({"cache", "first_event_timeout", "framing_announcement", "request_timeout"})
_SO_BY_ITSELF = {"parallel_tool_calls": True, "tool_choice": "auto"}
_PROFILE = ModelProfile(
    supports_tools=True,
    supports_json_schema_output=True,
    supports_thinking=True,
    default_structured_output_mode="tool",
)
_Ignored: type[Warning] = getattr(exceptions, "UnsupportedSettingWarning", UserWarning)  # newer versions have it

_RUN: ContextVar[set[Conversation] | None] = ContextVar("codex_app_server_run", default=None)
"""The threads that the agent's run that is under way has talked to."""

_INSTRUCTIONS = "developer_instructions"


class CodexAgentModel(Model["AsyncCodex"]):
    """Codex as a PydanticAI model.

        async with AsyncCodex(AppServerConfig(experimental_api=True)) as codex:
            agent = Agent(CodexAgentModel(codex), output_type=Forecast, tools=[weather])
            print((await agent.run("How will the weather be in Bergen?")).output)

    Codex can use the agent's tools beside its own. A call of such a tool stays open until PydanticAI has run it. If the
    message history comes from a thread, the conversation goes on in that thread, or in a fork of it if the thread has
    gone on meanwhile. Any other history is put into a new thread.

    Args:
        codex: the client, with `AppServerConfig.experimental_api`. It stays open, and belongs to one event loop.
        model: the model that Codex uses; without it, the one in Codex's settings.
        thread: options for `AsyncCodex.thread_start`: where Codex works, and what it may do there.
        tool_timeout: how long a tool may take, in seconds; then Codex is told that it gave no result. None is without
            limit.
        settings: the settings of any PydanticAI model. `thinking` is the effort, and `timeout` how long a response may
            take; others are ignored, with a warning.
        profile: the profile of any PydanticAI model.

    Raises:
        ValueError, TypeError: if `codex` is no client for asyncio, or `tool_timeout` is no number of
            seconds.
    """

    def __init__(
        self,
        codex: AsyncCodex,
        model: str | None = None,
        *,
        thread: Mapping[str, Any] | None = None,
        tool_timeout: float | None = 600.0,
        settings: ModelSettings | None = None,
        profile: ModelProfileSpec | None = None,
    ) -> None:
        super().__init__(settings=settings, profile=_PROFILE if profile is None else profile)
        self._codex = for_asyncio(codex)
        self._model = model
        self._options = dict(thread or {})
        self._tool_timeout = seconds(tool_timeout, "tool_timeout")
        self._conversations: OrderedDict[str, Conversation] = OrderedDict()

    @property
    def model_name(self) -> str:
        """The name of the model that Codex uses, if one was given."""
        return self._model or PROVIDER

    @property
    def system(self) -> str:
        """Who asks it."""
        return PROVIDER

    @classmethod
    def supported_native_tools(cls) -> frozenset[type[AbstractNativeTool]]:
        """None: what Codex can do itself, its own settings say."""
        return frozenset()

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Have a response given, whole.

        Raises:
            UserError: if Codex does not take what is said, or cannot be held to the output.
            ModelAPIError: if it fails.
        """
        async with self._streamed(messages, model_settings, model_request_parameters) as stream:
            async for _ in stream:
                pass
            return stream.get()

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse, None]:
        """Have a response given, as it comes; raises as `request`."""
        del run_context
        async with self._streamed(messages, model_settings, model_request_parameters) as stream:
            yield stream

    @asynccontextmanager
    async def _run_scope(self) -> AsyncGenerator[None, None]:
        """A run of an agent, as newer versions tell of it: no turn goes on when it is over."""
        before, mine = _RUN.get(), set[Conversation]()
        _RUN.set(mine)
        try:
            yield
        finally:
            _RUN.set(before)
            for conversation in mine:
                if not conversation.is_busy:
                    conversation.stop()

    @asynccontextmanager
    async def _streamed(
        self, messages: list[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
    ) -> AsyncGenerator[CodexStreamedResponse, None]:
        check_allow_model_requests()
        settings, parameters = self.prepare_request(settings, parameters)
        timeout = self._heeded(settings)
        plan = _strict(parameters)
        options = {
            "effort": None if parameters.thinking is None else _effort(parameters.thinking),
            "output_schema": None if plan is None else plan.schema,
        }
        tools = [*parameters.declared_function_tools, *parameters.output_tools]
        try:
            begun = self._begun(messages, parameters, tools, options)
            conversation, digest = await asyncio.wait_for(begun, timeout)
        except ExperimentalApiError as error:
            raise UserError(str(error)) from error
        except (AppServerError, TimeoutError, asyncio.TimeoutError) as error:
            raise ModelAPIError(self.model_name, str(error) or "Codex began no turn in time") from error
        except ValueError as error:  # it cannot even be sent
            raise UserError(str(error)) from error
        stream = CodexStreamedResponse(
            parameters,
            conversation=conversation,
            model=conversation.thread.model or self.model_name,
            timeout=timeout,
            history=digest,
            output_tools=frozenset(each.name for each in parameters.output_tools),
            strict=plan if plan is not None and (plan.absent or plan.is_wrapped) else None,
        )
        try:
            yield stream
        finally:
            self._left(conversation, is_over=stream.is_over)
            if conversation.has_open_turn and _RUN.get() is None and not hasattr(Model, "_run_scope"):
                conversation.watch_the_run()

    async def _begun(
        self,
        messages: Sequence[ModelMessage],
        parameters: ModelRequestParameters,
        tools: Sequence[ToolDefinition],
        options: Mapping[str, Any],
    ) -> tuple[Conversation, str]:
        """The thread that a history belongs to, and the turn that goes on with it."""
        instructions = _joined(
            *history.standing(messages),
            *(each.content for each in self._get_instruction_parts(messages, parameters) or ()),
        )
        found, digest = history.places(messages)
        conversation, index = await self._placed(found, tools, instructions)
        try:
            news = history.news(messages, index, conversation.is_waiting_for)
            if digest_of(instructions) != conversation.instructions:
                conversation.instructions = digest_of(instructions)
                news.items.append(history.note(f"From now on, these instructions hold:\n\n{instructions}"))
            await conversation.inject(self._codex.client, news.items)
            if conversation.has_open_turn:
                await conversation.go_on(news.answers, news.words, options)
            else:
                await conversation.begin(news.words, options)
        except BaseException:
            self._left(conversation, is_over=False)
            raise
        if (run := _RUN.get()) is not None:
            run.add(conversation)
        return conversation, digest

    async def _placed(
        self, found: Sequence[history.Place], tools: Sequence[ToolDefinition], instructions: str
    ) -> tuple[Conversation, int]:
        """A thread that is free, and has the history up to some message: as much of it as there is."""
        conversation = self._conversation(tools)
        for place in found:
            mark = place.mark
            if mark.tools != conversation.toolset:
                break
            known = self._conversations.get(mark.thread_id)
            if known is not None and known.history == mark.history and not known.is_busy:
                known.is_busy = True
                self._conversations.move_to_end(mark.thread_id)
                return known, place.index
            if mark.ends_turn and await self._fork(conversation, mark):
                return conversation, place.index
        own = dict(self._options)
        own[_INSTRUCTIONS] = _joined(own.get(_INSTRUCTIONS), instructions) or None
        own["tools"] = [*own.get("tools", ()), *conversation.tools]
        conversation.thread = await self._codex.thread_start(model=self._model, experimental_raw_events=True, **own)
        conversation.is_raw = True
        conversation.instructions = digest_of(instructions)
        await self._remember(conversation)
        return conversation, 0

    async def _fork(self, conversation: Conversation, mark: history.Mark) -> bool:
        """Have it begin where a turn ended; whether the runtime still has that."""
        own = {name: value for name, value in self._options.items() if name in _fork_options()}
        own["tools"] = [*own.get("tools", ()), *conversation.tools]
        try:
            conversation.thread = await self._codex.thread_fork(
                mark.thread_id, last_turn_id=mark.turn_id, model=self._model, **own
            )
        except InvalidRequestError:  # it is not stored, or not any more
            return False
        conversation.instructions = mark.instructions
        await self._remember(conversation)
        return True

    def _conversation(self, tools: Sequence[ToolDefinition]) -> Conversation:
        try:
            return Conversation(tools, self._tool_timeout)
        except ValueError as error:
            raise UserError(str(error)) from error

    async def _remember(self, conversation: Conversation) -> None:
        """Go on with it in later requests; of the oldest one, here and in the runtime, nothing need be kept."""
        conversation.is_busy = True
        self._conversations[conversation.thread.id] = conversation
        while len(self._conversations) > _MOST and not (oldest := next(iter(self._conversations.values()))).is_busy:
            del self._conversations[oldest.thread.id]
            if oldest.has_open_turn:
                oldest.stop()
            else:
                await oldest.thread._leave()  # noqa: SLF001 - its own

    def _left(self, conversation: Conversation, *, is_over: bool) -> None:
        """A request is done with; a thread whose response was not taken whole is nobody's any more."""
        conversation.is_busy = False
        if not is_over:
            conversation.stop()
            self._conversations.pop(conversation.thread.id, None)

    def _heeded(self, settings: ModelSettings | None) -> float | None:
        """How long a response may take, as the settings say; what of them cannot be heeded is told."""
        given = {name: value for name, value in (settings or {}).items() if value is not None}
        timeout = given.pop("timeout", None)
        if not isinstance(timeout, (int, float, type(None))):
            raise UserError(f"the setting timeout is a number of seconds for CodexAgentModel, not {timeout!r}")
        if ignored := sorted(
            name for name in given if name not in _OF_THE_FRAMEWORK and given[name] != _SO_BY_ITSELF.get(name)
        ):
            warnings.warn(
                f"Codex lets nobody set {', '.join(ignored)} of its model: ignored by CodexAgentModel",
                _Ignored,
                stacklevel=2,
            )
        try:
            return seconds(timeout, "timeout")
        except ValueError as error:
            raise UserError(f"the setting {error}") from error


def _strict(parameters: ModelRequestParameters) -> Strict | None:
    """What the reply is held to, if the output is the model's own kind of JSON.

    Raises:
        UserError: if it cannot be held to that.
    """
    output = parameters.output_object
    if output is None or parameters.output_mode != "native":
        return None
    try:
        return strict(output.json_schema)
    except NotStrictError as error:
        raise UserError(
            f"the model cannot be held to the output {output.name or ''}: {error}; or ask for ToolOutput or "
            "PromptedOutput, whose replies PydanticAI validates"
        ) from error


def _effort(thinking: object) -> str | None:
    """The runtime's word for how much to think; None is what the model does by itself."""
    return None if thinking is True else "none" if thinking is False else str(thinking)


@cache
def _fork_options() -> frozenset[str]:
    from codex_app_server.aio.codex import AsyncCodex

    return frozenset(inspect.signature(AsyncCodex.thread_fork).parameters)


def _joined(*texts: str | None) -> str:
    return "\n\n".join(filter(None, texts))
