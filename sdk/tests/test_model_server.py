"""The embedded model server, spoken to directly and through the real runtime."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from until import until_it_holds

from codex_app_server import AsyncCodex, Codex, Handlers, TextInput, TurnFailedError
from codex_app_server.testing import (
    TOOL_MODES,
    Answer,
    Code,
    Cut,
    Failure,
    ModelServer,
    Reasoning,
    Text,
    ToolCall,
    ToolMode,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.protocol.messages import Notification

pytestmark = pytest.mark.usefixtures("leaves_nothing")


def asked(server: ModelServer, body: object, path: str = "/v1/responses") -> tuple[int, list[dict[str, Any]]]:
    """Status and events of an answer over HTTP."""
    connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]), timeout=10)
    try:
        connection.request("POST", path, json.dumps(body))
        response = connection.getresponse()
        text = response.read().decode()
        if response.status != 200:
            return response.status, [json.loads(text)]
        return response.status, [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    finally:
        connection.close()


class TestServer:
    def test_answers_come_in_order_then_the_default(self) -> None:
        with ModelServer(Text("one"), lambda request: Text(request.texts[0]), default=Text("last")) as model:
            said = []
            for text in "abc":
                body = {"input": [{"role": "user", "content": [{"type": "input_text", "text": text}]}]}
                said.append([event["delta"] for event in asked(model, body)[1] if "delta" in event])
            assert said == [["one"], ["b"], ["last"]]
            assert [request.texts for request in model.requests] == [["a"], ["b"], ["c"]]

    def test_a_message_is_streamed_in_pieces_between_its_begin_and_its_end(self) -> None:
        with ModelServer([Text("to be"), ToolCall("shout", {"text": "now"})]) as model:
            _, events = asked(model, {})
        assert [event["type"].removeprefix("response.") for event in events] == [
            "created",
            "output_item.added",
            "output_text.delta",
            "output_text.delta",
            "output_item.done",
            "output_item.done",
            "completed",
        ]
        assert events[4]["item"]["content"] == [{"type": "output_text", "text": "to be"}]
        assert json.loads(events[5]["item"]["arguments"]) == {"text": "now"}

    def test_failures_and_cuts(self) -> None:
        with ModelServer(Failure(429, "slow down", "rate_limit"), Cut(Text("a b c d"), after=3)) as model:
            status, (said,) = asked(model, {})
            assert (status, said["error"]["message"]) == (429, "slow down")
            assert len(asked(model, {})[1]) == 3
            assert asked(model, {}, "/elsewhere")[0] == 404

    def test_waiting_for_requests_has_a_limit(self) -> None:
        with ModelServer() as model, pytest.raises(TimeoutError, match="there were 0 requests"):
            model.wait_for_requests(1, 0.05)

    @pytest.mark.parametrize("limit", [-1, float("nan")])
    def test_a_limit_that_is_no_time_is_refused(self, limit: float) -> None:
        with ModelServer() as model, pytest.raises(ValueError, match="timeout_s must be a number of seconds from 0 on"):
            model.wait_for_requests(1, limit)

    def test_a_long_answer_does_not_hold_up_the_end(self) -> None:
        began = time.monotonic()
        with ModelServer(Text(deltas=["a"] * 100, delay_s=10)) as model:
            connection = http.client.HTTPConnection("127.0.0.1", int(model.url.rpartition(":")[2]), timeout=10)
            connection.request("POST", "/v1/responses", "{}")
            model.wait_for_requests(1)
            connection.close()
        model.close()
        assert time.monotonic() - began < 5

    def test_an_answer_that_nobody_ends_does_not_hold_up_the_interpreter(self) -> None:
        script = """
import http.client
from codex_app_server.testing import ModelServer, Text
model = ModelServer(Text(deltas=["a"] * 100, delay_s=30))
connection = http.client.HTTPConnection("127.0.0.1", int(model.url.rpartition(":")[2]), timeout=10)
connection.request("POST", "/v1/responses", "{}")
model.wait_for_requests(1)
"""
        assert subprocess.run([sys.executable, "-c", script], timeout=20, check=False).returncode == 0

    def test_whoever_is_connected_does_not_hold_up_the_end(self) -> None:
        with ModelServer() as model:
            address = ("127.0.0.1", int(model.url.rpartition(":")[2]))
            idle = socket.create_connection(address)
            half = socket.create_connection(address)
            half.sendall(
                b"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 99\r\n\r\n{" % address[1]
            )
            asked(model, {})  # the others are being served by then
            began = time.monotonic()
        assert time.monotonic() - began < 2
        idle.close()
        half.close()

    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "evil.example:{port}", None])
    def test_another_host_is_refused(self, host: str | None) -> None:
        with ModelServer() as model:
            port = int(model.url.rpartition(":")[2])
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.putrequest("POST", "/v1/responses", skip_host=True)
            if host is not None:
                connection.putheader("Host", host.format(port=port))
            connection.endheaders()
            assert connection.getresponse().status == 403
            connection.close()
            assert not model.requests

    @pytest.mark.parametrize("wrong", ["hello", None, 5, ["hello"], [Text("a"), 5], {"text": "a"}])
    def test_what_is_no_answer_is_refused_at_once(self, wrong: Any) -> None:
        with pytest.raises(TypeError, match=f"not {re.escape(repr(wrong))}"):
            ModelServer(wrong)
        with pytest.raises(TypeError, match="an answer is"):
            ModelServer(default=wrong)
        with ModelServer() as model, pytest.raises(TypeError, match="an answer is"):
            model.add(wrong)

    def test_a_bare_string_is_told_what_to_write(self) -> None:
        with pytest.raises(TypeError, match=r"say Text\('hello'\)"):
            ModelServer("hello")  # type: ignore[arg-type]

    def test_what_no_model_can_say_is_refused(self) -> None:
        with pytest.raises(TypeError, match="a text is a str"):
            Text(5)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="a text is a str"):
            Text(deltas=["a", None])  # type: ignore[list-item]
        with pytest.raises(TypeError, match="not JSON serializable"):
            ToolCall("x", {"a": object()})
        with pytest.raises(TypeError, match=r"the arguments of x are a mapping by name, not \[1\]"):
            ToolCall("x", [1])  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="reasoning is a str"):
            Reasoning([5])  # type: ignore[list-item]
        with pytest.raises(TypeError, match="code is a str"):
            Code(5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="delay_s"):
            Text("a", delay_s=-1)
        with pytest.raises(ValueError, match="not JSON compliant"):
            ToolCall("x", {"a": float("nan")})

    @pytest.mark.parametrize("make", [Text, Reasoning, ToolCall, Code, lambda text: Text(deltas=["a", text])])
    def test_what_is_no_unicode_is_refused(self, make: Callable[[str], object]) -> None:
        with pytest.raises(ValueError, match=r"'a\\ud83d' has '\\ud83d' in it, which is no Unicode"):
            make("a\ud83d")

    @pytest.mark.parametrize(
        ("wrong", "error", "words"),
        [
            ({"status": "500"}, TypeError, "is an int, not '500'"),
            ({"status": True}, TypeError, "is an int, not True"),
            ({"status": 200}, ValueError, "from 300 to 599, not 200"),
            ({"status": 99999}, ValueError, "from 300 to 599, not 99999"),
            ({"status": 500, "message": 5}, TypeError, "are a str, not 5 and None"),
            ({"status": 500, "code": 5}, TypeError, "are a str, not .* and 5"),
            ({"status": 500, "headers": ["a"]}, TypeError, r"a mapping by name, not \['a'\]"),
            ({"status": 500, "headers": {"a": "b\r\nc: d"}}, ValueError, r"'a: b\\r\\nc: d'"),
            ({"status": 500, "headers": {"a": "€"}}, ValueError, "'a: €'"),
        ],
    )
    def test_what_no_server_can_answer_is_refused(self, wrong: Any, error: type[Exception], words: str) -> None:
        with pytest.raises(error, match=words):
            Failure(**wrong)

    def test_an_answer_breaks_off_after_a_number_of_events(self) -> None:
        with pytest.raises(TypeError, match="not '3'"):
            Cut(Text("a"), after="3")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="not -1"):
            Cut(Text("a"), after=-1)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
    @pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python 3.12 warns of a fork beside threads
    def test_a_forked_child_has_no_part_in_it(self) -> None:
        with ModelServer() as server:
            home = Path(str((server.config().env or {})["CODEX_HOME"]))
            if (child := os.fork()) == 0:
                server.close()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            assert home.is_dir()
            assert asked(server, {})[0] == 200

    def test_there_are_two_modes(self) -> None:
        with pytest.raises(ValueError, match="one of direct, code, not 'both'"):
            ModelServer(mode="both")  # type: ignore[arg-type]

    def test_a_key_does_not_lead_to_another_model(self) -> None:
        with ModelServer() as model:
            given = model.config(api_key="k", config={"model": "gpt-5.5"})
            assert given.overrides()[-2:] == ['model_provider="embedded"', 'model="gpt-5.5"']
            assert given.config == {"model_provider": "embedded", "model": "gpt-5.5"}
            assert model.config(api_key="k", base_url=f"{model.url}/v1").config is None

    def test_once_closed_it_gives_no_configuration(self) -> None:
        with ModelServer() as model:
            pass
        with pytest.raises(RuntimeError, match="within its `with` block"):
            model.config()

    def test_its_homes_vanish_with_it(self) -> None:
        with ModelServer() as model:
            configs = [model.config(env={"ADDED": "yes"}, client_name="me") for _ in range(2)]
            homes = [Path(str(config.env["CODEX_HOME"])) for config in configs if config.env]
            assert all((home / "config.toml").is_file() for home in homes)
            assert configs[0].client_name == "me"
        assert len(set(homes)) == 2
        assert not any(home.exists() for home in homes)


# Whole turns, on the real runtime.


class AuthorsError(Exception):
    """What a script may raise."""


def fails(_: Any) -> Any:
    raise AuthorsError("my own mistake")


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        (fails, AuthorsError, "my own mistake"),
        (lambda _: None, TypeError, "not None"),
        (lambda _: "hello", TypeError, r"say Text\('hello'\)"),
        (Text, TypeError, "a text is a str"),
        (lambda _: pytest.fail("the test says no"), pytest.fail.Exception, "the test says no"),
    ],
)
def test_a_wrong_script_is_its_authors_error(play: Any, script: Any, error: type[Exception], words: str) -> None:
    said: list[str] = []

    async def scene(codex: Any, _: ModelServer) -> None:
        turn = await (await codex.thread_start()).turn(TextInput("hi"))
        said.append(str((await turn.run()).failure))

    with pytest.raises(error, match=words):
        play(scene, script)
    assert "the script of the ModelServer is wrong" in said[0]
    assert re.search(words, said[0])


def test_what_came_of_a_wrong_script_is_told_with_it(play: Any) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        await (await codex.thread_start()).run("hi")

    with pytest.raises(AuthorsError) as caught:
        play(scene, fails)
    assert isinstance(caught.value.__context__, TurnFailedError)


def test_nothing_of_the_persons_home_reaches_a_turn(play: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (".agents", ".codex"):
        skill = tmp_path / folder / "skills" / "mine"
        skill.mkdir(parents=True)
        (skill / "SKILL.md").write_text("---\nname: mine\ndescription: MARKER\n---\nMARKER\n", encoding="utf-8")
        (tmp_path / folder / "AGENTS.md").write_text("MARKER", encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("CODEX_HOME", raising=False)
    work = tmp_path / "work"
    work.mkdir()

    async def scene(codex: Any, model: ModelServer) -> None:
        await (await codex.thread_start(cwd=work)).run("hi")
        assert "MARKER" not in json.dumps(model.requests[0].body)

    play(scene)


@pytest.mark.parametrize("features", [{}, {"plugins": True}], ids=["by itself", "with plugins"])
def test_another_host_is_asked_for_plugins_that_are_wanted_alone(play: Any, features: dict[str, bool]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        await (await codex.thread_start()).run("hi")
        if features:  # the way out is seen here
            await until_it_holds(lambda: callers)
        else:
            await asyncio.sleep(0.5)
            assert not callers

    callers: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0.1)
        done = threading.Event()

        def listen() -> None:
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    callers.append(proxy.accept()[0])
                    callers[-1].close()

        listener = threading.Thread(target=listen)
        listener.start()
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        try:
            play(scene, env=dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY"), url), features=features)
        finally:
            done.set()
            listener.join()


@pytest.mark.parametrize("mode", TOOL_MODES)
def test_the_same_script_works_in_both_modes(play: Any, mode: ToolMode, tmp_path: Path) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        result = await (await codex.thread_start(cwd=tmp_path)).run("hi")
        assert [item.type for item in result.items] == [
            "userMessage",
            "reasoning",
            "agentMessage",
            "commandExecution",
            "commandExecution",
            "agentMessage",
        ]
        assert result.final_response == "Both."
        first, second = model.requests
        assert [request.is_in_code_mode for request in model.requests] == [mode == "code"] * 2
        assert not first.tool_outputs
        one, two = second.tool_outputs.values()
        assert "alpha" in one
        assert "omega" in two
        assert "omega" not in one

    def command(text: str) -> ToolCall:
        return ToolCall("exec_command", {"cmd": f"echo {text}"})

    thought = Reasoning("I will look at both.")
    play(scene, [thought, Text("I look."), command("alpha"), command("omega")], Text("Both."), mode=mode)


@pytest.mark.parametrize("mode", TOOL_MODES)
def test_calls_in_one_answer_run_at_once(play: Any, mode: ToolMode) -> None:
    meeting = threading.Barrier(3)

    def tool(call: Any) -> str:
        meeting.wait(10)
        return str(call.arguments["n"] or "")

    async def scene(codex: Any, model: ModelServer) -> None:
        await (await codex.thread_start(dynamic_tools=[spec])).run("hi")
        assert [*model.requests[-1].tool_outputs.values()] == ["", "1", "2"]

    spec = {"type": "function", "name": "meet-all", "description": "Meet.", "inputSchema": {"type": "object"}}
    calls = [ToolCall("meet-all", {"n": number}) for number in range(3)]
    play(scene, calls, mode=mode, experimental_api=True, handlers=Handlers(tool_call=tool))


@pytest.mark.parametrize("mode", TOOL_MODES)
def test_what_was_asked_reads_well(play: Any, mode: ToolMode) -> None:
    def tool(call: Any) -> str:
        return f"{call.tool} {call.arguments['n']}"

    spec = {"type": "function", "name": "buy-it", "description": "Buy.", "inputSchema": {"type": "object"}}
    shop = {"type": "namespace", "name": "shop", "description": "Shop.", "tools": [spec]}

    async def scene(codex: Any, model: ModelServer) -> None:
        with pytest.raises(AssertionError, match="the model was not asked anything"):
            _ = model.last
        with pytest.raises(AssertionError, match=r"after 0 requests .* were not asked for: \[\[ToolCall"):
            model.assert_used_up()
        await (await codex.thread_start(dynamic_tools=[spec, shop])).run("Buy two.")
        model.assert_used_up()
        assert model.last.said == ["Buy two."]
        assert {"buy_it", "shop__buy_it", "exec_command"} <= model.last.tools
        assert model.last.outputs_of("buy_it") == ["buy-it 1", "buy-it 3"]
        assert model.last.outputs_of("shop__buy_it") == ["buy-it 2"]
        assert model.last.outputs_of("exec_command") == []
        assert repr(model.last) == f"<ModelRequest to {model.last.model}: ['Buy two.'], 3 tool outputs>"

    calls = [ToolCall("buy-it", {"n": n}, "shop" if n == 2 else None) for n in (1, 2, 3)]
    play(scene, calls, mode=mode, experimental_api=True, handlers=Handlers(tool_call=tool))


@pytest.mark.parametrize("mode", TOOL_MODES)
def test_a_call_of_what_is_not_there_is_told_to_the_model(play: Any, mode: ToolMode) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        await (await codex.thread_start()).run("hi")
        (said,) = model.requests[-1].tool_outputs.values()
        assert "nothing_here" in said

    play(scene, ToolCall("nothing_here"), mode=mode)


def test_in_code_mode_some_tools_need_no_code(play: Any) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        await (await codex.thread_start()).run("hi")
        call, output = model.requests[-1].body["input"][-2:]
        assert (call["type"], call["name"], call["namespace"]) == ("function_call", "wait", "functions")
        assert "nobody" in str(output)

    play(scene, ToolCall("wait", {"cell_id": "nobody"}), mode="code")


def test_code_of_the_models_own(play: Any) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        await (await codex.thread_start()).run("hi")
        well, badly = model.requests[-1].tool_outputs.values()
        assert well.endswith("Output:\n3")
        assert "Script failed" in badly
        assert "on purpose" in badly

    play(scene, Code("text(1 + 2)"), Code("throw new Error('on purpose')"), mode="code")


def test_code_needs_code_mode(play: Any) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        await (await codex.thread_start()).run("hi")

    with pytest.raises(TypeError, match="Code is for code mode"):
        play(scene, Code("text(1)"))


def test_thoughts_are_streamed(play: Any) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        turn = await (await codex.thread_start()).turn(TextInput("hi"))
        events = [event async for event in turn.stream()]
        told = [event.params["delta"] for event in events if event.method == "item/reasoning/summaryTextDelta"]
        assert told == ["First ", "this.", "Then ", "that."]
        assert [event.params["delta"] for event in events if event.method == "item/reasoning/textDelta"] == ["Hm."]
        result = await turn.result()
        assert (result.items[1].summary, result.items[1].content) == (["First this.", "Then that."], ["Hm."])
        assert result.final_response == "So."

    settings = ("show_raw_agent_reasoning=true",)
    play(scene, [Reasoning(["First this.", "Then that."], "Hm."), Text("So.")], config_overrides=settings)


def run_turn(codex: Codex, text: str = "hi", **options: Any) -> list[Notification]:
    """All events of one turn in a new thread."""
    return list(codex.thread_start(**options).turn(TextInput(text)).stream())


def final(events: list[Notification]) -> Any:
    assert events[-1].method == "turn/completed"
    return events[-1].params["turn"]  # type: ignore[index,call-overload]


def deltas(events: list[Notification]) -> str:
    return "".join(
        event.params["delta"]  # type: ignore[index,call-overload,misc]
        for event in events
        if event.method == "item/agentMessage/delta"
    )


def test_a_real_turn_streams_what_the_model_says(codex_binary: Path) -> None:
    with ModelServer(Text("Hello from the model.")) as model:
        with Codex(model.config(codex_bin=codex_binary)) as codex:
            events = run_turn(codex, "say hello")
        assert final(events)["status"] == "completed"
        assert deltas(events) == "Hello from the model."
        assert "say hello" in model.requests[0].texts


def test_the_same_with_asyncio_and_several_turns_at_once(codex_binary: Path) -> None:
    async def turn(codex: AsyncCodex, number: int) -> str:
        started = await (await codex.thread_start()).turn(TextInput(f"turn {number}"))
        return deltas([event async for event in started.stream()])

    async def run(model: ModelServer) -> list[str]:
        async with AsyncCodex(model.config(codex_bin=codex_binary)) as codex:
            return await asyncio.gather(*(turn(codex, number) for number in range(10)))

    with ModelServer(default=lambda request: Text(f"answer to {request.texts[-1]}")) as model:
        assert asyncio.run(run(model)) == [f"answer to turn {number}" for number in range(10)]


def test_an_approval_that_nobody_handles_is_not_granted(codex_binary: Path, tmp_path: Path) -> None:
    with ModelServer(ToolCall("exec_command", {"cmd": "touch made"}), Text("Well.")) as model:
        with Codex(model.config(codex_bin=codex_binary, cwd=tmp_path)) as codex:
            events = run_turn(codex, approval_policy="untrusted", cwd=tmp_path)
        assert final(events)["status"] in {"completed", "interrupted", "failed"}
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "answer", [Failure(500), Failure(429), Cut(Text("a b c d"), after=3)], ids=["500", "429", "cut"]
)
def test_what_goes_wrong_with_the_model_ends_the_turn_as_failed(answer: Answer, codex_binary: Path) -> None:
    with ModelServer(answer) as model, Codex(model.config(codex_bin=codex_binary)) as codex:
        turn = final(run_turn(codex))
        assert turn["status"] == "failed"
        assert turn["error"]["message"]


def test_many_may_come_before_any_is_served() -> None:
    with ModelServer() as model, contextlib.ExitStack() as connected:
        model._server.shutdown()
        for _ in range(64):
            connected.enter_context(socket.create_connection(("127.0.0.1", model._server.server_port), timeout=0.5))
