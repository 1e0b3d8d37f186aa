"""Commands in the runtime's sandbox, without a thread, on the real binary."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from codex_app_server import (
    AsyncCodex,
    Codex,
    CommandResult,
    InvalidRequestError,
    TransportClosedError,
    WaitTimeoutError,
)
from codex_app_server.events import Notification
from codex_app_server.generated import DangerFullAccessSandboxPolicy
from codex_app_server.handles.commands import CommandFold, exec_params
from codex_app_server.testing import ModelServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("leaves_nothing")


def python(program: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-u", "-c", program]


WAITS = python("import time; print('waits', flush=True); time.sleep(60)")
ECHOES = python("import sys\nfor line in sys.stdin: print('got', line, end='', flush=True)\nprint('end')")


def test_what_it_writes_comes_as_it_writes_it(play: Callable[..., None], tmp_path: Path) -> None:
    program = "import os, sys; print(os.getcwd(), os.environ['A'], 'HOME' in os.environ); sys.exit('why')"

    async def scene(codex: Any, _: ModelServer) -> None:
        command = await codex.command(python(program), cwd=tmp_path, env={"A": "b", "HOME": None})
        pieces = [piece async for piece in command.stream()]
        assert "".join(piece.text for piece in pieces if piece.stream == "stdout").split() == [
            str(tmp_path),
            "b",
            "False",
        ]
        assert b"".join(piece.data for piece in pieces if piece.stream == "stderr").strip() == b"why"
        result = await command.wait()
        assert isinstance(result, CommandResult)
        assert (result.exit_code, command.exit_code, result.is_cut) == (1, 1, False)
        assert (result.text.split()[1], result.error_text.strip()) == ("b", "why")
        assert [piece async for piece in command.stream()] == []
        await command.terminate()

    play(scene)


def test_it_can_be_talked_to(play: Callable[..., None]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        async with await codex.command(ECHOES, stdin=True) as command:
            assert command.exit_code is None
            heard = []
            await command.write("one\n")
            async for piece in command.stream():
                heard.append(piece.text)
                break
            await command.write("zwölf\n".encode())
            await command.close_stdin()
            heard += [piece.text async for piece in command.stream()]
            assert "".join(heard).split() == ["got", "one", "got", "zwölf", "end"]
            assert (await command.wait()).exit_code == 0
            with pytest.raises(InvalidRequestError, match="no active command"):
                await command.write("three")

    play(scene)


@pytest.mark.skipif(sys.platform == "win32", reason="stty and its like are not there")
def test_it_has_a_terminal_if_it_wants_one(play: Callable[..., None]) -> None:
    program = "import os, sys\nfor _ in sys.stdin: print(*os.get_terminal_size(), os.isatty(1), flush=True)"

    async def scene(codex: Any, _: ModelServer) -> None:
        async with await codex.command(python(program), tty=(70, 20)) as command:
            await command.write("\n")
            seen = ""
            async for piece in command.stream():
                seen += piece.text
                if "True" in seen:
                    break
            await command.resize(90, 30)
            await command.write("\n\x04")
            result = await command.wait(timeout=30)
        assert "70 20 True" in result.text
        assert "90 30 True" in result.text
        with pytest.raises(ValueError, match="65535"):
            await command.resize(0, 5)

    play(scene)


def test_it_ends_when_its_time_is_up_or_it_is_told_to(play: Callable[..., None]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        assert (await (await codex.command(WAITS, timeout=0.5)).wait()).exit_code == 124

        command = await codex.command(WAITS)
        async for piece in command.stream():
            assert piece.text.strip() == "waits"
            break
        await command.terminate()
        assert (await command.wait()).exit_code == 137

        begun = time.monotonic()
        command = await codex.command(WAITS)
        with pytest.raises(WaitTimeoutError, match="the command did not end in time"):
            await command.wait(timeout=0.3)
        assert (await command.wait()).exit_code == 137

        async with await codex.command(WAITS) as left:
            pass
        assert (await left.wait()).exit_code == 137
        assert time.monotonic() - begun < 20

    play(scene)


def test_a_wait_that_is_cancelled_ends_the_command(codex_binary: Path) -> None:
    async def scene(model: ModelServer) -> None:
        async with AsyncCodex(model.config(codex_bin=codex_binary)) as codex:
            command = await codex.command(WAITS)
            task = asyncio.create_task(command.wait())
            await asyncio.wait({task}, timeout=0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await command.wait(timeout=20)).exit_code == 137

    with ModelServer() as model:
        asyncio.run(scene(model))


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot interrupt itself there")
def test_ctrl_c_in_a_wait_ends_the_command(codex_binary: Path) -> None:
    with ModelServer() as model, Codex(model.config(codex_bin=codex_binary)) as codex:
        command = codex.command(WAITS)
        next(command.stream())
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            command.wait()
        timer.join()
        assert command.wait(timeout=20).exit_code == 137


def test_the_sandbox_holds_unless_it_is_lifted(play: Callable[..., None], tmp_path: Path) -> None:
    touch = python(f"open({str(tmp_path / 'made')!r}, 'w')")

    async def scene(codex: Any, _: ModelServer) -> None:
        assert (await (await codex.command(touch)).wait()).exit_code == 1
        assert not (tmp_path / "made").exists()
        lifted = await codex.command(touch, sandbox_policy=DangerFullAccessSandboxPolicy())
        assert (await lifted.wait()).exit_code == 0
        assert (tmp_path / "made").exists()

    play(scene)


def test_only_so_much_is_kept(play: Callable[..., None]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        result = await (await codex.command(python("print('x' * 100_000)"), output_limit=1000)).wait()
        assert (result.exit_code, len(result.stdout), result.is_cut) == (0, 1000, True)

    play(scene)


def test_many_run_at_once(play: Callable[..., None]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        commands = [await codex.command(python(f"print({number})")) for number in range(12)]
        results = await asyncio.gather(*(command.wait() for command in commands))
        assert [result.text.strip() for result in results] == [str(number) for number in range(12)]

    play(scene)


def test_a_runtime_that_dies_ends_the_wait(codex_binary: Path) -> None:
    with ModelServer() as model, Codex(model.config(codex_bin=codex_binary)) as codex:
        command = codex.command(WAITS)
        next(command.stream())
        codex.close()
        with pytest.raises(TransportClosedError, match=r"process command-\w+ did not end"):
            command.wait()


def test_what_is_no_command_is_refused(play: Callable[..., None]) -> None:
    wrongs: list[tuple[Any, dict[str, Any], str]] = [
        ("ls -l", {}, "a list of words"),
        ([], {}, "one word"),
        (["ls"], {"timeout": -1}, "timeout"),
        (["ls"], {"tty": (0, 1)}, "columns"),
    ]

    async def scene(codex: Any, _: ModelServer) -> None:
        for argv, options, error in wrongs:
            with pytest.raises((TypeError, ValueError), match=error):
                await (await codex.command(argv, **options)).wait()
        with pytest.raises(InvalidRequestError):
            await (await codex.command([5])).wait()

    play(scene)


def test_a_character_may_be_cut_in_two() -> None:
    fold = CommandFold()
    pieces = [b"a\xc3", b"\xb6b", b"\xff"]
    seen = [
        fold.add(
            Notification(
                "command/exec/outputDelta",
                {"stream": "stdout", "deltaBase64": base64.b64encode(data).decode(), "capReached": False},
            )
        )
        for data in pieces
    ]
    assert [piece.text for piece in seen if piece] == ["a", "öb", "�"]
    assert [piece.data for piece in seen if piece] == pieces
    assert fold.add(Notification("warning", {})) is None
    assert fold.result({"exitCode": 0}).stdout == b"a\xc3\xb6b\xff"


def test_a_command_without_a_limit_has_none() -> None:
    params = exec_params(
        ["ls"], cwd=None, env=None, sandbox_policy=None, stdin=False, tty=os.terminal_size((80, 24)), timeout=None,
        output_limit=None,
    )  # fmt: skip
    assert params["disableTimeout"] is True
    assert params["size"] == {"cols": 80, "rows": 24}
    assert "timeoutMs" not in params
