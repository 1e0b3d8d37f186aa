"""Programs that must end well: each call with its answer, its error, or at its timeout, from wherever it comes."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from awaited import awaited, bare
from until import has_ended, until, until_it_holds

import codex_app_server
from codex_app_server import (
    AgentMessageDeltaNotification,
    AppServerConfig,
    AsyncCodex,
    AsyncCodexPool,
    Codex,
    EventOverflowError,
    JsonRpcError,
    TextInput,
    TransportClosedError,
)
from codex_app_server.ending import LEAVE_GRACE
from codex_app_server.testing import ModelServer, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Peer = Callable[..., AppServerConfig]

SOURCE = str(Path(codex_app_server.__file__).parent.parent)
posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX has it alone")

# A runtime whose turns say as much as a request asks for, and go on until they are interrupted.
TALKER = """
greet()
count = 0

def delta(turn, text):
    params = {"threadId": "t", "turnId": turn, "itemId": "i", "delta": text}
    write({"method": "item/agentMessage/delta", "params": params})

def completed(turn, status="completed"):
    write({"method": "turn/completed", "params": {"threadId": "t", "turn": {"id": turn, "status": status}}})

while (request := read()) is not None:
    method, params = request["method"], request.get("params") or {}
    answer = {}
    if method == "thread/start":
        answer = {"thread": {"id": "t"}}
    elif method == "turn/start":
        count += 1
        turn = str(count)
        answer = {"turn": {"id": turn}}
        write({"id": request["id"], "result": answer})
        words = params["input"][0]["text"].split()
        for number in range(int(words[0])):
            delta(turn, str(number) + "x" * int(words[1]))
        if words[2:] != ["on"]:
            completed(turn)
        continue
    elif method == "turn/interrupt":
        completed(params["turnId"], "interrupted")
    elif method == "never":
        continue
    write({"id": request["id"], "result": answer})
"""


def child(
    program: str,
    *arguments: str,
    timeout: float = 30,
    flags: Sequence[str] = ("-X", "dev", "-W", "error"),
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run a program of its own."""
    return subprocess.run(
        [sys.executable, *flags, "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": SOURCE},
        check=False,
        **options,
    )


def command_of(config: AppServerConfig) -> list[str]:
    assert config.launch_args_override is not None
    return list(config.launch_args_override)


# A consumer that is slower than the model.


@pytest.mark.usefixtures("leaves_nothing")
def test_an_answer_does_not_wait_behind_events_that_nobody_reads(peer: Peer) -> None:
    with Codex(peer(TALKER)) as codex:
        turn = codex.thread_start().turn(TextInput("6000 4000 on"))  # 24 MB
        time.sleep(0.5)
        began = time.monotonic()
        codex.client.request("anything", {})
        turn.interrupt()
        assert time.monotonic() - began < 10
        assert len(list(turn.stream())) == 6_001


def test_an_answer_does_not_wait_behind_unread_events_with_asyncio(peer: Peer) -> None:
    async def run() -> None:
        async with AsyncCodex(peer(TALKER)) as codex:
            turn = await (await codex.thread_start()).turn(TextInput("6000 4000 on"))
            await asyncio.sleep(0.5)
            await asyncio.wait_for(codex.client.request("anything", {}), 10)
            await asyncio.wait_for(turn.interrupt(), 10)
            assert len([event async for event in turn.stream()]) == 6_001

    asyncio.run(run())


def test_what_is_unread_has_a_bound_in_bytes_and_fails_alone(peer: Peer) -> None:
    with Codex(peer(TALKER, max_buffered_bytes=1 << 20)) as codex:
        thread = codex.thread_start()
        slow = thread.turn(TextInput("2000 4000 on"))  # 8 MB
        codex.client.request("anything", {})
        with pytest.raises(EventOverflowError, match="1,048,576 bytes of turn 1 waited to be read"):
            list(slow.stream())
        assert len(list(thread.turn(TextInput("3 1 off")).stream())) == 4
        slow.interrupt()
        assert str(slow.run().status) == "interrupted"  # what came of it is known all the same


def test_the_loop_is_not_blocked_by_a_backlog(peer: Peer) -> None:
    async def run() -> None:
        async with AsyncCodex(peer(TALKER)) as codex:
            thread = await codex.thread_start()
            await thread.run("10 1 off")  # models are loaded
            turn = await thread.turn(TextInput("20000 100 off"))
            await until_it_holds(lambda: bare(turn)._log.is_complete or codex._driver._reader.is_held_up)
            blocked = 0.0
            done = asyncio.Event()

            async def tick() -> None:
                nonlocal blocked
                while not done.is_set():
                    began = time.perf_counter()
                    await asyncio.sleep(0)
                    blocked = max(blocked, time.perf_counter() - began)

            ticking = asyncio.create_task(tick())
            assert len([event async for event in turn.stream()]) == 20_001
            done.set()
            await ticking
            assert blocked < 0.2  # a busy machine; it is some milliseconds, and was 0.7 s

    asyncio.run(run())


def test_a_line_without_end_ends_the_connection(peer: Peer) -> None:
    config = peer("greet(); read(); sys.stdout.write('x' * 3_000_000); sys.stdout.flush(); wait_for_end()")
    config = AppServerConfig(launch_args_override=config.launch_args_override, max_line_bytes=1_000_000)
    with Codex(config) as codex, pytest.raises(TransportClosedError, match="a line of more than 1,000,000 bytes"):
        codex.models()


# A thread and a turn that ends without a word, as the runtime does for those who have unsubscribed from the thread.
SILENT = """
greet()
while (request := read()) is not None:
    method = request["method"]
    if method == "turn/interrupt":
        write({"id": request["id"], "error": {"code": -32600, "message": "no active turn to interrupt"}})
    elif method == "turn/start" and request["params"]["input"][0]["text"] == "again":
        write({"id": request["id"], "result": {"turn": {"id": "b"}}})
        write({"method": "turn/completed", "params": {"threadId": "t", "turn": {"id": "b", "status": "completed"}}})
    else:
        write({"id": request["id"], "result": {"thread": {"id": "t"}, "turn": {"id": "a"}}})
"""


def test_an_interruption_of_a_turn_that_ended_without_a_word_ends(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codex_app_server.sync.driver.HURRY_S", 0.2)
    with Codex(peer(SILENT)) as codex:
        thread = codex.thread_start()
        turn = thread.turn("go")
        with pytest.raises(JsonRpcError, match="no active turn"):
            turn.interrupt()
        assert thread.run("again").is_completed
        with pytest.raises(TimeoutError):
            thread.turn("go").run(timeout=0.1)  # its interruption waits for ever, and nobody for it
        assert thread.run("again").is_completed


def test_an_interruption_ends_with_asyncio_too(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with AsyncCodex(peer(SILENT)) as codex:
            thread = await codex.thread_start()
            turn = await thread.turn("go")
            with pytest.raises(JsonRpcError, match="no active turn"):
                await turn.interrupt()
            assert (await thread.run("again")).is_completed
            with pytest.raises(TimeoutError):
                await (await thread.turn("go")).run(timeout=0.1)
            assert (await thread.run("again")).is_completed

    monkeypatch.setattr("codex_app_server.aio.driver.HURRY_S", 0.2)
    asyncio.run(asyncio.wait_for(run(), 20))


# Abandoned streams, signal handlers, Ctrl-C.


def test_streams_that_are_abandoned_in_cycles_disturb_nobody(peer: Peer) -> None:
    class Holder:
        pass

    def rounds() -> None:
        for _ in range(30):
            stream = thread.turn(TextInput("5 1 off")).stream()
            next(iter(stream))
            holder: Any = Holder()
            holder.stream, holder.itself = stream, holder
            del stream, holder
            assert len(thread.run("5 1 off").text) == 10

    threshold = gc.get_threshold()
    gc.set_threshold(20)
    try:
        with Codex(peer(TALKER)) as codex:
            thread = codex.thread_start()
            threads = [threading.Thread(target=rounds, daemon=True) for _ in range(3)]
            for each in threads:
                each.start()
            for each in threads:
                each.join(60)
            assert not any(each.is_alive() for each in threads)
    finally:
        gc.set_threshold(*threshold)


@posix_only
def test_a_signal_handler_may_use_the_client_while_its_thread_streams(peer: Peer) -> None:
    calls = 0
    with Codex(peer(TALKER)) as codex:
        thread = codex.thread_start()

        def handle(*_: object) -> None:
            nonlocal calls
            calls += 1
            with codex.client.subscribe(thread_id="other"):
                codex.client.request("anything", {})
            signal.setitimer(signal.ITIMER_REAL, 0.002)  # only now, or on a busy machine it never comes to an end

        before = signal.signal(signal.SIGALRM, handle)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.002)
            for _ in range(20):
                assert len(list(thread.turn(TextInput("500 10 off")).stream())) == 501
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
    assert calls


@posix_only
def test_close_may_come_from_a_signal_handler_in_the_midst_of_close(peer: Peer) -> None:
    codex = Codex(peer("greet(); wait_for_end(); time.sleep(0.5)"))
    closed = 0

    def handle(*_: object) -> None:
        nonlocal closed
        codex.close()
        closed += 1

    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        codex.close()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert closed == 1


@posix_only
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # where it hits a finalizer
def test_ctrl_c_in_one_thread_strands_no_other(peer: Peer) -> None:
    """At any line of the driver: a signal handler raises in the main thread, now and then, while others go on."""
    ended: list[int] = []
    interrupts = 0
    is_armed = False

    def interrupt(*_: object) -> None:
        nonlocal is_armed
        if is_armed:
            is_armed = False
            raise KeyboardInterrupt

    with Codex(peer(TALKER)) as codex:
        thread = codex.thread_start()

        def go_on() -> None:
            ended.extend(len(thread.run("50 5 off").text) for _ in range(60))

        others = [threading.Thread(target=go_on, daemon=True) for _ in range(3)]
        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            for other in others:
                other.start()
            while any(other.is_alive() for other in others):
                try:
                    is_armed = True
                    signal.setitimer(signal.ITIMER_REAL, 0.003)
                    thread.run("200 5 off")
                    is_armed = False
                except KeyboardInterrupt:
                    interrupts += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert interrupts
        assert len(ended) == 180
        assert len(thread.run("5 1 off").text) == 10


def test_a_client_that_nobody_closed_lets_its_runtime_go(peer: Peer) -> None:
    codex = Codex(peer(TALKER))
    process = psutil.Process(bare(codex)._driver._transport._process.pid)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del codex
        gc.collect()
        kinds = [warning.category for warning in caught if "Codex client" in str(warning.message)]
        caught.clear()  # it holds the client
    assert kinds == [ResourceWarning]
    until(lambda: not process.is_running(), 5)


UNCLOSED = """
import asyncio, gc, os, sys, time, warnings
from codex_app_server import AppServerConfig, AsyncCodex
config = AppServerConfig(launch_args_override=sys.argv[1:])
async def main():
    codex = AsyncCodex(config)
    await codex.models()
    return codex._driver._transport._process.get_pid()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    process = asyncio.run(main())
    gc.collect()
    print([warning.category.__name__ for warning in caught if "Codex client" in str(warning.message)])
end = time.monotonic() + 5
while os.path.exists(f"/proc/{process}") and open(f"/proc/{process}/stat").read().split()[2] != "Z":
    assert time.monotonic() < end
    time.sleep(0.01)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="Linux says there what runs")
def test_an_asyncio_client_that_nobody_closed_lets_its_runtime_go(peer: Peer) -> None:
    # In a process of its own: asyncio holds on to its pipes for a while, and has complaints of its own.
    ran = child(UNCLOSED, *command_of(peer(TALKER)))

    assert (ran.stdout, ran.returncode) == ("['ResourceWarning']\n", 0), ran.stderr


COLLECTED_LATE = """
import asyncio, gc, sys, time
from codex_app_server import AppServerConfig, AsyncCodex
async def main():
    codex = AsyncCodex(AppServerConfig(launch_args_override=sys.argv[1:]))
    await codex.thread_start()
    return codex
loop = asyncio.new_event_loop()
codex = loop.run_until_complete(main())
loop.close()
del codex
gc.collect()
"""


def test_a_client_that_is_collected_after_its_loop_says_one_thing(peer: Peer) -> None:
    ran = child(COLLECTED_LATE, *command_of(peer(TALKER)), flags=("-W", "always::ResourceWarning:__main__"))

    assert ran.stderr.count("a Codex client was not closed") == 1
    assert "Traceback" not in ran.stderr


LEFT_TAKEN = """
import _imp, sys, threading
from codex_app_server import AppServerConfig, Codex
codex = Codex(AppServerConfig(launch_args_override=sys.argv[1:]))
_imp.acquire_lock()  # what Ctrl-C leaves behind in the wrong moment
{then}
imports = threading.Thread(target=lambda: __import__("wave"), daemon=True)
imports.start()
imports.join(10)
print("fine" if not imports.is_alive() else "stuck")
codex.close()
"""


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="it is CPython's lock")
@pytest.mark.parametrize("then", ["codex.close()", "codex.thread_start()"])
def test_what_ctrl_c_left_of_an_import_holds_up_nobody(peer: Peer, then: str) -> None:
    ran = child(LEFT_TAKEN.format(then=then), *command_of(peer(TALKER)))

    assert (ran.stdout, ran.returncode) == ("fine\n", 0), ran.stderr


LATE = """
import sys, time
from codex_app_server import AppServerConfig, Codex
from codex_app_server.testing import ModelServer

def model():
    with ModelServer():
        yield

class Late:
    def __init__(self):
        self.codex = Codex(AppServerConfig(launch_args_override=sys.argv[1:]))
        self.model = model()
        next(self.model)
        print(self.codex._driver._transport._process.pid)

    def __del__(self):
        assert sys.is_finalizing()
        began = time.monotonic()
        try:
            self.codex.thread_archive("t")  # which imports nothing before
        except RuntimeError as error:
            print(error)
        self.codex.close()
        self.model.close()
        print(time.monotonic() - began < 2)

late = Late()
"""


def test_a_finalizer_that_runs_when_the_interpreter_ends_waits_for_nobody(peer: Peer) -> None:
    ran = child(LATE, *command_of(peer(TALKER)))

    process, *said = ran.stdout.splitlines()
    assert said == ["nothing can be waited for any more: the interpreter is ending", "True"], ran.stderr
    assert (ran.stderr, ran.returncode) == ("", 0)
    until(lambda: has_ended(int(process)), 5)


def test_the_interpreter_ends_when_what_is_loaded_ahead_is_loaded() -> None:
    program = (
        "import atexit, sys, codex_app_server\n"
        "atexit.register(lambda: print('pydantic.main' in sys.modules))\n"
        "from codex_app_server.preloading import load_ahead\n"
        "load_ahead('models.model')\n"
    )

    assert child(program).stdout == "True\n"


LATE_POOL = """
import atexit, sys
from codex_app_server import AppServerConfig, CodexPool

class Late:
    def __init__(self):
        self.pool = CodexPool(AppServerConfig(launch_args_override=sys.argv[1:]), size=1)
        self.pool.run("1 1")

    def close(self):
        self.pool.close()
        print("closed")

late = Late()
{then}
"""


@pytest.mark.parametrize("then", ["atexit.register(late.close)", "Late.__del__ = Late.close"])
def test_a_pool_is_closed_where_no_thread_can_be_begun_any_more(peer: Peer, then: str) -> None:
    ran = child(LATE_POOL.format(then=then), *command_of(peer(TALKER)))

    assert (ran.stdout, ran.stderr, ran.returncode) == ("closed\n", "", 0)


@posix_only
def test_a_subscription_that_a_signal_handler_closes_ends(peer: Peer) -> None:
    async def scene() -> None:
        async with AsyncCodex(peer(TALKER)) as codex:
            await codex.thread_start()
            listening = codex.client.subscribe()
            signal.signal(signal.SIGALRM, lambda *_: listening.close())
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            assert [event async for event in listening] == []

    before = signal.getsignal(signal.SIGALRM)
    try:
        asyncio.run(asyncio.wait_for(scene(), 20))
    finally:
        signal.signal(signal.SIGALRM, before)


# Other processes and loops.

FORK = """
import os, sys, time
from codex_app_server import AppServerConfig, Codex
config = AppServerConfig(launch_args_override=sys.argv[1:])
with Codex(config) as codex:
    thread = codex.thread_start()
    if (child := os.fork()) == 0:
        began = time.monotonic()
        try:
            thread.run("1 1 off")
        except RuntimeError as error:
            said = str(error)
        codex.close()
        os._exit(0 if "another process" in said and time.monotonic() - began < 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert len(thread.run("3 1 off").text) == 6
    if (child := os.fork()) == 0:
        time.sleep(20)
        os._exit(0)
    began = time.monotonic()
    codex.close()
    seconds = time.monotonic() - began
os.kill(child, 9)
os.waitpid(child, 0)
assert seconds < 1, seconds
print("fine")
"""

FORK_ASYNC = """
import asyncio, os, sys, time
from codex_app_server import AppServerConfig, AsyncCodex
config = AppServerConfig(launch_args_override=sys.argv[1:])
async def main():
    asyncio.get_running_loop().slow_callback_duration = 60  # a busy machine is not what this is about
    async with AsyncCodex(config) as codex:
        thread = await codex.thread_start()
        if (child := os.fork()) == 0:
            try:
                thread.run("1 1 off").send(None)
            except RuntimeError as error:
                os._exit(0 if "another process" in str(error) else 1)
            os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        assert len((await thread.run("3 1 off")).text) == 6
        if (child := os.fork()) == 0:
            time.sleep(20)
            os._exit(0)
        began = time.monotonic()
        await codex.close()
        seconds = time.monotonic() - began
    os.kill(child, 9)
    os.waitpid(child, 0)
    assert seconds < 1, seconds
asyncio.run(main())
print("fine")
"""


@posix_only
@pytest.mark.parametrize(
    "program",
    [FORK, FORK_ASYNC, FORK_ASYNC.replace("asyncio.run(main())", "import uvloop; uvloop.run(main())")],
    ids=["threads", "asyncio", "uvloop"],
)
def test_a_forked_child_harms_nobody(peer: Peer, program: str) -> None:
    # Python 3.12 warns of any fork beside threads: that is the program's own affair here.
    program = "import warnings; warnings.simplefilter('ignore', DeprecationWarning)\n" + program
    ran = child(program, *command_of(peer(TALKER)))

    assert (ran.stdout, ran.stderr, ran.returncode) == ("fine\n", "", 0)


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize("delay", [0, 0.001, 0.01, 0.03, 0.05, 0.1, 0.2])
def test_a_start_that_is_cancelled_leaves_nothing(peer: Peer, delay: float) -> None:
    async def enter() -> None:
        async with AsyncCodex(config):
            await asyncio.sleep(5)

    async def run() -> None:
        task = asyncio.create_task(enter())
        await asyncio.sleep(delay)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    config = peer("time.sleep(0.1); greet(); wait_for_end()")
    asyncio.run(run())


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize("delay", [0, 0.01, 0.05, 0.2, 0.4])
@pytest.mark.parametrize("script", ["wait_for_end()", "time.sleep(30)"], ids=["leaves", "does not leave"])
def test_a_block_that_is_cancelled_again_and_again_leaves_nothing(peer: Peer, delay: float, script: str) -> None:
    async def use() -> None:
        async with AsyncCodex(config):
            await asyncio.sleep(5)

    async def run() -> None:
        task = asyncio.create_task(use())
        await asyncio.sleep(delay)
        began = time.monotonic()
        while not task.done():  # as a scope of anyio does
            task.cancel()
            await asyncio.sleep(0)
        assert task.cancelled()
        assert time.monotonic() - began < LEAVE_GRACE
        assert asyncio.all_tasks() == {asyncio.current_task()}

    config = peer(f"time.sleep(0.1); greet(); {script}")
    asyncio.run(run())


CANCELLED_CLOSE = """
import asyncio, sys
from codex_app_server import AppServerConfig, AsyncCodex
async def use(started):
    async with AsyncCodex(AppServerConfig(launch_args_override=sys.argv[1:])):
        started.set()
        await asyncio.sleep(5)
async def main(cancels, end):
    asyncio.get_running_loop().slow_callback_duration = 10  # or asyncio complains where the machine has much to do
    started = asyncio.Event()
    task = asyncio.create_task(use(started))
    await started.wait()
    for _ in range(cancels):
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    if end == "waited for":
        await asyncio.wait([task])
for cancels in (1, 2):
    for end in ("waited for", "left to the loop's end"):
        asyncio.run(main(cancels, end))
        print(cancels, end, file=sys.stderr)  # behind what asyncio has to say of it
"""


def test_asyncio_has_nothing_to_say_of_a_close_that_is_cancelled(peer: Peer) -> None:
    ran = child(CANCELLED_CLOSE, *command_of(peer("greet(); wait_for_end(); time.sleep(0.2)")))

    assert ran.stderr == "".join(f"{n} {end}\n" for n in (1, 2) for end in ("waited for", "left to the loop's end"))
    assert ran.returncode == 0


ENDS_BEFORE_THE_SIGNAL = """
import asyncio, os, sys, time
from codex_app_server import AppServerConfig, AsyncCodex
waitid, is_ending = os.waitid, False
def then_it_ends(*arguments):
    status = waitid(*arguments)
    while is_ending and status is None and waitid(*arguments) is None:
        time.sleep(0.001)
    return status
os.waitid = then_it_ends
async def main():
    global is_ending
    asyncio.get_running_loop().slow_callback_duration = 10  # or asyncio complains of the wait
    async with AsyncCodex(AppServerConfig(launch_args_override=sys.argv[1:])) as codex:
        is_ending = True
        transport = codex._driver._transport
        os.kill(transport._process.get_pid(), 9)
        transport.let_go()
asyncio.run(main())
print("fine")
"""


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="it needs os.waitid")
def test_asyncio_has_nothing_to_say_of_a_runtime_that_ends_right_before_a_signal(peer: Peer) -> None:
    ran = child(ENDS_BEFORE_THE_SIGNAL, *command_of(peer("greet(); wait_for_end()")))

    assert (ran.stdout, ran.stderr, ran.returncode) == ("fine\n", "", 0)


ENDED_LOOP = """
import asyncio, sys
from codex_app_server import AppServerConfig, AsyncCodex
async def use():
    async with AsyncCodex(AppServerConfig(launch_args_override=sys.argv[1:])):
        await asyncio.sleep(5)
async def main(steps):
    task = asyncio.create_task(use())
    for _ in range(steps):
        await asyncio.sleep(0)
for steps in range(12):
    asyncio.run(main(steps))
print("fine")
"""


@pytest.mark.slow
def test_a_loop_ends_in_the_midst_of_a_start_that_nobody_waits_for(peer: Peer) -> None:
    ran = child(ENDED_LOOP, *command_of(peer("greet(); wait_for_end()")))

    assert (ran.stdout, ran.returncode) == ("fine\n", 0)


SECOND_LOOP = """
import asyncio, sys, threading, time, warnings
import psutil
from codex_app_server import AppServerConfig, AsyncCodex
warnings.simplefilter("ignore", ResourceWarning)  # asyncio's, for a loop that was closed with open pipes
codex = AsyncCodex(AppServerConfig(launch_args_override=sys.argv[1:]))
async def call():
    await codex.client.request("anything", {})
asyncio.run(call())
process = psutil.Process(codex._driver._transport._process.get_pid())
for _ in range(2):
    try:
        asyncio.run(call())
    except RuntimeError as error:
        print(error)
    asyncio.run(codex.close())
    end = time.monotonic() + 5
    while process.is_running():
        assert time.monotonic() < end
        time.sleep(0.01)
for thread in threading.enumerate():
    if thread.name == "codex-app-server imports":
        thread.join()  # what ends in the midst of an import may hold up asyncio's own finalizers
"""


def test_a_second_event_loop_is_refused_at_once_and_may_close(peer: Peer) -> None:
    ran = child(SECOND_LOOP, *command_of(peer(TALKER)))

    assert ran.stdout == 2 * "this client belongs to another event loop, the one that it was started in\n", ran.stderr
    assert ran.returncode == 0


def test_without_an_event_loop_of_asyncio_there_is_a_reason(peer: Peer) -> None:
    codex = AsyncCodex(peer(TALKER))
    for call in (codex.models, codex.__aenter__):
        with pytest.raises(RuntimeError, match="needs a running asyncio event loop"):
            call().send(None)
    with pytest.raises(RuntimeError, match="needs a running asyncio event loop"):
        codex.map(["So."]).__anext__().send(None)
    with pytest.raises(StopIteration):  # there is nothing to wait for
        codex.close().send(None)
    pool = AsyncCodexPool(peer(TALKER), size=1)
    with pytest.raises(RuntimeError, match="needs a running asyncio event loop"):
        pool.run("So.").send(None)


def test_where_gevent_has_patched_threads_there_is_a_reason(peer: Peer) -> None:
    program = """
        import sys, types
        monkey = types.ModuleType("gevent.monkey")
        monkey.is_module_patched = lambda name: name == "threading"
        sys.modules["gevent.monkey"] = monkey
        from codex_app_server import AppServerConfig, Codex
        try:
            Codex(AppServerConfig(launch_args_override=sys.argv[1:]))
        except RuntimeError as error:
            print(error)
    """
    ran = child(program, *command_of(peer(TALKER)))

    assert ran.stdout.startswith("gevent has patched threads, and this client needs real ones")
    assert ran.stderr == ""


# What is said, kept and copied.


def test_what_belongs_to_a_process_is_not_pickled(peer: Peer) -> None:
    with Codex(peer(TALKER)) as codex:
        thread = codex.thread_start()
        for live in (codex, codex.client, thread, thread.turn(TextInput("1 1"))):
            for put in (pickle.dumps, copy.deepcopy):
                with pytest.raises(TypeError, match="pass its configuration, or the id of a thread"):
                    put(live)
    with pytest.raises(TypeError, match="pass its configuration"):
        pickle.dumps(AsyncCodex(peer(TALKER)))


def test_copies_of_events_keep_what_they_say(peer: Peer) -> None:
    with Codex(peer(TALKER)) as codex:
        (event, *_) = codex.thread_start().turn(TextInput("1 1 off")).stream()
    for copied in (copy.copy(event), copy.deepcopy(event), pickle.loads(pickle.dumps(event))):
        assert copied == event
        assert isinstance(copied.payload, AgentMessageDeltaNotification)
        assert copied.payload.delta == "0x"


def test_what_is_told_of_a_process_ends_with_it(play: Callable[..., None]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        subscription = bare(codex.client).subscribe(process_id="p")
        heard = asyncio.ensure_future(_heard(subscription))
        client = awaited(codex.client)
        result = await client.request(
            "command/exec",
            {"command": [sys.executable, "-c", "print('hello')"], "processId": "p", "streamStdoutStderr": True},
        )
        assert result["exitCode"] == 0
        assert "command/exec/outputDelta" in await asyncio.wait_for(heard, 10)

    play(scene, experimental_api=True)


async def _heard(subscription: Any) -> list[str]:
    if hasattr(subscription, "__aiter__"):
        return [event.method async for event in subscription]
    return await asyncio.to_thread(lambda: [event.method for event in subscription])


def test_two_at_once_on_one_thread_both_get_the_whole_result(codex_binary: Path) -> None:
    with (
        ModelServer(Text("a b c d e f", delay_s=0.1), default=Text("x")) as model,
        Codex(model.config(codex_bin=codex_binary)) as codex,
    ):
        thread = codex.thread_start()
        results: list[Any] = []
        both = [threading.Thread(target=lambda: results.append(thread.run("hi")), daemon=True) for _ in range(2)]
        for each in both:
            each.start()
        for each in both:
            each.join(20)
        assert len(results) == 2
        assert results[0].text == results[1].text
        assert all(result.is_completed for result in results)
