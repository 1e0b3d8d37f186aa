"""Events of turns, the same with threads and with asyncio: in order, complete, bounded, and in nobody's way."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import pytest
from until import until_it_holds

from codex_app_server import AppServerConfig, AppServerError, EventOverflowError, TransportClosedError, WaitTimeoutError
from codex_app_server.aio.driver import AsyncDriver
from codex_app_server.driving import FEW
from codex_app_server.protocol.allowance import READ_AHEAD
from codex_app_server.protocol.request import Request
from codex_app_server.sync.driver import Driver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence

    from codex_app_server.events import Notification
    from codex_app_server.protocol.log import Cursor
    from codex_app_server.protocol.messages import JsonValue

    Peer = Callable[..., AppServerConfig]

pytestmark = pytest.mark.usefixtures("leaves_nothing")

# Words for scripts: a turn that is started by any request, and its events.
TURNS = """
def started(turn):
    request = read()
    write({"id": request["id"], "result": {"turn": {"id": turn}}})

def delta(turn, text):
    write({"method": "item/agentMessage/delta", "params": {"turnId": turn, "itemId": "i", "delta": text}})

def completed(turn):
    write({"method": "turn/completed", "params": {"threadId": "t", "turn": {"id": turn, "status": "completed"}}})

greet()
"""


class Client(Protocol):
    """What both drivers can do, awaited."""

    async def call(self, method: str, params: Mapping[str, object] | None = None) -> JsonValue: ...

    async def start_turn(self, method: str, params: Mapping[str, object] | None = None) -> tuple[JsonValue, Cursor]: ...

    async def take(self, cursor: Cursor, timeout: float | None = None) -> Sequence[Notification]: ...

    async def close(self) -> None: ...

    def drop(self, cursor: Cursor) -> None: ...

    @property
    def unread(self) -> int: ...


class Threaded:
    """The driver for threads, every call in a thread of its own."""

    def __init__(self, config: AppServerConfig) -> None:
        self.client = Driver(config)

    async def call(self, method: str, params: Mapping[str, object] | None = None) -> JsonValue:
        return await asyncio.to_thread(self.client.call, method, params)

    async def start_turn(self, method: str, params: Mapping[str, object] | None = None) -> tuple[JsonValue, Cursor]:
        request = Request(method, params, announces_turn=True)
        return await asyncio.to_thread(self.client.begin, request, None)

    async def take(self, cursor: Cursor, timeout: float | None = None) -> Sequence[Notification]:
        return await asyncio.to_thread(self.client.take, cursor, timeout)

    async def close(self) -> None:
        await asyncio.to_thread(self.client.close)

    def drop(self, cursor: Cursor) -> None:
        self.client.drop(cursor)

    @property
    def unread(self) -> int:
        return self.client._reader._unread


class Async(AsyncDriver):
    """The driver for asyncio."""

    async def start_turn(self, method: str, params: Mapping[str, object] | None = None) -> tuple[JsonValue, Cursor]:
        return await self.begin(Request(method, params, announces_turn=True), None)

    @property
    def unread(self) -> int:
        return self._reader._unread


@pytest.fixture(params=["threads", "asyncio"])
def opened(request: pytest.FixtureRequest) -> Callable[[AppServerConfig], object]:
    """Opens a client of either kind."""

    @asynccontextmanager
    async def open_client(config: AppServerConfig) -> AsyncIterator[Client]:
        client: Client
        if request.param == "threads":
            client = Threaded(config)
        else:
            client = Async(config)
            await client.start()
        try:
            yield client
        finally:
            await client.close()

    return open_client


@pytest.fixture
def script(peer: Peer, opened: Callable[..., object]) -> Callable[..., None]:
    """Plays a scene: a peer with the words of `TURNS`, and a client that does something with it."""

    def play(lines: str, scene: Callable[[Client], Coroutine[object, object, None]], **options: object) -> None:
        async def run() -> None:
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(6 * FEW))
            async with opened(peer(TURNS + lines, **options)) as client:  # type: ignore[attr-defined]
                await asyncio.wait_for(scene(client), 20)

        asyncio.run(run())

    return play


async def texts(client: Client, stream: Cursor) -> list[str]:
    """The deltas of a turn, read to its end."""
    found = []
    while events := await client.take(stream, 10):
        found += [event.params.get("delta", event.method) for event in events]  # type: ignore[union-attr]
    return found  # type: ignore[return-value]


async def everything(client: Client, stream: Cursor, count: int) -> list[Notification]:
    """So many events."""
    found: list[Notification] = []
    while len(found) < count:
        found += await client.take(stream, 10)
    return found


def test_a_turn_is_read_to_its_end(script: Callable[..., None]) -> None:
    async def scene(client: Client) -> None:
        result, stream = await client.start_turn("turn/start", {})
        assert result == {"turn": {"id": "a"}}
        assert await texts(client, stream) == ["0", "1", "2", "turn/completed"]
        assert not await client.take(stream, 1)  # and stays there

    script("started('a'); [delta('a', str(n)) for n in range(3)]; completed('a'); wait_for_end()", scene)


def test_events_that_overtake_the_answer_are_not_lost(script: Callable[..., None]) -> None:
    async def scene(client: Client) -> None:
        _, stream = await client.start_turn("turn/start", {})
        assert await texts(client, stream) == ["early", "turn/completed"]

    lines = """
request = read()
delta("a", "early"); delta("stranger", "x"); completed("a")
write({"id": request["id"], "result": {"turn": {"id": "a"}}})
wait_for_end()
"""
    script(lines, scene)


def test_turns_side_by_side_do_not_mix(script: Callable[..., None]) -> None:
    async def scene(client: Client) -> None:
        streams = [(await client.start_turn("turn/start", {}))[1] for _ in range(8)]
        read = await asyncio.gather(*(texts(client, stream) for stream in reversed(streams)))
        for number, found in enumerate(reversed(read)):
            assert found == [f"{number}.{n}" for n in range(200)] + ["turn/completed"]

    lines = """
for turn in range(8): started(str(turn))
for n in range(200):
    for turn in range(8): delta(str(turn), f"{turn}.{n}")
for turn in range(8): completed(str(turn))
wait_for_end()
"""
    script(lines, scene)


def test_who_reads_too_late_gets_an_error_and_nobody_else_does(script: Callable[..., None]) -> None:
    async def scene(client: Client) -> None:
        slow, fast = [(await client.start_turn("turn/start", {}))[1] for _ in range(2)]
        await client.call("send")
        assert await texts(client, fast) == ["0", "turn/completed"]
        with pytest.raises(EventOverflowError, match=r"more than 10 events or .* bytes of turn slow waited to be read"):
            await client.take(slow)

    lines = """
started("slow"); started("fast")
request = read()
for n in range(4):  # so that all of them are not one piece
    for n in range(20): delta("slow", str(n))
    time.sleep(0.1)
delta("fast", "0"); completed("fast")
write({"id": request["id"], "result": {}})
wait_for_end()
"""
    script(lines, scene, max_buffered_events=10)


def test_what_nobody_reads_makes_the_runtime_wait(script: Callable[..., None]) -> None:
    async def scene(client: Client) -> None:
        _, stream = await client.start_turn("turn/start", {})
        await until_it_holds(lambda: client.unread >= READ_AHEAD)
        before = -1
        while client.unread != before:  # until nothing more comes in
            before = client.unread
            await asyncio.sleep(0.3)
        assert READ_AHEAD <= client.unread < READ_AHEAD + 300_000
        assert len(await texts(client, stream)) == 4_001

    script("started('a'); [delta('a', 'x' * 4_000) for n in range(4_000)]; completed('a'); wait_for_end()", scene)


def test_a_question_of_the_runtime_does_not_wait_behind_unread_events(script: Callable[..., None]) -> None:
    async def scene(client: Client) -> None:
        _, stream = await client.start_turn("turn/start", {})
        # The peer's last word comes after the answer.
        await until_it_holds(lambda: stream.log._count >= 20_001, 10)
        (waited,) = [event.params for event in await everything(client, stream, 20_001) if event.method == "waited"]
        assert isinstance(waited, dict)
        assert isinstance(seconds := waited["seconds"], float)
        assert seconds < 2  # a busy machine; behind them, it would wait until they are read

    lines = """
started("a")
for n in range(20_000): delta("a", "some words that are as long as a real line with all its members " * 4)
began = time.monotonic()
write({"id": "q", "method": "ask", "params": {}})
assert "error" in read()
write({"method": "waited", "params": {"turnId": "a", "seconds": time.monotonic() - began}})
write({"id": "r", "method": "ask", "params": {}})
wait_for_end()
"""
    script(lines, scene)


MANY = f"""
turns = ["turn-%02d" % number for number in range({5 * FEW})]

def answer():
    write({{"id": read()["id"], "result": None}})

for turn in turns: started(turn)
for turn in turns: delta(turn, "first")  # the later ones are told by how they begin
answer()
"""


async def started(client: Client) -> list[Cursor]:
    """The streams of the turns of `MANY`, the first event read."""
    streams = [(await client.start_turn("turn/start", {}))[1] for _ in range(5 * FEW)]
    for stream in streams:
        (event,) = await client.take(stream)
        assert event.params == {"turnId": stream.log.topic.id, "itemId": "i", "delta": "first"}
    return streams


async def all_wait(streams: list[Cursor]) -> None:
    await until_it_holds(lambda: all(stream.log.waiting for stream in streams))


def test_many_consumers_that_wait_each_get_what_is_theirs(script: Callable[..., None]) -> None:
    async def scene(client: Client) -> None:
        streams = await started(client)
        reading = [asyncio.create_task(texts(client, stream)) for stream in streams]
        await all_wait(streams)
        await client.call("go")
        for stream, read in zip(streams, await asyncio.gather(*reading), strict=True):
            assert read == [f"{stream.log.topic.id} {number}" for number in range(500)] + ["turn/completed"]

    lines = """
for number in range(500):
    for turn in turns: delta(turn, turn + " " + str(number))
for turn in turns: completed(turn)
wait_for_end()
"""
    script(MANY + lines, scene)


def test_where_many_wait_a_lone_event_arrives_and_who_gives_up_takes_nobody_along(script: Callable[..., None]) -> None:
    async def scene(client: Client) -> None:
        *impatient, last = streams = await started(client)
        giving_up = [asyncio.create_task(client.take(stream, 0.4)) for stream in impatient]
        waiting = asyncio.create_task(client.take(last))
        await all_wait(streams)
        await client.call("go")
        (event,) = await asyncio.wait_for(waiting, 0.3)
        assert event.params == {"turnId": "turn-39", "itemId": "i", "delta": "for you"}

        gone = await asyncio.gather(*giving_up, return_exceptions=True)
        assert {type(error) for error in gone} == {WaitTimeoutError}
        waiting = asyncio.create_task(client.take(last))
        await client.call("again")
        assert len(await asyncio.wait_for(waiting, 1)) == 1

    lines = "delta(turns[-1], 'for you'); answer(); delta(turns[-1], 'and this'); wait_for_end()"
    script(MANY + lines, scene)


def test_a_consumer_that_is_busy_holds_up_none_of_many(script: Callable[..., None]) -> None:
    async def scene(client: Client) -> None:
        busy, *others = streams = await started(client)
        begun = [asyncio.create_task(client.take(stream)) for stream in streams]
        await all_wait(streams)
        await client.call("go")
        assert [len(events) for events in await asyncio.gather(*begun)] == [1] * len(streams)
        reading = [asyncio.create_task(texts(client, stream)) for stream in others]  # `busy` does not come back
        await client.call("again")
        for stream, read in zip(others, await asyncio.gather(*reading), strict=True):
            assert read == [f"{stream.log.topic.id} {number}" for number in range(50)] + ["turn/completed"]
        assert len(await texts(client, busy)) == 51

    lines = """
for turn in turns: delta(turn, "one")
answer()
for number in range(50):
    for turn in turns: delta(turn, turn + " " + str(number))
for turn in turns: completed(turn)
wait_for_end()
"""
    script(MANY + lines, scene)


def test_a_runtime_that_dies_in_a_turn_ends_it_with_the_reason(script: Callable[..., None]) -> None:
    async def scene(client: Client) -> None:
        _, stream = await client.start_turn("turn/start", {})
        assert [event.params["delta"] for event in await client.take(stream)] == ["last"]  # type: ignore[index,call-overload]
        with pytest.raises(TransportClosedError, match="turn a did not end: the runtime exited with code 7") as caught:
            await client.take(stream)
        assert caught.value.stderr_tail == ("so long",)

    script("started('a'); delta('a', 'last'); complain('so long'); sys.exit(7)", scene)


def test_closing_ends_whoever_waits_for_events(script: Callable[..., None]) -> None:
    async def scene(client: Client) -> None:
        _, stream = await client.start_turn("turn/start", {})
        waiting = asyncio.create_task(client.take(stream))
        await all_wait([stream])
        await client.close()
        with pytest.raises(TransportClosedError, match="the client was closed"):
            await asyncio.wait_for(waiting, 1)

    script("started('a'); wait_for_end()", scene)


def test_waiting_has_a_limit_if_one_is_given_and_can_be_taken_up_again(script: Callable[..., None]) -> None:
    async def scene(client: Client) -> None:
        _, stream = await client.start_turn("turn/start", {})
        with pytest.raises(WaitTimeoutError, match=r"nothing happened in turn a within 0\.05 s"):
            await client.take(stream, 0.05)
        await client.call("go on")
        assert await texts(client, stream) == ["0", "turn/completed"]

    lines = """
started('a'); request = read(); write({"id": request["id"], "result": {}})
delta('a', '0'); completed('a'); wait_for_end()
"""
    script(lines, scene)


def test_a_failed_start_leaves_no_stream_and_the_client_works(script: Callable[..., None]) -> None:
    async def scene(client: Client) -> None:
        with pytest.raises(AppServerError, match="turn/start failed: no"):
            await client.start_turn("turn/start", {})
        with pytest.raises(AppServerError, match="the answer to turn/start names no turn"):
            await client.start_turn("turn/start", {})
        _, stream = await client.start_turn("turn/start", {})
        client.drop(stream)
        assert await client.call("fine") == {}

    lines = """
write({"id": read()["id"], "error": {"code": -32600, "message": "no"}})
write({"id": read()["id"], "result": {}})
started("a"); delta("a", "x")
write({"id": read()["id"], "result": {}})
wait_for_end()
"""
    script(lines, scene)


def test_a_cancelled_task_leaves_the_client_usable(peer: Peer) -> None:
    async def run() -> None:
        client = Async(peer(TURNS + lines))
        try:
            _, stream = await client.start_turn("turn/start", {})
            for waiting in (client.take(stream), client.call("never answered")):
                task = asyncio.create_task(waiting)
                await until_it_holds(lambda: client._reader.sleepers or client._connection.waiting)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert await client.call("echo") == {}
            assert not client._reader.sleepers
            assert not client._connection.waiting
        finally:
            await client.close()

    lines = 'started("a"); read(); write({"id": read()["id"], "result": {}}); wait_for_end()'
    asyncio.run(run())


def test_an_async_client_starts_once_with_its_first_call(peer: Peer) -> None:
    async def run() -> None:
        client = AsyncDriver(peer("greet(); [write({'id': read()['id'], 'result': n}) for n in range(3)]; read()"))
        try:
            with pytest.raises(RuntimeError, match="was not started"):
                _ = client.metadata
            assert sorted(await asyncio.gather(*(client.call("n") for _ in range(3)))) == [0, 1, 2]  # type: ignore[type-var]
            assert client.metadata.server_version == "1.2.3"
        finally:
            await client.close()
            await client.close()
        with pytest.raises(TransportClosedError, match="was closed"):
            await client.call("late")

    asyncio.run(run())


def test_many_turns_of_many_slices_all_end(script: Callable[..., None]) -> None:
    async def scene(client: Client) -> None:
        streams = [(await client.start_turn("turn/start", {}))[1] for _ in range(10)]
        await client.call("send")
        for found in await asyncio.gather(*(texts(client, stream) for stream in streams)):
            assert found[:-1] == [str(n) + "x" * 400 for n in range(1_500)]

    lines = """
for turn in range(10): started(str(turn))
write({"id": read()["id"], "result": {}})
text = "x" * 400
for n in range(1_500):
    for turn in range(10): delta(str(turn), f"{n}{text}")
for turn in range(10): completed(str(turn))
wait_for_end()
"""
    script(lines, scene)
