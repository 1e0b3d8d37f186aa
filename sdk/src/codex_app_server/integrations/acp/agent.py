"""The agent itself: sessions that are threads, prompts that are turns, and an editor that is asked.

A session has the id of its thread, so that an editor may load a thread that something else has begun.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import acp
from acp import schema

from codex_app_server.aio.codex import AsyncCodex
from codex_app_server.config import config_of
from codex_app_server.errors import AppServerError
from codex_app_server.integrations.acp.permissions import decided, options, wanted
from codex_app_server.integrations.acp.prompts import asked
from codex_app_server.integrations.acp.session import Session
from codex_app_server.integrations.acp.settings import MODES, Settings, offered, servers_of
from codex_app_server.integrations.acp.updates import spoken

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from codex_app_server.aio.thread import AsyncThread
    from codex_app_server.approvals.requests import ApprovalRequest
    from codex_app_server.config import AppServerConfig
    from codex_app_server.generated import Model
    from codex_app_server.handlers import Decision
    from codex_app_server.integrations.acp.prompts import Block
    from codex_app_server.integrations.acp.settings import Servers
    from codex_app_server.results import TurnResult

__all__ = ["CodexAgent", "run_stdio"]

_INVALID, _INTERNAL = -32602, -32603
_LAST_S = 2.0
"""How long each of two attempts to end the connection may take, in seconds, after serving was cancelled."""
_LOGIN_S = 600.0
"""How long a person may take to log in, in seconds."""


class CodexAgent:
    """Codex, as an editor sees an agent: an `acp.Agent`, for `acp.run_agent`.

        async with CodexAgent() as agent:
            await acp.run_agent(agent, use_unstable_protocol=True)

    If Codex wants to do something beyond its sandbox, the editor asks its user, unless a rule of the configuration
    decides. It is declined if the user rejects it, or if the editor is gone.

    Args:
        config: how to start Codex; without it, the installed runtime with its own settings.
        modes: those of ``read-only``, ``auto`` and ``full-access`` that the editor may choose, beside ``default``,
            which is what the configuration says. In ``full-access``, nothing is asked, not even a rule. A thread that
            was in a mode which is not offered goes on in the first of `modes` when it is opened again.

    Raises:
        TypeError: if `config` is something else.
        ValueError: if there is no such mode.
    """

    def __init__(self, config: AppServerConfig | None = None, *, modes: Sequence[str] = MODES) -> None:
        self._modes = offered(modes)
        config = config_of(config)
        self._codex = AsyncCodex(replace(config, approvals=(*config.approvals, self._asked)))
        self._has_roots = config.experimental_api
        self._editor: acp.Client | None = None
        self._sessions: dict[str, Session] = {}
        self._resumed: set[str] = set()  # those that are about to be sessions
        self._models: Sequence[Model] | None = None

    async def __aenter__(self) -> Self:
        """Start Codex."""
        await self._codex.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop Codex."""
        await self._codex.__aexit__(kind, error, traceback)

    def on_connect(self, conn: acp.Client) -> None:
        """Take the editor that this agent serves from now on."""
        self._editor = conn

    async def initialize(
        self,
        protocol_version: int,
        client_capabilities: schema.ClientCapabilities | None = None,
        client_info: schema.Implementation | None = None,
        **more: Any,
    ) -> schema.InitializeResponse:
        """Say what this agent is, and what it can do."""
        version = self._codex.metadata.server_version or ""
        return schema.InitializeResponse(
            protocol_version=min(protocol_version, acp.PROTOCOL_VERSION),
            agent_info=schema.Implementation(name="codex", title="Codex", version=version),
            agent_capabilities=schema.AgentCapabilities(
                load_session=True,
                prompt_capabilities=schema.PromptCapabilities(image=True, embedded_context=True),
                mcp_capabilities=schema.McpCapabilities(http=True),
                session_capabilities=schema.SessionCapabilities(
                    list=schema.SessionListCapabilities(),
                    fork=schema.SessionForkCapabilities(),
                    resume=schema.SessionResumeCapabilities(),
                    close=schema.SessionCloseCapabilities(),
                    additional_directories=(
                        schema.SessionAdditionalDirectoriesCapabilities() if self._has_roots else None
                    ),
                ),
            ),
            auth_methods=[schema.AuthMethodAgent(id="chatgpt", name="ChatGPT", description="Log in with a browser.")],
        )

    async def authenticate(self, method_id: str, **more: Any) -> schema.AuthenticateResponse:
        """Log in, in a browser on this machine."""
        import webbrowser

        with _told():
            if method_id != "chatgpt":
                raise ValueError(f"there is no login {method_id}")
            async with await self._codex.login_chatgpt() as login:
                # Any other address may be that of a program, which Windows runs, and the app-server may be anybody's.
                if not login.url.startswith(("https://", "http://")):
                    raise ValueError(f"the login has no address that a browser can open: {login.url!r}")
                await asyncio.to_thread(webbrowser.open, login.url)
                await login.wait(timeout=_LOGIN_S)
        return schema.AuthenticateResponse()

    async def new_session(
        self,
        cwd: str,
        additional_directories: list[str] | None = None,
        mcp_servers: Servers = None,
        **more: Any,
    ) -> schema.NewSessionResponse:
        """Begin a thread."""
        with _told():
            account = await self._codex.account()
            if account.requires_openai_auth and account.account is None:
                raise acp.RequestError.auth_required()
            thread = await self._codex.thread_start(**self._opening(cwd, additional_directories, mcp_servers))
            session = await self._open(thread, is_new=True)
        return schema.NewSessionResponse(
            session_id=thread.id, modes=session.settings.modes(), config_options=session.settings.config_options()
        )

    async def load_session(
        self,
        cwd: str,
        session_id: str,
        mcp_servers: Servers = None,
        additional_directories: list[str] | None = None,
        **more: Any,
    ) -> schema.LoadSessionResponse:
        """Go on with a thread, and tell the editor what was said in it."""
        with _told():
            session = await self._resume(session_id, self._opening(cwd, additional_directories, mcp_servers))
            async for turn in session.thread.turns():
                for item in turn.items:
                    for update in spoken(item.model_dump(mode="json", by_alias=True)):
                        await self._connected().session_update(session_id, update)
        return schema.LoadSessionResponse(
            modes=session.settings.modes(), config_options=session.settings.config_options()
        )

    async def resume_session(
        self,
        session_id: str,
        cwd: str,
        additional_directories: list[str] | None = None,
        mcp_servers: Servers = None,
        **more: Any,
    ) -> schema.ResumeSessionResponse:
        """Go on with a thread that the editor knows."""
        with _told():
            session = await self._resume(session_id, self._opening(cwd, additional_directories, mcp_servers))
        return schema.ResumeSessionResponse(
            modes=session.settings.modes(), config_options=session.settings.config_options()
        )

    async def fork_session(
        self,
        session_id: str,
        cwd: str,
        additional_directories: list[str] | None = None,
        mcp_servers: Servers = None,
        **more: Any,
    ) -> schema.ForkSessionResponse:
        """Begin a thread that has a copy of another one's history."""
        with _told():
            opening = self._opening(cwd, additional_directories, mcp_servers)
            thread = await self._codex.thread_fork(session_id, **opening)
            session = await self._open(thread)
        return schema.ForkSessionResponse(
            session_id=thread.id, modes=session.settings.modes(), config_options=session.settings.config_options()
        )

    async def list_sessions(
        self, cwd: str | None = None, cursor: str | None = None, **more: Any
    ) -> schema.ListSessionsResponse:
        """The threads that are stored, the last one first."""
        with _told():
            page = await self._codex.thread_list(cwd=cwd, cursor=cursor, sort_key="updated_at")
        sessions = [
            schema.SessionInfo(
                session_id=each.id,
                cwd=each.cwd,
                title=each.name or each.preview,
                updated_at=datetime.fromtimestamp(each.updated_at, timezone.utc).isoformat(),
            )
            for each in page.data
        ]
        return schema.ListSessionsResponse(sessions=sessions, next_cursor=page.next_cursor)

    async def close_session(self, session_id: str, **more: Any) -> schema.CloseSessionResponse:
        """Have done with a thread, and hear of it no more; it stays stored."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            with _told():
                await session.close()
                await self._codex.client.thread_unsubscribe(thread_id=session_id)
        return schema.CloseSessionResponse()

    async def set_session_mode(self, session_id: str, mode_id: str, **more: Any) -> schema.SetSessionModeResponse:
        """Choose how much Codex may do from the next prompt on."""
        with _told():
            self._session(session_id).settings.choose_mode(mode_id)
        return schema.SetSessionModeResponse()

    async def set_config_option(
        self, config_id: str, session_id: str, value: str | bool, **more: Any
    ) -> schema.SetSessionConfigOptionResponse:
        """Choose the model, or how long it thinks, from the next prompt on."""
        with _told():
            settings = self._session(session_id).settings
            settings.choose(config_id, value)
        return schema.SetSessionConfigOptionResponse(config_options=settings.config_options())

    async def prompt(self, session_id: str, prompt: list[Block], **more: Any) -> schema.PromptResponse:
        """Run a turn, and tell the editor what happens in it."""
        with _told():
            session = self._session(session_id)
            result = await session.run(asked(prompt), self._connected())
        if result is None or result.status == "interrupted":
            return schema.PromptResponse(stop_reason="cancelled")
        if result.error is not None:
            if result.error.codex_error_info == "contextWindowExceeded":
                return schema.PromptResponse(stop_reason="max_tokens")
            raise acp.RequestError(_INTERNAL, result.error.message)
        return schema.PromptResponse(stop_reason="end_turn", usage=_usage(result))

    async def cancel(self, session_id: str, **more: Any) -> None:
        """Interrupt the turn that runs, if one does."""
        if (session := self._sessions.get(session_id)) is not None:
            await session.cancel()

    async def ext_method(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """There are no further methods."""
        raise acp.RequestError.method_not_found(method)

    async def ext_notification(self, method: str, params: dict[str, Any]) -> None:
        """Nothing else is taken notice of."""

    async def _asked(self, request: ApprovalRequest) -> Decision | None:
        if request.thread_id not in {*self._sessions, *self._resumed} or self._editor is None:
            return None
        try:
            answer = await self._editor.request_permission(
                session_id=request.thread_id, tool_call=wanted(request), options=options(request)
            )
        except ConnectionError:  # it is gone
            return None
        return decided(answer, request)

    def _opening(self, cwd: str, directories: list[str] | None, servers: Servers) -> dict[str, Any]:
        if not os.path.isabs(cwd):  # noqa: PTH117 - of the editor's machine, which is this one
            raise ValueError(f"the directory of a session must be an absolute path, not {cwd}")
        roots = {"runtime_workspace_roots": [cwd, *directories]} if directories and self._has_roots else {}
        return {"cwd": cwd, "config": servers_of(servers) or None, **roots}

    async def _resume(self, session_id: str, opening: dict[str, Any]) -> Session:
        if (session := self._sessions.get(session_id)) is not None:
            await session.cancel()
        self._resumed.add(session_id)  # before it is: what it waits for is asked at once
        try:
            return await self._open(await self._codex.thread_resume(session_id, **opening))
        finally:
            self._resumed.discard(session_id)

    async def _open(self, thread: AsyncThread, *, is_new: bool = False) -> Session:
        if self._models is None:
            self._models = (await self._codex.models()).data
        known = thread.info.model_dump(mode="json", by_alias=True)
        settings = Settings(known, self._models, is_new=is_new, modes=self._modes)
        session = self._sessions[thread.id] = Session(thread, settings)
        return session

    def _session(self, session_id: str) -> Session:
        if session_id not in self._sessions:
            raise ValueError(f"there is no session {session_id}")
        return self._sessions[session_id]

    def _connected(self) -> acp.Client:
        if self._editor is None:
            raise RuntimeError("no editor is connected: give the agent to `acp.run_agent`")
        return self._editor


async def run_stdio(config: AppServerConfig | None = None) -> None:
    """Be an agent for whoever speaks on stdin and listens on stdout, until stdin ends.

    Args:
        config: how to start Codex; without it, the installed runtime with its own settings.

    Raises:
        AppServerError: if Codex cannot be started.
    """
    async with CodexAgent(config) as agent:
        serving = asyncio.ensure_future(acp.run_agent(agent, use_unstable_protocol=True))
        try:
            await asyncio.wait([serving])  # `run_agent` would take being cancelled for the end of its input
        except asyncio.CancelledError:
            for _ in range(2):  # the second ends its wait for an editor that reads no more
                serving.cancel()
                await asyncio.wait([serving], timeout=_LAST_S)
            if serving.done() and not serving.cancelled():
                serving.exception()  # which matters to nobody now
            raise
        serving.result()


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong, in a form that the protocol carries."""
    try:
        yield
    except ValueError as error:
        raise acp.RequestError(_INVALID, str(error)) from error
    except (AppServerError, TimeoutError) as error:
        raise acp.RequestError(_INTERNAL, str(error)) from error


def _usage(result: TurnResult[Any]) -> schema.Usage | None:
    if (tokens := result.tokens) is None:
        return None
    return schema.Usage(
        total_tokens=tokens.total_tokens,
        input_tokens=tokens.input_tokens,
        output_tokens=tokens.output_tokens,
        thought_tokens=tokens.reasoning_output_tokens,
        cached_read_tokens=tokens.cached_input_tokens,
    )
