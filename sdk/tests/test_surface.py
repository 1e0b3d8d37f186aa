"""Programs as they were written for the SDK before this one, on the real runtime, with both kinds of client."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest
from awaited import awaited, bare

from codex_app_server import (
    AppServerClient,
    AskForApproval,
    ImageInput,
    InitializeResponse,
    InvalidRequestError,
    Personality,
    ReasoningEffort,
    ReasoningSummary,
    SandboxPolicy,
    ServiceTier,
    TextInput,
    ThreadArchiveResponse,
    ThreadCompactStartResponse,
    ThreadSetNameResponse,
    TurnInterruptResponse,
    TurnSteerResponse,
)
from codex_app_server.testing import ModelServer, Text

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("leaves_nothing")


def test_every_call_gives_what_the_protocol_answers(play: Callable[..., None]) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        assert isinstance(codex.metadata, InitializeResponse)
        thread = await codex.thread_start()
        turn = await thread.turn("go")
        await asyncio.to_thread(model.wait_for_requests, 1)
        steered = await turn.steer("more of that")
        assert isinstance(steered, TurnSteerResponse)
        assert steered.turn_id == turn.id
        assert (await turn.run()).status == "completed"
        assert isinstance(await thread.set_name("mine"), ThreadSetNameResponse)
        assert isinstance(await codex.thread_archive(thread.id), ThreadArchiveResponse)

    play(scene, Text("one two three four", delay_s=0.1))


def test_interrupting_and_compacting_too(play: Callable[..., None]) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        turn = await thread.turn("go")
        await asyncio.to_thread(model.wait_for_requests, 1)
        assert isinstance(await turn.interrupt(), TurnInterruptResponse)
        assert (await turn.run()).status == "interrupted"
        assert isinstance(await thread.compact(), ThreadCompactStartResponse)

    play(scene, Text("one two three four", delay_s=0.5))


def test_strings_are_taken_wherever_inputs_are(play: Callable[..., None]) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        await (await thread.turn("a string")).run()
        await (await thread.turn(("a tuple", TextInput("of two")))).run()
        await thread.run(["a list", ImageInput("data:image/png;base64,"), "with strings"])
        turn = await thread.turn("and more")
        before = len(model.requests)
        await asyncio.to_thread(model.wait_for_requests, before + 1 if before < 4 else before)
        await turn.steer(["steered", "twice"])
        await turn.run()
        said = [text for request in model.requests for text in request.texts]
        for words in ("a string", "a tuple", "of two", "a list", "with strings", "steered", "twice"):
            assert words in said

    play(scene, Text("1"), Text("2"), Text("3"), Text("one two three four", delay_s=0.1))


def test_options_are_made_as_they_were(play: Callable[..., None]) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start(config={"model_reasoning_effort": "high"})
        options = {
            "approval_policy": AskForApproval.model_validate("never"),
            "effort": ReasoningEffort.medium,
            "personality": Personality.pragmatic,
            "sandbox_policy": SandboxPolicy.model_validate({"type": "readOnly", "access": {"type": "fullAccess"}}),
            "service_tier": ServiceTier.flex,
            "summary": ReasoningSummary.model_validate("concise"),
        }
        result = await (await thread.turn(TextInput("go"), **options)).run()
        assert result.status.value == "completed"
        body = model.requests[0].body
        assert (body["reasoning"]["effort"], body["reasoning"]["summary"]) == ("medium", "concise")
        await (
            await thread.turn("go on", approval_policy=AskForApproval.on_request, effort=ReasoningEffort("low"))
        ).run()
        assert model.requests[1].body["reasoning"]["effort"] == "low"

    play(scene)


def test_the_efforts_of_a_model_have_values(play: Callable[..., None]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        every = [each for model in (await codex.models()).data for each in model.supported_reasoning_efforts]
        assert {ReasoningEffort(each.reasoning_effort.value) for each in every} >= {ReasoningEffort.low}
        started = await awaited(codex.client).thread_start()
        assert started.approval_policy in list(AskForApproval)
        assert isinstance(started.sandbox, SandboxPolicy)

    play(scene)


def test_the_client_of_a_codex_is_one_and_closes_nothing(play: Callable[..., None]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        real = bare(codex)
        client = real.client
        assert real.client is client
        assert await asyncio.to_thread(lambda: real.client) is client
        if isinstance(client, AppServerClient):
            with client as entered:
                assert entered is client
        else:
            async with client as entered:
                assert entered is client
        assert (await codex.thread_start()).id
        assert (await awaited(client).model_list()).data
        with pytest.raises(InvalidRequestError):
            await codex.thread_archive("not an id")

    play(scene)


@pytest.mark.skipif(sys.platform == "win32", reason="the runtime there cannot be asked for its environment")
def test_a_variable_is_taken_out_of_the_runtimes_environment(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEX_TEST_GONE", "1")
    monkeypatch.setenv("CODEX_TEST_STAYS", "2")

    async def scene(codex: Any, _: ModelServer) -> None:
        ran = await awaited(codex.client).command_exec(command=["env"])
        assert "CODEX_TEST_STAYS=2" in ran.stdout
        assert "CODEX_TEST_GONE" not in ran.stdout

    play(scene, env={"CODEX_TEST_GONE": None})
