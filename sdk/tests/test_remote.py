"""A client of an app-server that somebody else runs: the same turns, behind a WebSocket and a token."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import logging
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from asyncio.trsock import TransportSocket
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from app_servers import Remote, free_port, greeted, plays, scripted_server
from awaited import KINDS, awaited, bare, connected
from until import until

from codex_app_server import (
    AppServerConfig,
    AppServerError,
    AsyncCodex,
    Codex,
    ConnectError,
    RuntimeStartError,
    TransportClosedError,
    jwt_token,
)
from codex_app_server.aio import link as aio_link
from codex_app_server.aio.link import Link
from codex_app_server.protocol.framing import MOST_BYTES
from codex_app_server.remote import serving
from codex_app_server.remote.address import Address
from codex_app_server.remote.serving import AppServer, write_token
from codex_app_server.remote.websocket import WebSocket
from codex_app_server.testing import ModelServer, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.sync.server import ServerConnection

both = pytest.mark.parametrize("kind", KINDS)
SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with ModelServer(default=Text("one two three")) as model:
        yield model


@pytest.fixture(scope="module")
def remote(model: ModelServer, codex_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    remote = Remote(model, codex_binary, tmp_path_factory.mktemp("remote"))
    yield remote
    remote.close()


def client_of(codex: Any) -> Any:
    return awaited(bare(codex).client)


async def runs_a_turn(codex: Any) -> None:
    result = await (await codex.thread_start(ephemeral=True)).run("Count.")
    assert result.text == result.final_response == "one two three"


@both
@pytest.mark.usefixtures("leaves_nothing")
def test_the_same_codex_stands_on_a_websocket(kind: str, remote: Remote) -> None:
    plays(kind, remote.config(), runs_a_turn)
    assert remote.server.process.poll() is None  # to close is to hang up


def test_ctrl_c_is_for_who_waits_for_a_server_on_windows_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There, it goes to every program of the console, and ends no wait for a process."""
    start, wait = subprocess.Popen, subprocess.Popen.wait
    started: list[int] = []
    waits: list[float | None] = []

    def popen(*words: Any, creationflags: int, **options: Any) -> subprocess.Popen[bytes]:
        started.append(creationflags)
        return start(*words, **options)

    def waited(self: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        waits.append(timeout)
        return wait(self, timeout)

    program = "import sys, time; print('listening on: ws://127.0.0.1:1', file=sys.stderr, flush=True); time.sleep(0.5)"
    (tmp_path / "app-server").write_text(program)
    monkeypatch.setattr(serving, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(serving, "CREATION_FLAGS", no_window := 0x08000000)
    monkeypatch.setattr(subprocess.Popen, "wait", waited)
    monkeypatch.setattr(subprocess, "Popen", popen)
    with AppServer(AppServerConfig(codex_bin=sys.executable, cwd=tmp_path), "ws://127.0.0.1:0", None) as server:
        assert server.wait() == 0
    assert started == [no_window]
    assert len(waits) > 1
    assert None not in waits


def test_who_has_lost_its_loop_hangs_up_on_windows_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """There, the number of a socket is none of a file."""
    reasons: list[str] = []

    async def scene() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            websocket = WebSocket(Address.read("ws://127.0.0.1:1"), None, MOST_BYTES)
            link = Link(websocket, lambda _: None, reasons.append)
            link._opened.set_result(None)
            transport, _ = await asyncio.get_running_loop().create_connection(lambda: link, sock=ours)
            with monkeypatch.context() as patched:
                patched.setattr(aio_link, "sys", SimpleNamespace(platform="win32"))
                patched.setattr(TransportSocket, "fileno", lambda _: 1 << 30)
                link.forget()
            theirs.settimeout(5)
            while theirs.recv(1024):  # first what asks to be taken in
                pass
            transport.abort()
            await asyncio.sleep(0)

    asyncio.run(scene())
    assert len(reasons) == 1


unix = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no such sockets for Python")


@both
@unix
def test_a_socket_in_the_file_system_will_do(
    kind: str, model: ModelServer, codex_binary: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"unix://{tmp_path}/a%20b?#"  # the server takes a path as it is written
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(url.removeprefix("unix://"))  # a server that was killed leaves one, which does not count
    with AppServer(model.config(codex_bin=codex_binary), url, None):
        plays(kind, AppServerConfig(url=url), runs_a_turn)
    assert not caplog.records


@unix
def test_the_socket_of_another_server_is_not_taken_for_its_own(
    model: ModelServer, codex_binary: Path, tmp_path: Path
) -> None:
    url = f"unix://{tmp_path}/s"
    with (
        AppServer(model.config(codex_bin=codex_binary), url, None),
        pytest.raises(RuntimeStartError, match="another program listens"),
    ):
        AppServer(model.config(codex_bin=codex_binary), url, None)


@both
@pytest.mark.parametrize("token", [None, "wrong"])
@pytest.mark.usefixtures("leaves_nothing")
def test_without_the_right_token_nobody_is_let_in(kind: str, token: str | None, remote: Remote) -> None:
    with pytest.raises(ConnectError, match=r"refuses this client: .*bearer token") as caught:
        plays(kind, remote.config(token=token), runs_a_turn)
    assert caught.value.status == 401
    assert "wrong" not in str(caught.value)


@both
def test_a_token_is_made_for_each_connection(kind: str, model: ModelServer, codex_binary: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    made: list[str] = []

    def token() -> str:
        made.append(jwt_token(SECRET, issuer="us", audience="them")())
        return made[-1]

    words = ["--ws-auth", "signed-bearer-token", "--ws-shared-secret-file", str(secret)]
    words += ["--ws-issuer", "us", "--ws-audience", "them", "--ws-max-clock-skew-seconds", "0"]
    with AppServer(model.config(codex_bin=codex_binary), "ws://127.0.0.1:0", None, words) as server:
        config = AppServerConfig(url=server.url, token=token)
        plays(kind, config, runs_a_turn)
        plays(kind, config, runs_a_turn)
        expired = jwt.encode({"exp": int(time.time()) - 5, "iss": "us", "aud": "them"}, SECRET, "HS256")
        with pytest.raises(ConnectError) as caught:
            plays(kind, dataclasses.replace(config, token=expired), runs_a_turn)
    assert caught.value.status == 401
    assert len(made) == 2


def test_a_jwt_is_what_others_take_for_one() -> None:
    token = jwt_token(SECRET, issuer="us", audience="them", lifetime_s=60)()
    claims = jwt.decode(token, SECRET, ["HS256"], audience="them", issuer="us")
    assert claims["exp"] - claims["iat"] == 60
    with pytest.raises(ValueError, match="31 bytes"):
        jwt_token(SECRET[:-1] + "\n")
    with pytest.raises(ValueError, match="positive"):
        jwt_token(SECRET, lifetime_s=0)


@both
@pytest.mark.parametrize("text", ["", "two words", "line\nbreak", "ümlaut"])
def test_what_no_header_may_carry_is_no_token_and_not_shown(kind: str, text: str, remote: Remote) -> None:
    with pytest.raises(ConnectError, match="there is no token") as caught:
        plays(kind, remote.config(token=lambda: text), runs_a_turn)
    assert not text or text not in str(caught.value)


@both
def test_what_the_function_for_the_token_raises_is_said(kind: str, remote: Remote) -> None:
    def token() -> str:
        raise LookupError("the vault is closed")

    with pytest.raises(ConnectError, match="the vault is closed"):
        plays(kind, remote.config(token=token), runs_a_turn)


@both
@pytest.mark.usefixtures("leaves_nothing")
def test_a_function_that_gives_no_token_is_not_waited_for_for_ever(kind: str, remote: Remote) -> None:
    go = threading.Event()

    def token() -> str:
        go.wait(60)
        return remote.token

    try:
        with pytest.raises(ConnectError, match="the function gives none in time"):
            plays(kind, remote.config(token=token, startup_timeout_s=0.1), runs_a_turn)
    finally:
        go.set()


@both
@pytest.mark.usefixtures("leaves_nothing")
def test_nobody_there_is_said_at_once(kind: str) -> None:
    with pytest.raises(ConnectError, match=r"cannot connect to ws://127\.0\.0\.1"):
        plays(kind, AppServerConfig(url=f"ws://127.0.0.1:{free_port()}", token="any"), runs_a_turn)


@both
@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.usefixtures("leaves_nothing")
def test_a_server_that_says_nothing_is_not_waited_for_for_ever(kind: str, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ConnectError, match=r"within 0\.2 s"):
            plays(kind, AppServerConfig(url=url, token="any", startup_timeout_s=0.2), runs_a_turn)


@both
@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.usefixtures("leaves_nothing")
def test_nor_is_one_that_says_a_little_now_and_then(kind: str, scheme: str) -> None:
    answer = b"\x16\x03\x03\x40\x00" if scheme == "wss" else b"HTTP/1.1 101 Switching Protocols\r\n"

    def drip() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(answer)
            while True:
                connection.sendall(b"x")
                time.sleep(0.02)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        dripping = threading.Thread(target=drip)
        dripping.start()
        began = time.monotonic()
        url = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(ConnectError, match=r"within 0\.2 s"):
            plays(kind, AppServerConfig(url=url, token="any", startup_timeout_s=0.2), runs_a_turn)
        assert time.monotonic() - began < 2
        dripping.join()


def slow_token() -> str:
    time.sleep(1)
    return "late"


@pytest.mark.parametrize("token", ["any", slow_token], ids=["silent server", "slow token"])
@pytest.mark.usefixtures("leaves_nothing")
def test_whoever_does_not_want_to_connect_any_more_is_not_held_up(token: Any) -> None:
    async def given_up(url: str) -> None:
        with pytest.raises((asyncio.TimeoutError, TimeoutError)):
            await asyncio.wait_for(enter(AppServerConfig(url=url, token=token)), 0.2)
        codex = AsyncCodex(AppServerConfig(url=url, token=token))
        starting = asyncio.ensure_future(codex.models())
        await asyncio.sleep(0.1)
        await codex.close()
        with pytest.raises(AppServerError, match="closed"):
            await starting

    async def enter(config: AppServerConfig) -> None:
        async with AsyncCodex(config):
            raise AssertionError

    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        asyncio.run(given_up(f"ws://127.0.0.1:{silent.getsockname()[1]}"))
        assert time.monotonic() - began < 1
        time.sleep(0.8 if callable(token) else 0)  # until nobody asks for a token any more


@both
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno!", r"no! \(HTTP status 404\)"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no app-server answers there"),
        (b"", "no app-server answers there"),
    ],
    ids=["a web server", "no web server", "nothing"],
)
def test_what_is_no_app_server_is_said(kind: str, answer: bytes, why: str) -> None:
    import threading

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"ws://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(ConnectError, match=why):
            plays(kind, AppServerConfig(url=url, token="any", startup_timeout_s=5), runs_a_turn)
        thread.join()


@both
def test_what_is_too_long_for_the_server_is_refused_before_it_is_sent(kind: str, remote: Remote) -> None:
    async def scene(codex: Any) -> None:
        frame = len('{"id":2,"method":"thread/loaded/list","params":{"cursor":""}}')
        with pytest.raises(ValueError, match=r"thread/loaded/list is 16,777,217 bytes long.* 16,777,216 at most"):
            await client_of(codex).request("thread/loaded/list", {"cursor": "x" * (MOST_BYTES + 1 - frame)})
        await runs_a_turn(codex)  # for the server looks at a cursor only where there is something to list
        # As long as it may be: it gets there, and is refused for what it says.
        with pytest.raises(AppServerError, match="cursor"):
            await client_of(codex).request("thread/loaded/list", {"cursor": "x" * (MOST_BYTES - frame)})
        await runs_a_turn(codex)

    plays(kind, remote.config(request_timeout_s=20), scene)


@both
def test_an_answer_that_is_too_long_becomes_an_error(kind: str) -> None:
    answers = []

    def script(connection: ServerConnection) -> None:
        greeted(connection)
        connection.send('{"id":"q","method":"item/tool/call","params":{"threadId":"t","turnId":"u"}}')
        answers.append(json.loads(connection.recv()))
        connection.recv()

    from codex_app_server import Handlers

    with scripted_server(script) as config:
        handlers = Handlers(tool_call=lambda _: "x" * (MOST_BYTES + 1))

        async def scene(codex: Any) -> None:
            await asyncio.to_thread(until, lambda: answers)

        plays(kind, dataclasses.replace(config, handlers=handlers), scene)
    assert answers[0]["id"] == "q"
    assert "16,777,216 at most" in answers[0]["error"]["message"]


@both
def test_a_server_that_takes_anybody_in_is_named(
    kind: str, model: ModelServer, codex_binary: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with AppServer(model.config(codex_bin=codex_binary), "ws://127.0.0.1:0", None) as server:
        plays(kind, AppServerConfig(url=server.url), runs_a_turn)
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert f"{server.url} lets anybody in" in record.getMessage()


@pytest.mark.parametrize(
    ("url", "has_token", "warning"),
    [
        ("ws://10.0.0.1:1", False, "everybody who can reach it may run commands there"),
        ("wss://agents.example", False, "everybody who can reach it"),
        ("ws://localhost:1", False, "every user of this machine"),
        ("ws://agents.example:1", True, "not encrypted"),
        ("ws://[::1]:1", True, None),
        ("wss://agents.example", True, None),
        ("unix:///s", False, None),
    ],
)
def test_what_is_unsafe_about_an_address(url: str, has_token: bool, warning: str | None) -> None:
    said = Address.read(url).warning(has_token=has_token)
    assert (said is None) if warning is None else (said is not None and warning in said)


@both
def test_tls_is_the_standard_library_s(kind: str, tmp_path: Path) -> None:
    server = certified(tmp_path)
    trusting = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))

    def script(connection: ServerConnection) -> None:
        greeted(connection)
        while True:
            request = json.loads(connection.recv())
            connection.send(json.dumps({"id": request["id"], "result": {"echo": request["params"]}}))

    with scripted_server(script, tls=server) as config:

        async def scene(codex: Any) -> None:
            text = "x" * 300_000
            told = await asyncio.gather(*(client_of(codex).request("echo", {"n": n, "text": text}) for n in range(8)))
            assert told == [{"echo": {"n": n, "text": text}} for n in range(8)]

        plays(kind, dataclasses.replace(config, ssl_context=trusting), scene)
        with pytest.raises(ConnectError, match=r"CERTIFICATE_VERIFY_FAILED|certificate verify failed"):
            plays(kind, config, scene)


def certified(directory: Path) -> ssl.SSLContext:
    """A server's context with a certificate that it signed itself, ``certificate.pem``."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "this test makes a certificate with the openssl program: install it"
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 -batch"
    command += f" -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}"
    subprocess.run([openssl, *command.split()], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@both
def test_a_message_is_one_line_however_it_is_written(kind: str) -> None:
    def script(connection: ServerConnection) -> None:
        greeted(connection)
        request = json.loads(connection.recv())
        connection.ping("anybody?")
        connection.send([f'{{"id":\n{request["id"]},', '\n"result":{"a": 1}}'])  # in two frames, with line breaks
        connection.recv()

    async def scene(codex: Any) -> None:
        assert await client_of(codex).request("any") == {"a": 1}

    with scripted_server(script) as config:
        plays(kind, config, scene)


@both
def test_a_connection_that_is_not_made_again_ends_the_client(kind: str, codex_binary: Path, tmp_path: Path) -> None:
    async def scene(codex: Any) -> None:
        thread = await codex.thread_start(ephemeral=True)
        turn = await thread.turn("Count.")
        server.kill()
        with pytest.raises(TransportClosedError, match=r"the connection to ws://.* is over"):
            await turn.run()
        with pytest.raises(TransportClosedError):
            await thread.run("Count.")

    with ModelServer(default=Text("one two three", delay_s=0.5)) as model:
        server = Remote(model, codex_binary, tmp_path)
        try:
            plays(kind, server.config(reconnect_timeout_s=0), scene)
        finally:
            server.close()


@both
def test_of_two_clients_on_a_thread_the_first_answer_wins(kind: str, codex_binary: Path, tmp_path: Path) -> None:
    from codex_app_server import Handlers

    asked: list[str] = []
    decided = asyncio.Event()

    async def scene(codex: Any, other: Any) -> None:
        thread = await codex.thread_start(approval_policy="untrusted")
        turn = await thread.turn("Go.")
        await asyncio.to_thread(until, lambda: asked)
        async with other.client.subscribe() as everything:
            await other.thread_resume(thread.id)
            async for event in everything:
                if event.method == "serverRequest/resolved":
                    break
        assert (await turn.run()).is_completed

    def never(_: object) -> bool:
        asked.append("first")
        until(decided.is_set)
        return False

    async def yes(_: object) -> bool:
        asked.append("second")
        decided.set()
        return True

    with ModelServer(ToolCall("exec_command", {"cmd": f"touch {tmp_path}/made"}), default=Text("Done.")) as model:
        remote = Remote(model, codex_binary, tmp_path)

        async def acted() -> None:
            handlers = Handlers(command_approval=never)
            async with (
                connected(kind, remote.config(handlers=handlers)) as codex,
                connected("asyncio", remote.config(handlers=Handlers(command_approval=yes))) as other,
            ):
                await asyncio.wait_for(scene(codex, other), 30)

        try:
            asyncio.run(acted())
        finally:
            remote.close()
    assert asked == ["first", "second"]


def test_a_client_that_nobody_closes_hangs_up_when_it_is_collected() -> None:
    ended = []

    def script(connection: ServerConnection) -> None:
        greeted(connection)
        try:
            connection.recv()
        finally:
            ended.append(True)

    with scripted_server(script) as config:
        with pytest.warns(ResourceWarning, match="was not closed"):  # noqa: PT031 - it is made here, and forgotten
            Codex(config)
            gc.collect()
        until(lambda: ended)


@pytest.mark.parametrize(
    "options",
    [
        {"codex_bin": "codex"},
        {"launch_args_override": ["codex"]},
        {"api_key": "key"},
        {"codex_home": "home"},
        {"config": {"model": "gpt-5"}},
        {"features": {"x": True}},
        {"strict": True},
        {"config_overrides": ["a=1"]},
        {"cwd": "there"},
        {"env": {"A": "b"}},
        {"inherit_env": False},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_is_said_to_a_runtime_that_is_started_has_no_place(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))} is for a runtime that is started"):
        AppServerConfig(url="ws://127.0.0.1:1", **options)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"url": "http://x"}, "not of the form ws://"),
        ({"url": "ws://"}, "not of the form"),
        ({"url": "ws://x:port"}, "not of the form"),
        ({"url": "unix://relative/path"}, "not of the form"),
        ({"url": "ws://me:secret@x"}, "`token`"),
        ({"url": "ws://me:secret@x:port"}, "`token`"),
        ({"url": "ws://me:secret@[x"}, "not of the form"),
        ({"url": "wss://x/?token=secret"}, "`token`"),
        ({"url": "http://x/#secret"}, "`token`"),
        ({"url": "ws://x:0"}, "port 0"),
        ({"url": "ws://x", "ssl_context": ssl.create_default_context()}, "ssl_context is for wss"),
        ({"url": "ws://x", "reconnect_timeout_s": -1}, "reconnect_timeout_s"),
        ({"token": "x"}, "there is no url"),
    ],
)
def test_what_cannot_be_an_address_is_refused_at_once(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        AppServerConfig(**options)
    assert "secret" not in str(caught.value)


def test_a_token_is_not_shown() -> None:
    assert "hush" not in repr(AppServerConfig(url="ws://127.0.0.1:1", token="hush"))
    with pytest.raises(TypeError, match="token must be") as caught:
        AppServerConfig(url="ws://127.0.0.1:1", token=b"hush")  # type: ignore[arg-type]  # that is what is tested
    assert "hush" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_token_that_cannot_be_written_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty one would be kept as it is by the next who starts, and no server takes it."""

    def full(descriptor: int, *_: object, **__: object) -> Any:
        os.close(descriptor)
        return Path("/dev/full").open("w", encoding="ascii")

    monkeypatch.setattr(os, "fdopen", full)
    path = tmp_path / "token"
    with pytest.raises(OSError, match=re.escape(f"No space left on device: '{path}'")):
        write_token(path)
    assert not path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="modes are for POSIX")
def test_a_token_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"
    write_token(path)
    first = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(first) > 40
    write_token(path)
    assert path.read_text() == first
    path.chmod(0o644)
    with pytest.raises(ValueError, match="may be read by others"):
        write_token(path)
