"""The client against scripted peers: what a real runtime does rarely, or never."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from asyncio.selector_events import BaseSelectorEventLoop
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from awaited import awaited, bare
from until import until

import codex_app_server
from codex_app_server import (
    ApprovalRequest,
    AppServerClient,
    AppServerConfig,
    AsyncAppServerClient,
    FileChangeApproval,
    InitializeResult,
    JsonRpcError,
    RequestTimeoutError,
    RuntimeNotFoundError,
    RuntimeStartError,
    StartupTimeoutError,
    TransportClosedError,
    allow_paths,
)
from codex_app_server.protocol.connection import Connection
from codex_app_server.sync import transport as stdio

if TYPE_CHECKING:
    from collections.abc import Callable

    Peer = Callable[..., AppServerConfig]

pytestmark = pytest.mark.usefixtures("leaves_nothing")

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX signals or processes")

ECHO = """
greet()
while (request := read()) is not None:
    write({"id": request["id"], "result": request})
"""


# A process of its own that outlives the peer by some seconds, with the peer's stdout and stderr.
STRANGER = """
greet()
subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(3)"], stdin=subprocess.DEVNULL)
"""


def wait_for_threads(client: AppServerClient) -> None:
    for thread in client._driver._transport._threads:
        thread.join(10)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdio, "LEAVE_GRACE", 0.2)
    monkeypatch.setattr(stdio, "SIGNAL_GRACE", 0.5)
    monkeypatch.setattr(stdio, "MOMENT", 0.2)


class Waiting(threading.Thread):
    """A call in a thread of its own, and what became of it."""

    def __init__(self, client: AppServerClient, method: str = "wait") -> None:
        super().__init__()
        self.client = client
        self.method = method
        self.error: Exception | None = None
        self.start()
        until(lambda: client._driver._connection.waiting or not self.is_alive())

    def run(self) -> None:
        try:
            self.client.request(self.method)
        except Exception as error:
            self.error = error

    def outcome(self) -> Exception | None:
        self.join(10)
        assert not self.is_alive()
        return self.error


# The handshake.


def test_what_is_read_is_handed_on_as_long_as_somebody_is_still_to_be_told(
    peer: Callable[..., AppServerConfig],
) -> None:
    """A runtime that has nothing more to say must not leave those asleep who are told one after another."""
    took: list[bytes] = []
    done = threading.Event()

    def receive(data: bytes) -> float:
        took.append(data)
        if len(took) == 4:
            done.set()
        return 0.02 if len(took) < 4 else 0

    transport = stdio.StdioTransport(
        peer("print('x', flush=True); wait_for_end()"),
        receive=receive,
        finish=lambda: None,
        leaving=lambda: None,
        ended=lambda _: None,
    )
    transport.start()
    try:
        assert done.wait(20)
    finally:
        transport.close()
    assert took[:4] == [b"x\n", b"", b"", b""]


def test_the_constructor_does_the_handshake(peer: Peer) -> None:
    with AppServerClient(peer("greet('peer/1.2.3 (Test)'); wait_for_end()")) as client:
        assert client.metadata == InitializeResult("peer", "1.2.3", "peer/1.2.3 (Test)")


def test_the_client_says_who_it_is(peer: Peer) -> None:
    script = """
        request = read()
        write({"id": request["id"], "result": {}})
        read()
        write({"id": read()["id"], "result": request["params"]})
        wait_for_end()
    """
    config = peer(script, client_name="me", client_title="Me", client_version="9", experimental_api=True)
    with AppServerClient(config) as client:
        assert client.request("said") == {
            "clientInfo": {"name": "me", "title": "Me", "version": "9"},
            "capabilities": {"experimentalApi": True},
        }
        assert client.metadata == InitializeResult(None, None, None)


def test_the_runtime_gets_its_directory_and_environment(peer: Peer, tmp_path: Path) -> None:
    script = """
        greet()
        write({"id": read()["id"], "result": [os.getcwd(), os.environ["ADDED"], "PATH" in os.environ]})
        wait_for_end()
    """
    with AppServerClient(peer(script, cwd=tmp_path, env={"ADDED": "yes"})) as client:
        assert client.request("where") == [str(tmp_path.resolve()), "yes", True]


def test_a_refused_handshake_is_an_error_and_leaves_nothing(peer: Peer) -> None:
    config = peer("""write({"id": read()["id"], "error": {"code": -32600, "message": "who?"}}); wait_for_end()""")
    with pytest.raises(JsonRpcError, match=r"initialize failed: who\? \(code -32600\)"):
        AppServerClient(config)


def test_a_runtime_that_does_not_answer_in_time_is_stopped(peer: Peer) -> None:
    config = peer("complain('thinking ...'); wait_for_end()", startup_timeout_s=0.5)
    with pytest.raises(StartupTimeoutError, match=r"did not answer initialize within 0\.5 s") as caught:
        AppServerClient(config)

    assert caught.value.stderr_tail == ("thinking ...",)


def test_a_runtime_that_dies_at_once_says_why(peer: Peer) -> None:
    config = peer(r"complain('Error: \x1b[31mno such setting\x1b[0m\n'); sys.exit(3)")
    with pytest.raises(
        TransportClosedError, match="initialize got no answer: the runtime exited with code 3"
    ) as caught:
        AppServerClient(config)

    assert caught.value.exit_code == 3
    assert caught.value.stderr_tail == ("Error: no such setting",)
    assert "no such setting" in str(caught.value)


def test_nothing_to_run() -> None:
    with pytest.raises(RuntimeNotFoundError, match=r"codex does not exist; name an executable: AppServerConfig\("):
        AppServerClient(AppServerConfig(codex_bin="no/such/codex"))


@posix_only
def test_what_is_named_and_may_not_run(tmp_path: Path) -> None:
    program = tmp_path / "codex"
    program.write_bytes(b"")
    with pytest.raises(RuntimeNotFoundError) as caught:
        AppServerClient(AppServerConfig(codex_bin=program))
    told = str(caught.value)
    assert told.startswith(f"codex_bin {program} is not executable; make it executable, or name an executable: ")
    assert "install" not in told
    with pytest.raises(RuntimeNotFoundError, match="is a directory; name an executable: "):
        AppServerClient(AppServerConfig(codex_bin=tmp_path))


def test_a_command_that_does_not_exist() -> None:
    with pytest.raises(RuntimeStartError, match="cannot start no-such-program: "):
        AppServerClient(AppServerConfig(launch_args_override=["no-such-program", "app-server"]))


def test_a_directory_that_does_not_exist(peer: Peer) -> None:
    with pytest.raises(RuntimeStartError, match="in no/such/directory: "):
        AppServerClient(peer("", cwd="no/such/directory"))


@posix_only
def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    program = tmp_path / "codex"
    program.write_bytes(b"\x7fELF but not really")
    program.chmod(0o755)

    with pytest.raises(RuntimeStartError, match=r"cannot start .*codex: "):
        AppServerClient(AppServerConfig(codex_bin=program))


def test_an_event_loop_that_starts_no_processes_is_named() -> None:
    """The selector event loop does not on Windows, and it says no word of it."""

    async def scene() -> None:
        config = AppServerConfig(launch_args_override=[sys.executable])
        async with AsyncAppServerClient(config):
            pass

    loop = BaseSelectorEventLoop()  # what Windows has of it
    try:
        with pytest.raises(RuntimeStartError, match="this event loop starts no processes; on Windows run asyncio's"):
            loop.run_until_complete(scene())
    finally:
        loop.close()


def test_a_failure_to_start_a_thread_leaves_nothing(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def fail(thread: threading.Thread) -> None:
        if thread.name.endswith("stdin"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        AppServerClient(peer("wait_for_end()"))


# Calls.


def test_a_request_carries_its_parameters(peer: Peer) -> None:
    with AppServerClient(peer(ECHO)) as client:
        assert client.request("thread/read", {"threadId": "x"}) == {
            "id": 2,
            "method": "thread/read",
            "params": {"threadId": "x"},
        }
        assert client.request("account/logout") == {"id": 3, "method": "account/logout"}


def test_an_error_answer_is_raised(peer: Peer) -> None:
    script = """
        greet()
        write({"id": read()["id"], "error": {"code": 7, "message": "no", "data": {"why": "because"}}})
        wait_for_end()
    """
    with AppServerClient(peer(script)) as client:
        with pytest.raises(JsonRpcError, match="thread/read failed: no") as caught:
            client.request("thread/read", {})

        assert (caught.value.code, caught.value.message, caught.value.data) == (7, "no", {"why": "because"})


def test_parameters_that_json_cannot_say_are_refused_and_the_client_goes_on(peer: Peer) -> None:
    with AppServerClient(peer(ECHO)) as client:
        for wrong in (object(), float("nan"), "\ud800"):
            with pytest.raises((TypeError, ValueError)):
                client.request("m", {"value": wrong})
        assert client.request("m") == {"id": 5, "method": "m"}


def test_a_method_that_is_no_string_is_refused_and_the_client_goes_on(scripted: Callable[..., None]) -> None:
    async def scene(codex: Any) -> None:
        client = awaited(bare(codex).client)
        for wrong in (5, None, True, ["x"], b"m"):
            with pytest.raises(TypeError, match="the method of a call must be a string"):
                await client.request(wrong, {})
        assert (await client.request("m"))["method"] == "m"

    scripted(scene, ECHO)


def test_an_answer_that_was_cut_off_by_the_end_is_none(scripted: Callable[..., None]) -> None:
    script = """
    greet()
    sys.stdout.write('{"id":%d,"result":{"text":"ha' % read()["id"])
    sys.stdout.flush()
    os._exit(3)
    """

    async def scene(codex: Any) -> None:
        with pytest.raises(TransportClosedError, match="model/list got no answer: ") as caught:
            await awaited(bare(codex).client).request("model/list", {})
        assert caught.value.exit_code == 3

    scripted(scene, script)


def test_a_change_of_files_with_an_odd_name_is_no_end_and_its_question_is_left_to_others(
    scripted: Callable[..., None],
) -> None:
    script = """
    greet()
    call = read()
    for name in (["i"], {"i": 1}, 5, None):
        item = {"type": "fileChange", "id": name, "changes": [{"path": "x", "kind": {"type": "add"}, "diff": ""}]}
        write({"method": "item/started", "params": {"threadId": "t", "turnId": "u", "item": item}})
        asked = {"threadId": "t", "turnId": "u", "itemId": name}
        write({"id": 1, "method": "item/fileChange/requestApproval", "params": asked})
        answer = read()["result"]
        assert answer == {"decision": "decline"}, answer
    write({"id": call["id"], "result": {}})
    wait_for_end()
    """

    async def scene(codex: Any) -> None:
        assert await awaited(bare(codex).client).request("m") == {}

    scripted(scene, script, approvals=[allow_paths(".")])


def test_a_question_that_is_put_again_while_it_is_open_is_one(scripted: Callable[..., None]) -> None:
    """So does a runtime, where a thread is resumed: a second one would be about changes that are not known."""
    script = """
    greet()
    change = {"path": "x", "kind": {"type": "add"}, "diff": ""}
    item = {"type": "fileChange", "id": "i", "changes": [change]}
    asked = {"threadId": "t", "turnId": "u", "itemId": "i"}
    call = read()
    write({"method": "item/started", "params": {"threadId": "t", "turnId": "u", "item": item}})
    for number in (1, 1, 2):
        write({"id": number, "method": "item/fileChange/requestApproval", "params": asked})
    write({"id": call["id"], "result": {}})
    answers = [read() for _ in range(3)]
    answers.remove(call := next(each for each in answers if "method" in each))
    write({"id": call["id"], "result": sorted(answers, key=lambda each: each["id"])})
    wait_for_end()
    """
    may_end = threading.Event()

    def decided(request: ApprovalRequest) -> bool:
        assert isinstance(request, FileChangeApproval)
        may_end.wait(10)
        return bool(request.changes)

    async def scene(codex: Any) -> None:
        client = awaited(bare(codex).client)
        await client.request("m")
        may_end.set()
        answers = [(each["id"], each["result"]["decision"]) for each in await client.request("n")]
        assert answers == [(1, "accept"), (2, "decline")]

    scripted(scene, script, approvals=[decided])


def test_large_messages_go_through_both_ways(peer: Peer) -> None:
    with AppServerClient(peer(ECHO)) as client:
        answer = client.request("m", {"text": "ü" * 4_000_000})

    assert isinstance(answer, dict)
    assert answer["params"] == {"text": "ü" * 4_000_000}


def test_many_threads_call_at_once_and_each_gets_its_own_answer(peer: Peer) -> None:
    """The peer answers in pairs, the later request first."""
    script = """
        greet()
        while (one := read()) is not None:
            two = read()
            for request in (two, one):
                write({"id": request["id"], "result": request["params"]["number"]})
    """
    with AppServerClient(peer(script, request_timeout_s=30)) as client, ThreadPoolExecutor(16) as pool:
        numbers = range(400)
        assert list(pool.map(lambda number: client.request("m", {"number": number}), numbers)) == list(numbers)


def test_a_request_that_waits_too_long_is_given_up(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    script = """
        greet()
        late = read()
        request = read()
        write({"id": late["id"], "result": "late"})
        write({"id": request["id"], "result": "in time"})
        wait_for_end()
    """
    config = peer(script, request_timeout_s=0.2)
    with AppServerClient(config) as client:
        with pytest.raises(RequestTimeoutError, match=r"slow got no answer within 0\.2 s"):
            client.request("slow")
        assert client.request("next") == "in time"
        assert not client._driver._connection.waiting
    assert not caplog.records  # its answer was expected, only not any more


@pytest.mark.slow
def test_a_runtime_that_does_not_read_costs_a_caller_no_more_than_its_timeout(peer: Peer) -> None:
    config = peer("greet(); time.sleep(1.5); wait_for_end()", request_timeout_s=0.2)
    with AppServerClient(config) as client:
        began = time.monotonic()
        with pytest.raises(RequestTimeoutError):
            client.request("large", {"text": "x" * 1_000_000})
        assert time.monotonic() - began < 1.2


def test_both_sides_may_have_more_to_say_than_a_pipe_holds(peer: Peer) -> None:
    """The peer reads nothing until all its requests are written; each refusal must wait without stopping the reader."""
    script = """
        greet()
        for number in range(5000):
            write({"id": number, "method": "ask/something"})
        messages = [read() for number in range(5001)]
        (request,) = [message for message in messages if "method" in message]
        refused = [message["id"] for message in messages if "error" in message]
        write({"id": request["id"], "result": refused})
        wait_for_end()
    """
    with AppServerClient(peer(script)) as client:
        assert client.request("m") == list(range(5000))


# What else may stand on the wire.


def test_a_request_of_the_server_is_declined(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    script = """
        greet()
        request = read()
        write({"id": "q", "method": "item/commandExecution/requestApproval", "params": {}})
        write({"id": request["id"], "result": read()})
        wait_for_end()
    """
    with AppServerClient(peer(script)) as client:
        answer = client.request("m")

    assert answer == {"id": "q", "result": {"decision": "decline"}}
    assert "item/commandExecution/requestApproval" in caplog.text


def test_garbage_and_strangers_are_passed_over(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    script = """
        write("Welcome to the peer!")
        greet()
        request = read()
        write("")
        write('{"id": 99, "result": "nobody asked"}')
        write('{"method": "some/news", "params": {}}')
        write("[1, 2")
        sys.stdout.buffer.write(b"\\xff\\xfe\\n")
        write({"id": request["id"], "result": "ok"})
        wait_for_end()
    """
    with AppServerClient(peer(script)) as client:
        assert client.request("m") == "ok"

    assert caplog.text.count("passed over a line") == 4
    assert "Welcome to the peer!" in caplog.text


def test_a_last_answer_without_a_line_end_still_counts(peer: Peer) -> None:
    script = """
        greet()
        sys.stdout.write(json.dumps({"id": read()["id"], "result": "last"}))
    """
    with AppServerClient(peer(script)) as client:
        assert client.request("m") == "last"


def test_stderr_never_blocks_the_runtime_and_only_its_end_is_kept(peer: Peer) -> None:
    script = """
        greet()
        request = read()
        for number in range(20_000):
            complain(f"line {number} " + "x" * 100 + "\\n")
        complain("y" * 1_000_000)
        complain("\\nthe last\\n")
        write({"id": request["id"], "result": "ok"})
        read()
        sys.exit(1)
    """
    with AppServerClient(peer(script)) as client:
        assert client.request("m") == "ok"
        with pytest.raises(TransportClosedError) as caught:
            client.request("n")

        assert caught.value.stderr_tail[-1] == "the last"
        assert len(str(caught.value)) < 10_000


def test_what_the_runtime_writes_to_stderr_is_logged(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="codex_app_server")
    with AppServerClient(peer("complain('some detail\\n'); greet(); wait_for_end()")):
        pass

    assert "some detail" in caplog.text


# The end.


def test_all_waiting_calls_end_when_the_runtime_dies(peer: Peer) -> None:
    config = peer("greet(); [read() for _ in range(8)]; complain('panicked\\n'); os._exit(7)")
    with AppServerClient(config) as client:
        calls = [Waiting(client, f"call {number}") for number in range(8)]
        errors = [call.outcome() for call in calls]

        assert len({id(error) for error in errors}) == 8
        for number, error in enumerate(errors):
            assert isinstance(error, TransportClosedError)
            assert str(error).startswith(f"call {number} got no answer: the runtime exited with code 7")
            assert error.exit_code == 7
            assert error.stderr_tail == ("panicked",)
        with pytest.raises(TransportClosedError, match="another was not sent: the runtime exited with code 7"):
            client.request("another")


@posix_only
def test_a_signal_is_named(peer: Peer) -> None:
    with AppServerClient(peer("greet(); read(); os.kill(os.getpid(), 9)")) as client:
        with pytest.raises(TransportClosedError, match="ended by SIGKILL") as caught:
            client.request("m")
        assert caught.value.exit_code == -9


def test_a_runtime_that_closes_its_output_is_ended(peer: Peer) -> None:
    config = peer("greet(); read(); os.close(1); time.sleep(60)")
    reason = "m got no answer: the runtime closed its output"
    with AppServerClient(config) as client, pytest.raises(TransportClosedError, match=reason):
        client.request("m")


def test_a_runtime_that_closes_its_input_is_ended(peer: Peer) -> None:
    config = peer("greet(); os.close(0); time.sleep(60)")
    reason = "m got no answer: the runtime closed its input"
    with AppServerClient(config) as client, pytest.raises(TransportClosedError, match=reason):
        client.request("m", {"text": "x" * 1_000_000})


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("greet(); call = read(); os.close(0); write({'id': call['id'], 'result': {}}); time.sleep(60)", "its input"),
        (
            "greet(); call = read(); write({'id': call['id'], 'result': {}}); read(); os.close(0); os.close(1)",
            "its output",
        ),
    ],
    ids=["input", "both"],
)
def test_a_runtime_that_closes_its_pipes_between_two_calls_is_ended(
    scripted: Callable[..., None], script: str, reason: str
) -> None:
    """Nothing is on its way to it when it does: asyncio takes that for no error."""

    async def scene(codex: Any) -> None:
        client = awaited(bare(codex).client)
        await client.request("m")
        with pytest.raises(TransportClosedError, match=f"m got no answer: the runtime closed {reason}"):
            await client.request("m")

    scripted(scene, f"{script}; time.sleep(60)", request_timeout_s=5)


@pytest.mark.slow
@posix_only
def test_a_dead_runtime_is_noticed_though_a_stranger_holds_the_pipes(peer: Peer) -> None:
    """A grandchild has inherited stdout and stderr: there is no end of file to notice."""
    with AppServerClient(peer(STRANGER + "read(); os._exit(5)")) as client:
        began = time.monotonic()
        with pytest.raises(TransportClosedError, match="exited with code 5"):
            client.request("m")
        assert time.monotonic() - began < 1.8
    wait_for_threads(client)


def test_a_bug_in_reading_fails_every_call_instead_of_hanging(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    def receive(self: Connection, data: bytes) -> list[object]:
        raise ZeroDivisionError("a bug")

    with AppServerClient(peer("greet(); read(); read(); write('{}'); wait_for_end()")) as client:
        call = Waiting(client)
        monkeypatch.setattr(Connection, "receive", receive)
        assert isinstance(Waiting(client, "say something").outcome(), TransportClosedError)
        error = call.outcome()

        assert isinstance(error, TransportClosedError)
        assert "ZeroDivisionError('a bug')" in str(error)
        assert isinstance(error.__cause__, ZeroDivisionError)
        with pytest.raises(TransportClosedError):
            client.request("another")


def test_a_bug_in_acting_on_a_message_does_so_too(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(driver: object, request: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("codex_app_server.sync.reader.Reader._ask", ask)
    config = peer("greet(); read(); write({'id': 1, 'method': 'ask'}); wait_for_end()")
    with AppServerClient(config) as client, pytest.raises(TransportClosedError, match="a bug"):
        client.request("m")


def test_closing_twice_is_closing(peer: Peer) -> None:
    client = AppServerClient(peer(ECHO))
    client.close()
    client.close()

    with pytest.raises(TransportClosedError, match="m was not sent: the client was closed"):
        client.request("m")


def test_closing_from_another_thread_ends_a_waiting_call(peer: Peer) -> None:
    client = AppServerClient(peer("greet(); wait_for_end()"))
    call = Waiting(client)
    client.close()

    error = call.outcome()
    assert isinstance(error, TransportClosedError)
    assert str(error) == "wait got no answer: the client was closed"


def test_closing_from_many_threads_at_once(peer: Peer) -> None:
    client = AppServerClient(peer(ECHO))
    with ThreadPoolExecutor(8) as pool:
        for closing in [pool.submit(client.close) for _ in range(8)]:
            closing.result(10)

    assert bare(client)._driver._transport._process.returncode == 0


def test_closing_while_calls_go_on(peer: Peer) -> None:
    client = AppServerClient(peer(ECHO))

    answered: list[int] = []

    def call_for_ever() -> None:
        while True:
            client.request("m", {"text": "x" * 1000})
            answered.append(threading.get_ident())

    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(call_for_ever) for _ in range(4)]
        until(lambda: len(set(answered)) == 4)
        client.close()
        for call in calls:
            with pytest.raises(TransportClosedError, match="the client was closed"):
                call.result(10)


def test_a_dead_runtime_can_be_closed(peer: Peer) -> None:
    client = AppServerClient(peer("greet()"))
    bare(client)._driver._transport._watcher.join(10)
    client.close()

    with pytest.raises(TransportClosedError, match="exited with code 0"):
        client.request("m")


@pytest.mark.usefixtures("impatient")
def test_a_runtime_that_stays_is_terminated(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    client = AppServerClient(peer("greet(); wait_for_end(); time.sleep(60)"))
    client.close()

    assert bare(client)._driver._transport._process.returncode != 0
    assert "did not leave" in caplog.text


@posix_only
@pytest.mark.usefixtures("impatient")
def test_a_runtime_that_ignores_signals_is_killed(peer: Peer) -> None:
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); greet(); time.sleep(60)"
    client = AppServerClient(peer(script))
    client.close()

    assert bare(client)._driver._transport._process.returncode == -9


@pytest.mark.usefixtures("impatient")
def test_a_runtime_that_does_not_read_can_be_closed(peer: Peer) -> None:
    client = AppServerClient(peer("greet(); time.sleep(60)", request_timeout_s=0.1))
    with pytest.raises(RequestTimeoutError):
        client.request("large", {"text": "x" * 1_000_000})
    client.close()

    assert bare(client)._driver._transport._process.returncode != 0


@pytest.mark.usefixtures("impatient")
def test_an_interrupted_close_kills_the_runtime(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    client = AppServerClient(peer("greet(); time.sleep(60)"))

    def interrupt(self: stdio.StdioTransport) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(stdio.StdioTransport, "_see_off", interrupt)
        with pytest.raises(KeyboardInterrupt):
            client.close()
    client.close()

    assert bare(client)._driver._transport._process.returncode != 0


@pytest.mark.slow
@posix_only
@pytest.mark.usefixtures("impatient")
def test_closing_does_not_wait_for_a_stranger_that_holds_the_pipes(peer: Peer) -> None:
    client = AppServerClient(peer(STRANGER + "wait_for_end()"))
    began = time.monotonic()
    client.close()

    assert time.monotonic() - began < 1.8
    assert bare(client)._driver._transport._process.returncode == 0
    wait_for_threads(client)


@posix_only
def test_ctrl_c_in_a_terminal_does_not_reach_the_runtime(peer: Peer) -> None:
    """A terminal signals its foreground process group."""
    script = "greet(); write({'id': read()['id'], 'result': [os.getpgid(0), os.getpgid(os.getppid())]}); wait_for_end()"
    with AppServerClient(peer(script)) as client:
        groups = client.request("groups")

    assert isinstance(groups, list)
    assert groups[0] != groups[1]


def test_a_program_that_forgets_to_close_still_ends_and_takes_the_runtime_along(peer: Peer, tmp_path: Path) -> None:
    answer = "write({'id': read()['id'], 'result': None})"
    config = peer(f"greet(); {answer}; wait_for_end(); open({str(tmp_path / 'left')!r}, 'w').close()")
    program = (
        f"import sys; sys.path.insert(0, {str(Path(codex_app_server.__file__).parents[1])!r})\n"
        "from codex_app_server import AppServerClient, AppServerConfig\n"
        f"client = AppServerClient(AppServerConfig(launch_args_override={config.launch_args_override!r}))\n"
        "client.request('m')\n"
    )
    subprocess.run([sys.executable, "-I", "-c", program], check=True, timeout=30)

    until((tmp_path / "left").exists, 10)
