"""Where the prompts of `map` come from, and how far they are taken ahead, on the real runtime."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing, asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from awaited import bare

from codex_app_server import AsyncCodex, AsyncCodexPool, TransportClosedError
from codex_app_server.testing import ModelServer, Text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from pathlib import Path

    from codex_app_server import MapProgress

pytestmark = pytest.mark.usefixtures("leaves_nothing")

CONCURRENCY = 2
AHEAD = 16 * CONCURRENCY


def said(request: Any) -> str:
    return str(request.texts[-1])


def echo(request: Any) -> Text:
    return Text(f"you said {said(request)}")


@asynccontextmanager
async def opened(binary: Path, default: Any = echo) -> AsyncIterator[AsyncCodex]:
    with ModelServer(default=default) as model:
        async with AsyncCodex(model.config(codex_bin=binary)) as codex:
            yield codex


def test_in_order_no_more_are_begun_than_so_many_behind_a_slow_one(play: Callable[..., None]) -> None:
    early, beyond = threading.Event(), threading.Event()
    held: list[bool] = []

    def prompts() -> Any:
        for number in range(2 * AHEAD):
            if number >= AHEAD and not held:
                beyond.set()
            yield f"p{number}"

    def answer(request: Any) -> Text:
        if said(request) == "p0":
            assert early.wait(30)
            held.append(not beyond.wait(0.3))  # whoever runs ahead has nothing else to do
        return echo(request)

    def told(progress: MapProgress) -> None:
        if progress.done == AHEAD - 1:
            early.set()

    async def scene(codex: Any, _: ModelServer) -> None:
        mapped = bare(codex).map(prompts(), concurrency=CONCURRENCY, in_order=True, progress=told)
        if hasattr(mapped, "__aiter__"):
            outcomes = [outcome async for outcome in mapped]
        else:
            outcomes = await asyncio.to_thread(list, mapped)
        assert held == [True]
        assert [outcome.unwrap().text for outcome in outcomes] == [f"you said p{number}" for number in range(2 * AHEAD)]

    play(scene, default=answer)


def test_async_prompts_are_taken_one_by_one_as_there_is_room_by_one_task(codex_binary: Path) -> None:
    taken: list[int] = []
    takers: set[Any] = set()

    class Prompts:
        is_asked = False
        is_closed = False

        def __aiter__(self) -> Prompts:
            return self

        async def __anext__(self) -> str:
            assert not self.is_asked
            self.is_asked = True
            takers.add(asyncio.current_task())
            await asyncio.sleep(0)
            self.is_asked = False
            taken.append(len(taken))
            return f"p{taken[-1]}"

        async def aclose(self) -> None:
            assert not self.is_asked
            takers.add(asyncio.current_task())
            self.is_closed = True

    async def scene() -> None:
        prompts = Prompts()
        async with opened(codex_binary) as codex, aclosing(codex.map(prompts, concurrency=3)) as outcomes:
            for told in count(1):
                assert (await anext(outcomes)).unwrap().text.startswith("you said p")
                assert len(taken) <= told + 6
                if told == 20:
                    break
        assert prompts.is_closed
        assert len(takers) == 1

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_all_that_an_async_generator_has_is_run_by_a_pool_too(codex_binary: Path) -> None:
    async def prompts() -> AsyncGenerator[str, None]:
        for number in range(7):
            await asyncio.sleep(0)
            yield f"p{number}"

    async def scene() -> None:
        with ModelServer(default=echo) as model:
            config = model.config(codex_bin=codex_binary)
            async with AsyncCodexPool(config, size=1) as pool:
                texts = [outcome.unwrap().text async for outcome in pool.map(prompts(), in_order=True)]
        assert texts == [f"you said p{number}" for number in range(7)]

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_who_waits_in_an_async_generator_is_woken_where_the_loop_is_left(codex_binary: Path) -> None:
    ends: list[str] = []

    async def waits() -> AsyncGenerator[str, None]:
        yield "a"
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ends.append("left")

    async def stays() -> AsyncGenerator[str, None]:
        yield "a"
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield "b"
        finally:
            await asyncio.sleep(0.01)
            ends.append("stayed")

    async def complains() -> AsyncGenerator[str, None]:
        try:
            while True:
                yield "a"
        finally:
            raise KeyError("mine")

    async def first(mapped: AsyncGenerator[Any, None]) -> None:
        async with aclosing(mapped) as outcomes:
            async for outcome in outcomes:
                assert outcome.prompt == "a"
                break

    async def scene() -> None:
        async with opened(codex_binary) as codex:
            await first(codex.map(waits()))
            await first(codex.map(stays()))
            assert ends == ["left", "stayed"]
            with pytest.raises(KeyError, match="mine"):
                await first(codex.map(complains()))
            assert (await (await codex.thread_start()).run("b")).text == "you said b"

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_an_error_of_the_prompts_is_nothing_to_whoever_has_left_before(codex_binary: Path) -> None:
    raised = asyncio.Event()

    async def prompts() -> AsyncGenerator[str, None]:
        yield "a"
        raised.set()
        raise KeyError("mine")

    async def scene() -> None:
        async with opened(codex_binary) as codex, aclosing(codex.map(prompts(), concurrency=1)) as outcomes:
            async for outcome in outcomes:
                assert outcome.prompt == "a"
                await raised.wait()
                await asyncio.sleep(0)
                break

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_what_an_async_generator_raises_ends_it(codex_binary: Path) -> None:
    async def prompts() -> AsyncGenerator[str, None]:
        yield "a"
        raise KeyError("mine")

    async def scene() -> None:
        async with opened(codex_binary) as codex:
            with pytest.raises(KeyError, match="mine"):
                async for _ in codex.map(prompts()):
                    pass

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_the_end_of_the_connection_ends_the_wait_for_an_async_prompt(codex_binary: Path) -> None:
    ends: list[str] = []

    async def prompts(codex: AsyncCodex) -> AsyncGenerator[str, None]:
        yield "a"
        try:
            await codex.close()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ends.append("left")

    async def scene() -> None:
        async with opened(codex_binary) as codex:
            with pytest.raises(TransportClosedError):
                async for _ in codex.map(prompts(codex)):
                    pass
            assert ends == ["left"]
            with pytest.raises(TransportClosedError, match="the prompts were not all run"):
                async for _ in codex.map(never()):
                    pass
        async with AsyncCodexPool(size=1) as pool:
            await pool.close()
            with pytest.raises(TransportClosedError, match="the pool was closed"):
                async for _ in pool.map(never()):
                    pass

    async def never() -> AsyncGenerator[str, None]:
        await asyncio.Event().wait()
        yield "a"

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_what_cannot_be_iterated_over_is_refused_at_once(play: Callable[..., None]) -> None:
    async def prompts() -> AsyncGenerator[str, None]:
        yield "a"

    async def scene(codex: Any, _: ModelServer) -> None:
        with pytest.raises(TypeError, match="'int' object is not iterable"):
            bare(codex).map(7)
        if not isinstance(codex, AsyncCodex):
            with pytest.raises(TypeError, match=r"prompts is an async iterable, .* `AsyncCodex\.map`"):
                bare(codex).map(prompts())

    play(scene)
