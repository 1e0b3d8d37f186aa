"""A connection that breaks is made again: turns go on, what was missed is told, and nothing is done or asked twice."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from app_servers import Relay, Remote, greeted, plays, scripted_server
from awaited import KINDS, awaited, bare, connected
from hypothesis import given, settings
from hypothesis import strategies as st
from small_server import PIECE, Server, check, scripted
from until import until, until_it_holds
from websockets.frames import Frame, Opcode

from codex_app_server import (
    AppServerConfig,
    Codex,
    ConnectionLostError,
    Handlers,
    TransportClosedError,
    TurnFailedError,
    jwt_token,
    tool,
)
from codex_app_server.protocol.rejoining.session import Session
from codex_app_server.remote.backoff import Backoff
from codex_app_server.remote.serving import AppServer
from codex_app_server.testing import ModelServer, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from websockets.sync.server import ServerConnection

both = pytest.mark.parametrize("kind", KINDS)
SLOW = Text("one two three four five six", delay_s=0.05)
TOUCH = {"cmd": "echo made"}


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with ModelServer(default=SLOW) as model:
        yield model


@pytest.fixture(scope="module")
def remote(model: ModelServer, codex_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    remote = Remote(model, codex_binary, tmp_path_factory.mktemp("remote"))
    yield remote
    remote.close()


@pytest.fixture
def relay(remote: Remote) -> Iterator[Relay]:
    with Relay(remote.url) as relay:
        yield relay


# A small server, and a break at any byte.


class _CutError(Exception):
    """The connection was cut here."""


def served(server: Server, cuts: list[int]) -> Callable[[ServerConnection], None]:
    """Serves one connection after another, each cut after so many bytes; the last one is not."""
    left = deque(cuts)
    turn = threading.Lock()

    def say(connection: ServerConnection, rest: int | None) -> int | None:
        while server.to_client:
            data = Frame(Opcode.TEXT, server.to_client.popleft()).serialize(mask=False)
            connection.socket.sendall(data if rest is None else data[:rest])
            if rest is not None:
                rest -= len(data)
                if rest <= 0:
                    raise _CutError
        return rest

    def serve(connection: ServerConnection) -> None:
        rest = left.popleft() if left else None
        try:
            while True:
                try:
                    server.to_server.append(str(connection.recv(timeout=0.002)).encode())
                except TimeoutError:
                    server.step()
                while server.to_server:
                    server.take()
                rest = say(connection, rest)
        except _CutError:
            connection.socket.shutdown(socket.SHUT_RDWR)
        finally:
            server.hang_up()

    def one_at_a_time(connection: ServerConnection) -> None:
        with turn:
            serve(connection)

    return one_at_a_time


WORDS = st.lists(st.sampled_from(["a", "bc", 'quote" ', "ü\n"]), max_size=3)
SHAPES = st.lists(st.tuples(st.sampled_from([*PIECE, "question"]), WORDS), max_size=4)


@pytest.mark.slow
@both
@settings(deadline=None, max_examples=25)
@given(shape=SHAPES, cuts=st.lists(st.integers(min_value=1, max_value=2_500), max_size=4))
def test_wherever_a_connection_breaks_a_turn_comes_whole(
    kind: str, shape: list[tuple[str, list[str]]], cuts: list[int]
) -> None:
    server = Server([scripted(shape, "item")])
    asked: list[str] = []
    events: list[dict[str, Any]] = []

    async def approve(question: Any) -> bool:
        asked.append(question.command)
        return True

    async def scene(codex: Any) -> None:
        try:
            thread = await codex.thread_start()
            turn = await thread.turn("Go.")
        except ConnectionLostError:
            assert sum(server.done.values()) <= 1
            return
        events.extend([{"method": event.method, "params": event.params} async for event in turn.stream()])

    # The handshake of the first connection is not cut: a client that does not get that far is not there.
    greeting = len('..{"id":1,"result":{"userAgent":"peer/1"}}')
    with scripted_server(served(server, [greeting + cuts[0], *cuts[1:]] if cuts else [])) as config:
        plays(kind, _with(config, handlers=Handlers(command_approval=approve)), scene)
    if events:
        (turn,) = server.threads["t0"]["turns"]
        check(events, turn)
        assert len(asked) == len(set(asked)) == len(server.answers)


def _with(config: AppServerConfig, **options: Any) -> AppServerConfig:
    return dataclasses.replace(config, **options)


@both
def test_what_may_have_been_done_is_not_repeated_and_what_only_reads_is(kind: str) -> None:
    heard: list[str] = []
    got = threading.Semaphore(0)

    def script(connection: ServerConnection) -> None:
        greeted(connection)
        while True:
            request = json.loads(connection.recv())
            heard.append(request["method"])
            got.release()
            if len(heard) == 2:  # both are under way
                connection.socket.shutdown(socket.SHUT_RDWR)
                return
            if len(heard) == 1:
                continue
            connection.send(json.dumps({"id": request["id"], "result": {"data": []}}))

    async def scene(codex: Any) -> None:
        client = awaited(bare(codex).client)
        writing = asyncio.ensure_future(client.request("config/value/write", {"keyPath": "a"}))
        await asyncio.to_thread(got.acquire)
        assert await client.request("model/list") == {"data": []}
        with pytest.raises(ConnectionLostError, match=r"config/value/write: .* may have been done") as caught:
            await writing
        assert caught.value.method == "config/value/write"
        assert isinstance(caught.value, ConnectionError)
        assert await client.request("thread/loaded/list") == {"data": []}  # the client goes on

    with scripted_server(script) as config:
        plays(kind, config, scene)
    assert sorted(heard) == ["config/value/write", "model/list", "model/list", "thread/loaded/list"]


@both
@pytest.mark.parametrize("status", [502, 503, 429])
def test_a_proxy_whose_server_is_away_for_a_moment_is_asked_again(kind: str, status: int) -> None:
    async def scene(codex: Any) -> None:
        assert await awaited(bare(codex).client).request("model/list") == {"data": []}

    with scripted_server(_breaks_once(_answers), statuses=[101, status, status]) as config:
        plays(kind, config, scene)


@both
@pytest.mark.parametrize("does", ["nothing", "something else"])
def test_a_handshake_that_is_not_answered_again_is_not_waited_for_for_ever(kind: str, does: str) -> None:
    event = b'{"method":"news"}'
    events = (b"\x81" + bytes([len(event)]) + event) * 10_000

    def answers_nothing(connection: ServerConnection) -> None:
        while does == "nothing":
            connection.recv()
        with suppress(OSError):
            while True:
                connection.socket.sendall(events)

    async def scene(codex: Any) -> None:
        with pytest.raises(TransportClosedError, match="did not answer initialize within"):
            await awaited(bare(codex).client).request("model/list")

    with scripted_server(_breaks_once(answers_nothing)) as config:
        plays(kind, _with(config, startup_timeout_s=0.2, reconnect_timeout_s=0.1), scene)


ODD: list[Any] = [
    {"method": "item/started", "params": {"threadId": "t", "turnId": "u", "item": {}}},
    {"method": "item/completed", "params": {"threadId": "t", "turnId": "u", "item": {"id": 5}}},
    {"method": "item/started", "params": {"threadId": 5, "turnId": [], "item": {}}},
    {"method": "serverRequest/resolved", "params": {"threadId": "t", "requestId": [1]}},
    {"id": {}, "result": {}},
    [1, 2],
    None,
]


@both
@pytest.mark.parametrize("thread", [{}, {"id": 5}, {"id": "t", "turns": "x"}, {"id": "t", "turns": [{}, 5]}])
def test_what_makes_no_sense_ends_nothing(kind: str, thread: dict[str, Any]) -> None:
    def script(connection: ServerConnection) -> None:
        greeted(connection)
        while True:
            request = json.loads(connection.recv())
            for odd in ODD:
                connection.send(json.dumps(odd))
            connection.send(json.dumps({"id": request["id"], "result": {"thread": thread}}))

    async def scene(codex: Any) -> None:
        client = awaited(bare(codex).client)
        for method in ("thread/start", "turn/start", "thread/resume"):
            assert await client.request(method, {"threadId": "t"}) == {"thread": thread}

    with scripted_server(script) as config:
        plays(kind, config, scene)


@both
@pytest.mark.usefixtures("leaves_nothing")
def test_what_goes_wrong_here_ends_the_client_and_nobody_waits_for_ever(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(codex: Any) -> None:
        monkeypatch.setattr(Session, "incoming", lambda _, messages: 1 / 0)
        with pytest.raises(TransportClosedError, match="ZeroDivisionError"):
            await awaited(bare(codex).client).request("model/list")

    with scripted_server(_answers) as config:
        plays(kind, config, scene)


@pytest.mark.usefixtures("leaves_nothing")
def test_to_close_ends_an_attempt_that_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as tarpit:
        port = tarpit.getsockname()[1]
        with scripted_server(_answers) as config:
            relay = Relay(config.url or "")
            codex = Codex(_with(config, url=relay.url))
            relay._port = port  # from now on it is taken, and hears nothing
            relay.cut()
            until(lambda: relay.connections == 2)
            codex.close()
            relay.close()


def _answers(connection: ServerConnection) -> None:
    greeted(connection)
    while True:
        request = json.loads(connection.recv())
        connection.send(json.dumps({"id": request["id"], "result": {"data": []}}))


def _breaks_once(then: Callable[[ServerConnection], None]) -> Callable[[ServerConnection], None]:
    """Breaks the first connection at the first request; the next ones are as said."""
    broke: list[bool] = []

    def script(connection: ServerConnection) -> None:
        if broke:
            then(connection)
            return
        broke.append(True)
        greeted(connection)
        connection.recv()
        connection.socket.shutdown(socket.SHUT_RDWR)

    return script


# The real one.


@both
@pytest.mark.usefixtures("leaves_nothing")
def test_a_turn_goes_on_over_a_connection_that_breaks(kind: str, remote: Remote, relay: Relay) -> None:
    async def scene(codex: Any) -> None:
        thread = await codex.thread_start()
        turn = await thread.turn("Count.")
        words, methods = [], []
        async for event in turn.stream():
            methods.append(event.method)
            if event.method == "item/agentMessage/delta":
                words.append(event.payload.delta)
                if len(words) == 2:
                    relay.cut()
        assert "".join(words) == "one two three four five six"
        assert methods.count("item/completed") == methods.count("item/started") == 2
        assert (await turn.result()).final_response == "one two three four five six"
        assert (await thread.run("Again.")).text == "one two three four five six"

    plays(kind, remote.config(url=relay.url), scene)
    assert relay.connections == 2


@both
def test_a_network_that_is_cut_without_a_word_is_noticed(
    kind: str, remote: Remote, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    for link in ("aio", "sync"):
        monkeypatch.setattr(f"codex_app_server.{link}.link.PING_S", 0.3)

    async def scene(codex: Any) -> None:
        turn = await (await codex.thread_start()).turn("Count.")
        relay.freeze()
        assert (await turn.run()).text == "one two three four five six"

    plays(kind, remote.config(url=relay.url), scene)
    assert relay.connections >= 2


@both
def test_what_ended_meanwhile_is_told(kind: str, remote: Remote, relay: Relay) -> None:
    async def scene(codex: Any) -> None:
        thread = await codex.thread_start()
        turn = await thread.turn("Count.")
        relay.hold()
        async with connected("asyncio", remote.config()) as other:
            reading = await other.thread_resume(thread.id)
            while (await reading.read(include_turns=True)).thread.turns[-1].status == "inProgress":
                await asyncio.sleep(0.02)
        relay.release()
        result = await turn.run()
        assert result.is_completed
        assert result.text == result.final_response == "one two three four five six"

    plays(kind, remote.config(url=relay.url), scene)


@both
def test_a_thread_without_a_turn_has_its_first_one_over_the_next_connection(
    kind: str, remote: Remote, relay: Relay
) -> None:
    async def scene(codex: Any) -> None:
        thread = await codex.thread_start()
        relay.cut()
        await until_it_holds(lambda: relay.connections == 2)
        result = await thread.run("Count.")
        assert result.text == result.final_response == "one two three four five six"

    plays(kind, remote.config(url=relay.url), scene)


@both
def test_a_turn_that_nobody_can_join_again_fails_and_says_why(kind: str, remote: Remote, relay: Relay) -> None:
    async def scene(codex: Any) -> None:
        thread = await codex.thread_start(ephemeral=True)
        turn = await thread.turn("Count.")
        async for event in turn.stream():
            if event.method == "item/agentMessage/delta":
                relay.cut()
        assert "cannot be joined again: it is ephemeral" in str((await turn.result()).error)
        with pytest.raises(TurnFailedError, match="ephemeral"):
            await thread.run("Once more.")
        assert (await (await codex.thread_start(ephemeral=True)).run("Count.")).is_completed

    plays(kind, remote.config(url=relay.url), scene)


@both
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_pending_approval_comes_back_and_is_answered_once(
    kind: str, when: str, model: ModelServer, remote: Remote, relay: Relay
) -> None:
    asked: list[str] = []
    go = asyncio.Event()

    async def approve(question: Any) -> bool:
        asked.append(question.command)
        while not go.is_set():
            await asyncio.sleep(0.01)
        return True

    def approve_in_a_thread(question: Any) -> bool:
        asked.append(question.command)
        until(go.is_set)
        return True

    async def scene(codex: Any) -> None:
        model.add(ToolCall("exec_command", TOUCH), Text("Done."))
        thread = await codex.thread_start(approval_policy="untrusted")
        turn = await thread.turn("Go.")
        await until_it_holds(lambda: asked)
        if when == "before":  # the answer is there before the question comes back
            relay.hold()
            go.set()
            await asyncio.sleep(0.1)
            relay.release()
        else:
            relay.cut()
            await until_it_holds(lambda: relay.connections == 2)
            await asyncio.sleep(0.1)
            go.set()
        result = await turn.run()
        assert result.is_completed
        (command,) = [item for item in result.items if item.type == "commandExecution"]
        assert command.status == "completed"
        assert command.aggregated_output == "made\n"

    handlers = Handlers(command_approval=approve if kind == "asyncio" else approve_in_a_thread)
    plays(kind, remote.config(url=relay.url, handlers=handlers), scene)
    assert len(asked) == 1


@both
def test_a_tool_that_is_called_is_called_once(kind: str, model: ModelServer, remote: Remote, relay: Relay) -> None:
    called: list[str] = []

    @tool
    async def weather(city: str) -> str:
        """The weather.

        Args:
            city: where.
        """
        called.append(city)
        relay.cut()
        while relay.connections < 2:
            await asyncio.sleep(0.01)
        return "rain"

    async def scene(codex: Any) -> None:
        model.add(ToolCall("weather", {"city": "Oslo"}), Text("It rains."))
        thread = await codex.thread_start(tools=[weather])
        result = await thread.run("How is the weather?")
        assert result.final_response == "It rains."
        (call,) = [item for item in result.items if item.type == "dynamicToolCall"]
        assert call.success

    plays(kind, remote.config(url=relay.url, experimental_api=True), scene)
    assert called == ["Oslo"]


@both
def test_a_server_that_goes_in_mid_approval_and_comes_back(kind: str, codex_binary: Path, tmp_path: Path) -> None:
    asked: list[str] = []
    answers: dict[str, bool] = {}

    def approve(question: Any) -> bool:
        asked.append(question.command)
        (name,) = (name for name in ("echo first", "echo second") if name in question.command)
        until(lambda: name in answers)
        return answers[name]

    async def scene(codex: Any) -> None:
        thread = await codex.thread_start(approval_policy="untrusted", sandbox="danger-full-access")
        await thread.run("Begin.")
        turn = await thread.turn("Go.")
        await until_it_holds(lambda: asked)
        server.kill()
        server.start()
        result = await turn.run()
        assert result.status == "interrupted"
        # The old question's answer finds nobody, and above all not the new question, which has the same id there.
        again = await thread.turn("Go on.")
        await until_it_holds(lambda: len(asked) == 2)
        answers["echo first"] = True
        await asyncio.sleep(0.1)
        answers["echo second"] = False
        done = await again.run()
        assert done.is_completed
        (command,) = [item for item in done.items if item.type == "commandExecution"]
        assert command.status == "declined"

    first, second = ToolCall("exec_command", {"cmd": "echo first"}), ToolCall("exec_command", {"cmd": "echo second"})
    with ModelServer(Text("Begun."), first, second, Text("Done."), default=Text("More.")) as model:
        server = Remote(model, codex_binary, tmp_path)
        try:
            plays(kind, server.config(handlers=Handlers(command_approval=approve)), scene)
        finally:
            server.close()
    assert len(asked) == 2


@both
def test_an_expired_token_ends_it_and_a_new_one_does_not(
    kind: str, model: ModelServer, codex_binary: Path, tmp_path: Path
) -> None:
    secret = "0123456789abcdef0123456789abcdef"
    (tmp_path / "secret").write_text(secret)
    words = ["--ws-auth", "signed-bearer-token", "--ws-shared-secret-file", str(tmp_path / "secret")]
    words += ["--ws-max-clock-skew-seconds", "0"]

    def token() -> str:
        return tokens.popleft()

    async def scene(codex: Any) -> None:
        client = awaited(bare(codex).client)
        relay.cut()
        assert await client.request("thread/loaded/list", {}) is not None
        relay.cut()
        with pytest.raises(TransportClosedError, match=r"refuses this client: .*HTTP status 401"):
            await client.request("thread/loaded/list", {})

    valid, expired = jwt_token(secret), jwt.encode({"exp": int(time.time()) - 5}, secret, "HS256")
    tokens = deque([valid(), valid(), expired])
    with (
        AppServer(model.config(codex_bin=codex_binary), "ws://127.0.0.1:0", None, words) as server,
        Relay(server.url) as relay,
    ):
        plays(kind, AppServerConfig(url=relay.url, token=token), scene)


@both
def test_a_server_that_stays_away_ends_it_in_time(kind: str, codex_binary: Path, tmp_path: Path) -> None:
    async def scene(codex: Any) -> None:
        thread = await codex.thread_start()
        turn = await thread.turn("Count.")
        server.kill()
        with pytest.raises(TransportClosedError, match="cannot connect to ws"):
            await turn.run()

    with ModelServer(default=SLOW) as model:
        server = Remote(model, codex_binary, tmp_path)
        try:
            plays(kind, server.config(reconnect_timeout_s=0.3), scene)
        finally:
            server.close()


@both
@pytest.mark.usefixtures("leaves_nothing")
def test_a_client_can_be_closed_while_it_tries_to_come_back(kind: str, remote: Remote) -> None:
    took: list[float] = []

    async def acted() -> None:
        with Relay(remote.url) as relay:
            async with connected(kind, remote.config(url=relay.url)) as codex:
                await codex.thread_start()
                relay.hold()
                await asyncio.sleep(0.2)
                begun = time.monotonic()
            took.append(time.monotonic() - begun)

    asyncio.run(acted())
    assert took[0] < 5


def test_attempts_come_less_and_less_often_and_end() -> None:
    now = 0.0
    backoff = Backoff(60, lambda: now)
    waits = []
    while (wait := backoff.wait_s()) is not None:
        waits.append(wait)
        now += wait + 0.001
    assert waits[0] == 0
    assert waits[1] <= 0.05
    assert 2.5 <= max(waits) <= 5
    assert 60 <= now < 61
    backoff.restart()
    assert backoff.wait_s() == 0
