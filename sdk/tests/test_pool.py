"""Several runtimes as one, with pools of both kinds: who gets which, who waits, and what becomes of one that ends."""

from __future__ import annotations

import asyncio
import os
import stat
import tempfile
import threading
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from awaited import awaited, bare, outcomes_of
from until import until_it_holds

from codex_app_server import (
    AppServerConfig,
    AppServerError,
    AsyncCodex,
    AsyncCodexPool,
    Codex,
    CodexPool,
    PoolFullError,
    RuntimeLostError,
    RuntimeNotFoundError,
    TransportClosedError,
    WaitTimeoutError,
    is_retryable_error,
)
from codex_app_server.pooling import homes as room
from codex_app_server.pooling.desk import Desk, Member, Place
from codex_app_server.pooling.homes import Homes
from codex_app_server.testing import ModelServer, Text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Peer = Callable[..., AppServerConfig]

pytestmark = pytest.mark.usefixtures("leaves_nothing")

GREETER = """
greet()
wait_for_end()
"""

# Does not start the first so many times.
RELUCTANT = """
import pathlib
tries = pathlib.Path(os.environ["CODEX_HOME"]) / "tries"
with tries.open("a") as file:
    file.write("x")
if len(tries.read_text()) <= {failures}:
    sys.exit(3)
greet()
wait_for_end()
"""


@pytest.fixture(params=["threads", "asyncio"])
def swim(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Plays a scene with a pool of either kind."""

    def run(scene: Any, config: Any, **options: Any) -> None:
        async def acted() -> None:
            if request.param == "asyncio":
                async with AsyncCodexPool(config, **options) as pool:
                    await asyncio.wait_for(scene(pool), 60)
                return
            threads = CodexPool(config, **options)
            try:
                await asyncio.wait_for(scene(awaited(threads)), 60)
            finally:
                await asyncio.to_thread(threads.close)

        asyncio.run(acted())

    return run


@asynccontextmanager
async def lent(pool: Any, **options: Any) -> AsyncIterator[Any]:
    """A client of a pool of either kind."""
    manager = bare(pool).client(**options)
    if hasattr(manager, "__aenter__"):
        async with manager as codex:
            yield codex
        return
    codex = await asyncio.to_thread(manager.__enter__)
    try:
        yield awaited(codex)
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


async def _outcomes(pool: Any, *arguments: Any, **options: Any) -> list[Any]:
    return [outcome async for outcome in outcomes_of(pool, *arguments, **options)]


def runtimes(pool: Any) -> list[psutil.Process]:
    """The processes of a pool's runtimes, by their homes."""
    homes = {str(member.home) for member in pool.members}
    return [each for each in psutil.Process().children() if each.environ().get("CODEX_HOME") in homes]


def echo(request: Any) -> Text:
    return Text(f"you said {request.texts[-1]}")


class TestDesk:
    def desk(self, size: int = 2, **options: int) -> Desk:
        bounds = {"per_runtime": 2, "max_waiting": 2, "max_tenants": 2, **options}
        return Desk([Member(str(number)) for number in range(size)], **bounds)

    def ask(self, desk: Desk, tenant: str | None = None) -> Place:
        place = Place(tenant, None)
        desk.ask(place, 0.0)
        return place

    def name(self, place: Place) -> str | None:
        return place.member.name if place.member else None

    def test_who_has_least_to_do_is_next_and_one_that_runs_before_one_that_does_not(self) -> None:
        desk = self.desk()
        desk.members[1].codex = object()
        places = [self.ask(desk) for _ in range(4)]
        assert [self.name(place) for place in places] == ["1", "0", "1", "0"]

    def test_those_who_wait_are_served_in_their_order_and_no_more_than_so_many_may(self) -> None:
        desk = self.desk(size=1)
        had = [self.ask(desk) for _ in range(2)]
        waiting = [self.ask(desk) for _ in range(2)]
        with pytest.raises(PoolFullError, match="all runtimes of the pool are taken, and 2 wait already") as refused:
            self.ask(desk)
        assert is_retryable_error(refused.value)
        assert desk.give_back(waiting[0], 0.0) == ([], [])  # it gave up
        served, _ = desk.give_back(had[0], 0.0)
        assert served == [waiting[1]]
        assert not desk.waiting

    def test_who_waits_for_one_tenant_holds_up_nobody_else(self) -> None:
        desk = self.desk()
        assert [self.name(self.ask(desk, "a")) for _ in range(3)] == ["a", "a", None]
        assert self.name(self.ask(desk, "b")) == "b"
        assert self.name(self.ask(desk)) == "0"

    def test_for_another_tenant_the_one_goes_that_was_not_needed_for_longest(self) -> None:
        desk = self.desk()
        first, second = self.ask(desk, "a"), self.ask(desk, "b")
        third = self.ask(desk, "c")
        assert third.member is None
        served, dismissed = desk.give_back(first, 1.0)
        assert (served, [member.name for member in dismissed]) == ([third], ["a"])
        assert sorted(desk.tenants) == ["b", "c"]
        desk.give_back(second, 2.0)
        desk.give_back(third, 3.0)
        assert [member.name for member in desk.idle(2.0)] == ["b"]

    def test_one_that_ended_waits_longer_each_time_and_others_come_before_it(self) -> None:
        desk = self.desk()
        for wait in (0.1, 0.2, 0.4):
            desk.members[0].failed(10.0)
            assert desk.members[0].not_before == pytest.approx(10 + wait)
        for _ in range(9):
            desk.members[0].failed(10.0)
        assert desk.members[0].not_before == 15
        assert [self.name(self.ask(desk)) for _ in range(3)] == ["1", "1", "0"]


def test_each_runtime_has_a_home_of_its_own_that_goes_with_the_pool(
    swim: Callable[..., None], codex_binary: Path
) -> None:
    homes: list[Path] = []

    async def scene(pool: Any) -> None:
        async with lent(pool) as one, lent(pool) as other:
            assert one is not other
            threads = [await codex.thread_start() for codex in (one, other)]
            results = await asyncio.gather(*(thread.run("hello") for thread in threads))
        assert [result.text for result in results] == ["you said hello"] * 2
        homes.extend(member.home for member in pool.members)
        stored = [str(thread.id) in str(list(home.rglob("*.jsonl"))) for thread in threads for home in homes]
        assert stored in ([True, False, False, True], [False, True, True, False])
        if os.name != "nt":
            assert {home.stat().st_mode & 0o777 for home in homes} == {0o700}
        thread = await pool.thread_start(ephemeral=True)
        assert (await thread.run("again")).text == "you said again"
        assert (await pool.run("once", timeout=60)).text == "you said once"
        assert [member.starts for member in pool.members] == [1, 1]

    with ModelServer(default=echo) as model:
        swim(scene, model.config(codex_bin=codex_binary), size=2)
    assert len(set(homes)) == 2
    assert not any(home.exists() for home in homes)


def test_a_runtime_that_begins_no_thread_takes_no_longer_than_a_run_may(swim: Callable[..., None], peer: Peer) -> None:
    async def scene(pool: Any) -> None:
        with pytest.raises(TimeoutError, match=r"thread/start got no answer within 0\.\d+ s") as caught:
            await pool.run("x", timeout=0.5)
        assert isinstance(caught.value, AppServerError)
        (outcome,) = await _outcomes(pool, ["x"], timeout=0.1)
        assert isinstance(outcome.error, TimeoutError)

    swim(scene, peer(GREETER), size=1)


def test_whoever_finds_no_room_waits_and_nobody_waits_for_ever(swim: Callable[..., None], peer: Peer) -> None:
    async def wait_for_one(pool: Any, **options: Any) -> str:
        async with lent(pool, **options):
            return "had it"

    async def scene(pool: Any) -> None:
        async with lent(pool):
            with pytest.raises(WaitTimeoutError, match=r"no runtime of the pool was free within 0\.05 s"):
                await wait_for_one(pool, timeout=0.05)
            waiting = asyncio.ensure_future(wait_for_one(pool))
            await until_it_holds(lambda: pool.waiting == 1)
            with pytest.raises(PoolFullError):
                await wait_for_one(pool)
        assert await waiting == "had it"
        async with lent(pool):
            waiting = asyncio.ensure_future(wait_for_one(pool))
            await until_it_holds(lambda: pool.waiting == 1)
            await pool.close()
            with pytest.raises(TransportClosedError, match="there is no runtime: the pool was closed"):
                await waiting
        with pytest.raises(TransportClosedError):
            await wait_for_one(pool)
        assert pool.waiting == 0

    swim(scene, peer(GREETER), size=1, per_runtime=1, max_waiting=1)


def test_a_runtime_that_does_not_start_is_started_again_but_not_for_ever(
    swim: Callable[..., None], peer: Peer, tmp_path: Path
) -> None:
    def started(failures: int, restarts: int) -> None:
        async def scene(pool: Any) -> None:
            async with lent(pool):
                assert pool.members[0].starts == 1

        config = peer(RELUCTANT.format(failures=failures))
        swim(scene, config, size=1, restarts=restarts)

    started(2, 2)
    with pytest.raises(TransportClosedError, match="code 3"):
        started(2, 1)
    with pytest.raises(RuntimeNotFoundError):
        swim(_leased, AppServerConfig(codex_bin=tmp_path / "none"), restarts=1000)


async def _leased(pool: Any) -> None:
    async with lent(pool):
        pass


@pytest.mark.parametrize("on_crash", ["retry", "fail"])
def test_turns_of_a_runtime_that_is_killed_fail_or_run_again_as_the_option_says(
    swim: Callable[..., None], codex_binary: Path, on_crash: str
) -> None:
    is_slow = [True]

    def answer(request: Any) -> Text:
        return Text("word " * 600, delay_s=0.05) if is_slow else Text("done")

    async def scene(pool: Any) -> None:
        async def collect() -> list[Any]:
            return [outcome async for outcome in outcomes_of(pool, list("abcdef"), concurrency=4)]

        collecting = asyncio.ensure_future(collect())
        await asyncio.to_thread(model.wait_for_requests, 4)
        assert [member.clients for member in pool.members] == [2, 2]
        async with lent(pool) as codex:
            is_slow.clear()
            for runtime in runtimes(pool):
                runtime.kill()
            with pytest.raises(TransportClosedError):  # what a program does itself is its own to do again
                await codex.models()
        outcomes = await collecting
        texts = [outcome.result.text if outcome.result else type(outcome.error) for outcome in outcomes]
        lost = 0 if on_crash == "retry" else 4
        assert sorted(texts, key=str) == [RuntimeLostError] * lost + ["done"] * (6 - lost)
        if lost:
            error = next(outcome.error for outcome in outcomes if outcome.error)
            assert isinstance(error, RuntimeLostError)
            assert error.exit_code == (-9 if os.name != "nt" else 15)
        assert (await pool.run("x")).text == "done"
        assert all(member.starts <= 2 for member in pool.members)

    with ModelServer(default=answer) as model:
        swim(scene, model.config(codex_bin=codex_binary), size=2, on_crash=on_crash)


def test_what_kills_its_runtime_each_time_is_not_tried_for_ever(swim: Callable[..., None], codex_binary: Path) -> None:
    def answer(_: Any) -> Text:
        (runtime,) = psutil.Process().children()
        runtime.kill()
        return Text("too late")

    async def scene(pool: Any) -> None:
        with pytest.raises(RuntimeLostError):
            await pool.run("die")
        assert pool.members[0].starts == 2

    with ModelServer(default=answer) as model:
        swim(scene, model.config(codex_bin=codex_binary), size=1, on_crash="retry", restarts=1)


def test_a_tenant_has_its_own_key_settings_and_directory_and_finds_them_again(
    swim: Callable[..., None], codex_binary: Path, tmp_path: Path
) -> None:
    def config_of(tenant: str) -> AppServerConfig:
        asks_as_logged_in = {"embedded": {"requires_openai_auth": True}}
        return replace(base, config={"model": f"model-of-{tenant}", "model_providers": asks_as_logged_in})

    async def scene(pool: Any) -> None:
        async def log_in(tenant: str) -> None:
            async with lent(pool, tenant=tenant) as codex:
                assert (await codex.account()).account is None
                await codex.login_api_key(f"sk-of-{tenant}")

        async def run(tenant: str) -> Path:
            async with lent(pool, tenant=tenant) as codex:
                thread = await codex.thread_start()
                assert (await thread.run("hello")).text == "you said hello"
                asked = model.last
                assert asked.headers["authorization"] == f"Bearer sk-of-{tenant}"
                assert asked.body["model"] == f"model-of-{tenant}"
                return Path(thread.cwd)

        await log_in("acme")
        await log_in("ACME")  # it knows nothing of the other's login
        directory = await run("acme")
        assert tmp_path in directory.parents
        other = await run("ACME")
        assert other != directory
        homes = {member.tenant: member.home for member in pool.members if member.tenant}
        assert list(homes) == ["ACME"]  # there is room for one: the other's runtime was closed
        assert not any("acme" in each.read_text(errors="replace") for each in texts(homes["ACME"]))
        assert await run("acme") == directory

    def texts(home: Path) -> list[Path]:
        return [each for each in home.rglob("*") if each.suffix in {".json", ".toml", ".jsonl"}]

    with ModelServer(default=echo) as model:
        base = model.config(codex_bin=codex_binary)
        swim(scene, base, homes=tmp_path / "homes", tenant_config=config_of, max_tenants=1)
    assert len(list((tmp_path / "homes").iterdir())) == 2


def test_a_pool_for_tenants_has_no_runtime_of_the_persons_own(swim: Callable[..., None], peer: Peer) -> None:
    async def scene(pool: Any) -> None:
        for wrong, kind, words in (
            (None, TypeError, "for tenants only"),
            (5, TypeError, "tenant must be a name, not 5"),
            (b"x", TypeError, "tenant must be a name"),
            ("", ValueError, "tenant is empty"),
        ):
            with pytest.raises(kind, match=words):
                async with lent(pool, tenant=wrong):
                    raise AssertionError
            with pytest.raises(kind, match=words):
                await pool.run("hello", tenant=wrong)
            with pytest.raises(kind, match=words):
                bare(pool).map(["hello"], tenant=wrong)
        with pytest.raises(TypeError, match="for tenants only"):
            await pool.thread_start()
        async with lent(pool, tenant="acme"):
            assert [member.tenant for member in pool.members if member.starts] == ["acme"]

    swim(scene, None, tenant_config=lambda tenant: peer(GREETER))


def test_the_runtime_of_a_tenant_who_is_away_is_closed(swim: Callable[..., None], peer: Peer) -> None:
    async def scene(pool: Any) -> None:
        for _ in range(2):
            async with lent(pool, tenant="acme"):
                await asyncio.sleep(0.1)
                assert [member.name for member in pool.members] == ["0", "acme"]
            await until_it_holds(lambda: len(pool.members) == 1)
        await until_it_holds(lambda: not psutil.Process().children())

    swim(scene, peer(GREETER), size=1, idle_timeout=0.02)


def test_map_of_a_pool_has_order_journal_and_progress(
    swim: Callable[..., None], codex_binary: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"

    async def scene(pool: Any) -> None:
        prompts = [f"p{number}" for number in range(9)]
        options: dict[str, Any] = {"concurrency": 6, "in_order": True, "journal": journal}
        outcomes = [outcome async for outcome in outcomes_of(pool, prompts, **options)]
        assert [outcome.unwrap().text for outcome in outcomes] == [f"you said {prompt}" for prompt in prompts]
        again = [outcome async for outcome in outcomes_of(pool, [*prompts, "new"], **options)]
        assert [outcome.is_reused for outcome in again] == [True] * 9 + [False]
        mapped = bare(pool).map(prompts)
        if hasattr(mapped, "__aiter__"):
            await anext(mapped)
            await mapped.aclose()
        else:
            await asyncio.to_thread(next, mapped)
            await asyncio.to_thread(mapped.close)
        assert {member.clients for member in pool.members} == {0}
        async with AsyncExitStack() as all_of_them:
            for _ in range(4):
                await all_of_them.enter_async_context(lent(pool))
            one_by_one = asyncio.ensure_future(_outcomes(pool, ["last"], concurrency=1))
            await until_it_holds(lambda: pool.waiting == 1)
        assert [outcome.unwrap().text for outcome in await one_by_one] == ["you said last"]

    with ModelServer(default=echo) as model:
        # Fewer places than are asked for at a time, and none may wait: who maps is patient.
        swim(scene, model.config(codex_bin=codex_binary), size=2, per_runtime=2, max_waiting=0)
    journal.unlink()


def test_leaving_a_loop_over_prompts_begins_no_more_of_them(
    swim: Callable[..., None], codex_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[object] = []

    def counted(start: Any) -> Any:
        def started(*args: Any, **options: Any) -> Any:
            begun.append(args)
            return start(*args, **options)

        return started

    for kind in (Codex, AsyncCodex):
        monkeypatch.setattr(kind, "thread_start", counted(kind.thread_start))

    async def scene(pool: Any) -> None:
        prompts = [f"p{number}" for number in range(20)]
        async with lent(pool), lent(pool):
            mapped = bare(pool).map(prompts, concurrency=8)
            began = time.monotonic()
            if hasattr(mapped, "__aiter__"):
                assert (await anext(mapped)).unwrap()
                await mapped.aclose()
            else:
                assert (await asyncio.to_thread(next, mapped)).unwrap()
                await asyncio.to_thread(mapped.close)
            assert time.monotonic() - began < 4
            assert pool.waiting == 0
            await asyncio.sleep(0.3)
            assert len(begun) <= 3  # the first, and what began before it was told of

    with ModelServer(default=echo) as model:
        swim(scene, model.config(codex_bin=codex_binary), size=1, per_runtime=3)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"size": 0}, ValueError, "size must be 1 or more, not 0"),
        ({"per_runtime": True}, TypeError, "per_runtime must be a whole number, not True"),
        ({"on_crash": "again"}, ValueError, "on_crash must be 'fail' or 'retry', not 'again'"),
        ({"config": []}, ValueError, "a pool needs a configuration at least"),
        ({"config": ["x"]}, TypeError, "config must be an AppServerConfig, or several"),
        ({"config": [AppServerConfig()], "size": 2}, ValueError, "size is 2, but there are 1 configurations"),
        ({"config": [AppServerConfig(codex_home="a"), AppServerConfig(env={"CODEX_HOME": "a"})]}, ValueError, "have"),
        ({"idle_timeout": -1}, ValueError, "idle_timeout must be a number of seconds"),
        ({"config": AppServerConfig(url="ws://127.0.0.1:1", token="any")}, ValueError, "starts its runtimes itself"),
        ({"config": [AppServerConfig(url="ws://127.0.0.1:1", token="any")]}, ValueError, "starts its runtimes itself"),
    ],
)
@pytest.mark.parametrize("pool", [CodexPool, AsyncCodexPool])
def test_wrong_options_are_refused_at_once(
    pool: Any, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        pool(**options)


def test_a_pool_whose_close_is_broken_off_keeps_its_homes_until_it_is_closed(codex_binary: Path) -> None:
    async def scene(config: AppServerConfig) -> None:
        pool = AsyncCodexPool(config, size=1)
        async with pool.client():
            (member,) = pool.members
        assert member.home is not None
        closing = asyncio.ensure_future(pool.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert member.home.exists()
        await pool.close()
        assert not member.home.parents[1].exists()

    with ModelServer() as model:
        asyncio.run(scene(model.config(codex_bin=codex_binary)))


def test_homes_that_are_made_at_once_are_in_one_directory_and_go_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads may be the first to need a runtime; no home, with a login in it, is left behind."""
    homes, make = Homes(None), tempfile.mkdtemp
    made: list[str] = []

    def mkdtemp(prefix: str) -> str:
        made.append(make(prefix=prefix))
        if len(made) == 1:
            other.start()
            other.join(0.1)  # so that it comes between, if it can
        return made[-1]

    other = threading.Thread(target=homes.member, args=(AppServerConfig(), 1))
    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    homes.member(AppServerConfig(), 0)
    other.join()
    (directory,) = map(Path, made)
    assert sorted(each.name for each in directory.iterdir()) == ["member-0", "member-1"]
    homes.remove()
    assert not directory.exists()


def test_what_may_not_be_written_goes_with_the_homes_on_windows_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """git makes such files, and a tenant may clone something."""
    unlink = os.unlink

    def deleted(path: str, *, dir_fd: int | None = None) -> None:
        if not os.stat(path, dir_fd=dir_fd, follow_symlinks=False).st_mode & stat.S_IWRITE:
            raise PermissionError(13, "Access is denied", path)
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(room, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(os, "unlink", deleted)
    made = Homes(None)
    work = Path(str(made.tenant(AppServerConfig(), "somebody").cwd))
    (work / "objects").mkdir()
    (work / "objects" / "pack").touch(0o444)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch(0o444)
    with suppress(OSError):  # not everybody may make one on Windows
        (work / "link").symlink_to(elsewhere)
    made.remove()
    assert not work.parents[1].exists()
    assert not elsewhere.stat().st_mode & stat.S_IWRITE
