"""The client against older runtimes than its own: what they can do works, what they cannot is a clear error."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import pytest
from programs import PINNED, finished

from codex_app_server import (
    AppServerConfig,
    AsyncCodex,
    Codex,
    MethodNotFoundError,
    TextInput,
)
from codex_app_server.generated.registry import CLIENT_REQUESTS
from codex_app_server.testing import Failure, ModelServer, Text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.runtime, pytest.mark.network, pytest.mark.slow]

VERSIONS = list(dict.fromkeys(["0.115.0", "0.125.0", "0.137.0", "0.147.0", "0.155.1", "0.163.0", "0.169.0", PINNED]))


@pytest.fixture(params=VERSIONS)
def old_binary(request: pytest.FixtureRequest, executable_of: Callable[[str], Path]) -> Path:
    """The executable of a release."""
    return executable_of(request.param)


def test_a_conversation(old_binary: Path, tmp_path: Path) -> None:
    with ModelServer(Text("one two"), Text("three"), Failure(500)) as model:
        config = model.config(codex_bin=old_binary)
        with Codex(config) as codex:
            assert codex.metadata.server_version
            thread = codex.thread_start(cwd=tmp_path)
            result = thread.run("count")
            assert result.final_response == result.text == "one two"
            assert result.status == "completed"
            assert [item.type for item in result.items][-1] == "agentMessage"
            assert result.usage is None or result.usage.token_usage.total.total_tokens > 0

            events = list(thread.turn(TextInput("more")).stream())
            assert [event.payload.delta for event in events if event.method == "item/agentMessage/delta"] == ["three"]
            assert all(event.payload is not None for event in events)
            last = events[-1]
            assert last.method == "turn/completed"
            assert last.payload.turn.status == "completed"

            assert thread.turn(TextInput("fail")).run().status == "failed"
            assert thread.id in [each.id for each in codex.thread_list().data]
            assert len(thread.read(include_turns=True).thread.turns) == 3
            assert codex.models().data


def test_the_same_with_asyncio(old_binary: Path) -> None:
    async def run(config: AppServerConfig) -> None:
        async with AsyncCodex(config) as codex:
            thread = await codex.thread_start()
            assert (await thread.run("hello")).text == "Done."
            assert (await codex.models()).data

    with ModelServer() as model:
        asyncio.run(run(model.config(codex_bin=old_binary)))


def test_a_method_that_a_runtime_lacks_is_not_found(old_binary: Path) -> None:
    """Not a validation error of ours: each of these is known today, and none of them in 0.115.0."""
    params = {"threadId": "00000000-0000-0000-0000-000000000000"}
    with ModelServer() as model, Codex(model.config(codex_bin=old_binary)) as codex:
        with pytest.raises(MethodNotFoundError):
            codex.client.request("no/such/method", params)
        if codex.metadata.server_version == "0.115.0":
            for method in ("thread/queue/list", "thread/delete"):
                assert method in CLIENT_REQUESTS
                with pytest.raises(MethodNotFoundError):
                    codex.client.request(method, params)


def test_the_doctor_names_what_a_runtime_lacks(old_binary: Path) -> None:
    with ModelServer() as model:
        env = {"CODEX_HOME": str(dict(model.config().env or {})["CODEX_HOME"])}
        said = finished(
            sys.executable, "-m", "codex_app_server", "doctor", "--json", "--codex-bin", old_binary, env=env
        ).stdout
    found = json.loads(said)
    lacking = found["protocol"]["methods"]["unknown"]
    if found["runtime_version"] == "0.115.0":
        assert "thread/delete" in lacking
    assert bool(lacking) is (found["runtime_version"] != PINNED)
    assert any("does not know" in each["what"] for each in found["problems"]) is (found["runtime_version"] != PINNED)
