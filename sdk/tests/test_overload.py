"""More calls at once than the runtime can hold: none is lost. And what it cannot read is never sent."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from awaited import Awaited
from until import until_it_holds

from codex_app_server import AppServerError, Codex, retry_on_overload
from codex_app_server.protocol.pacing import WINDOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.testing import ModelServer

pytestmark = pytest.mark.usefixtures("leaves_nothing")

CALLS = 1_000


def test_a_thousand_calls_at_once_end_without_a_loss(play: Callable[..., None]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        if isinstance(codex, Awaited):
            real: Codex = codex._wrapped  # type: ignore[assignment]  # of this kind
            lost: list[BaseException] = []

            def call() -> None:
                try:
                    retry_on_overload(real.models)
                except BaseException as error:
                    lost.append(error)

            threads = [threading.Thread(target=call) for _ in range(CALLS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                await asyncio.to_thread(thread.join)
            assert not lost
        else:
            await asyncio.gather(*(retry_on_overload(codex.models) for _ in range(CALLS)))

    play(scene)


def test_long_calls_keep_no_other_waiting(play: Callable[..., None]) -> None:
    """However many there are: the runtime is asked whether it has room."""

    async def scene(codex: Any, _: ModelServer) -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(WINDOW + 20))
        sleep = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"]
        long = [
            asyncio.create_task(_call(codex, "command/exec", {"command": sleep, "processId": f"p{number}"}))
            for number in range(WINDOW + 10)
        ]
        await until_it_holds(lambda: len(codex._driver._connection._open) == len(long))
        assert (await codex.models()).data
        await codex.close()
        for outcome in await asyncio.gather(*long, return_exceptions=True):
            assert isinstance(outcome, AppServerError)

    play(scene)


async def _call(codex: Any, method: str, params: object) -> object:
    """A call of the driver, of either kind."""
    call = codex._driver.call
    return await (asyncio.to_thread(call, method, params) if isinstance(codex, Awaited) else call(method, params))


def nested(depth: int, kind: str) -> Any:
    value: Any = None
    for _ in range(depth):
        value = [value] if kind == "list" else {"a[{": value}
    return value


@pytest.mark.parametrize("kind", ["list", "dict"])
def test_what_the_runtime_cannot_read_is_refused_before_it_is_sent(play: Callable[..., None], kind: str) -> None:
    """And what it just can is sent, and answered."""

    async def scene(codex: Any, _: ModelServer) -> None:
        async def call(depth: int) -> None:
            params = {"unknown": nested(depth, kind)}
            await _call(codex, "model/list", params)

        await call(125)
        for depth in (126, 150, 100_000):
            with pytest.raises(ValueError, match="nested deeper"):
                await call(depth)
        thread = await codex.thread_start()
        with pytest.raises(ValueError, match="nested"):
            await thread.run("x", output_schema=nested(150, "dict"))
        cycle: dict[str, Any] = {}
        cycle["itself"] = cycle
        with pytest.raises(ValueError, match="contain themselves"):
            await thread.run("x", output_schema=cycle)
        assert (await thread.run("many [[[ brackets " + "[{" * 200)).is_completed

    play(scene, request_timeout_s=30)
