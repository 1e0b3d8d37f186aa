"""Turns in a notebook: what results look like, and the live view, in a real kernel."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from codex_app_server import AsyncCodex, Codex, Notification, TextInput
from codex_app_server.folding import TurnFold
from codex_app_server.notebook import show
from codex_app_server.testing import Failure, ModelServer, Text, ToolCall

if TYPE_CHECKING:
    from pathlib import Path


def folded(*events: tuple[str, Any], status: str = "completed", error: Any = None) -> str:
    """What a notebook shows of a turn with these events."""
    fold = TurnFold()
    for method, params in events:
        fold.add(Notification(method, params))
    fold.add(Notification("turn/completed", {"turn": {"id": "u", "status": status, "error": error}}))
    return fold.result("t", "u")._repr_markdown_()


def done(kind: str, **members: Any) -> tuple[str, Any]:
    return "item/completed", {"item": {"type": kind, **members}}


class TestResults:
    def test_the_answer_and_what_was_done_for_it(self) -> None:
        shown = folded(
            done("commandExecution"),
            done("commandExecution"),
            done("fileChange"),
            done("agentMessage", text="It is **done**."),
            ("thread/tokenUsage/updated", {"tokenUsage": {"last": {"totalTokens": 15}, "total": {"totalTokens": 95}}}),
        )
        assert shown == "It is **done**.\n\n*completed, 2 commands, 1 file change, 15 tokens*"

    def test_a_failure_is_shown_verbatim_below_what_was_said(self) -> None:
        said = ("item/agentMessage/delta", {"delta": "I wi"})
        shown = folded(said, status="failed", error={"message": "status 500: **no**"})
        assert shown == "I wi\n\n````text\nfailed: status 500: **no**\n````\n\n*failed*"

    @pytest.mark.parametrize("odd", [None, 5, [], {"tokenUsage": 5}, {"tokenUsage": {"last": None}}])
    def test_nothing_is_taken_for_granted(self, odd: Any) -> None:
        assert folded(("thread/tokenUsage/updated", odd), ("item/started", odd), done("new")) == "*completed*"


def test_handles_say_what_they_are(codex_binary: Path) -> None:
    with ModelServer() as model, Codex(model.config(codex_bin=codex_binary)) as codex:
        thread = codex.thread_start()
        turn = thread.turn(TextInput("go"))
        assert thread._repr_markdown_() == f"**thread** `{thread.id}`"
        assert turn._repr_markdown_() == f"**turn** `{turn.id}` of **thread** `{thread.id}`"
        turn.run()


def test_outside_of_a_notebook_it_just_waits(codex_binary: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def run(config: Any) -> str:
        async with AsyncCodex(config) as codex:
            thread = await codex.thread_start()
            return (await show(await thread.turn(TextInput("go")))).text

    with ModelServer(Text("one"), Text("two")) as model:
        with Codex(model.config(codex_bin=codex_binary)) as codex:
            assert show(codex.thread_start().turn(TextInput("go"))).text == "one"
        assert asyncio.run(run(model.config(codex_bin=codex_binary))) == "two"
    assert capsys.readouterr() == ("", "")


PRELUDE = """
from codex_app_server import AppServerConfig, AsyncCodex, Codex, TextInput
from codex_app_server.notebook import show
config = AppServerConfig(codex_bin={binary!r}, env={env!r})
"""
SYNC = """
with Codex(config) as codex:
    result = show(codex.thread_start().turn(TextInput("go")))
"""
ASYNC = """
async with AsyncCodex(config) as codex:
    result = await show(await (await codex.thread_start()).turn(TextInput("go")))
"""
CUT_OFF = """
codex = Codex(config)
thread = codex.thread_start()
show(thread.turn(TextInput("go")))
"""
AFTERWARDS = """
result = show(thread.turn(TextInput("again")))
print(*[turn.status for turn in thread.read(include_turns=True).thread.turns])
codex.close()
"""
SLOW = [ToolCall("exec_command", {"cmd": "echo hi"}), Text("one two three", delay_s=0.3)]
CELLS: dict[str, tuple[str, list[Any]]] = {
    "threads": (SYNC, SLOW),
    "asyncio": (ASYNC, SLOW),
    "fast": (SYNC, [Text("word " * 2_000)]),
    "failed": (SYNC, [Failure(400, "no such model")]),
    "cut off": (CUT_OFF, [Text("endless " * 300, delay_s=0.1)]),
    "afterwards": (AFTERWARDS, [Text("fine")]),
}
"""By name, the cells and what the model says in them."""


@dataclass
class Cell:
    """What became of a cell.

    Attributes:
        shown: what its display showed, one after another.
        outputs: what is left.
    """

    shown: list[str]
    outputs: list[Any]


@pytest.fixture(scope="module")
def cells(codex_binary: Path) -> dict[str, Cell]:
    """All cells, run in one kernel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "rfc3987_syntax", None)  # compiles two seconds of grammars, and checks nothing here
        from watched_notebook import Watched

    with ModelServer(*(answer for _, answers in CELLS.values() for answer in answers)) as model:
        prelude = PRELUDE.format(binary=str(codex_binary), env=dict(model.config().env or {}))
        notebook = Watched(prelude, *(source for source, _ in CELLS.values()))
        notebook.execute()
    return {
        name: Cell(notebook.shown[number], notebook.nb.cells[number].outputs) for number, name in enumerate(CELLS, 1)
    }


@pytest.mark.parametrize("name", ["threads", "asyncio"])
def test_a_turn_is_on_the_screen_while_it_goes_on(cells: dict[str, Cell], name: str) -> None:
    cell = cells[name]
    assert cell.shown[0] == ""
    assert "*running a command …*" in cell.shown
    assert cell.shown.index("one \n\n*writing …*") < cell.shown.index("one two \n\n*writing …*")
    assert cell.shown[-1] == "one two three\n\n*completed, 1 command, 30 tokens*"
    assert len(set(cell.shown)) == len(cell.shown)
    (output,) = cell.outputs
    assert output.data["text/markdown"] == cell.shown[-1]


def test_a_fast_turn_is_not_drawn_word_by_word(cells: dict[str, Cell]) -> None:
    assert len(cells["fast"].shown) < 100
    assert cells["fast"].shown[-1].startswith("word word")


def test_a_turn_that_fails_says_why(cells: dict[str, Cell]) -> None:
    assert "no such model" in cells["failed"].shown[-1]
    assert cells["failed"].shown[-1].endswith("*failed*")


def test_interrupting_the_cell_interrupts_the_turn(cells: dict[str, Cell]) -> None:
    (error,) = (out for out in cells["cut off"].outputs if out.output_type == "error")
    assert error.ename == "KeyboardInterrupt"
    _, printed = cells["afterwards"].outputs
    assert printed.text == "interrupted completed\n"
    assert cells["afterwards"].shown[-1].startswith("fine")
