"""What a person at a terminal is asked, and what their answer does; on the real binary."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from command_line import AtTerminal, home_of, running
from command_line import command as codex_command

from codex_app_server.approvals.asking import AskOnTerminal, change_lines, told_changes
from codex_app_server.approvals.requests import CommandApproval, changes_of
from codex_app_server.terminal import Terminal, lines_of, shortened, visible
from codex_app_server.testing import ModelServer, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from codex_app_server.protocol.messages import JsonValue

    Play = Callable[..., AtTerminal]

SETTINGS = 'approval_policy = "on-request"\nsandbox_mode = "read-only"'
FEATURES = "request_permissions_tool = true"
QUESTION = "Allow it? [y]es, [a]lways in this session, [N]o: "
PATCH = "*** Begin Patch\n*** Add File: made\n+hello\n*** End Patch\n"

at_terminal = pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals")


def command(line: str) -> ToolCall:
    arguments = {"cmd": line, "sandbox_permissions": "require_escalated", "justification": "It is needed."}
    return ToolCall("exec_command", arguments)


@pytest.fixture
def play(codex_binary: Path, codex_model_server: ModelServer, tmp_path: Path) -> Play:
    """Starts a run at a terminal whose model calls some tools and then says "Well."."""

    def start(*calls: ToolCall) -> AtTerminal:
        codex_model_server.add(*calls, Text("Well."))
        words = ["run", "go", "-C", str(tmp_path), "--codex-bin", str(codex_binary)]
        return AtTerminal(codex_command(*words), home_of(codex_model_server, SETTINGS, FEATURES))

    return start


@at_terminal
class TestAnswers:
    def test_a_command_runs_after_a_clear_yes_alone(self, play: Play, tmp_path: Path) -> None:
        typed = {"y\n": True, "n\n": False, "YES\n": True, "\x04": False, "a\n": True, "\n": False, "yup\n": False}
        run = play(*(command(f"touch made-{number}") for number in range(len(typed))))
        for number, answer in enumerate(typed):
            run.wait_for(QUESTION)
            asked = run.shown.rpartition("Codex wants to run a command:\n")[2]
            assert f"touch made-{number}" in asked
            assert f"\n  in {tmp_path}\n  because: It is needed.\n" in asked
            run.type(answer)
        assert run.end() == 0
        assert run.shown.endswith("Well.\n")
        _, *ran = f"\n{run.shown}".split("\n$ ")
        for number, (shown, happens) in enumerate(zip(ran, typed.values(), strict=True)):
            assert (tmp_path / f"made-{number}").exists() is happens
            assert ("  declined" in shown.splitlines()) is not happens

    def test_files_are_changed_after_a_yes_alone(self, play: Play, tmp_path: Path) -> None:
        run = play(*[ToolCall("exec_command", {"cmd": f"apply_patch <<'EOF'\n{PATCH}EOF\n"})] * 2)
        for answer in ("n\n", "y\n"):
            run.wait_for(QUESTION)
            asked = run.shown.rpartition("Codex wants to change files:\n")[2]
            assert asked.startswith(f"    add {tmp_path / 'made'}\n      hello\n")
            assert not (tmp_path / "made").exists()
            run.type(answer)
        assert run.end() == 0
        assert (tmp_path / "made").exists()

    def test_permissions_are_granted_for_the_turn_or_the_session(
        self, play: Play, codex_model_server: ModelServer
    ) -> None:
        wish = {"reason": "To look it up.", "permissions": {"network": {"enabled": True}}}
        granted = {"n\n": None, "y\n": '"scope":"turn"', "a\n": '"scope":"session"'}
        run = play(*[ToolCall("request_permissions", wish)] * len(granted))
        for answer in granted:
            run.wait_for(QUESTION)
            asked = run.shown.rpartition("Codex wants to have more permissions:\n")[2]
            assert asked.startswith('    {"network": {"enabled": true}}\n')
            assert "\n  because: To look it up.\n" in asked
            run.type(answer)
        assert run.end() == 0
        outputs = codex_model_server.requests[-1].tool_outputs.values()
        for told, scope in zip(map(str, outputs), granted.values(), strict=True):
            assert ('"enabled":true' in told) is (scope is not None)
            assert scope is None or scope in told

    def test_always_is_not_asked_again(self, play: Play, tmp_path: Path) -> None:
        run = play(command("touch made"), command("touch made"))
        run.wait_for(QUESTION)
        run.type("a\n")
        assert run.end() == 0
        assert run.shown.count(QUESTION) == 1
        assert run.shown.count("$ ") == 2

    def test_yes_is_asked_again(self, play: Play, tmp_path: Path) -> None:
        run = play(command("touch made"), command("touch other"))
        for answer in ("y\n", "n\n"):
            run.wait_for(QUESTION)
            run.type(answer)
        assert run.end() == 0
        assert (tmp_path / "made").exists()
        assert not (tmp_path / "other").exists()

    def test_what_was_typed_before_the_question_is_no_answer(self, play: Play, tmp_path: Path) -> None:
        run = play(command("touch made"))
        run.type("y\ny\n")
        run.wait_for(QUESTION)
        run.type("n\n")
        assert run.end() == 0
        assert not (tmp_path / "made").exists()

    def test_nothing_can_hide_a_part_of_the_question(self, play: Play) -> None:
        run = play(command("touch made # \x1b[2K\x1b[1A\u202e\x9b2K harmless"))
        run.wait_for(QUESTION)
        run.type("n\n")
        assert run.end() == 0
        assert "\\x1b[2K\\x1b[1A\\u202e\\x9b2K harmless" in run.shown
        assert "\x1b" not in run.shown

    def test_ctrl_c_at_the_question_leaves_nothing(self, play: Play, codex_binary: Path, tmp_path: Path) -> None:
        run = play(command("touch made"))
        run.wait_for(QUESTION)
        run.interrupt()
        assert run.end() == 130
        assert run.shown.endswith("\ninterrupted\n")
        assert not (tmp_path / "made").exists()
        assert not running(codex_binary)


@at_terminal
def test_three_hundred_blank_lines_do_not_hide_what_is_asked(play: Play) -> None:
    run = play(command("\n" * 300 + "true\u3164; touch made"))
    run.wait_for(QUESTION)
    *_, asked = run.shown.partition("Codex wants to run a command:")
    assert len(asked.splitlines()) < 12
    assert "blank lines)" in asked
    assert "true\\u3164; touch made" in asked
    run.type("n\n")
    run.end()


@at_terminal
def test_a_long_command_is_named_again_before_the_question(play: Play) -> None:
    run = play(command("".join(f"echo {number}\n" for number in range(60))))
    run.wait_for(QUESTION)
    *_, heading, _ = run.shown.splitlines()
    assert heading.startswith("Codex wants to run a command: the ")
    run.type("n\n")
    run.end()


@at_terminal
def test_agents_text_cannot_turn_the_direction_of_writing(
    codex_binary: Path, codex_model_server: ModelServer, tmp_path: Path
) -> None:
    codex_model_server.add(Text("safe \u202etxt.exe\u2066 \u061cאבגד"))
    words = ["run", "go", "-C", str(tmp_path), "--codex-bin", str(codex_binary)]
    run = AtTerminal(codex_command(*words), {**home_of(codex_model_server), "PYTHONUTF8": "1"})
    run.wait_for("אבגד")
    assert run.end() == 0
    assert "safe \\u202etxt.exe\\u2066 \\u061cאבגד" in run.shown


class Asked(Terminal):
    """Keeps what is asked, and says no."""

    can_ask = True

    def __init__(self) -> None:
        self.lines: list[str] = []

    def ask(self, lines: Iterable[str], question: str) -> str:
        self.lines = list(lines)
        return "n"


@pytest.mark.parametrize(
    ("said", "first", "last"),
    [
        ({}, "Codex wants to run a command:", "    rm x"),
        ({"kind": "newKind"}, "Codex wants to run a command (newKind):", "    rm x"),
        ({"reason": "z" * 5_000}, "Codex wants to run a command:", "Codex wants to run a command: the 2 lines above"),
    ],
)
def test_a_question_says_what_it_is_about(said: dict[str, Any], first: str, last: str) -> None:
    asked = Asked()
    assert AskOnTerminal(asked)(CommandApproval(thread_id="t", command="rm x", **said)) == "decline"
    assert (asked.lines[0], asked.lines[-1]) == (first, last)


class TestWords:
    def test_characters_that_cannot_be_seen_are_spelled(self) -> None:
        assert visible("a\x1b[2J\r\n\u202eb\x7f é ✓ 日本\xa0x") == "a\\x1b[2J\\r\\n\\u202eb\\x7f é ✓ 日本\\xa0x"

    @pytest.mark.parametrize(
        "char", "\u3164\u2800\ufe0f\u034f\v\f\x85\u2028\u2029\u115f\u1160\uffa0\u200b\u2060\ufeff\xad\u3000"
    )
    def test_what_looks_like_nothing_or_like_a_space_is_spelled(self, char: str) -> None:
        spelled = char.encode("unicode_escape").decode()
        assert visible(f"rm{char}x") == f"rm{spelled}x"
        assert lines_of(f"rm{char}x\n") == [f"rm{char}x"]
        changes = changes_of([{"path": "a", "kind": {"type": "add"}, "diff": f"1{char}2"}])
        assert change_lines(changes)[1:] == [f"      1{char}2"]

    def test_blanks_push_nothing_out_of_sight(self) -> None:
        assert lines_of("\n" * 300 + "rm x\n\ny") == ["(300 blank lines)", "rm x", "", "y"]
        assert lines_of("ls" + " " * 5_000 + "; rm x") == ["ls (5000 spaces) ; rm x"]
        assert shortened("\n" * 300 + "rm x\n \ny") == "rm x ⏎ y"
        assert lines_of("") == []

    def test_nor_do_they_in_any_other_line(self) -> None:
        shown = io.StringIO()
        Terminal(io.StringIO(), io.StringIO(), shown).note("  because: x" + " " * 5_000 + "y")
        assert shown.getvalue() == "  because: x (5000 spaces) y\n"

    def test_a_diff_is_shown_as_it_is_set_in(self) -> None:
        shown = io.StringIO()
        (_, *lines) = change_lines(changes_of([{"path": "a", "kind": {"type": "add"}, "diff": " " * 39 + "x\n"}]))
        Terminal(io.StringIO(), io.StringIO(), shown).note(*lines)
        assert shown.getvalue() == " " * 45 + "x\n"

    def test_long_lines_are_cut(self) -> None:
        assert shortened("a\nb") == "a ⏎ b"
        assert shortened("x" * 300) == "x" * 99 + "…"

    def test_changes_are_told_by_kind_and_path(self) -> None:
        said: JsonValue = [
            {"path": "a", "kind": {"type": "add"}, "diff": "1\n2\n"},
            {"path": "b", "kind": {"type": "update", "move_path": "c"}, "diff": ""},
            {"path": "d", "kind": "odd"},
        ]
        changes = changes_of(said)
        assert told_changes(changes) == "add a, move b to c, change d"
        assert change_lines(changes) == [
            "    add a",
            "      1",
            "      2",
            "    move b to c",
            "    change d",
        ]
        assert told_changes(changes_of(None)) == ""
        assert change_lines(changes_of("odd")) == []
