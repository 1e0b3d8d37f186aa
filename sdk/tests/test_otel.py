"""OpenTelemetry on the real binary: which spans there are, what they hang under, what they and the metrics say."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from app_servers import free_port
from awaited import KINDS, bare, connected
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from until import until_it_holds

from codex_app_server import (
    AppServerConfig,
    Codex,
    ConnectError,
    Handlers,
    JsonRpcError,
    RuntimeStartError,
    TransportClosedError,
    TurnFailedError,
)
from codex_app_server.events import Notification
from codex_app_server.integrations.otel import OpenTelemetry
from codex_app_server.integrations.otel.meters import Meters
from codex_app_server.protocol.request import Request
from codex_app_server.testing import Failure, ModelServer, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from opentelemetry.metrics import Meter
    from opentelemetry.sdk.trace import ReadableSpan
    from typing_extensions import Self

    Play = Callable[..., None]

SECRET = "the colour is teal"


class Seen:
    """What an application sees that has set up the SDK."""

    def __init__(self, **options: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.tracer = self.provider.get_tracer("the program")
        self.telemetry = OpenTelemetry(tracer_provider=self.provider, meter_provider=self.meters, **options)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span

    def path(self, span: ReadableSpan) -> list[str]:
        """The names of a span and of those that it is below."""
        by_id = {each.context.span_id: each for each in self.spans if each.context}
        names = [span.name]
        while span.parent is not None:
            assert span.context is not None
            assert span.parent.trace_id == span.context.trace_id
            span = by_id[span.parent.span_id]
            names.append(span.name)
        return names

    def measured(self) -> dict[str, list[Any]]:
        data = self.reader.get_metrics_data()
        assert data is not None
        metrics = [each for of in data.resource_metrics for scope in of.scope_metrics for each in scope.metrics]
        return {metric.name: list(metric.data.data_points) for metric in metrics}

    def said(self) -> str:
        return "".join(span.to_json() for span in self.spans) + repr(self.measured())


@pytest.fixture
def seen() -> Seen:
    return Seen()


class Shop:
    """A program with a tool and somebody who answers, both with spans of their own."""

    def __init__(self, seen: Seen) -> None:
        self._tracer = seen.tracer
        self.is_open = True

    def buy(self, what: str) -> str:
        """Buy something."""
        if not self.is_open:
            raise LookupError(f"no {what} today")
        with self._tracer.start_as_current_span("pay"):
            return f"here is {what}"

    async def may_run(self, asked: Any) -> bool:
        with self._tracer.start_as_current_span("think"):
            return asked.command is not None


BUY = ToolCall("buy", {"what": SECRET})
ASKED_FOR = ToolCall(
    "exec_command", {"cmd": "touch /dev/null", "sandbox_permissions": "require_escalated", "justification": "so"}
)


def scene_of_a_shop(seen: Seen, shop: Shop) -> Any:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start(tools=[shop.buy], approval_policy="on-request")
        with seen.tracer.start_as_current_span("the program's"):
            result = await thread.run(f"Buy it: {SECRET}")
        assert result.is_completed

    return scene


def test_a_turn_is_a_span_below_the_callers_and_all_else_is_below_it(play: Play, seen: Seen) -> None:
    shop = Shop(seen)
    play(
        scene_of_a_shop(seen, shop),
        BUY,
        ASKED_FOR,
        Text(f"Done: {SECRET}"),
        telemetry=seen.telemetry,
        experimental_api=True,
        handlers=Handlers(command_approval=shop.may_run),
    )
    turn = ["invoke_agent codex", "the program's"]
    paths = [seen.path(span) for span in seen.spans]
    assert ["initialize", "start codex"] in paths
    assert ["thread/start"] in paths
    assert ["turn/start", *turn] in paths
    assert ["pay", "execute_tool buy", *turn] in paths
    assert ["think", "approval commandExecution", "execute_tool exec_command", *turn] in paths
    assert ["agentMessage", *turn] in paths
    assert all(span.status.status_code is StatusCode.UNSET for span in seen.spans)

    agent = seen.one("invoke_agent codex")
    about = dict(agent.attributes or {})
    assert agent.kind is SpanKind.CLIENT
    assert about.pop("gen_ai.conversation.id")
    assert about.pop("codex.turn.id")
    assert about.pop("gen_ai.provider.name")
    assert about == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "codex",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.usage.input_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.cache_creation.input_tokens": 0,
        "gen_ai.usage.output_tokens": 15,
        "gen_ai.usage.reasoning.output_tokens": 0,
    }
    tool = dict(seen.one("execute_tool buy").attributes or {})
    assert tool["gen_ai.operation.name"] == "execute_tool"
    assert tool["gen_ai.tool.name"] == "buy"
    assert tool["gen_ai.tool.type"] == "function"
    assert tool["gen_ai.tool.call.id"]
    assert dict(seen.one("approval commandExecution").attributes or {})["codex.decision"] == "accept"
    assert dict(seen.one("turn/start").attributes or {}) == {"rpc.system.name": "jsonrpc", "rpc.method": "turn/start"}

    measured = seen.measured()
    kinds = {(p.attributes["gen_ai.operation.name"], p.count) for p in measured["gen_ai.client.operation.duration"]}
    assert kinds == {("invoke_agent", 1), ("execute_tool", 1)}
    tokens = {p.attributes["gen_ai.token.type"]: p.sum for p in measured["gen_ai.client.token.usage"]}
    assert tokens == {"input": 30, "output": 15}
    waits = {p.attributes["codex.queue.name"]: p.count for p in measured["codex.client.queue.duration"]}
    assert waits == {"turn": 1, "tool": 1}
    sizes = {p.attributes["codex.queue.name"]: p.value for p in measured["codex.client.queue.size"]}
    assert sizes == {"request": 0, "tool": 0, "question": 0}
    assert "turn/start" in {p.attributes["rpc.method"] for p in measured["rpc.client.call.duration"]}
    assert SECRET not in seen.said()


def test_what_is_said_is_told_only_when_asked_for(play: Play) -> None:
    seen = Seen(content=True)
    shop = Shop(seen)
    shop.is_open = False
    play(
        scene_of_a_shop(seen, shop),
        BUY,
        ToolCall("exec_command", {"cmd": "echo hi; exit 3"}),
        Text(f"Done: {SECRET}"),
        telemetry=seen.telemetry,
        experimental_api=True,
    )
    agent = dict(seen.one("invoke_agent codex").attributes or {})
    assert json.loads(str(agent["gen_ai.input.messages"])) == [
        {"role": "user", "parts": [{"type": "text", "content": f"Buy it: {SECRET}"}]}
    ]
    assert json.loads(str(agent["gen_ai.output.messages"])) == [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": f"Done: {SECRET}"}],
            "finish_reason": "stop",
        }
    ]
    tool = seen.one("execute_tool buy")
    about = dict(tool.attributes or {})
    assert json.loads(str(about["gen_ai.tool.call.arguments"])) == {"what": SECRET}
    assert "LookupError" in str(about["gen_ai.tool.call.result"])
    assert [event.name for event in tool.events] == ["exception"]
    ran = dict(seen.one("execute_tool exec_command").attributes or {})
    assert "echo hi" in str(ran["gen_ai.tool.call.arguments"])
    assert ran["gen_ai.tool.call.result"] == "hi\n"
    assert ran["process.exit.code"] == 3
    assert ran["error.type"] == "failed"


def test_what_goes_wrong_is_named(play: Play, seen: Seen) -> None:
    shop = Shop(seen)
    shop.is_open = False

    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start(tools=[shop.buy])
        await thread.run("a tool that raises")
        with pytest.raises(TurnFailedError):
            await thread.run("a model that refuses")
        with pytest.raises(TimeoutError):
            await thread.run("too slow", timeout=0.3)
        turn = await thread.turn("on second thoughts")
        await turn.interrupt()
        await turn.run()
        with pytest.raises(JsonRpcError):
            await codex.client.thread_read(thread_id="nonsense")

    play(
        scene,
        BUY,
        Text("Pity."),
        Failure(400, "you may not"),
        default=Text("slow " * 50, delay_s=0.2),
        telemetry=seen.telemetry,
        experimental_api=True,
    )
    errors = [(span.attributes or {}).get("error.type") for span in seen.named("invoke_agent codex")]
    assert errors == [None, "other", "WaitTimeoutError", "interrupted"]
    tool = seen.one("execute_tool buy")
    assert (tool.attributes or {})["error.type"] == "LookupError"
    assert tool.status.status_code is StatusCode.ERROR
    assert not tool.events
    (read,) = seen.named("thread/read")
    assert (read.attributes or {})["rpc.response.status_code"] == (read.attributes or {})["error.type"] == "-32600"
    assert SECRET not in seen.said()


def test_two_who_say_something_at_once_have_a_span_each(play: Play, seen: Seen) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        with seen.tracer.start_as_current_span("first"):
            turn = await thread.turn("one")
        await until_it_holds(lambda: model.requests)
        with seen.tracer.start_as_current_span("second"):
            await asyncio.gather(turn.run(), thread.run("two"))

    play(scene, Text("slow " * 5, delay_s=0.1), telemetry=seen.telemetry)
    first, second = sorted(seen.named("invoke_agent codex"), key=lambda span: span.start_time or 0)
    assert [seen.path(span)[1] for span in (first, second)] == ["first", "second"]
    about, joined = dict(first.attributes or {}), dict(second.attributes or {})
    assert joined["codex.turn.is_joined"] is True
    assert joined["codex.turn.id"] == about["codex.turn.id"]
    assert "gen_ai.usage.input_tokens" not in joined  # they are counted once
    assert sum(p.count for p in seen.measured()["gen_ai.client.operation.duration"]) == 1


def test_what_begins_by_itself_is_below_what_set_it_off(play: Play, seen: Seen) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        with seen.tracer.start_as_current_span("the program's"):
            goal = await thread.goal("Be done.")
        await until_it_holds(lambda: seen.named("invoke_agent codex"))
        await goal.clear()

    play(scene, telemetry=seen.telemetry)
    assert seen.path(seen.named("invoke_agent codex")[0]) == ["invoke_agent codex", "the program's"]


GOES_AWAY = """
greet()
request = read()
write({"id": request["id"], "result": {"thread": {"id": "t"}, "model": "m", "modelProvider": "openai"}})
request = read()
write({"method": "turn/started", "params": {"threadId": "t", "turn": {"id": "u"}}})
item = {"type": "commandExecution", "id": "i", "status": "inProgress"}
write({"method": "item/started", "params": {"threadId": "t", "turnId": "u", "item": item}})
write({"id": 7, "method": "item/commandExecution/requestApproval",
       "params": {"threadId": "t", "turnId": "u", "itemId": "i", "command": "ls"}})
parent = request["trace"]["traceparent"]
assert parent.startswith("00-") and parent.endswith("-01"), parent
write({"id": request["id"], "result": {"turn": {"id": "u"}}})
assert read()["result"] == {"decision": "decline"}
"""


def test_all_ends_with_the_connection(scripted: Callable[..., None], seen: Seen) -> None:
    async def scene(codex: Any) -> None:
        thread = await codex.thread_start()
        with pytest.raises(TransportClosedError):
            await thread.run("go")

    scripted(scene, GOES_AWAY, telemetry=seen.telemetry)
    asked = seen.one("approval commandExecution")
    assert seen.path(asked) == ["approval commandExecution", "execute_tool exec_command", "invoke_agent codex"]
    assert dict(asked.attributes or {})["codex.decision"] == "decline"  # nobody was there to be asked
    for name in ("execute_tool exec_command", "invoke_agent codex"):
        assert dict(seen.one(name).attributes or {})["error.type"] == "TransportClosedError"
    sizes = [point.value for point in seen.measured()["codex.client.queue.size"]]
    assert set(sizes) == {0}


def test_a_start_that_fails_is_a_span_too(seen: Seen, peer: Callable[..., Any]) -> None:
    with pytest.raises(TransportClosedError):
        Codex(peer("read()", telemetry=seen.telemetry))
    start = seen.one("start codex")
    assert (start.attributes or {})["error.type"] in {"TransportClosedError", "RuntimeStartError"}
    assert seen.path(seen.one("initialize")) == ["initialize", "start codex"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_program_that_the_system_does_not_start_is_a_span_too(seen: Seen, kind: str, tmp_path: Path) -> None:
    async def start() -> None:
        override = (str(tmp_path / "nothing"),)
        async with connected(kind, AppServerConfig(launch_args_override=override, telemetry=seen.telemetry)):
            pass

    with pytest.raises(RuntimeStartError):
        asyncio.run(start())
    assert (seen.one("start codex").attributes or {})["error.type"] == "RuntimeStartError"


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_is_not_reached_is_a_span_that_lasts_as_long_as_that_took(seen: Seen, kind: str) -> None:
    def token() -> str:
        time.sleep(0.1)
        return "any"

    async def start() -> None:
        url = f"ws://127.0.0.1:{free_port()}"
        async with connected(kind, AppServerConfig(url=url, token=token, telemetry=seen.telemetry)):
            pass

    with pytest.raises(ConnectError):
        asyncio.run(start())
    start_span = seen.one("start codex")
    assert not start_span.status.is_ok
    assert start_span.start_time is not None
    assert start_span.end_time is not None
    assert start_span.end_time - start_span.start_time > 90_000_000  # ns


def test_telemetry_that_fails_harms_nobody(play: Play, seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(SimpleSpanProcessor):
        def on_start(self, *_: Any) -> None:
            raise RuntimeError("broken")

    seen.provider.add_span_processor(Broken(seen.exporter))

    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start(tools=[Shop(Seen()).buy])
        assert (await thread.run("go")).final_response == "Done."

    play(scene, BUY, telemetry=seen.telemetry, experimental_api=True)
    assert caplog.text.count("telemetry failed") == 1


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


class Collector:
    """An OTLP collector on loopback."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        spans = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                for of in ExportTraceServiceRequest.FromString(body).resource_spans:
                    spans.extend(span for scope in of.scope_spans for span in scope.spans)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def test_a_collector_gets_the_runtimes_spans_below_ours(play: Play, collector: Collector) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(collector.url)))
    exporter = {"otlp-http": {"endpoint": collector.url, "protocol": "binary"}}

    async def scene(codex: Any, model: ModelServer) -> None:
        await (await codex.thread_start()).run("go")
        (request,) = model.requests
        asked.extend(request.headers["traceparent"].split("-")[1:3])

    asked: list[str] = []
    play(
        scene,
        telemetry=OpenTelemetry(tracer_provider=provider, meter_provider=MeterProvider(shutdown_on_exit=False)),
        config={"otel": {"trace_exporter": exporter}},
    )
    provider.shutdown()
    by_id = {span.span_id: span for span in collector.spans}
    agent = next(span for span in collector.spans if span.name == "invoke_agent codex")
    ours = next(span for span in collector.spans if span.name == "turn/start" and span.parent_span_id == agent.span_id)
    theirs = next(span for span in collector.spans if span.name == "turn/start" and span is not ours)
    assert theirs.parent_span_id == ours.span_id
    assert theirs.trace_id == ours.trace_id == agent.trace_id == bytes.fromhex(asked[0])
    # So is the request to the model. What is between them is the runtime's, which does not tell all if it ends soon.
    asking = by_id[bytes.fromhex(asked[1])]
    assert asking.trace_id == ours.trace_id
    assert asking.parent_span_id


def test_a_collector_that_is_down_holds_up_nobody(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    with Collector() as gone:
        url = gone.url
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(url, timeout=1), schedule_delay_millis=10))
    exporter = {"otlp-http": {"endpoint": url, "protocol": "binary"}}

    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        for _ in range(3):
            assert (await thread.run("go")).final_response == "Done."

    play(
        scene,
        telemetry=OpenTelemetry(tracer_provider=provider, meter_provider=MeterProvider(shutdown_on_exit=False)),
        config={"otel": {"trace_exporter": exporter}},
    )
    provider.shutdown()
    assert "telemetry failed" not in caplog.text


def test_what_is_streamed_makes_no_spans_and_is_not_looked_at(play: Play, seen: Seen) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        thread = await codex.thread_start()
        bare(codex)._driver.reading.connection.streams.telling = lambda event, _: heard.append(event.method)
        assert (await thread.run("go")).text.count("word") == 1000

    heard: list[str] = []
    play(scene, Text("word " * 1000), telemetry=seen.telemetry)
    assert heard.count("item/agentMessage/delta") < 10
    assert not seen.named("agentMessage")


def test_an_exit_code_that_is_no_number_leaves_the_span_of_its_command(seen: Seen) -> None:
    tracing = seen.telemetry.tracing()
    tracing.on_request(Request("turn/start", {"threadId": "t"}, announces_turn=True))
    tracing.on_event(Notification("turn/started", {"threadId": "t", "turn": {"id": "u"}}), "u")
    item: Any = {"type": "commandExecution", "id": "i", "status": "inProgress"}
    tracing.on_event(Notification("item/started", {"item": item}), "u")
    tracing.on_event(Notification("item/completed", {"item": {**item, "exitCode": {"signal": 9}}}), "u")
    assert seen.one("execute_tool exec_command").end_time


def test_a_span_costs_little_beyond_what_the_sdk_takes() -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    meters = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    tracing = OpenTelemetry(tracer_provider=provider, meter_provider=meters).tracing()
    tracing.on_request(Request("turn/start", {"threadId": "t"}, announces_turn=True))
    tracing.on_event(Notification("turn/started", {"threadId": "t", "turn": {"id": "u"}}), "u")
    tracer, histogram = provider.get_tracer("bare"), meters.get_meter("bare").create_histogram("h")
    about = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t", "gen_ai.tool.call.id": "i"}

    def bare_ones() -> None:
        for _ in range(200):
            span = tracer.start_span("execute_tool t", attributes=about)
            span.set_attribute("process.exit.code", 0)
            span.end()
            histogram.record(1, about)

    def ours() -> None:
        for number in range(200):
            item: Any = {"type": "commandExecution", "id": str(number), "status": "inProgress"}
            tracing.on_event(Notification("item/started", {"item": item}), "u")
            done = {**item, "status": "completed", "exitCode": 0}
            tracing.on_event(Notification("item/completed", {"item": done}), "u")

    def least(work: Callable[[], None]) -> float:
        taken = []
        for _ in range(9):
            begun = time.thread_time()
            work()
            taken.append(time.thread_time() - begun)
        return min(taken)

    assert least(ours) < 2.5 * least(bare_ones)


WITH_LOGFIRE = """
import sys
import logfire
from logfire.testing import TestExporter
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from codex_app_server import Codex
from codex_app_server.integrations.otel import OpenTelemetry
from codex_app_server.integrations.otel.meters import Meters
from codex_app_server.testing import ModelServer

exporter = TestExporter()
logfire.configure(
    send_to_logfire=False, console=False, additional_span_processors=[SimpleSpanProcessor(exporter)]
)
with ModelServer() as model, Codex(model.config(codex_bin=sys.argv[1], telemetry=OpenTelemetry())) as codex:
    with logfire.span("the program's"):
        codex.thread_start().run("go")
spans = {span["name"]: span for span in exporter.exported_spans_as_dict()}
assert spans["invoke_agent codex"]["parent"]["span_id"] == spans["the program's"]["context"]["span_id"]
print(sorted(spans))
"""


def test_logfire_shows_them_without_another_line(codex_binary: Path) -> None:
    words = [sys.executable, "-c", WITH_LOGFIRE, str(codex_binary)]
    ran = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert "invoke_agent codex" in ran.stdout


def test_a_client_without_it_has_nothing_of_it() -> None:
    program = "import sys, codex_app_server.sync.driver; print([n for n in sys.modules if 'telemetry' in n])"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "[]\n"


def test_what_is_no_telemetry_is_refused() -> None:
    for wrong in (True, OpenTelemetry):
        with pytest.raises(TypeError, match=r"telemetry must be as OpenTelemetry\(\), not "):
            AppServerConfig(telemetry=wrong)  # type: ignore[arg-type]


def test_clients_of_one_provider_share_their_instruments() -> None:
    """A second instrument of the same name would not be read."""

    class Provider(NoOpMeterProvider):
        def __init__(self) -> None:
            self.made: list[str] = []

        def get_meter(self, name: str, *more: Any, **options: Any) -> Meter:  # another one each time, as proxies do
            self.made.append(name)
            time.sleep(0.05)  # so that the others come meanwhile
            return super().get_meter(name, *more, **options)

    provider = Provider()
    telemetry = OpenTelemetry(meter_provider=provider)
    threads = [threading.Thread(target=telemetry.tracing) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert provider.made == ["codex_app_server"]
    assert Meters.of(None) is Meters.of(None)
