"""The asyncio client on uvloop, whose subprocesses and pipes are its own."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Literal

import pytest

from codex_app_server import AsyncCodex, Handlers, TextInput
from codex_app_server.testing import ModelServer, Text, ToolCall

if TYPE_CHECKING:
    from pathlib import Path

    from codex_app_server.testing import ModelRequest

if sys.platform == "win32":
    pytest.skip("there is no uvloop", allow_module_level=True)

import uvloop

# libuv keeps a pipe of its own from the first loop on, which is no leak of ours.
uvloop.new_event_loop().close()

pytestmark = pytest.mark.usefixtures("leaves_nothing")


def test_turns_approvals_and_cancellation_work_on_uvloop(codex_binary: Path, tmp_path: Path) -> None:
    async def approve(_: object) -> Literal["accept"]:
        await asyncio.sleep(0.01)
        return "accept"

    async def scene(model: ModelServer) -> None:
        config = model.config(codex_bin=codex_binary, handlers=Handlers(command_approval=approve))
        async with AsyncCodex(config) as codex:
            thread = await codex.thread_start(cwd=tmp_path, approval_policy="untrusted", sandbox="danger-full-access")
            assert (await thread.run("touch it")).text == "Touched."
            assert (tmp_path / "made").exists()

            turn = await thread.turn(TextInput("count"))
            events = [event async for event in turn.stream()]
            deltas = [event.payload.delta for event in events if event.method == "item/agentMessage/delta"]
            assert deltas == ["one ", "two"]

            with pytest.raises(TimeoutError):
                await thread.run("slowly", timeout=0.3)
            assert (await thread.run("again", timeout=20)).text == "Done."

    def slowly_or_not(request: ModelRequest) -> Text:  # on a busy machine the time is over before the model is asked
        return Text("word " * 100, delay_s=0.1) if request.texts[-1] == "slowly" else Text("Done.")

    with ModelServer(
        ToolCall("exec_command", {"cmd": "touch made"}), Text("Touched."), Text("one two"), default=slowly_or_not
    ) as model:
        loop = uvloop.new_event_loop()
        try:
            loop.run_until_complete(scene(model))
        finally:
            loop.close()
