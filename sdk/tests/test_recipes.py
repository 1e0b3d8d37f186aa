"""What servers do with a client, in the examples: who hangs up ends a turn, and so does a shutdown; nothing is left."""

from __future__ import annotations

import asyncio
import importlib.util
import io
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest
import uvicorn
from until import until_it_holds

from codex_app_server import AppServerConfig, AsyncCodex, Observers
from codex_app_server.testing import ModelServer, Text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import ModuleType

    from codex_app_server import Event

EXAMPLES = Path(__file__).parents[1] / "examples"
SLOW = Text(deltas=["One", *[" more"] * 600], delay_s=0.05)


def example(folder: str, kind: str = "async") -> ModuleType:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{folder}_{kind}", EXAMPLES / folder / f"{kind}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def of_fastapi(config: AppServerConfig) -> Any:
    return example("32_fastapi").application(config)


def of_django(config: AppServerConfig) -> Any:
    from django.conf import settings

    module = example("34_django")
    codex = AsyncCodex(config)
    if settings.configured:
        settings.CODEX = codex
    else:
        settings.configure(ROOT_URLCONF=module.__name__, ALLOWED_HOSTS=["127.0.0.1"], CODEX=codex)
    return module.WithCodex(codex)


@asynccontextmanager
async def served(application: Any) -> AsyncIterator[tuple[uvicorn.Server, asyncio.Task[None], httpx.AsyncClient]]:
    """A server, what it runs in, and a browser."""
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="critical", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve())
    await until_it_holds(lambda: server.started)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False, timeout=60) as browser:
        yield server, serving, browser
    server.should_exit = True
    await asyncio.wait_for(serving, 30)


@pytest.mark.runtime  # the example sees to it when it is loaded
def test_two_first_requests_at_once_make_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one client has in hand, another one could not resume."""
    django = example("34_django", "sync")
    made: list[object] = []

    class Client:
        def __init__(self, _: object) -> None:
            made.append(self)
            time.sleep(0.05)  # so that the others come meanwhile

        def close(self) -> None:
            pass

    monkeypatch.setattr(django, "Codex", Client)
    monkeypatch.setattr(django, "settings", SimpleNamespace(CODEX=None))
    with ThreadPoolExecutor(3) as threads:
        given = [each.result() for each in [threads.submit(django.codex) for _ in range(3)]]
    assert given == made * 3


@pytest.mark.runtime  # the example sees to it when it is loaded
def test_a_codex_that_cannot_be_started_keeps_the_server_from_starting() -> None:
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    asyncio.run(of_django(AppServerConfig(codex_bin="nowhere"))({"type": "lifespan"}, receive, send))
    (only,) = said
    assert only["type"] == "lifespan.startup.failed"
    assert "nowhere" in only["message"]


@pytest.mark.parametrize(
    ("application", "request_line"),
    [(of_fastapi, ("POST", "/turns")), (of_django, ("GET", "/ask"))],
    ids=["fastapi", "django"],
)
@pytest.mark.parametrize("how", ["hanging up", "shutting down"])
def test_a_turn_ends_with_its_request(
    application: Callable[[AppServerConfig], Any],
    request_line: tuple[str, str],
    how: str,
    codex_binary: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ends: list[object] = []

    def note(event: Event) -> None:
        if event.method == "turn/completed":
            ends.append(event.payload.turn.status)

    async def acted() -> None:
        with ModelServer(SLOW) as model:
            config = model.config(codex_bin=codex_binary, observers=Observers(on_event=note))
            async with served(application(config)) as (server, serving, browser):
                async with browser.stream(*request_line, params={"question": "Count."}) as answer:
                    lines = answer.aiter_lines()
                    while '"One"' not in await anext(lines):
                        pass
                    if how == "shutting down":
                        server.should_exit = True
                        with pytest.raises(httpx.RemoteProtocolError):
                            await asyncio.wait_for(anext_forever(lines), 30)
                        await asyncio.wait_for(serving, 30)
                if how == "hanging up":
                    await until_it_holds(lambda: ends)
                    assert ends == ["interrupted"]

    async def anext_forever(lines: Any) -> None:
        while True:
            await anext(lines)

    # Django leaves the file with the body of a request that is cancelled to the garbage collector.
    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda **_: io.BytesIO())
    asyncio.run(acted())
    assert not psutil.Process().children()
