"""What an `AsyncCodex` does beside starting threads, for asyncio: lists, commands, logins, settings, skills, MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from codex_app_server.aio.command import AsyncCommand
    from codex_app_server.aio.driver import AsyncDriver
    from codex_app_server.aio.login import AsyncLogin
    from codex_app_server.aio.thread import AsyncThread
    from codex_app_server.generated import (
        ConfigWriteResponse,
        GetAccountRateLimitsResponse,
        GetAccountResponse,
        McpServerStatus,
        SandboxPolicy,
        SkillsListEntry,
    )
    from codex_app_server.handles.settings import Settings
    from codex_app_server.protocol.messages import JsonValue

__all__ = ["AsyncServices"]


class AsyncServices:
    """The part of `AsyncCodex` that is about anything else than a single thread."""

    _driver: AsyncDriver

    async def threads(
        self,
        *,
        cwd: str | os.PathLike[str] | None = None,
        archived: bool = False,
        search: str | None = None,
    ) -> AsyncGenerator[AsyncThread, None]:
        """The stored threads, those that were used last first.

        The iteration reads them from the runtime page by page. The properties of each handle are what the list says;
        its thread is resumed for its first turn.

        Args:
            cwd: only threads that work in this directory.
            archived: whether to list the archived threads instead of the others.
            search: only threads whose beginning or name has these words in it.

        Raises:
            JsonRpcError: if the runtime refuses.
            TransportClosedError: if the connection ends.
        """
        from codex_app_server.aio.opening import listed
        from codex_app_server.handles.threads import PAGE, list_params, page_of

        params = list_params(cwd, archived=archived, search=search)
        params["limit"] = PAGE
        pages: set[str] = set()
        seen: set[str] = set()
        cursor: str | None = ""
        while cursor is not None:
            found, cursor = page_of(await self._driver.call("thread/list", params), pages)
            params["cursor"] = cursor
            for each in found:
                thread = listed(self._driver, each)
                if thread.id not in seen:  # one that was reverted lies in several files, and each is listed
                    seen.add(thread.id)
                    yield thread

    async def thread_last(self, *, cwd: str | os.PathLike[str] | None = None) -> AsyncThread | None:
        """The thread that was used last, to continue it; None if there is none.

        Args:
            cwd: only threads that work in this directory.

        Raises:
            JsonRpcError: if the runtime refuses.
            TransportClosedError: if the connection ends.
        """
        from codex_app_server.aio.opening import listed
        from codex_app_server.handles.threads import list_params, page_of

        found, _ = page_of(await self._driver.call("thread/list", {**list_params(cwd), "limit": 1}))
        return listed(self._driver, found[0]) if found else None

    async def command(
        self,
        argv: Sequence[str],
        *,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str | None] | None = None,
        sandbox_policy: SandboxPolicy | None = None,
        stdin: bool = False,
        tty: bool | tuple[int, int] = False,
        timeout: float | None = None,
        output_limit: int | None = None,
    ) -> AsyncCommand:
        """Start a command in the runtime's sandbox, without a thread and without the agent.

        Args:
            argv: the program and its arguments.
            cwd: the directory that it runs in.
            env: environment variables to set; None removes one.
            sandbox_policy: what it may do; without it, what the settings allow.
            stdin: whether it gets an input to `write` to; otherwise its input is empty.
            tty: whether it runs at a terminal; or the columns and lines of the terminal, in the order of
                `os.get_terminal_size`.
            timeout: after how many seconds the runtime ends it; its exit code is 124 then.
            output_limit: how many bytes of each output stream are kept; what it writes beyond that is lost. Without it,
                the runtime's own limit (1 MiB).

        Raises:
            TypeError, ValueError: if an argument is of another type, or out of range; nothing is started then.
            TransportClosedError: if the connection ends.
        """
        from codex_app_server.aio.command import AsyncCommand
        from codex_app_server.handles.commands import exec_params

        params = exec_params(
            argv,
            cwd=cwd,
            env=env,
            sandbox_policy=sandbox_policy,
            stdin=stdin,
            tty=tty,
            timeout=timeout,
            output_limit=output_limit,
        )
        return await AsyncCommand(self._driver, params)._start()  # noqa: SLF001 - a twin's constructor cannot wait

    async def login_api_key(self, api_key: str) -> None:
        """Log in with an API key, which the runtime stores in its home.

        Raises:
            JsonRpcError: if the runtime refuses.
            TransportClosedError: if the connection ends.
        """
        await self._driver.call("account/login/start", {"type": "apiKey", "apiKey": api_key})

    async def login_chatgpt(self) -> AsyncLogin:
        """Begin a login in a browser on this machine.

        Raises:
            JsonRpcError: if the runtime refuses.
            TransportClosedError: if the connection ends.
        """
        return await self._login({"type": "chatgpt"})

    async def login_chatgpt_device_code(self) -> AsyncLogin:
        """Begin a login in a browser on any machine, where the person types a code; raises as `login_chatgpt`."""
        return await self._login({"type": "chatgptDeviceCode"})

    async def logout(self) -> None:
        """Log out: the runtime forgets the stored login."""
        await self._driver.call("account/logout")

    async def account(self, *, refresh_token: bool = False) -> GetAccountResponse:
        """Who is logged in, and how.

        Args:
            refresh_token: whether to refresh the login's token first.
        """
        from codex_app_server.generated import GetAccountResponse
        from codex_app_server.models.model import decode

        return decode(GetAccountResponse, await self._driver.call("account/read", {"refreshToken": refresh_token}))

    async def rate_limits(self) -> GetAccountRateLimitsResponse:
        """How much of the account's rate limits is used.

        Raises:
            JsonRpcError: if the login is not one with ChatGPT: only of such accounts the runtime knows the limits.
        """
        from codex_app_server.generated import GetAccountRateLimitsResponse
        from codex_app_server.models.model import decode

        return decode(GetAccountRateLimitsResponse, await self._driver.call("account/rateLimits/read", {}))

    async def config_read(self, *, cwd: str | os.PathLike[str] | None = None) -> Settings:
        """Read the settings that are in force.

        Args:
            cwd: a directory whose own settings count, too.
        """
        from codex_app_server.handles.settings import Settings
        from codex_app_server.models.encoding import encode_options

        params = encode_options({"includeLayers": True, "cwd": cwd})
        return Settings.from_answer(await self._driver.call("config/read", params))

    async def config_write(self, values: Mapping[str, object], *, version: str | None = None) -> ConfigWriteResponse:
        """Change settings in the user's own file, either all of them or none. Loaded threads use them from then on.

        Args:
            values: the new values, under the paths of their settings, e.g. ``tui.theme``; a name with a dot in it is
                put in double quotes. A table is merged with the one in the file; None removes a setting.
            version: the `version` that `config_read` gave, if the file must not have changed since.

        Raises:
            ConfigConflictError: if the file has another version.
            ConfigValueError: if there is no such setting, or it does not take the value.
            JsonRpcError: if the runtime refuses for another reason.
            TypeError: if a value cannot be JSON.
        """
        from codex_app_server.generated import ConfigWriteResponse
        from codex_app_server.handles.settings import edits_of
        from codex_app_server.models.encoding import encode_options
        from codex_app_server.models.model import decode

        edits = edits_of(values, (await self.config_read()).values)
        params = encode_options({"edits": edits, "expectedVersion": version, "reloadUserConfig": True})
        return decode(ConfigWriteResponse, await self._driver.call("config/batchWrite", params))

    async def skills(self, *, cwd: str | os.PathLike[str] | None = None, reload: bool = False) -> SkillsListEntry:
        """The skills that the agent can use, and those that cannot be read.

        Args:
            cwd: the directory that the agent works in; without it, the runtime's own.
            reload: whether to read the files again.

        Raises:
            AppServerError: if the runtime's answer says nothing of that directory.
        """
        from codex_app_server.errors import AppServerError
        from codex_app_server.generated import SkillsListEntry
        from codex_app_server.handles.threads import page_of
        from codex_app_server.models.encoding import encode_options
        from codex_app_server.models.model import decode

        params = encode_options({"cwds": None if cwd is None else [cwd], "forceReload": reload})
        found, _ = page_of(await self._driver.call("skills/list", params))
        if not found:
            raise AppServerError("the answer to skills/list names no directory")
        return decode(SkillsListEntry, found[0])

    async def mcp_servers(self) -> list[McpServerStatus]:
        """The MCP servers in the settings, each with its tools, its resources, and whether it needs a login.

        Servers that are not running are started for this; `tools_error` of one that cannot be says why.
        """
        from codex_app_server.generated import McpServerStatus
        from codex_app_server.handles.threads import page_of
        from codex_app_server.models.model import decode

        servers: list[McpServerStatus] = []
        params: dict[str, JsonValue] = {}
        pages: set[str] = set()
        cursor: str | None = ""
        while cursor is not None:
            found, cursor = page_of(await self._driver.call("mcpServerStatus/list", params), pages)
            params = {"cursor": cursor}
            servers += [decode(McpServerStatus, each) for each in found]
        return servers

    async def mcp_login(self, server: str, *, scopes: Sequence[str] | None = None) -> AsyncLogin:
        """Begin a login at an MCP server, in a browser on this machine.

        Args:
            server: the server's name in the settings.
            scopes: the OAuth scopes to ask for; without them, those in the settings.

        Raises:
            JsonRpcError: if there is no such server, or it has no login.
            TransportClosedError: if the connection ends.
        """
        from codex_app_server.aio.login import AsyncLogin
        from codex_app_server.models.encoding import encode_options

        params = encode_options({"name": server, "scopes": scopes})
        return await AsyncLogin(self._driver, server)._start("mcpServer/oauth/login", params)  # noqa: SLF001 - as above

    async def _login(self, params: Mapping[str, JsonValue]) -> AsyncLogin:
        from codex_app_server.aio.login import AsyncLogin

        return await AsyncLogin(self._driver)._start("account/login/start", params)  # noqa: SLF001 - as above
