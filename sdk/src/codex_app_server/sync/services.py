"""What a `Codex` does beside starting threads: lists, commands, logins, settings, skills, MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Mapping, Sequence

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
    from codex_app_server.sync.command import Command
    from codex_app_server.sync.driver import Driver
    from codex_app_server.sync.login import Login
    from codex_app_server.sync.thread import Thread

__all__ = ["Services"]


class Services:
    """The part of `Codex` that is about other things than one thread."""

    _driver: Driver

    def threads(
        self,
        *,
        cwd: str | os.PathLike[str] | None = None,
        archived: bool = False,
        search: str | None = None,
    ) -> Generator[Thread, None, None]:
        """The threads that are stored, those that were worked with last first.

        They are asked for as they are iterated over, some at a time. What a handle knows is what the list said of it;
        its thread is resumed when it is first spoken to.

        Args:
            cwd: only those of this directory.
            archived: the archived ones instead of the others.
            search: only those whose beginning or name has these words.

        Raises:
            JsonRpcError: if the runtime refuses.
            TransportClosedError: if the connection ends.
        """
        from codex_app_server.handles.threads import PAGE, list_params, page_of
        from codex_app_server.sync.opening import listed

        params = list_params(cwd, archived=archived, search=search)
        params["limit"] = PAGE
        seen: set[str] = set()
        cursor: str | None = ""
        while cursor is not None:
            found, cursor = page_of(self._driver.call("thread/list", params))
            params["cursor"] = cursor
            for each in found:
                thread = listed(self._driver, each)
                if thread.id not in seen:  # one that was reverted lies in several files, and each is listed
                    seen.add(thread.id)
                    yield thread

    def thread_last(self, *, cwd: str | os.PathLike[str] | None = None) -> Thread | None:
        """The thread that was worked with last, to go on with; None if there is none.

        Args:
            cwd: of those only that work in this directory.

        Raises:
            JsonRpcError: if the runtime refuses.
            TransportClosedError: if the connection ends.
        """
        from codex_app_server.handles.threads import list_params, page_of
        from codex_app_server.sync.opening import listed

        found, _ = page_of(self._driver.call("thread/list", {**list_params(cwd), "limit": 1}))
        return listed(self._driver, found[0]) if found else None

    def command(
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
    ) -> Command:
        """Start a command in the runtime's sandbox, without a thread and without the agent.

        Args:
            argv: the program and its arguments.
            cwd: the directory to work in.
            env: variables to set; None takes one away.
            sandbox_policy: what it may do, if not what the settings say.
            stdin: whether it gets an input, for `write`; else that is empty.
            tty: whether it runs at a terminal; or the columns and lines of that, as `os.get_terminal_size` gives them.
            timeout: after how long the runtime ends it, in seconds; its exit code is 124 then.
            output_limit: how much of each stream is kept, in bytes; what it writes beyond that is lost. Without it,
                what the runtime thinks right (1 MiB).

        Raises:
            TypeError, ValueError: if an argument makes no sense; nothing is started then.
            TransportClosedError: if the connection ends.
        """
        from codex_app_server.handles.commands import exec_params
        from codex_app_server.sync.command import Command

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
        return Command(self._driver, params)._start()  # noqa: SLF001 - a twin's constructor cannot wait

    def login_api_key(self, api_key: str) -> None:
        """Log in with a key, which the runtime stores in its home.

        Raises:
            JsonRpcError: if the runtime refuses.
            TransportClosedError: if the connection ends.
        """
        self._driver.call("account/login/start", {"type": "apiKey", "apiKey": api_key})

    def login_chatgpt(self) -> Login:
        """Begin a login in a browser on this machine.

        Raises:
            JsonRpcError: if the runtime refuses.
            TransportClosedError: if the connection ends.
        """
        return self._login({"type": "chatgpt"})

    def login_chatgpt_device_code(self) -> Login:
        """Begin a login in a browser on any machine, where a code is typed; raises as `login_chatgpt`."""
        return self._login({"type": "chatgptDeviceCode"})

    def logout(self) -> None:
        """Forget the login."""
        self._driver.call("account/logout")

    def account(self, *, refresh_token: bool = False) -> GetAccountResponse:
        """Who is logged in, and how.

        Args:
            refresh_token: whether the token is refreshed before.
        """
        from codex_app_server.generated import GetAccountResponse
        from codex_app_server.models.model import decode

        return decode(GetAccountResponse, self._driver.call("account/read", {"refreshToken": refresh_token}))

    def rate_limits(self) -> GetAccountRateLimitsResponse:
        """How much of the account's limits is used.

        Raises:
            JsonRpcError: if nobody is logged in by ChatGPT, for only such accounts have limits that the runtime knows.
        """
        from codex_app_server.generated import GetAccountRateLimitsResponse
        from codex_app_server.models.model import decode

        return decode(GetAccountRateLimitsResponse, self._driver.call("account/rateLimits/read", {}))

    def config_read(self, *, cwd: str | os.PathLike[str] | None = None) -> Settings:
        """The settings that hold.

        Args:
            cwd: a directory whose own settings count too.
        """
        from codex_app_server.handles.settings import Settings
        from codex_app_server.models.encoding import encode_options

        params = encode_options({"includeLayers": True, "cwd": cwd})
        return Settings.from_answer(self._driver.call("config/read", params))

    def config_write(self, values: Mapping[str, object], *, version: str | None = None) -> ConfigWriteResponse:
        """Change settings in the person's own file, all of them or none; loaded threads take them up.

        Args:
            values: by their paths; a name that has dots itself stands in double quotes. Tables are merged into what is
                there; None takes a setting away.
            version: what the file must still be, of `config_read`.

        Raises:
            ConfigConflictError: if the file is not what it was.
            ConfigValueError: if there is no such setting, or it does not take the value.
            JsonRpcError: if the runtime refuses for another reason.
            TypeError: if JSON cannot say a value.
        """
        from codex_app_server.generated import ConfigWriteResponse
        from codex_app_server.handles.settings import edits_of
        from codex_app_server.models.encoding import encode_options
        from codex_app_server.models.model import decode

        edits = edits_of(values, (self.config_read()).values)
        params = encode_options({"edits": edits, "expectedVersion": version, "reloadUserConfig": True})
        return decode(ConfigWriteResponse, self._driver.call("config/batchWrite", params))

    def skills(self, *, cwd: str | os.PathLike[str] | None = None, reload: bool = False) -> SkillsListEntry:
        """The skills that the agent can use, and those that cannot be read.

        Args:
            cwd: in this directory; without it, in the runtime's own.
            reload: whether the files are looked at again.

        Raises:
            AppServerError: if the runtime says nothing of it.
        """
        from codex_app_server.errors import AppServerError
        from codex_app_server.generated import SkillsListEntry
        from codex_app_server.handles.threads import page_of
        from codex_app_server.models.encoding import encode_options
        from codex_app_server.models.model import decode

        params = encode_options({"cwds": None if cwd is None else [cwd], "forceReload": reload})
        found, _ = page_of(self._driver.call("skills/list", params))
        if not found:
            raise AppServerError("the answer to skills/list names no directory")
        return decode(SkillsListEntry, found[0])

    def mcp_servers(self) -> list[McpServerStatus]:
        """The MCP servers of the settings, each with its tools, its resources, and whether it wants a login.

        Those that do not run are started for that, and one that cannot be says why in `tools_error`.
        """
        from codex_app_server.generated import McpServerStatus
        from codex_app_server.handles.threads import page_of
        from codex_app_server.models.model import decode

        servers: list[McpServerStatus] = []
        params: dict[str, JsonValue] = {}
        cursor: str | None = ""
        while cursor is not None:
            found, cursor = page_of(self._driver.call("mcpServerStatus/list", params))
            params = {"cursor": cursor}
            servers += [decode(McpServerStatus, each) for each in found]
        return servers

    def mcp_login(self, server: str, *, scopes: Sequence[str] | None = None) -> Login:
        """Begin a login at an MCP server, in a browser on this machine.

        Args:
            server: its name in the settings.
            scopes: what to ask for, if not what the settings say.

        Raises:
            JsonRpcError: if there is no such server, or it takes no logins.
            TransportClosedError: if the connection ends.
        """
        from codex_app_server.models.encoding import encode_options
        from codex_app_server.sync.login import Login

        params = encode_options({"name": server, "scopes": scopes})
        return Login(self._driver, server)._start("mcpServer/oauth/login", params)  # noqa: SLF001 - as above

    def _login(self, params: Mapping[str, JsonValue]) -> Login:
        from codex_app_server.sync.login import Login

        return Login(self._driver)._start("account/login/start", params)  # noqa: SLF001 - as above
