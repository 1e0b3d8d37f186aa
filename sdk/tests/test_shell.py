"""``resume``, ``threads``, ``review`` and ``exec``, and answers that fit a schema, on the real binary."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command_line import TIMEOUT_S, command, home_of, running, said, told

from codex_app_server import __version__
from codex_app_server.cli import main
from codex_app_server.testing import ModelServer, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


def test_the_command_has_the_name_of_the_distribution() -> None:
    (script,) = entry_points(group="console_scripts", name="codex-app-server-sdk")
    assert script.load() is main


def test_it_says_its_version() -> None:
    assert said("--version").stdout == f"codex-app-server-sdk {__version__}\n"


def test_a_thread_is_listed_and_gone_on_with(
    model: ModelServer, codex_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env, bin_ = home_of(model), ("--codex-bin", codex_binary)
    assert told("threads", *bin_, env=env).stdout == ""
    model.add(Text("One."), Text("Two."), Text("Three."))
    assert told("run", "The first words", "-C", tmp_path, *bin_, env=env).stdout == "One.\n"
    (line,) = said("threads", "-C", tmp_path, *bin_, env=env).stdout.splitlines()
    thread_id = line.split()[0]
    assert line.endswith("The first words")
    assert said("resume", thread_id, "More", "-C", tmp_path, *bin_, env=env).stdout == "Two.\n"
    assert told("resume", "And more", "-C", tmp_path, *bin_, env=env).stdout == "Three.\n"
    assert [text for text in model.requests[-1].texts if "ore" in text] == ["More", "And more"]
    (listed,) = map(json.loads, told("threads", "--json", *bin_, env=env).stdout.splitlines())
    assert (listed["id"], listed["preview"]) == (thread_id, "The first words")
    assert told("threads", "--search", "nothing like it", *bin_, env=env).stdout == ""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for words in (["More"], ["", "More"]):  # an empty id is none: that of a script that has not set it
        assert told("resume", *words, *bin_, env=env, code=1).stderr.endswith("begun in this directory\n")
    assert told("threads", "--limit", "0", *bin_, env=env).stdout == ""
    assert not running(codex_binary)


def test_where_no_thread_was_begun_none_is_gone_on_with(model: ModelServer, codex_binary: Path, tmp_path: Path) -> None:
    ran = told("resume", "More", "-C", tmp_path, "--codex-bin", codex_binary, env=home_of(model), code=1)
    assert ran.stderr == "error: no thread was begun in this directory\n"
    ran = told("resume", "no-such-thread", "More", "--codex-bin", codex_binary, env=home_of(model), code=1)
    assert ran.stderr.startswith("error: ")


def test_an_answer_fits_a_schema(model: ModelServer, codex_binary: Path, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(SCHEMA))
    words = ("run", "How many?", "--output-schema", schema, "--codex-bin", codex_binary)
    model.add(Text('{"n": 3}'), Text("three"), Text("[" * 100_000))
    assert json.loads(told(*words, env=home_of(model)).stdout) == {"n": 3}
    assert model.requests[0].body["text"]["format"]["schema"] == SCHEMA
    for _ in range(2):
        assert told(*words, env=home_of(model), code=1).stderr.endswith("error: the answer is no JSON\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "is no JSON"), ("[" * 100_000, "is no JSON"), ("[]", "is no object"), (None, "cannot be read")],
    ids=["cut", "deep", "array", "none"],
)
def test_a_schema_that_is_none_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    schema = tmp_path / "schema.json"
    if text is not None:
        schema.write_text(text)
    assert words in told("run", "x", "--output-schema", schema, code=2).stderr


def test_what_a_terminal_would_obey_is_complained_of_as_an_escape() -> None:
    for words in (("exec", "-C", "\x1b[2J", "--", "true"), ("threads", "--limit", "\x1b[2J"), ("threads", "\x1b[2J")):
        said = told(*words, code=2).stderr
        assert "\\x1b[2J" in said
        assert "\x1b" not in said


def test_changes_are_reviewed(model: ModelServer, codex_binary: Path, tmp_path: Path) -> None:
    model.add(Text("Nothing to complain about."))
    ran = said("review", "the whole of it", "-C", tmp_path, "--codex-bin", codex_binary, env=home_of(model))
    assert "Nothing to complain about." in ran.stdout


def of_python(binary: Path, script: str) -> tuple[str | Path, ...]:
    """A command of its own for ``exec``, without a sandbox."""
    return ("--sandbox", "danger-full-access", "--codex-bin", binary, "--", sys.executable, "-c", script)


class TestExec:
    def test_a_command_has_its_streams_and_its_exit_code(self, codex_binary: Path, home: dict[str, str]) -> None:
        script = "import sys; print(sys.stdin.read().upper()); print('oh', file=sys.stderr); sys.exit(7)"
        ran = said("exec", *of_python(codex_binary, script), env=home, stdin="héllo", code=7)
        assert (ran.stdout, ran.stderr) == ("HÉLLO\n", "oh\n")

    def test_bytes_are_bytes_however_many(self, codex_binary: Path, home: dict[str, str]) -> None:
        script = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 20_000)"
        ran = subprocess.run(
            command("exec", *of_python(codex_binary, script)),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
            check=True,
            env={**os.environ, **home},
        )
        assert ran.stdout == bytes(range(256)) * 20_000

    def test_it_may_take_so_long(self, codex_binary: Path, home: dict[str, str]) -> None:
        script = "import time; time.sleep(60)"
        said("exec", "--timeout", "0.5", *of_python(codex_binary, script), env=home, code=124)

    def test_who_does_not_read_its_input_is_not_held_up_by_it(self, codex_binary: Path, home: dict[str, str]) -> None:
        ran = subprocess.Popen(
            command("exec", *of_python(codex_binary, "print('done')")),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **home},
        )
        assert ran.stdout is not None
        with ran:
            assert ran.stdout.read() == f"done{os.linesep}".encode()
            assert ran.wait(TIMEOUT_S) == 0  # with its input still open


@pytest.mark.parametrize(
    "words",
    [("threads", "--limit", "-1"), ("exec", "--timeout", "-1", "ls"), ("review", "--base", "main", "--commit", "a")],
)
def test_words_that_make_no_sense_are_refused(words: tuple[str, ...]) -> None:
    assert "usage: " in told(*words, code=2).stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("run", ["Have Codex do something, and show how it does it."]),
        ("resume", ["[OPTION ...] [thread] prompt", "Have Codex do something more in a thread."]),
        ("exec", ["[OPTION ...] -- WORD [WORD ...]", "Run a command in Codex's sandbox, without a model."]),
        ("acp", ["needs the extra acp."]),
    ],
)
def test_help_says_what_a_command_is_for_and_how_its_words_stand(
    command: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert all(each in shown for each in words), shown


@pytest.mark.skipif(os.name == "nt", reason="words are Unicode there")
@pytest.mark.parametrize(
    "words",
    [
        ("run", "--model", b"\xff", "go"),
        ("threads", "--search", b"\xff"),
        ("review", "--base", b"\xff"),
        ("review", "--commit", b"\xff"),
        ("exec", "--", "echo", b"\xff"),
    ],
)
def test_words_that_the_runtime_cannot_be_told_are_refused(words: tuple[str | bytes, ...]) -> None:
    ran = told(*map(os.fsdecode, words), code=2)
    assert r"'\udcff' is no Unicode" in ran.stderr


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_directory_that_the_runtime_cannot_be_told_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / os.fsdecode(b"\xff")
    try:
        directory.mkdir()
    except OSError:
        return  # names are Unicode on this system too
    assert "is no Unicode" in told("threads", "-C", directory, code=2).stderr


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_where_the_directory_cannot_be_told_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the runtime, a command there would never get an answer."""
    directory = tmp_path / os.fsdecode(b"\xff")
    try:
        directory.mkdir()
    except OSError:
        return  # names are Unicode on this system too
    monkeypatch.chdir(directory)
    for words in (("exec", "--", "true"), ("resume", "go on")):
        line = told(*words, code=1).stderr
        assert line.startswith(f"error: the current directory {str(directory)!a} is no Unicode")
        assert line.endswith("; go to another one, or name one with -C\n")


@pytest.mark.skipif(os.name == "nt", reason="words are Unicode there")
@pytest.mark.slow
def test_words_in_utf_8_are_understood_where_the_encoding_is_ascii(
    model: ModelServer, codex_binary: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "Köln"
    directory.mkdir()
    env = {**home_of(model), "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "utf-8"}
    said("run", "Grüße ☃", "-C", directory, "--codex-bin", codex_binary, env=env)
    assert "Grüße ☃" in model.requests[0].texts
    words = ("exec", "-C", directory, "--sandbox", "danger-full-access", "--codex-bin", codex_binary)
    assert said(*words, "--", "sh", "-c", 'pwd; echo "$0"', "☃", env=env).stdout == f"{directory}\n☃\n"


def test_a_limit_may_be_beyond_all_numbers_of_threads(model: ModelServer, codex_binary: Path) -> None:
    assert told("threads", "--limit", "9" * 30, "--codex-bin", codex_binary, env=home_of(model)).stdout == ""
