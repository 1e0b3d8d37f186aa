"""Observers on the real binary: what they are shown, and that nothing waits for them or fails by them."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from awaited import bare
from until import until_it_holds

from codex_app_server import (
    ApprovalDecision,
    AppServerConfig,
    Handlers,
    JsonRpcError,
    Observers,
    allow_commands,
    decline_all,
)
from codex_app_server.approvals import deciding
from codex_app_server.approvals.deciding import Approving
from codex_app_server.events import Notification
from codex_app_server.generated import AgentMessageThreadItem, CommandExecutionThreadItem, ErrorNotification
from codex_app_server.generated.items import TABLE  # type: ignore[attr-defined]  # it is for the models alone
from codex_app_server.models.entries import parse_entry
from codex_app_server.models.model import UnknownObject
from codex_app_server.observers import _WORDS, calls
from codex_app_server.streaming import Words
from codex_app_server.sync.reader import Reader
from codex_app_server.testing import TOOL_MODES, Failure, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from codex_app_server.testing import ModelServer

    Play = Callable[..., None]

ECHO = ToolCall("exec_command", {"cmd": "echo x"})


class Log:
    """Observers that write down what they see, every other one async."""

    def __init__(self) -> None:
        self.methods: list[str] = []
        self.items: list[str] = []
        self.text = ""
        self.tokens: list[int] = []
        self.decisions: list[tuple[str, str]] = []
        self.errors: list[str] = []

    @property
    def observers(self) -> Observers:
        async def on_text(text: str) -> None:
            await asyncio.sleep(0)
            self.text += text

        async def on_command(item: CommandExecutionThreadItem) -> None:
            self.items.append(f"$ {item.exit_code}")

        def on_message(item: AgentMessageThreadItem) -> None:
            self.items.append(item.text)

        return Observers(
            on_event=lambda event: self.methods.append(event.method),
            on_item={CommandExecutionThreadItem: on_command, "agentMessage": on_message},
            on_text=on_text,
            on_usage=lambda usage: self.tokens.append(usage.token_usage.total.total_tokens),
            on_error=lambda error: self.errors.append(error.error.message),
            on_decision=lambda decision: self.decisions.append((decision.rule, decision.decision)),
        )


@pytest.mark.parametrize("mode", TOOL_MODES)
def test_they_have_seen_all_of_a_run_when_it_returns(play: Play, mode: str) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        log = Log()
        thread = await codex.thread_start(ephemeral=True)
        result = await thread.run("go", observers=log.observers)
        assert log.methods[-1] == "turn/completed"
        assert log.items == ["$ 0", "All is well."]
        assert log.text == result.text == "All is well."
        assert log.tokens == [15, 30]
        await thread.run("again")
        assert log.methods.count("turn/completed") == 1

    play(scene, ECHO, Text("All is well."), mode=mode)


def test_client_thread_and_run_have_their_own(play: Play) -> None:
    everything = Log()

    async def scene(codex: Any, model: ModelServer) -> None:
        of_thread, of_run = Log(), Log()
        thread = await codex.thread_start(ephemeral=True, observers=of_thread.observers)
        turn = await thread.turn("nobody reads it", observers=of_run.observers)
        await until_it_holds(lambda: "turn/completed" in of_run.methods)
        await turn.run()
        await thread.run("two")
        await (await codex.thread_start(ephemeral=True)).run("three")
        assert of_run.text == "one"
        assert of_thread.text == "onetwo"
        await until_it_holds(lambda: everything.text == "onetwothree")

    play(scene, Text("one"), Text("two"), Text("three"), observers=everything.observers)
    assert "thread/started" in everything.methods
    assert everything.methods.count("turn/completed") == 3


def test_a_slow_one_holds_up_nobody(play: Play) -> None:
    release, seen = threading.Event(), Log()
    slow = Observers(on_event=lambda _: release.wait(20))

    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start(ephemeral=True, observers=slow)
        begun = time.monotonic()
        await asyncio.gather(*(thread.run("go", observers=seen.observers) for _ in range(2)))
        assert time.monotonic() - begun < 8
        assert seen.methods.count("turn/completed") == 2

    try:
        play(scene, observers=slow)
    finally:
        release.set()


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_one_that_raises_is_reported(play: Play, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def plain(text: str) -> None:
        raise SystemExit(3)

    async def later(text: str) -> None:
        raise ValueError("oh")

    async def scene(codex: Any, model: ModelServer) -> None:
        observers = Observers(
            on_text=plain if kind == "plain" else later, on_event=lambda event: seen.append(event.method)
        )
        result = await (await codex.thread_start(ephemeral=True)).run("go", observers=observers)
        assert result.is_completed
        assert seen[-1] == "turn/completed"
        assert "the observer on_text failed" in caplog.text

    with caplog.at_level(logging.ERROR, "codex_app_server"):
        play(scene)


def test_errors_are_shown(play: Play) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        log = Log()
        turn = await (await codex.thread_start(ephemeral=True)).turn("go", observers=log.observers)
        assert not (await turn.run()).is_completed
        assert "no such model" in log.errors[-1]

    play(scene, Failure(400, "no such model"))


def test_decisions_are_shown_with_the_rule_that_decided(play: Play, tmp_path: Path) -> None:
    everything: list[ApprovalDecision] = []

    def fails(request: object) -> bool | None:
        if "four" in str(request):
            raise ValueError("oh")
        return None

    async def scene(codex: Any, model: ModelServer) -> None:
        log = Log()
        thread = await codex.thread_start(cwd=tmp_path, approval_policy="untrusted", ephemeral=True)
        await thread.run("go", observers=log.observers)
        assert log.decisions == [
            ("allow_commands('mkdir one')", "accept"),
            ("Handlers.command_approval", "acceptForSession"),
            ("Handlers.command_approval", "decline"),
            (fails.__qualname__, "decline"),
        ]
        codex.handlers = Handlers()
        await thread.run("go", observers=log.observers)
        assert log.decisions[4:] == [("", "decline")]
        assert log.methods.index("item/completed") > 0

    def handler(request: Any) -> Any:
        return "acceptForSession" if "two" in request.command else False

    calls = [ToolCall("exec_command", {"cmd": f"mkdir {name}"}) for name in ("one", "two", "three", "four")]
    five = ToolCall("exec_command", {"cmd": "mkdir five"})
    play(
        scene,
        *calls,
        Text("So."),
        five,
        approvals=[allow_commands("mkdir one"), fails],
        handlers=Handlers(command_approval=handler),
        observers=Observers(on_decision=everything.append),
    )
    assert [decision.is_granted for decision in everything] == [True, True, False, False, False]
    assert isinstance(everything[3].error, ValueError)
    assert everything[0].request.reason is None


def test_decisions_of_handlers_are_shown_without_any_rules(play: Play, tmp_path: Path) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        log = Log()
        thread = await codex.thread_start(cwd=tmp_path, approval_policy="untrusted", ephemeral=True)
        await thread.run("go", observers=log.observers)
        assert log.decisions == [("Handlers.command_approval", "accept")]
        await thread.run("go")
        assert len(log.decisions) == 1

    handlers = Handlers(command_approval=lambda request: True)
    play(scene, ECHO, Text("So."), ECHO, handlers=handlers)


def test_a_decision_that_is_made_before_its_turn_is_there_is_shown_too(scripted: Play) -> None:
    """A turn's first question can be answered before who began the turn has read that it began."""
    script = """
    def ask(number, turn):
        asked = {"threadId": "t", "turnId": turn, "itemId": "i", "command": "ls"}
        write({"id": number, "method": "item/commandExecution/requestApproval", "params": asked})
        assert read() == {"id": number, "result": {"decision": "decline"}}

    greet()
    write({"id": read()["id"], "result": {"thread": {"id": "t"}}})
    write({"id": read()["id"], "error": {"code": -32600, "message": "not now"}})
    request = read()
    ask(1, "u")
    ask(2, "of somebody else")
    write({"id": request["id"], "result": {"turn": {"id": "u"}}})
    ask(3, "u")
    turn = {"id": "u", "status": "completed", "items": []}
    write({"method": "turn/completed", "params": {"threadId": "t", "turn": turn}})
    wait_for_end()
    """

    async def scene(codex: Any) -> None:
        log = Log()
        thread = await codex.thread_start()
        with pytest.raises(JsonRpcError, match="not now"):
            await thread.run("go", observers=log.observers)
        await thread.run("go", observers=log.observers)
        assert log.decisions == [("", "decline")] * 2
        assert bare(codex)._driver.reading.approving.watchers == []

    scripted(scene, script)


def test_two_threads_that_are_the_first_to_observe_are_shown_decisions_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2, timeout=20)

    class Late(Approving):
        def __init__(self, *rules: Any) -> None:
            super().__init__(*rules)
            both.wait()

    monkeypatch.setattr(deciding, "Approving", Late)
    reader = Reader(AppServerConfig())
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: reader.approve_with(), range(2))
    assert first is second is reader.approving
    assert reader.connection.streams.begun == first.note


@pytest.mark.parametrize("params", [None, 5, [], {}])
def test_what_makes_no_sense_is_no_item(params: Any) -> None:
    shown: list[object] = []
    observers = Observers(on_item={"agentMessage": shown.append, AgentMessageThreadItem: shown.append})
    assert not list(calls(observers, Notification("item/completed", params), Words()))


def test_a_message_that_was_not_streamed_is_shown_at_once() -> None:
    shown: list[str] = []
    words = Words()

    def tell(method: str, **params: Any) -> None:
        for call in calls(Observers(on_text=shown.append), Notification(method, {"turnId": "u", **params}), words):
            call.function(call.argument)

    tell("item/agentMessage/delta", itemId="1", delta="Hel")
    tell("item/agentMessage/delta", itemId="1", delta="lo")
    tell("item/completed", item={"type": "agentMessage", "id": "1", "text": "Hello"})
    tell("item/completed", item={"type": "agentMessage", "id": "2", "text": "there"})
    assert shown == ["Hel", "lo", "there"]


def test_messages_of_turns_that_were_interrupted_are_not_kept_in_mind() -> None:
    words = Words()
    for turn in ("one", "two"):
        words.of(Notification("item/agentMessage/delta", {"turnId": turn, "itemId": "1", "delta": "Hel"}))
    words.of(Notification("turn/completed", {"turn": {"id": "one", "status": "interrupted"}}))
    assert words._streamed == {("two", "1")}


class TestMistakes:
    def test_observers_are_functions(self) -> None:
        with pytest.raises(TypeError, match="on_text must be a function"):
            Observers(on_text="print")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="observers must be Observers"):
            AppServerConfig(observers=print)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="on_item must be functions by the kind"):
            Observers(on_item=print)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="on_item must be functions by the kind"):
            Observers(on_item={"agentMessage": None})  # type: ignore[dict-item]

    def test_they_take_one_argument(self) -> None:
        with pytest.raises(TypeError, match="on_event is called with one argument"):
            Observers(on_event=lambda: None)  # type: ignore[arg-type, misc]
        with pytest.raises(TypeError, match="'agentMessage' is called with one argument"):
            Observers(on_item={"agentMessage": lambda: None})  # type: ignore[dict-item, misc]

    @pytest.mark.parametrize("kind", ["agentMesage", "agent_message", "AgentMessage"])
    def test_a_misspelt_kind_of_item_is_none(self, kind: str) -> None:
        with pytest.raises(ValueError, match="Did you mean 'agentMessage'"):
            Observers(on_item={kind: print})

    def test_the_known_kinds_are_those_of_the_protocol(self) -> None:
        kinds = parse_entry(TABLE["ThreadItem"])
        assert set(_WORDS) <= dict(kinds.pairs()).keys()
        assert all(name.endswith("ThreadItem") for name in dict(kinds.pairs()).values())

    @pytest.mark.parametrize("kind", [int, str, ErrorNotification])
    def test_a_class_that_no_item_is_of_is_refused(self, kind: type[Any]) -> None:
        with pytest.raises(TypeError, match=f"{kind.__name__} is no class of items"):
            Observers(on_item={kind: print})

    @pytest.mark.parametrize("kind", ["reasoning", "telepathy", UnknownObject, AgentMessageThreadItem])
    def test_any_other_is_taken_also_one_of_a_newer_runtime(self, kind: Any) -> None:
        assert Observers(on_item={kind: print}).on_item == {kind: print}
        with pytest.raises(TypeError, match="Did you mean 'on_event'"):
            Observers(on_events=print)  # type: ignore[call-arg]

    def test_rules_may_stand_alone(self) -> None:
        assert repr(decline_all) == "decline_all"
