"""What goes wrong in the middle of things: every wait ends, with the right error, and the rest goes on."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from awaited import awaited, bare
from until import until_it_holds

import codex_app_server
from codex_app_server import AppServerConfig, Codex, RequestTimeoutError, TextInput, TransportClosedError
from codex_app_server.sync.waiting import _slept_in_slices, new_sleeper, wake

if TYPE_CHECKING:
    from collections.abc import Callable

    Peer = Callable[..., AppServerConfig]

pytestmark = pytest.mark.usefixtures("leaves_nothing")

# A thread and a turn, and then what a test wants to happen in it.
TURN = """
greet()
write({"id": read()["id"], "result": {"thread": {"id": "t"}}})
write({"id": read()["id"], "result": {"turn": {"id": "a"}}})

def delta(text):
    params = {"threadId": "t", "turnId": "a", "itemId": "i", "delta": text}
    write({"method": "item/agentMessage/delta", "params": params})

def completed():
    turn = {"id": "a", "items": [], "status": "completed"}
    write({"method": "turn/completed", "params": {"threadId": "t", "turn": turn}})
"""


@pytest.fixture
def play(scripted: Callable[..., None]) -> Callable[..., None]:
    """Plays a scene with a client of either kind, whose runtime begins a turn and then does what a script says."""
    return lambda script, scene: scripted(scene, TURN + script)


def test_a_runtime_that_dies_in_a_turn_says_why(play: Callable[..., None]) -> None:
    async def scene(codex: Any) -> None:
        turn = await (await codex.thread_start()).turn(TextInput("go"))
        began = time.monotonic()
        with pytest.raises(TransportClosedError, match="out of memory") as caught:
            await turn.run()
        assert caught.value.exit_code == 7
        assert time.monotonic() - began < 3
        with pytest.raises(TransportClosedError, match="was not sent"):
            await codex.thread_start()

    play("delta('x'); complain('out of memory\\n'); os._exit(7)", scene)


def test_garbage_is_skipped_logged_and_counted(play: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    async def scene(codex: Any) -> None:
        turn = await (await codex.thread_start()).turn(TextInput("go"))
        assert (await turn.run()).text == "ab"
        assert codex.skipped_lines == 4

    script = """
delta("a")
sys.stdout.flush()
os.write(1, b'garbage\\n{"half": \\n\\xff\\xfe{}\\n[1]\\n')
delta("b")
completed()
wait_for_end()
"""
    play(script, scene)
    assert len([each for each in caplog.records if "passed over" in each.message]) == 4


def test_a_line_of_64_mib_goes_through(play: Callable[..., None]) -> None:
    async def scene(codex: Any) -> None:
        turn = await (await codex.thread_start()).turn(TextInput("go"))
        assert len((await turn.run()).text) == 64 << 20

    play("delta('x' * (64 << 20)); completed(); wait_for_end()", scene)


def test_closing_during_a_stream_ends_it(play: Callable[..., None]) -> None:
    async def scene(codex: Any) -> None:
        turn = await (await codex.thread_start()).turn(TextInput("go"))
        waiting = asyncio.ensure_future(turn.run())
        await until_it_holds(lambda: bare(turn)._log.waiting)
        began = time.monotonic()
        await codex.close()
        with pytest.raises(TransportClosedError, match="was closed"):
            await waiting
        assert time.monotonic() - began < 1
        await codex.close()

    play("delta('x'); wait_for_end()", scene)


def test_a_turn_that_is_not_announced_in_time_is_interrupted_when_it_is(play: Callable[..., None]) -> None:
    async def scene(codex: Any) -> None:
        thread = await codex.thread_start()
        await (await thread.turn(TextInput("first"))).run()
        with pytest.raises(RequestTimeoutError):
            await thread.run("second", timeout=0.2)
        assert await awaited(codex.client).request("interrupted") == {"threadId": "t", "turnId": "late"}

    script = """
completed()
late = read()
asked = read()
write({"id": late["id"], "result": {"turn": {"id": "late"}}})
interrupt = read()
assert interrupt["method"] == "turn/interrupt"
write({"id": asked["id"], "result": interrupt["params"]})
wait_for_end()
"""
    play(script, scene)


def test_many_threads_may_use_one_codex(peer: Peer) -> None:
    script = """
greet()
for number in range(40):
    write({"id": read()["id"], "result": {"thread": {"id": str(number)}}})
wait_for_end()
"""
    ids: list[str] = []
    with Codex(peer(script)) as codex:
        threads = [threading.Thread(target=lambda: ids.append(codex.thread_start().id)) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert sorted(map(int, ids)) == list(range(40))


def test_waiting_in_slices_is_waiting() -> None:
    """What Windows does instead of one long wait."""
    sleeper = new_sleeper()
    began = time.monotonic()
    assert not _slept_in_slices(sleeper, 0.25)
    assert 0.25 <= time.monotonic() - began < 2
    threading.Timer(0.25, wake, [sleeper]).start()
    assert _slept_in_slices(sleeper, None)
    wake(sleeper)
    assert _slept_in_slices(sleeper, 0)


PROGRAM = """
import sys, threading, time
sys.path.insert(0, {source!r})
from codex_app_server import *
config = AppServerConfig(launch_args_override={command!r})
codex = Codex(config)
turn = codex.thread_start().turn(TextInput("go"))
def tell():
    while sys._current_frames()[threading.main_thread().ident].f_code.co_name != "sleep":
        time.sleep(0.01)
    print("waiting", flush=True)
threading.Thread(target=tell, daemon=True).start()
try:
    turn.run()
except KeyboardInterrupt:
    print("interrupted", codex.client.request("what was asked"), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to one process there")
def test_ctrl_c_ends_a_wait_and_interrupts_the_turn(peer: Peer) -> None:
    script = """
interrupt = read()
write({"id": read()["id"], "result": interrupt["method"]})
wait_for_end()
"""
    command = list(peer(TURN + script).launch_args_override or [])
    source = str(Path(codex_app_server.__file__).parents[1])
    program = PROGRAM.format(source=source, command=command)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted turn/interrupt\n"
        assert process.wait(10) == 0


def test_a_program_that_forgets_to_close_ends_all_the_same(peer: Peer) -> None:
    program = """
import asyncio, sys
sys.path.insert(0, {source!r})
from codex_app_server import *
async def main():
    codex = AsyncCodex(AppServerConfig(launch_args_override={command!r}))
    print((await codex.thread_start()).id, flush=True)
asyncio.run(main())
"""
    source = str(Path(codex_app_server.__file__).parents[1])
    program = program.format(source=source, command=list(peer(TURN).launch_args_override or []))
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "t\n"
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 10
