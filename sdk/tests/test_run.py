"""``python -m codex_app_server run`` on the real binary, where it is no terminal."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import TIMEOUT_S, command, home_of, running, said, told
from until import until

from codex_app_server.testing import Failure, ModelServer, Text, ToolCall

UNSANDBOXED = 'sandbox_mode = "danger-full-access"\napproval_policy = "never"'
NEVER_ENDING = Text("word " * 600, delay_s=0.1)
UNBOXED = ("--sandbox", "danger-full-access")


def escalated(line: str) -> ToolCall:
    """A command that needs an approval."""
    arguments = {"cmd": line, "sandbox_permissions": "require_escalated", "justification": "It is needed."}
    return ToolCall("exec_command", arguments)


def test_the_embedded_model_repeats_the_prompt(codex_binary: Path) -> None:
    ran = said("run", "Say héllo to me", "--embedded", "--codex-bin", codex_binary)
    assert "You said: Say héllo to me\n" in ran.stdout
    assert ran.stdout.endswith(".\n")
    (line,) = ran.stderr.splitlines()
    assert line.startswith("the model is embedded")
    assert not running(codex_binary)


def test_text_comes_as_it_is_said(codex_binary: Path) -> None:
    ran = subprocess.Popen(
        command("run", "hello", "--embedded", "--codex-bin", codex_binary),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert ran.stdout is not None
    with ran, ran.stdout as pipe:
        pieces = list(iter(lambda: os.read(pipe.fileno(), 65536), b""))
    assert ran.returncode == 0
    assert len(pieces) > 10
    assert pieces[0] == b"Hello! "


def test_every_event_is_a_line_of_json(codex_binary: Path) -> None:
    ran = said("run", "hello", "--embedded", "--json", "--codex-bin", codex_binary)
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    assert all(set(event) == {"method", "params"} for event in events)
    assert events[0]["method"] == "turn/started"
    assert events[-1]["method"] == "turn/completed"
    assert events[-1]["params"]["turn"]["status"] == "completed"
    deltas = [event["params"]["delta"] for event in events if event["method"] == "item/agentMessage/delta"]
    assert "You said: hello\n" in "".join(deltas)
    assert len(ran.stderr.splitlines()) == 1


def test_a_prompt_from_standard_input(codex_binary: Path, codex_model_server: ModelServer) -> None:
    env = home_of(codex_model_server)
    said("run", "-", "--codex-bin", codex_binary, env=env, stdin="from a pipe\nand more ✓\n")
    assert "from a pipe\nand more ✓" in codex_model_server.requests[0].texts


@pytest.mark.skipif(os.name == "nt", reason="no pipe there is non-blocking for who reads it")
@pytest.mark.parametrize("words", [["run", "-", "--embedded"], ["exec", *UNBOXED, "--", "cat"]])
def test_a_pipe_that_somebody_has_set_to_non_blocking_is_read_to_its_end(codex_binary: Path, words: list[str]) -> None:
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    with subprocess.Popen(
        command(*words[:1], "--codex-bin", codex_binary, *words[1:]),
        stdin=ours,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as ran:
        os.close(ours)
        with pytest.raises(subprocess.TimeoutExpired):
            ran.wait(0.5)  # there is nothing yet
        os.write(theirs, b"from a pipe")
        os.close(theirs)
        out, complaints = ran.communicate(timeout=TIMEOUT_S)
    assert (ran.returncode, b"from a pipe" in out) == (0, True), complaints


def test_options_reach_the_turn(codex_binary: Path, codex_model_server: ModelServer, tmp_path: Path) -> None:
    words = ["-C", str(tmp_path), "--model", "gpt-5-mini", "--sandbox", "read-only"]
    ran = told("run", "go", *words, "--codex-bin", codex_binary, env=home_of(codex_model_server))
    body = codex_model_server.requests[0].body
    assert body["model"] == "gpt-5-mini"
    assert str(tmp_path) in json.dumps(body["input"])
    assert "read-only" in json.dumps(body["input"])
    assert (ran.stdout, ran.stderr) == ("Done.\n", "")


def test_commands_and_file_changes_are_a_line_each(
    codex_binary: Path, codex_model_server: ModelServer, tmp_path: Path
) -> None:
    patch = "*** Begin Patch\n*** Add File: new.txt\n+hello\n*** End Patch\n"
    codex_model_server.add(
        ToolCall("exec_command", {"cmd": "exit 3"}),
        ToolCall("exec_command", {"cmd": f"apply_patch <<'EOF'\n{patch}EOF\n"}),
        Text("All done."),
    )
    words = ["-C", str(tmp_path), "--codex-bin", str(codex_binary)]
    ran = told("run", "go", *words, env=home_of(codex_model_server, UNSANDBOXED))
    assert ran.stdout == "All done.\n"
    ran_command, its_end, files = ran.stderr.splitlines()
    assert ran_command.startswith("$ ")
    assert "exit 3" in ran_command
    assert its_end == "  failed, exit code 3"
    assert files == f"files: add {tmp_path / 'new.txt'}"
    assert (tmp_path / "new.txt").read_text(encoding="utf-8") == "hello\n"


@pytest.mark.parametrize("as_json", [False, True])
def test_where_nobody_can_be_asked_the_answer_is_no(
    codex_binary: Path, codex_model_server: ModelServer, tmp_path: Path, as_json: bool
) -> None:
    codex_model_server.add(escalated("touch made"), Text("A pity."))
    words = ["-C", str(tmp_path), "--codex-bin", str(codex_binary), *(["--json"] if as_json else [])]
    ran = told("run", "go", *words, env=home_of(codex_model_server, 'approval_policy = "on-request"'), stdin="y\n")
    (line,) = (line for line in ran.stderr.splitlines() if "declined, " in line)
    assert "nobody can be asked: to run a command: " in line
    assert "touch made" in line
    assert not (tmp_path / "made").exists()


def test_a_failed_turn_is_one_line_and_exit_code_1(codex_binary: Path, codex_model_server: ModelServer) -> None:
    codex_model_server.add(Failure(400, "no such model"))
    ran = told("run", "go", "--codex-bin", codex_binary, env=home_of(codex_model_server), code=1)
    (line,) = ran.stderr.splitlines()
    assert line.startswith("error: the turn failed: ")
    assert "no such model" in line


def test_no_runtime_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    ran = told("run", "go", "--codex-bin", tmp_path / "nothing", code=1)
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert line.startswith("error: codex_bin ")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["run", "go", "-C", "nowhere"], "nowhere is not a directory"),
        (["run", "go", "--sandbox", "none"], "invalid choice: 'none'"),
        (["run", "  "], "the prompt is empty"),
        (["run", "-"], "the prompt is empty"),
        (["run"], "required: prompt"),
        ([], "required: COMMAND"),
    ],
)
def test_words_that_make_no_sense_are_exit_code_2(words: list[str], complaint: str) -> None:
    assert complaint in told(*words, code=2).stderr


def test_when_nobody_reads_any_more_it_ends_quietly(codex_binary: Path, codex_model_server: ModelServer) -> None:
    codex_model_server.add(NEVER_ENDING)
    ran = subprocess.Popen(
        command("run", "go", "--codex-bin", codex_binary),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **home_of(codex_model_server)},
    )
    assert ran.stdout is not None
    assert ran.stderr is not None
    assert ran.stdout.read(5) == b"word "
    ran.stdout.close()
    with ran, ran.stderr as pipe:
        assert pipe.read() == b""
    assert ran.returncode == 1
    assert not running(codex_binary)


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals")
class TestSignals:
    def test_ctrl_c_interrupts_the_turn(self, codex_binary: Path, codex_model_server: ModelServer) -> None:
        codex_model_server.add(NEVER_ENDING)
        ran = self._started(codex_binary, home_of(codex_model_server))
        assert ran.stdout is not None
        assert ran.stdout.read(5) == b"word "
        self._interrupt(ran)
        assert not running(codex_binary)

    @pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
    @pytest.mark.usefixtures("usual_signals")
    def test_so_does_what_ends_a_program_from_outside(
        self, codex_binary: Path, codex_model_server: ModelServer, name: str
    ) -> None:
        codex_model_server.add(NEVER_ENDING)
        ran = self._started(codex_binary, home_of(codex_model_server))
        assert ran.stdout is not None
        assert ran.stdout.read(5) == b"word "
        ran.send_signal(signal.Signals[name])
        _, complaint = ran.communicate(timeout=TIMEOUT_S)
        assert ran.returncode == 128 + signal.Signals[name], complaint
        assert complaint == f"ended by {name}\n".encode()
        assert not running(codex_binary)

    def test_and_what_the_turn_had_started(
        self, codex_binary: Path, codex_model_server: ModelServer, tmp_path: Path
    ) -> None:
        seconds = f"{10_000 + os.getpid()}.25"
        codex_model_server.add(ToolCall("exec_command", {"cmd": f"sleep {seconds}", "yield_time_ms": 30_000}))
        ran = self._started(codex_binary, home_of(codex_model_server, UNSANDBOXED))
        until(lambda: running(seconds))
        self._interrupt(ran)
        until(lambda: not running(seconds))
        assert not running(codex_binary)

    @pytest.mark.parametrize("after_s", [0.0, 0.15, 0.3, 0.6])
    def test_at_any_time(self, codex_binary: Path, codex_model_server: ModelServer, after_s: float) -> None:
        """Python itself may say how it ends before the command has begun; nothing is left in any case."""
        codex_model_server.add(NEVER_ENDING)
        ran = self._started(codex_binary, home_of(codex_model_server))
        with pytest.raises(subprocess.TimeoutExpired):
            ran.wait(after_s)
        ran.send_signal(signal.SIGINT)
        ran.communicate(timeout=TIMEOUT_S)
        assert ran.returncode in {130, 1, -signal.SIGINT}
        assert not running(codex_binary)

    def test_a_runtime_that_is_killed_is_one_line(self, codex_binary: Path, codex_model_server: ModelServer) -> None:
        codex_model_server.add(NEVER_ENDING)
        ran = self._started(codex_binary, home_of(codex_model_server))
        assert ran.stdout is not None
        assert ran.stdout.read(5) == b"word "
        (runtime,) = (pid for pid in running(codex_binary) if pid != ran.pid)
        os.kill(runtime, signal.SIGKILL)
        _, complaint = ran.communicate(timeout=TIMEOUT_S)
        assert ran.returncode == 1
        assert len(complaint.splitlines()) == 1
        assert b"the runtime was ended by SIGKILL" in complaint

    def _started(self, codex_binary: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command("run", "go", "--codex-bin", codex_binary),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **env},
        )

    def _interrupt(self, ran: subprocess.Popen[bytes]) -> None:
        ran.send_signal(signal.SIGINT)
        _, complaint = ran.communicate(timeout=TIMEOUT_S)
        assert ran.returncode == 130, complaint
        assert complaint.endswith(b"interrupted\n")
        assert b"Traceback" not in complaint


def test_importing_the_commands_loads_no_model() -> None:
    program = "import sys; from codex_app_server import cli; print('pydantic' in sys.modules, 'asyncio' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "False False\n"


@pytest.mark.skipif(os.name == "nt", reason="the shell there cannot close a stream")
@pytest.mark.parametrize(
    ("words", "closed", "code"),
    [
        (["run", "x", "--embedded"], ">&-", 0),
        (["run", "x", "--embedded"], "2>&-", 0),
        (["run", "x", "--embedded"], "<&-", 0),
        (["run", "x", "--embedded", "--json"], "<&- >&- 2>&-", 0),
        (["run", "-", "--embedded"], "<&-", 2),
        (["run", "-", "--embedded"], "0> /dev/null", 1),
        (["exec", *UNBOXED, "--", "cat"], "0> /dev/null", 0),
        (["doctor"], ">&- 2>&-", 0),
        (["frobnicate"], "2>&-", 2),
        (["run", "x", "--embedded"], "> /dev/full", 1),
        (["doctor"], "> /dev/full", 1),
    ],
)
def test_a_missing_stream_is_no_traceback(codex_binary: Path, words: list[str], closed: str, code: int) -> None:
    if "/dev/full" in closed and not Path("/dev/full").exists():
        return  # only Linux has it
    binary = [] if words[0] == "frobnicate" else ["--codex-bin", str(codex_binary)]
    line = f"{shlex.join(command(*words[:1], *binary, *words[1:]))} {closed}"
    ran = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert ran.returncode == code, ran.stderr
    assert "Traceback" not in ran.stderr + ran.stdout
    assert "Exception ignored" not in ran.stderr
    assert len(ran.stderr.splitlines()) <= 2
