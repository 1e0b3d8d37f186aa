"""The parts of the client's benchmark with tiny sizes; not its figures, but for those that hold on any machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.client import plot, programs, rows
from benchmarks.client.capture import TRANSCRIPT, capture
from codex_app_server.testing import ModelServer, Text

pytestmark = pytest.mark.slow

PYTHON = Path(sys.executable)  # it has the client, if not as an installed wheel


def test_the_transcript_has_the_shape_of_what_the_pinned_runtime_says(codex_binary: Path) -> None:
    kept = json.loads(TRANSCRIPT.read_text(encoding="utf-8"))

    assert shape(capture(codex_binary)) == shape(kept)


def shape(value: object) -> object:
    """A JSON value without what differs from run to run and from machine to machine."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value).__name__


@pytest.mark.parametrize("driver", rows.DRIVERS)
@pytest.mark.parametrize(("turns", "deltas", "repeat"), [(1, 25, 2), (4, 13, 1), (1, 0, 1)])
def test_replayed_turns_are_read_whole(driver: str, turns: int, deltas: int, repeat: int) -> None:
    reading = programs.read(PYTHON, side="ours", driver=driver, turns=turns, deltas=deltas, repeat=repeat)

    said = json.loads(TRANSCRIPT.read_text(encoding="utf-8"))
    others = sum("turnId" in event["params"] or "turn" in event["params"] for event in said["before"] + said["after"])
    assert reading.events == turns * repeat * (deltas + others)
    assert reading.cpu_s > 0


@pytest.mark.parametrize("driver", rows.DRIVERS)
def test_a_missing_delta_does_not_go_unnoticed(
    driver: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    short = programs.replay("--turns", "2", "--deltas", "9")
    monkeypatch.setattr(programs, "replay", lambda *_: short)

    with pytest.raises(ChildProcessError, match="exit code 1"):
        programs.read(PYTHON, side="ours", driver=driver, turns=2, deltas=10)
    assert "turn 0 of 2 had 9 deltas" in capfd.readouterr().err


@pytest.mark.parametrize("driver", rows.DRIVERS)
def test_memory_is_watched_while_a_slow_consumer_reads(driver: str) -> None:
    reading = programs.read(PYTHON, side="ours", driver=driver, deltas=5_000, work_us=20, watched=True)

    assert 0 <= reading.grown < 20


@pytest.mark.parametrize("driver", rows.DRIVERS)
@pytest.mark.parametrize("is_read", [True, False])
def test_an_approval_passes_unread_deltas(driver: str, is_read: bool) -> None:
    assert programs.approval(PYTHON, driver=driver, deltas=20_000, is_read=is_read) < 2  # on a busy machine


def test_a_script_gets_its_first_result_from_the_real_runtime(codex_binary: Path) -> None:
    with ModelServer(Text("Sources.")) as model:
        home = {name: str(value) for name, value in (model.config().env or {}).items()}
        seconds, said = programs.first_result(PYTHON, "first_ours.py", codex_binary, home)

    assert said == "Sources. userMessage agentMessage"
    assert 0 < seconds < 20


@pytest.mark.parametrize(
    "code", ["import codex_app_server", "from codex_app_server import Codex", "from codex_app_server import AsyncCodex"]
)
def test_no_import_of_the_client_loads_pydantic(code: str) -> None:
    size, is_loaded = programs.memory(PYTHON, code)

    assert not is_loaded
    assert size < 32


def test_a_point_of_the_picture_is_what_a_delta_costs_beyond_its_turn() -> None:
    point = plot.point(PYTHON, "sync", "events", turns=1, events=20_000, total=40_000, runs=1)

    assert point == plot.Point("events", "sync", 1, 20_000, point.cost_us)
    assert 0 < point.cost_us < 200


def test_sides_run_in_turn_and_medians_count() -> None:
    ran: list[str] = []

    def side(name: str, figures: list[float]) -> float:
        ran.append(name)
        return figures.pop(0)

    one, two = [9.0, 1.0, 2.0], [4.0, 8.0, 5.0]
    assert rows.in_turn(3, lambda: side("a", one), lambda: side("b", two)) == [2.0, 5.0]
    assert "".join(ran) == "ababab"


def test_a_row_holds_up_to_its_bound() -> None:
    assert rows.Row("work", "", "", 0.5, 0.5).held
    assert not rows.Row("work", "", "", 0.51, 0.5).held
    assert rows.Row("work", "", "", 99, None).held
