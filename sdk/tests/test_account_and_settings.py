"""Logins, the account, settings, skills and MCP servers, on the real binary."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import ProxyHandler, build_opener

import pytest

from codex_app_server import (
    AppServerError,
    AsyncCodex,
    ConfigConflictError,
    ConfigValueError,
    InternalRpcError,
    InvalidRequestError,
    LoginFailedError,
    WaitTimeoutError,
)
from codex_app_server.handles.settings import Settings, edits_of
from codex_app_server.testing import ModelServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("leaves_nothing")

MCP_SERVER = """
import json, sys
TOOL = {"name": "add", "description": "adds", "inputSchema": {"type": "object"}}
for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request:
        continue
    method, params = request["method"], request.get("params") or {}
    if method == "initialize":
        result = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}},
                  "serverInfo": {"name": "sums", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [TOOL]}
    elif method == "tools/call":
        numbers = params.get("arguments", {}).get("numbers")
        result = ({"content": [{"type": "text", "text": str(sum(numbers))}]} if numbers
                  else {"content": [{"type": "text", "text": "no numbers"}], "isError": True})
    else:
        result = {}
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
"""


class TestLogins:
    def test_a_key_is_stored_and_forgotten(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            await codex.config_write({"model_provider": "openai"})
            assert (await codex.account()).account is None
            await codex.login_api_key("sk-test")
            assert (await codex.account(refresh_token=False)).account.type == "apiKey"
            with pytest.raises(InvalidRequestError, match="chatgpt authentication required"):
                await codex.rate_limits()
            await codex.logout()
            assert (await codex.account()).account is None

        play(scene)

    def test_one_in_a_browser_may_be_broken_off(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            login = await codex.login_chatgpt()
            assert login.url.startswith("https://")
            assert login.code is None
            assert "?" not in repr(login)
            await login.cancel()
            with pytest.raises(LoginFailedError, match="did not succeed"):
                await login.wait(timeout=20)
            with pytest.raises(LoginFailedError):
                await login.wait(timeout=20)

            begun = time.monotonic()
            login = await codex.login_chatgpt()
            with pytest.raises(WaitTimeoutError, match="nobody has logged in in time"):
                await login.wait(timeout=0.2)
            async with await codex.login_chatgpt() as left:
                pass
            with pytest.raises(LoginFailedError):
                await left.wait(timeout=20)
            await (await codex.login_chatgpt()).cancel()  # there is none that would be in the way
            assert time.monotonic() - begun < 20

        play(scene)

    def test_one_that_is_waited_for_may_be_cancelled(self, codex_binary: Path) -> None:
        async def scene(model: ModelServer) -> None:
            async with AsyncCodex(model.config(codex_bin=codex_binary)) as codex:
                login = await codex.login_chatgpt()
                task = asyncio.create_task(login.wait())
                await asyncio.wait({task}, timeout=0.1)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                waiting = asyncio.create_task((other := await codex.login_chatgpt()).wait())
                await asyncio.wait({waiting}, timeout=0.1)
                await other.cancel()
                with pytest.raises(LoginFailedError):
                    await waiting

        with ModelServer() as model:
            asyncio.run(scene(model))

    def test_a_device_code_needs_a_server_that_gives_one(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            with pytest.raises(InternalRpcError, match="device code"):
                await codex.login_chatgpt_device_code()

        proxy = "http://127.0.0.1:9"  # nobody is there, so that nobody is asked
        play(scene, env={"HTTPS_PROXY": proxy, "https_proxy": proxy})


class TestSettings:
    def test_they_are_read_and_written(self, play: Callable[..., None], tmp_path: Path) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            settings = await codex.config_read(cwd=tmp_path)
            assert (settings.get("model"), settings.config.model) == ("gpt-5", "gpt-5")
            assert settings.get("model_providers.embedded.name") == "embedded"
            assert settings.get("tui.theme.nothing") is None
            assert settings.file.endswith("config.toml")
            assert "embedded" not in repr(settings)
            written = await codex.config_write(
                {"model": "gpt-5-mini", "model_providers": {"other": {"name": "other"}}, "tui.theme": "dark"},
                version=settings.version,
            )
            assert written.status == "ok"
            now = await codex.config_read()
            assert (now.version, now.get("model")) == (written.version, "gpt-5-mini")
            assert now.get("model_providers.embedded.name") == "embedded"
            assert now.get("model_providers.other.name") == "other"
            await codex.config_write({"tui.theme": None})
            assert (await codex.config_read()).get("tui.theme") is None

        play(scene)

    def test_what_another_one_has_written_is_not_overwritten(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            settings = await codex.config_read()
            await codex.config_write({"model": "first"})
            with pytest.raises(ConfigConflictError, match="modified since"):
                await codex.config_write({"model": "second"}, version=settings.version)
            assert (await codex.config_read()).get("model") == "first"

        play(scene)

    def test_what_makes_no_sense_is_not_written_and_neither_is_the_rest(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            with pytest.raises(ConfigValueError, match="no setting 'modle'; did you mean model"):
                await codex.config_write({"modle": "a"})
            for path, value in (("sandbox_mode", "everything"), ("model_context_window", "many"), ("tui.theme", 3)):
                with pytest.raises(ConfigValueError, match=f"in `{path}`"):
                    await codex.config_write({"model": "other", path: value})
            with pytest.raises(TypeError, match="value"):
                await codex.config_write({"model": object()})
            assert (await codex.config_read()).get("model") == "gpt-5"

        play(scene)

    def test_paths_may_be_quoted(self) -> None:
        settings = Settings({"a": {"b.c": {"d": 1}}}, None, None)
        assert settings.get('a."b.c".d') == 1
        (edit,) = edits_of({'a."b.c"': {"d": 2}}, settings.values)
        assert edit == {"keyPath": 'a."b.c"', "value": {"d": 2}, "mergeStrategy": "upsert"}
        assert Settings.from_answer(None) == Settings({}, None, None)
        assert edits_of({"whatever": 1}, {})


def test_skills_are_found(play: Callable[..., None], tmp_path: Path) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        home = model._homes[0]
        (home / "skills" / "greet").mkdir(parents=True)
        (home / "skills" / "greet" / "SKILL.md").write_text(
            "---\nname: greet\ndescription: greets\n---\nSay hello.", encoding="utf-8"
        )
        found = await codex.skills(cwd=tmp_path, reload=True)
        assert found.cwd == str(tmp_path)
        assert "greet" in [skill.name for skill in found.skills]
        assert found.errors == []

    play(scene)


def test_a_runtime_that_tells_of_no_skills_is_told_of(scripted: Callable[..., None]) -> None:
    script = """
    greet()
    write({"id": read()["id"], "result": {"data": []}})
    wait_for_end()
    """

    async def scene(codex: Any) -> None:
        with pytest.raises(AppServerError, match="skills/list"):
            await codex.skills()

    scripted(scene, script)


class TestMcpServers:
    def test_their_tools_are_listed_and_called(self, play: Callable[..., None], tmp_path: Path) -> None:
        (tmp_path / "sums.py").write_text(MCP_SERVER, encoding="utf-8")
        command = {"command": sys.executable, "args": ["-I", "-S", "-X", "utf8", str(tmp_path / "sums.py")]}

        async def scene(codex: Any, _: ModelServer) -> None:
            assert await codex.mcp_servers() == []
            await codex.config_write({"mcp_servers": {"sums": command, "broken": {"command": "no-such-program"}}})
            servers = {server.name: server for server in await codex.mcp_servers()}
            assert list(servers["sums"].tools) == ["add"]
            assert servers["broken"].tools_error
            thread = await codex.thread_start()
            given = await thread.mcp_call("sums", "add", {"numbers": [1, 2]})
            assert (given.content[0]["text"], given.is_error or False) == ("3", False)
            assert (await thread.mcp_call("sums", "add")).is_error is True
            with pytest.raises((InvalidRequestError, InternalRpcError)):
                await thread.mcp_call("nobody", "add")
            with pytest.raises(InvalidRequestError, match="OAuth login is only supported"):
                await codex.mcp_login("sums")
            with pytest.raises(InvalidRequestError, match="No MCP server named"):
                await codex.mcp_login("nobody")

        play(scene)

    def test_a_person_logs_in_at_one(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            with guarded_server() as url:
                await codex.config_write(
                    {"mcp_servers": {"guarded": {"url": f"{url}/mcp"}}, "mcp_oauth_credentials_store": "file"}
                )
                (server,) = await codex.mcp_servers()
                assert server.auth_status == "notLoggedIn"
                login = await codex.mcp_login("guarded")
                assert login.url.startswith(f"{url}/authorize?")
                waiting = asyncio.ensure_future(login.wait(timeout=30))
                await asyncio.to_thread(as_a_browser_does, login.url)
                await waiting
                (server,) = await codex.mcp_servers()
                assert server.auth_status == "oAuth"

        play(scene)


def as_a_browser_does(url: str) -> None:
    """Open a page, and follow where it leads."""
    build_opener(ProxyHandler({})).open(url, timeout=10).read()


class _Guarded(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        here, query = f"http://{self.headers['Host']}", parse_qs(urlsplit(self.path).query)
        if self.path.startswith("/.well-known/oauth-protected-resource"):
            self.say({"resource": f"{here}/mcp", "authorization_servers": [here]})
        elif self.path.startswith("/.well-known/"):
            self.say(
                {
                    "issuer": here,
                    "authorization_endpoint": f"{here}/authorize",
                    "token_endpoint": f"{here}/token",
                    "registration_endpoint": f"{here}/register",
                    "response_types_supported": ["code"],
                    "code_challenge_methods_supported": ["S256"],
                }
            )
        elif self.path.startswith("/authorize"):
            self.send_response(302)
            back = f"{query['redirect_uri'][0]}?code=c&state={query['state'][0]}"
            self.send_header("Location", back)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.refuse()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/register":
            self.say({"client_id": "c", "redirect_uris": json.loads(body)["redirect_uris"]}, 201)
        elif self.path == "/token":
            self.say({"access_token": "t", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "r"})
        elif self.headers.get("Authorization") != "Bearer t":
            self.refuse()
        else:
            asked = json.loads(body)
            result: dict[str, Any] = {"tools": []}
            if asked["method"] == "initialize":
                version = asked["params"]["protocolVersion"]
                info = {"name": "guarded", "version": "1"}
                result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
            self.say({"jsonrpc": "2.0", "id": asked["id"], "result": result} if "id" in asked else None)

    def refuse(self) -> None:
        self.send_response(401)
        where = f"http://{self.headers['Host']}/.well-known/oauth-protected-resource"
        self.send_header("WWW-Authenticate", f'Bearer resource_metadata="{where}"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def say(self, what: object, status: int = 200) -> None:
        data = b"" if what is None else json.dumps(what).encode()
        self.send_response(status if data else 202)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def guarded_server() -> Iterator[str]:
    """An MCP server that wants a login, and gives it to everybody."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Guarded)
    server.daemon_threads = False  # `server_close` waits for them
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
