"""Approvals, tools and input on the real binary: asked of the program, and never granted by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from codex_app_server import AppServerConfig, AsyncCodex, Codex, Handlers, TextInput
from codex_app_server.aio.questions import Questions
from codex_app_server.aio.reader import AsyncReader
from codex_app_server.generated import CommandExecutionThreadItem, FileChangeThreadItem
from codex_app_server.protocol.messages import ServerRequest
from codex_app_server.sync.questions import Questions as ThreadQuestions
from codex_app_server.sync.reader import Reader
from codex_app_server.testing import ModelServer, Text, ToolCall
from codex_app_server.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("leaves_nothing")

PATCH = """apply_patch <<'EOF'
*** Begin Patch
*** Add File: made.txt
+hello
*** End Patch
EOF"""

MCP_SERVER = """
import json, sys

def send(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)

for line in sys.stdin:
    message = json.loads(line)
    method, number = message.get("method"), message.get("id")
    if method == "initialize":
        version = message["params"]["protocolVersion"]
        info = {"name": "asker", "version": "1"}
        send(id=number, result={"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info})
    elif method == "tools/list":
        tool = {"name": "ask", "description": "asks", "inputSchema": {"type": "object", "properties": {}}}
        send(id=number, result={"tools": [tool]})
    elif method == "tools/call":
        call = number
        schema = {"type": "object", "properties": {"sure": {"type": "boolean"}}, "required": ["sure"]}
        send(id="e", method="elicitation/create", params={"message": "May I?", "requestedSchema": schema})
    elif number == "e":
        send(id=call, result={"content": [{"type": "text", "text": json.dumps(message["result"])}]})
    elif number is not None:
        send(id=number, result={})
"""


def command(line: str) -> ToolCall:
    return ToolCall("exec_command", {"cmd": line})


class TestQuestions:
    """Whether a command may run, and what else a program is asked."""

    def test_a_command_runs_if_and_only_if_it_is_accepted(self, play: Callable[..., None], tmp_path: Path) -> None:
        answers = ["decline", "accept", None, "yes please"]
        asked: list[Any] = []

        def decide(request: Any) -> Any:
            asked.append(request)
            return answers[len(asked) - 1]

        async def scene(codex: Any, _: ModelServer) -> None:
            thread = await codex.thread_start(cwd=tmp_path, approval_policy="untrusted", sandbox="danger-full-access")
            result = await thread.run("touch them")
            items = [each for each in result.items if isinstance(each, CommandExecutionThreadItem)]
            for number, (answer, request, item) in enumerate(zip(answers, asked, items, strict=True)):
                happens = answer == "accept"
                assert (tmp_path / f"made-{number}").exists() is happens
                assert request.thread_id == thread.id
                assert f"touch made-{number}" in request.command
                assert (item.status == "completed") is happens

        calls = [command(f"touch made-{number}") for number in range(len(answers))]
        play(scene, *calls, handlers=Handlers(command_approval=decide))

    @pytest.mark.parametrize("handlers", [None, Handlers()])
    def test_what_nobody_handles_is_declined_with_one_line_in_the_log(
        self, play: Callable[..., None], tmp_path: Path, handlers: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            thread = await codex.thread_start(cwd=tmp_path, approval_policy="untrusted", sandbox="danger-full-access")
            await thread.run("touch it")
            assert not (tmp_path / "made").exists()

        with caplog.at_level(logging.WARNING, "codex_app_server"):
            play(scene, command("touch made"), handlers=handlers)
        (line,) = [each.message for each in caplog.records if "requestApproval" in each.message]
        assert "Handlers.command_approval" in line

    def test_a_handler_that_raises_declines(
        self, play: Callable[..., None], tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def fail(_: Any) -> Any:
            raise LookupError("nobody at home")

        async def scene(codex: Any, _: ModelServer) -> None:
            thread = await codex.thread_start(cwd=tmp_path, approval_policy="untrusted", sandbox="danger-full-access")
            assert (await thread.run("touch it")).status == "completed"
            assert not (tmp_path / "made").exists()

        play(scene, command("touch made"), handlers=Handlers(command_approval=fail))
        assert "nobody at home" in caplog.text

    def test_a_slow_person_stalls_nobody(self, play: Callable[..., None], tmp_path: Path) -> None:
        async def scene(codex: Any, model: ModelServer) -> None:
            release = asyncio.Event()

            async def think(_: Any) -> Any:
                await release.wait()
                return "accept"

            if not isinstance(codex, AsyncCodex):
                return  # `test_a_slow_person_in_a_thread_stalls_nobody` is its twin
            codex.handlers = Handlers(command_approval=think)
            thread = await codex.thread_start(cwd=tmp_path, approval_policy="untrusted", sandbox="danger-full-access")
            slow = asyncio.create_task(thread.run("touch it"))
            await asyncio.to_thread(model.wait_for_requests, 1)
            other = await codex.thread_start()
            assert (await other.run("meanwhile", timeout=20)).text == "Done."
            assert not slow.done()
            release.set()
            assert (await slow).status == "completed"
            assert (tmp_path / "made").exists()

        play(scene, command("touch made"))

    def test_who_is_asked_in_an_interrupted_turn_is_cancelled(
        self, play: Callable[..., None], tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A dialogue that nobody needs to answer any more can be closed; and nothing is logged as a failure."""
        is_asked, is_cancelled = threading.Event(), threading.Event()

        async def think(_: Any) -> Any:
            is_asked.set()
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                is_cancelled.set()
                raise

        async def scene(codex: Any, _: ModelServer) -> None:
            thread = await codex.thread_start(cwd=tmp_path, approval_policy="untrusted", sandbox="danger-full-access")
            turn = await thread.turn("touch it")
            assert await asyncio.to_thread(is_asked.wait, 20)
            await turn.interrupt()
            assert (await turn.run()).status == "interrupted"
            assert await asyncio.to_thread(is_cancelled.wait, 20)
            assert (await thread.run("and now?")).status == "completed"

        play(scene, command("touch made"), handlers=Handlers(command_approval=think))
        assert not (tmp_path / "made").exists()
        assert not caplog.records

    @pytest.mark.parametrize("is_async", [False, True])
    def test_a_python_function_is_a_tool(self, play: Callable[..., None], is_async: bool) -> None:
        def answer(request: Any) -> str:
            return str(request.arguments["a"] * 7)

        async def answer_later(request: Any) -> str:
            await asyncio.sleep(0.01)
            return answer(request)

        tool = {
            "type": "function",
            "name": "times_seven",
            "description": "multiplies",
            "inputSchema": {"type": "object", "properties": {"a": {"type": "integer"}}},
        }

        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start(dynamic_tools=[tool])
            await thread.run("calculate")
            assert "42" in str(model.requests[1].tool_outputs)

        handlers = Handlers(tool_call=answer_later if is_async else answer)
        play(scene, ToolCall("times_seven", {"a": 6}), handlers=handlers, experimental_api=True)

    def test_files_change_if_and_only_if_that_is_accepted(self, play: Callable[..., None], tmp_path: Path) -> None:
        answers: list[Any] = ["accept", "decline"]

        async def scene(codex: Any, _: ModelServer) -> None:
            thread = await codex.thread_start(cwd=tmp_path, approval_policy="untrusted", sandbox="workspace-write")
            for happens in (False, True):
                result = await thread.run("patch it")
                assert (tmp_path / "made.txt").exists() is happens
                (item,) = (each for each in result.items if isinstance(each, FileChangeThreadItem))
                assert (item.status == "completed") is happens

        patches = command(PATCH), Text("A pity."), command(PATCH)
        play(scene, *patches, handlers=Handlers(file_change_approval=lambda _: answers.pop()))

    def test_a_tool_gets_the_permissions_it_is_granted(self, play: Callable[..., None]) -> None:
        answers: list[Any] = [{"permissions": {"network": {"enabled": True}}}, None]

        def decide(request: Any) -> Any:
            assert request.permissions.network.enabled
            return answers.pop()

        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start(approval_policy="on-request")
            await thread.run("ask for the network")
            outputs = model.requests[2].tool_outputs.values()
            for output, granted in zip(outputs, (False, True), strict=True):
                assert ("network" in json.loads(output)["permissions"] and '"enabled":true' in output) is granted

        wish = ToolCall("request_permissions", {"reason": "to look", "permissions": {"network": {"enabled": True}}})
        play(
            scene,
            wish,
            wish,
            handlers=Handlers(permissions_approval=decide),
            experimental_api=True,
            config_overrides=["features.request_permissions_tool=true"],
        )

    def test_a_person_is_asked(self, play: Callable[..., None]) -> None:
        def reply(request: Any) -> dict[str, str]:
            return {question.id: question.options[0].label for question in request.questions}

        async def scene(codex: Any, model: ModelServer) -> None:
            await (await codex.thread_start()).run("ask me")
            (output,) = model.requests[1].tool_outputs.values()
            assert json.loads(output) == {"answers": {"q": {"answers": ["yes"]}}}

        options = [{"label": "yes", "description": "do"}, {"label": "no", "description": "do not"}]
        question = {"id": "q", "header": "Well", "question": "Shall I?", "options": options}
        play(
            scene,
            ToolCall("request_user_input", {"questions": [question]}),
            handlers=Handlers(user_input=reply),
            experimental_api=True,
            config_overrides=["features.default_mode_request_user_input=true"],
        )

    def test_an_mcp_server_asks(self, play: Callable[..., None], tmp_path: Path) -> None:
        server = tmp_path / "server.py"
        server.write_text(MCP_SERVER, encoding="utf-8")
        messages: list[str] = []

        async def reply(request: Any) -> dict[str, object]:
            messages.append(request.message)
            return {
                "action": "accept",
                "content": {"sure": True} if "sure" in request.requested_schema.properties else {},
            }

        async def scene(codex: Any, model: ModelServer) -> None:
            await (await codex.thread_start(approval_policy="on-request")).run("ask the server")
            (output,) = model.requests[1].tool_outputs.values()
            assert json.loads(output[-1]["text"]) == {"action": "accept", "content": {"sure": True}}
            assert messages == ['Allow the asker MCP server to run tool "ask"?', "May I?"]

        play(
            scene,
            ToolCall("ask", namespace="mcp__asker"),
            handlers=Handlers(mcp_elicitation=reply),
            config_overrides=[
                f"mcp_servers.asker.command={json.dumps(sys.executable)}",
                f"mcp_servers.asker.args={json.dumps([str(server)])}",
            ],
        )


@pytest.mark.parametrize("is_async", [False, True])
def test_who_is_asked_after_the_end_says_nothing(
    is_async: bool, peer: Callable[..., AppServerConfig], caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[object] = []
    late = """
greet()
wait_for_end()
for name in ("item/commandExecution/requestApproval", "some/day"):
    write({"id": 1, "method": name, "params": {"command": "ls"}})
"""
    config = peer(late, handlers=Handlers(command_approval=asked.append))

    async def opened() -> None:
        async with AsyncCodex(config):
            pass

    if is_async:
        asyncio.run(opened())
    else:
        Codex(config).close()
    assert not asked
    assert not caplog.records


def test_who_is_asked_in_the_moment_of_the_end_says_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[bytes] = []

    async def ended() -> None:
        config = AppServerConfig(handlers=Handlers(command_approval=lambda _: "accept"))
        reader = AsyncReader(config)
        monkeypatch.setattr(reader.transport, "send", sent.append)
        questions = Questions(reader)
        questions.ask(ServerRequest(1, "item/commandExecution/requestApproval", {"command": "ls"}))
        questions.close()
        await asyncio.sleep(0.01)

    asyncio.run(ended())
    assert not sent
    assert not caplog.records


@pytest.mark.parametrize("is_begun", [False, True])
def test_what_is_settled_elsewhere_is_declined_once_whatever_its_rule_makes_of_that(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, is_begun: bool
) -> None:
    """Telemetry waits for that answer; and nobody else is asked."""
    sent: list[bytes] = []
    asked: list[object] = []

    async def obstinate(_: object) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(30)

    async def settled() -> None:
        handlers = Handlers(command_approval=asked.append)
        reader = AsyncReader(AppServerConfig(approvals=[obstinate], handlers=handlers))
        monkeypatch.setattr(reader.transport, "send", sent.append)
        questions = Questions(reader)
        questions.ask(ServerRequest(1, "item/commandExecution/requestApproval", {"command": "ls"}))
        await asyncio.sleep(0)
        if not is_begun:
            questions.ask(ServerRequest(2, "item/commandExecution/requestApproval", {"command": "ls"}))
        questions.resolved([2 - is_begun])
        await asyncio.sleep(0.01)
        assert [json.loads(data)["id"] for data in sent] == [2 - is_begun]
        questions.close()

    asyncio.run(settled())
    assert not asked
    assert not caplog.records


def test_a_thread_that_asks_in_the_moment_of_the_end_says_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[bytes] = []
    reader = Reader(AppServerConfig(handlers=Handlers(command_approval=lambda _: "accept")))
    monkeypatch.setattr(reader.transport, "send", sent.append)
    questions = ThreadQuestions(reader)
    monkeypatch.setattr(Workers, "put", lambda *_: questions.close())

    questions.ask(ServerRequest(1, "item/commandExecution/requestApproval", {"command": "ls"}))

    assert not sent
    assert not questions.open
    assert not caplog.records


def test_any_number_of_questions_may_be_open_at_a_time(codex_binary: Path, tmp_path: Path) -> None:
    """And a turn that asks nothing goes on meanwhile."""
    count = 20
    everybody = threading.Barrier(count + 1, timeout=30)

    def decide(_: object) -> Any:
        everybody.wait()
        return "decline"

    def touch(request: Any) -> Text | ToolCall:
        return Text("Done.") if request.tool_outputs or request.texts[-1] == "hello" else command("touch made")

    with ModelServer(default=touch) as model:
        config = model.config(codex_bin=codex_binary, handlers=Handlers(command_approval=decide))
        with Codex(config) as codex:
            turns = [
                codex.thread_start(cwd=tmp_path, approval_policy="untrusted", ephemeral=True).turn(
                    TextInput("touch it")
                )
                for _ in range(count)
            ]
            assert codex.thread_start(ephemeral=True).run("hello", timeout=20).text == "Done."
            everybody.wait()
            assert [turn.run(timeout=20).text for turn in turns] == ["Done."] * count
    assert not (tmp_path / "made").exists()
