"""Django under ASGI: a client with the server's loop, words as server-sent events, and turns that end with requests."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import django
import httpx
import uvicorn
from _bootstrap import example_config
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path

from codex_app_server import AppServerConfig, AsyncCodex


async def ask(request: HttpRequest) -> StreamingHttpResponse:
    """Whoever hangs up leaves the block, and that interrupts the turn."""

    async def words() -> AsyncIterator[str]:
        thread = await settings.CODEX.thread_start(sandbox="read-only", ephemeral=True)
        async with thread.stream(request.GET["question"], timeout=120) as stream:
            async for piece in stream.text():
                yield f"data: {json.dumps(piece)}\n\n"
        yield "event: end\ndata: {}\n\n"

    return StreamingHttpResponse(words(), content_type="text/event-stream")


urlpatterns = [path("ask", ask)]


class WithCodex:
    """Django itself has no lifespan, so the client begins and ends around it."""

    def __init__(self, codex: AsyncCodex) -> None:
        self.codex = codex
        self.django = ASGIHandler()

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["type"] != "lifespan":
            await self.django(scope, receive, send)
            return
        await receive()
        try:
            await self.codex.__aenter__()
        except Exception as error:  # a server that is not told goes on without
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        async with self.codex:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


async def main(config: AppServerConfig) -> None:
    codex = AsyncCodex(config)
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], CODEX=codex)
    django.setup()
    # On a command line: `uvicorn site:application`
    server = uvicorn.Server(uvicorn.Config(WithCodex(codex), port=0, log_level="error"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    async with httpx.AsyncClient(trust_env=False, timeout=120) as browser:
        async with browser.stream("GET", f"http://{host}:{port}/ask", params={"question": "Name a river."}) as answer:
            async for line in answer.aiter_lines():
                if line:
                    print(line)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
