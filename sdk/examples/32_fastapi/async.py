"""FastAPI: a client that lives as long as the server, words as server-sent events, and turns that end with requests."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import httpx
import uvicorn
from _bootstrap import example_config
from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse

from codex_app_server import AppServerConfig, AsyncCodex, InvalidRequestError


def application(config: AppServerConfig) -> FastAPI:
    codex = AsyncCodex(config)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with codex:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/turns")
    async def ask(question: str, thread_id: str | None = None) -> StreamingResponse:
        try:
            thread = await (codex.thread_resume(thread_id) if thread_id else codex.thread_start(sandbox="read-only"))
        except InvalidRequestError as error:
            raise HTTPException(404, error.message) from error

        async def words() -> AsyncIterator[str]:
            # Whoever hangs up cancels this, and so does a server that is told to end: to leave the block interrupts.
            yield f"event: thread\ndata: {thread.id}\n\n"
            async with thread.stream(question, timeout=300) as stream:
                async for piece in stream.text():
                    yield f"data: {json.dumps(piece)}\n\n"
            yield f"event: end\ndata: {json.dumps(stream.result.status)}\n\n"

        return StreamingResponse(words(), media_type="text/event-stream")

    return app


async def main(config: AppServerConfig) -> None:
    # On a command line: `uvicorn --factory site:make --timeout-graceful-shutdown 5`
    settings = uvicorn.Config(application(config), port=0, log_level="error", timeout_graceful_shutdown=5)
    server = uvicorn.Server(settings)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False, timeout=300) as browser:
        asked = {"question": "Name a river."}
        async with browser.stream("POST", "/turns", params=asked) as answer:
            lines = [line async for line in answer.aiter_lines() if line]
        print(*lines[2:], sep="\n")
        thread_id = lines[1].removeprefix("data: ")
        asked = {"question": "Count to a hundred.", "thread_id": thread_id}
        async with browser.stream("POST", "/turns", params=asked) as answer:
            async for line in answer.aiter_lines():
                if "three" in line:
                    break
        print("hung up at", line)
        asked["thread_id"] = "nobody"
        print((await browser.post("/turns", params=asked)).status_code)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
