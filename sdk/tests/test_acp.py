"""The agent of the Agent Client Protocol: an editor's library on one side, the real binary on the other."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import acp
import pytest
from acp import schema
from command_line import command, home_of, running
from until import until

from codex_app_server import AppServerConfig
from codex_app_server.approvals.requests import (
    CommandApproval,
    FileChangeApproval,
    McpToolApproval,
    PermissionsApproval,
    changes_of,
)
from codex_app_server.events import Notification
from codex_app_server.integrations.acp import CodexAgent
from codex_app_server.integrations.acp.agent import run_stdio
from codex_app_server.integrations.acp.permissions import decided, options, wanted
from codex_app_server.integrations.acp.prompts import asked
from codex_app_server.integrations.acp.settings import Settings, servers_of
from codex_app_server.integrations.acp.updates import Updates, changed
from codex_app_server.testing import Failure, ModelServer, Reasoning, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Editor:
    """What an editor does: keeps what it is told, and answers as it was set."""

    def __init__(self) -> None:
        self.updates: list[tuple[str, Any]] = []
        self.questions: list[schema.ToolCallUpdate] = []
        self.answer = "decline"
        self.told = asyncio.Event()

    async def session_update(self, session_id: str, update: Any, **more: Any) -> None:
        self.updates.append((session_id, update))
        self.told.set()

    async def request_permission(
        self, session_id: str, tool_call: schema.ToolCallUpdate, options: list[schema.PermissionOption], **more: Any
    ) -> schema.RequestPermissionResponse:
        self.questions.append(tool_call)
        if self.answer == "wait":
            await asyncio.Event().wait()
        offered = {each.option_id for each in options}
        if self.answer not in offered:
            return schema.RequestPermissionResponse(outcome=schema.DeniedOutcome(outcome="cancelled"))
        outcome = schema.AllowedOutcome(outcome="selected", option_id=self.answer)
        return schema.RequestPermissionResponse(outcome=outcome)

    def said(self, kind: str) -> list[Any]:
        return [update for _, update in self.updates if update.session_update == kind]

    def words(self, kind: str = "agent_message_chunk") -> str:
        return "".join(update.content.text for update in self.said(kind))


@asynccontextmanager
async def connected(config: AppServerConfig, editor: Editor) -> AsyncIterator[Any]:
    """An agent and an editor, with their library's own bytes between them."""
    arrived: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Future()
    server = await asyncio.start_server(lambda *ends: arrived.set_result(ends), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    theirs, ours = await arrived
    async with CodexAgent(config) as agent:
        serving = asyncio.ensure_future(acp.run_agent(agent, ours, theirs, use_unstable_protocol=True))
        there = acp.connect_to_agent(editor, writer, reader, use_unstable_protocol=True)  # type: ignore[arg-type]
        try:
            yield there
        finally:
            await there.close()
            writer.close()
            await asyncio.wait_for(serving, 20)
            ours.close()
            server.close()
            await server.wait_closed()


@pytest.fixture
def play(codex_binary: Path) -> Callable[..., None]:
    """Plays a scene of an editor, on the real binary and an embedded model."""

    def run(scene: Any, *answers: Any, **config: Any) -> None:
        async def acted() -> None:
            with ModelServer(*answers) as model:
                editor = Editor()
                async with connected(model.config(codex_bin=codex_binary, **config), editor) as agent:
                    await asyncio.wait_for(scene(agent, editor, model), 60)

        asyncio.run(acted())

    return run


async def begun(agent: Any, cwd: Path) -> str:
    await agent.initialize(protocol_version=acp.PROTOCOL_VERSION)
    session = await agent.new_session(cwd=str(cwd), mcp_servers=[])
    return str(session.session_id)


async def prompted(agent: Any, session: str, text: str = "go") -> schema.PromptResponse:
    response: schema.PromptResponse = await agent.prompt(session_id=session, prompt=[acp.text_block(text)])
    return response


def test_a_prompt_is_a_turn_and_its_words_come_as_they_are_said(play: Callable[..., None], tmp_path: Path) -> None:
    async def scene(agent: Any, editor: Editor, model: ModelServer) -> None:
        session = await begun(agent, tmp_path)
        blocks = [
            acp.text_block("Look."),
            acp.resource_link_block("main.py", "file:///main.py"),
            acp.resource_block(acp.embedded_text_resource("file:///a.py", "a = 1")),
        ]
        ended = await agent.prompt(session_id=session, prompt=blocks)
        assert ended.stop_reason == "end_turn"
        assert ended.usage.total_tokens > 0
        assert editor.words() == "Hello there."
        assert len(editor.said("agent_message_chunk")) == 2
        assert editor.words("agent_thought_chunk") == "I think."
        assert editor.said("usage_update")
        assert {each for each, _ in editor.updates} == {session}
        assert "a = 1" in model.requests[-1].texts[-1]

    play(scene, [Reasoning("I think."), Text("Hello there.")])


def test_what_leaves_the_sandbox_is_asked_about(play: Callable[..., None], tmp_path: Path) -> None:
    made = tmp_path / "made"
    arguments = {"cmd": f"touch {made}", "sandbox_permissions": "require_escalated", "justification": "It is needed."}
    answers = {"decline": False, "accept": True, "x": False, "acceptForSession": True}

    async def scene(agent: Any, editor: Editor, model: ModelServer) -> None:
        session = await begun(agent, tmp_path)
        await agent.set_session_mode(session_id=session, mode_id="read-only")
        for editor.answer, runs in answers.items():
            assert (await prompted(agent, session)).stop_reason == "end_turn"
            (question,) = editor.questions
            assert "touch" in str(question.title)
            assert "It is needed." in str(question.content)
            assert made.exists() is runs
            (call,) = editor.said("tool_call")
            assert call.tool_call_id == question.tool_call_id
            assert editor.said("tool_call_update")[-1].status == ("completed" if runs else "failed")
            made.unlink(missing_ok=True)
            editor.questions.clear()
            editor.updates.clear()

    play(scene, *[ToolCall("exec_command", arguments), Text("Well.")] * len(answers))


def test_a_cancelled_prompt_ends_as_cancelled_and_the_next_one_works(play: Callable[..., None], tmp_path: Path) -> None:
    async def scene(agent: Any, editor: Editor, model: ModelServer) -> None:
        session = await begun(agent, tmp_path)
        running = asyncio.ensure_future(prompted(agent, session))
        while not editor.words():
            editor.told.clear()
            await editor.told.wait()
        with pytest.raises(acp.RequestError, match="already"):
            await prompted(agent, session)
        await agent.cancel(session_id=session)
        assert (await running).stop_reason == "cancelled"
        assert (await prompted(agent, session)).stop_reason == "end_turn"

    play(scene, Text(deltas=["One", *[" more"] * 400], delay_s=0.05))


def test_a_prompt_is_cancelled_while_the_editor_is_asked(play: Callable[..., None], tmp_path: Path) -> None:
    arguments = {"cmd": "touch x", "sandbox_permissions": "require_escalated", "justification": "Please."}

    async def scene(agent: Any, editor: Editor, model: ModelServer) -> None:
        editor.answer = "wait"
        session = await begun(agent, tmp_path)
        running = asyncio.ensure_future(prompted(agent, session))
        while not editor.questions:
            await asyncio.sleep(0.01)
        await agent.cancel(session_id=session)
        assert (await running).stop_reason == "cancelled"

    play(scene, ToolCall("exec_command", arguments))


def test_sessions_are_threads_that_are_listed_loaded_and_forked(play: Callable[..., None], tmp_path: Path) -> None:
    async def scene(agent: Any, editor: Editor, model: ModelServer) -> None:
        session = await begun(agent, tmp_path)
        await prompted(agent, session, "the first thing")
        (listed,) = (await agent.list_sessions(cwd=str(tmp_path))).sessions
        assert (listed.session_id, listed.title) == (session, "the first thing")
        assert listed.updated_at.endswith("+00:00")
        await agent.close_session(session_id=session)
        with pytest.raises(acp.RequestError, match="no session"):
            await prompted(agent, session)
        editor.updates.clear()
        await agent.load_session(cwd=str(tmp_path), session_id=session, mcp_servers=[])
        assert editor.words("user_message_chunk") == "the first thing"
        assert editor.words() == "Done."
        forked = await agent.fork_session(cwd=str(tmp_path), session_id=session)
        assert forked.session_id != session
        assert (await prompted(agent, forked.session_id)).stop_reason == "end_turn"
        await agent.resume_session(cwd=str(tmp_path), session_id=session)
        assert (await prompted(agent, session)).stop_reason == "end_turn"
        with pytest.raises(acp.RequestError):
            await agent.load_session(cwd=str(tmp_path), session_id="nobody", mcp_servers=[])

    play(scene)


def test_modes_and_options_hold_from_the_next_prompt_on(play: Callable[..., None], tmp_path: Path) -> None:
    made = tmp_path / "made"

    async def scene(agent: Any, editor: Editor, model: ModelServer) -> None:
        await agent.initialize(protocol_version=acp.PROTOCOL_VERSION)
        opened = await agent.new_session(cwd=str(tmp_path), mcp_servers=[])
        session = opened.session_id
        assert opened.modes.current_mode_id == "default"
        await agent.set_session_mode(session_id=session, mode_id="full-access")
        await prompted(agent, session)
        assert made.exists()
        made.unlink()
        await agent.set_session_mode(session_id=session, mode_id="default")
        await prompted(agent, session)
        assert not made.exists()
        assert not editor.questions
        models = {each.id: each for each in opened.config_options}["model"]
        other = next(each.value for each in models.options if each.value != models.current_value)
        chosen = await agent.set_config_option(config_id="model", session_id=session, value=other)
        values = {each.id: each.current_value for each in chosen.config_options}
        assert values["model"] == other
        await prompted(agent, session)
        assert model.requests[-1].body["model"] == other
        assert model.requests[-1].body["reasoning"]["effort"] == values["effort"]
        for wrong in ({"config_id": "model", "value": "none"}, {"config_id": "colour", "value": "red"}):
            with pytest.raises(acp.RequestError, match="cannot be"):
                await agent.set_config_option(session_id=session, **wrong)
        with pytest.raises(acp.RequestError, match="there is no mode"):
            await agent.set_session_mode(session_id=session, mode_id="yolo")

    call = ToolCall("exec_command", {"cmd": f"touch {made}"})
    settings = {"sandbox_mode": "read-only", "approval_policy": "never"}
    play(scene, call, Text("Well."), call, Text("Well."), config=settings)


def test_a_session_that_is_opened_again_is_shown_in_the_mode_it_is_in(
    play: Callable[..., None], tmp_path: Path
) -> None:
    made = tmp_path / "made"

    async def scene(agent: Any, editor: Editor, model: ModelServer) -> None:
        session = await begun(agent, tmp_path)
        await agent.set_session_mode(session_id=session, mode_id="full-access")
        await prompted(agent, session)
        loaded = await agent.load_session(cwd=str(tmp_path), session_id=session, mcp_servers=[])
        forked = await agent.fork_session(cwd=str(tmp_path), session_id=session)
        for opened in (loaded, forked):
            assert opened.modes.current_mode_id == "full-access"
            assert "default" not in {each.id for each in opened.modes.available_modes}
        with pytest.raises(acp.RequestError, match="there is no mode default"):
            await agent.set_session_mode(session_id=session, mode_id="default")
        await agent.set_session_mode(session_id=session, mode_id="read-only")
        await prompted(agent, session)
        assert not made.exists()

    play(scene, Text("Well."), ToolCall("exec_command", {"cmd": f"touch {made}"}), Text("Well."))


def test_a_mode_that_is_not_offered_is_neither_chosen_nor_gone_on_in() -> None:
    modes = ("read-only", "auto")
    new = Settings({}, [], is_new=True, modes=modes)
    assert [each.id for each in new.modes().available_modes] == ["default", *modes]
    with pytest.raises(ValueError, match="there is no mode full-access"):
        new.choose_mode("full-access")
    assert not new.turn_options()
    again = Settings({"sandbox": {"type": "dangerFullAccess"}}, [], is_new=False, modes=modes)
    assert again.modes().current_mode_id == "read-only"
    assert again.turn_options() == {"approval_policy": "on-request", "sandbox_policy": {"type": "readOnly"}}


def test_a_stored_thread_that_is_in_no_mode_does_not_pass_for_what_the_settings_say() -> None:
    asked_for_nothing = {"approvalPolicy": "never", "sandbox": {"type": "workspaceWrite"}}
    for is_new, name in ((True, "Codex's settings"), (False, "As it was")):
        shown = Settings(asked_for_nothing, [], is_new=is_new).modes()
        assert shown.current_mode_id == "default"
        assert {each.id: each.name for each in shown.available_modes}["default"] == name


@pytest.mark.parametrize("modes", [("yolo",), ("default", "auto"), ()])
def test_modes_that_there_are_not_cannot_be_offered(modes: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="modes must be some of read-only, auto, full-access"):
        CodexAgent(modes=modes)


def test_a_session_that_is_closed_ends_its_prompt_and_is_heard_of_no_more(codex_binary: Path, tmp_path: Path) -> None:
    async def scene() -> None:
        with ModelServer(Text("word " * 300, delay_s=0.02), Text("Well.")) as model:
            editor = Editor()
            async with CodexAgent(model.config(codex_bin=codex_binary)) as agent:
                agent.on_connect(editor)  # type: ignore[arg-type]
                session = (await agent.new_session(cwd=str(tmp_path))).session_id
                running = asyncio.ensure_future(agent.prompt(session, [acp.text_block("go")]))
                await editor.told.wait()
                await agent.close_session(session)
                assert (await running).stop_reason == "cancelled"
                client, other = agent._codex.client, (await agent.new_session(cwd=str(tmp_path))).session_id
                statuses = [(await client.thread_unsubscribe(thread_id=each)).status for each in (session, other)]
                assert statuses[0] != statuses[1] == "unsubscribed"
                await agent.load_session(str(tmp_path), session)
                assert (await agent.prompt(session, [acp.text_block("go")])).stop_reason == "end_turn"

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_what_a_thread_waits_for_when_it_is_opened_is_asked_too(
    peer: Callable[..., AppServerConfig], tmp_path: Path
) -> None:
    """A server asks again who joins a thread in which it waits for an answer: with its own answer to that."""
    config = peer("""
    asked = {"threadId": "t", "turnId": "u", "itemId": "i", "command": "ls"}
    greet()
    request = read()
    question = {"id": 1, "method": "item/commandExecution/requestApproval", "params": asked}
    write(json.dumps({"id": request["id"], "result": {"thread": {"id": "t"}}}) + "\\n" + json.dumps(question))
    models, answer = sorted([read(), read()], key=lambda said: "method" not in said)
    assert answer == {"id": 1, "result": {"decision": "accept"}}, answer
    write({"id": models["id"], "result": {"data": []}})
    wait_for_end()
    """)

    async def scene() -> None:
        editor = Editor()
        editor.answer = "accept"
        async with CodexAgent(config) as agent:
            agent.on_connect(editor)  # type: ignore[arg-type]
            await agent.resume_session("t", str(tmp_path))

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_a_mode_that_is_chosen_while_a_prompt_begins_is_not_forgotten() -> None:
    settings = Settings({}, [], is_new=True)
    settings.choose_mode("full-access")
    told = settings.turn_options()
    settings.choose_mode("read-only")
    settings.are_told(told)
    assert settings.turn_options()["sandbox_policy"] == {"type": "readOnly"}
    settings.are_told(settings.turn_options())
    assert not settings.turn_options()


def test_a_failed_turn_is_an_error_of_the_prompt(play: Callable[..., None], tmp_path: Path) -> None:
    async def scene(agent: Any, editor: Editor, model: ModelServer) -> None:
        session = await begun(agent, tmp_path)
        with pytest.raises(acp.RequestError, match="no such model"):
            await prompted(agent, session)
        assert (await prompted(agent, session)).stop_reason == "end_turn"
        with pytest.raises(acp.RequestError, match="absolute"):
            await agent.new_session(cwd="here", mcp_servers=[])
        with pytest.raises(acp.RequestError, match="cannot have audio"):
            await agent.prompt(session_id=session, prompt=[acp.audio_block("AAAA", "audio/wav")])

    play(scene, Failure(400, message="no such model"))


def test_a_patch_is_shown_before_and_after_it_is_allowed(play: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "tea.txt").write_text("one\ntwo\nthree\n", encoding="utf-8")
    lines = ["*** Begin Patch", "*** Update File: tea.txt", "@@", " one", "-two", "+2", " three", "*** End Patch"]
    patch = "\n".join(lines)

    async def scene(agent: Any, editor: Editor, model: ModelServer) -> None:
        editor.answer = "accept"
        session = await begun(agent, tmp_path)
        await agent.set_session_mode(session_id=session, mode_id="read-only")
        await prompted(agent, session)
        (question,) = editor.questions
        (call,) = editor.said("tool_call")
        for shown in (question, call):
            (piece,) = shown.content or []
            assert (piece.old_text, piece.new_text) == ("one\ntwo\nthree\n", "one\n2\nthree\n")
            assert [each.path for each in shown.locations or []] == [str(tmp_path / "tea.txt")]
        assert (tmp_path / "tea.txt").read_text(encoding="utf-8") == "one\n2\nthree\n"

    play(scene, ToolCall("exec_command", {"cmd": f"apply_patch <<'EOF'\n{patch}\nEOF\n"}), Text("Well."))


def item(phase: str, **said: Any) -> Notification:
    return Notification(f"item/{phase}", {"turnId": "t", "item": {"id": "i", **said}})


def told(*events: Notification) -> list[Any]:
    updates = Updates()
    return [update for event in events for update in updates.of(event)]


def test_what_a_command_writes_is_shown_while_it_grows_and_in_bounds() -> None:
    params: Any = {"itemId": "i", "delta": "x" * 999 + "\n"}
    shown = told(*[Notification("item/commandExecution/outputDelta", params)] * 300)
    assert 10 < len(shown) < 60
    texts = [each.content[0].content.text for each in shown]
    assert max(map(len, texts)) < 70_000
    assert texts[0].count("\n") == 2
    assert "[…]" in texts[-1]


def test_tokens_that_are_no_number_are_not_told() -> None:
    said: Any = {"last": {"totalTokens": {"text": 5}}, "modelContextWindow": 9}
    event = Notification("thread/tokenUsage/updated", {"threadId": "t", "tokenUsage": said})
    assert told(event) == []
    said["last"] = {"totalTokens": 5}
    (update,) = told(event)
    assert (update.used, update.size) == (5, 9)


def test_what_a_command_only_reads_is_a_hint_of_its_kind() -> None:
    actions = [{"type": "read", "path": "/a"}, {"type": "read", "path": "/b"}]
    begun, over = told(
        item("started", type="commandExecution", command="cat a b", commandActions=actions),
        item("completed", type="commandExecution", status="completed", exitCode=1, aggregatedOutput="```\nno\n"),
    )
    assert (begun.title, begun.kind) == ("cat a b", "read")
    assert [each.path for each in begun.locations] == ["/a", "/b"]
    assert over.status == "failed"
    assert over.content[0].content.text == "````\n```\nno\n````"


def test_a_tool_a_plan_and_a_name_have_their_updates() -> None:
    result = {"content": [{"type": "text", "text": "4"}, {"type": "image", "data": "A"}]}
    begun, over, plan, name = told(
        item("started", type="mcpToolCall", server="files", tool="count", arguments={"a": 1}),
        item("completed", type="mcpToolCall", server="files", tool="count", status="completed", result=result),
        Notification("turn/plan/updated", {"plan": [{"step": "Look", "status": "inProgress"}]}),
        Notification("thread/name/updated", {"threadName": "Tea"}),
    )
    assert (begun.title, begun.raw_input) == ("files.count", {"a": 1})
    assert [each.content.text for each in over.content] == ["4"]
    assert (plan.entries[0].content, plan.entries[0].status) == ("Look", "in_progress")
    assert name.title == "Tea"


def test_a_line_of_a_change_ends_at_a_line_feed_alone() -> None:
    hunk = "@@ -1,2 +1,2 @@\n-a\x0cb\u2028c\r\n+a\x0cB\x85C\r\n same\n"
    (update,) = changes_of([{"path": "/a", "kind": {"type": "update"}, "diff": hunk}])
    (piece,) = changed(update)
    assert (piece.old_text, piece.new_text) == ("a\x0cb\u2028c\r\nsame\n", "a\x0cB\x85C\r\nsame\n")


@pytest.mark.parametrize("said", [None, 1, [], {"item": 3}, {"plan": 3}, {"tokenUsage": []}, {"item": {"type": "new"}}])
@pytest.mark.parametrize("method", ["item/completed", "item/started", "turn/plan/updated", "thread/tokenUsage/updated"])
def test_what_makes_no_sense_is_left_out(method: str, said: Any) -> None:
    assert not told(Notification(method, said)) or method == "turn/plan/updated"


def test_every_kind_of_question_says_what_is_to_judge() -> None:
    common: dict[str, Any] = {"thread_id": "s", "item_id": "i"}
    network = CommandApproval(**common, command="curl x", network="x.org", permissions={"network": True})
    said = wanted(network)
    assert "x.org" in str(said.content)
    assert '{"network": true}' in str(said.content)
    assert wanted(CommandApproval(**common, command="cat", kind="writeStdin")).title == "Type into: cat"
    assert wanted(CommandApproval(**common, command="cat", kind="newKind")).title == "newKind: cat"
    gone = changes_of([{"path": "/a", "kind": {"type": "delete"}, "diff": "old\n"}])
    (piece,) = wanted(FileChangeApproval(**common, changes=gone)).content or []
    assert piece.model_dump()["new_text"] == ""
    moved = wanted(FileChangeApproval(**common, changes=changes_of([{"path": "/a", "kind": {"move_path": "/b"}}])))
    assert "move /a to /b" in str(moved.content)
    assert [each.path for each in moved.locations or []] == ["/a", "/b"]
    assert "/root" in str(wanted(FileChangeApproval(**common, grant_root="/root")).title)
    assert "network" in str(wanted(PermissionsApproval(**common, permissions={"network": {}})).title)
    once = McpToolApproval(**common, server="files", tool="read", arguments={"a": 1})
    assert (wanted(once).title, wanted(once).raw_input) == ("files.read", {"a": 1})
    outcome = schema.AllowedOutcome(outcome="selected", option_id="acceptForSession")
    answer = schema.RequestPermissionResponse(outcome=outcome)
    assert decided(answer, once) == "decline"  # it was not offered
    assert decided(answer, McpToolApproval(**common, can_be_remembered=True)) == "acceptForSession"
    assert {each.kind for each in options(once)} == {"allow_once", "reject_once"}


@pytest.mark.parametrize("address", ["https://auth/x", "", "file:///x.exe", "\\\\host\\x.exe", "x.exe"])
def test_a_login_is_opened_if_it_is_a_page_of_the_web(
    address: str, peer: Callable[..., AppServerConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    script = f"""
greet()
write({{"id": read()["id"], "result": {{"loginId": "l", "authUrl": {address!r}}}}})
write({{"id": read()["id"], "result": {{}}}})
write({{"method": "account/login/completed", "params": {{"loginId": "l", "success": True}}}})
wait_for_end()
"""

    async def acted() -> None:
        async with CodexAgent(peer(script)) as agent:
            if address.startswith("https"):
                await agent.authenticate("chatgpt")
                return
            with pytest.raises(acp.RequestError, match="no address that a browser can open"):
                await agent.authenticate("chatgpt")

    asyncio.run(acted())
    assert opened == ([address] if address.startswith("https") else [])


def test_the_editors_servers_become_settings_of_the_thread() -> None:
    variable = schema.EnvVariable(name="A", value="1")
    header = schema.HttpHeader(name="X", value="2")
    assert servers_of(
        [
            schema.McpServerStdio(name="files", command="serve", args=["x"], env=[variable]),
            schema.HttpMcpServer(type="http", name="web", url="http://x", headers=[header]),
        ]
    ) == {
        "mcp_servers": {
            "files": {"command": "serve", "args": ["x"], "env": {"A": "1"}},
            "web": {"url": "http://x", "http_headers": {"X": "2"}},
        }
    }
    assert servers_of(None) == {}
    with pytest.raises(ValueError, match="neither"):
        servers_of([schema.SseMcpServer(type="sse", name="old", url="http://x", headers=[])])


def test_images_are_told_and_other_blobs_are_not() -> None:
    blob = schema.BlobResourceContents(uri="file:///x.png", blob="AAAA", mime_type="image/png")
    images = asked([acp.image_block("AAAA", "image/png"), acp.resource_block(blob)])
    assert [each.url for each in images] == ["data:image/png;base64,AAAA"] * 2  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="neither a text nor an image"):
        asked([acp.resource_block(acp.embedded_blob_resource("file:///x", "AAAA"))])


def test_the_command_is_an_agent(codex_binary: Path, codex_model_server: ModelServer, tmp_path: Path) -> None:
    async def acted() -> None:
        editor = Editor()
        program, *words = command("acp", "--codex-bin", str(codex_binary))
        env = home_of(codex_model_server, "")
        patient = {"shutdown_timeout": 30.0}
        spawned = acp.spawn_agent_process(editor, program, *words, env=env, transport_kwargs=patient)  # type: ignore[arg-type]
        async with spawned as (agent, process):
            session = await begun(agent, tmp_path)
            assert (await prompted(agent, session)).stop_reason == "end_turn"
            assert editor.words() == "Done."
        assert process.returncode == 0

    asyncio.run(asyncio.wait_for(acted(), 60))


def test_serving_can_be_cancelled(
    codex_binary: Path, codex_model_server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def acted() -> None:
        is_serving = asyncio.Event()

        async def run_agent(agent: CodexAgent, **_: object) -> None:
            is_serving.set()
            with suppress(asyncio.CancelledError):  # as the library's own does
                await asyncio.sleep(60)

        monkeypatch.setattr(acp, "run_agent", run_agent)
        config = AppServerConfig(codex_bin=codex_binary, env=home_of(codex_model_server))
        serving = asyncio.create_task(run_stdio(config))
        await is_serving.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    asyncio.run(asyncio.wait_for(acted(), 60))


@pytest.mark.skipif(sys.platform == "win32", reason="no signal reaches one program alone there")
@pytest.mark.parametrize("moment", ["while it starts", "once it serves"])
def test_ctrl_c_ends_the_command(codex_binary: Path, codex_model_server: ModelServer, moment: str) -> None:
    env = {**os.environ, **home_of(codex_model_server)}
    words = command("acp", "--codex-bin", str(codex_binary))
    agent = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    until(lambda: len(running(codex_binary)) > 1)  # with the words of its own
    if moment == "once it serves":
        assert agent.stdin is not None
        assert agent.stdout is not None
        agent.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":1}}\n')
        agent.stdin.flush()
        assert b"agentCapabilities" in agent.stdout.readline()
    agent.send_signal(signal.SIGINT)
    _, complaint = agent.communicate(timeout=60)
    assert (agent.returncode, complaint) == (130, b"interrupted\n")
    assert not running(codex_binary)
