"""What a person sees of transfers: plain lines in logs and pipes, bars on a terminal."""

from __future__ import annotations

import io
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console
from until import until

from codex_release.base.progress import Bars, Lines, progress_for
from codex_release.base.words import byte_count


def lines_of(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.fixture
def log() -> Console:
    return Console(file=io.StringIO(), width=60)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.setenv("TERM", "xterm")
    return Console(file=io.StringIO(), force_terminal=True, width=120, height=25)


def assert_no_thread_remains(before: set[threading.Thread]) -> None:
    until(lambda: not set(threading.enumerate()) - before, 5)


class TestLines:
    def test_a_transfer_is_one_line_at_its_start_and_one_at_its_end(self, log: Console) -> None:
        with Lines(log).transfer("codex.tgz from npm", 3_000_000) as advance:
            assert lines_of(log) == ["codex.tgz from npm (3.0 MB)"]
            advance(1_000_000)
            advance(2_000_000)
        assert len(lines_of(log)) == 2
        assert re.fullmatch(r"codex\.tgz from npm: 3\.0 MB in \d+\.\d s, [\d.]+ [MG]B/s", lines_of(log)[1])

    def test_what_is_here_already_is_told_and_not_counted(self, log: Console) -> None:
        with Lines(log).transfer("codex.tgz", 3_000_000, 2_000_000) as advance:
            advance(1_000_000)
        assert lines_of(log)[0] == "codex.tgz (3.0 MB, 2.0 MB are here)"
        assert lines_of(log)[1].startswith("codex.tgz: 1.0 MB in ")

    def test_what_a_terminal_would_obey_is_an_escape(self, log: Console) -> None:
        Lines(log).note("\x1b[2Jcodex.tgz: [b]damaged")
        assert lines_of(log) == ["\\x1b[2Jcodex.tgz: [b]damaged"]

    def test_an_unknown_size_is_left_out(self, log: Console) -> None:
        with Lines(log).transfer("codex.tgz", None):
            pass
        assert lines_of(log)[0] == "codex.tgz"

    def test_a_transfer_that_fails_does_not_say_it_is_done(self, log: Console) -> None:
        with pytest.raises(ValueError, match="oops"), Lines(log).transfer("codex.tgz", None):
            raise ValueError("oops")
        assert lines_of(log) == ["codex.tgz"]

    def test_a_note_is_one_line_as_it_is(self, log: Console) -> None:
        text = "[bold]https://host/a[/bold]: :warning: " + "long " * 40
        Lines(log).note(text)
        assert lines_of(log) == [text]

    def test_many_transfers_at_once_do_not_mix_their_lines(self, log: Console) -> None:
        lines = Lines(log)

        def run(number: int) -> None:
            with lines.transfer(f"archive-{number}", 1000) as advance:
                for _ in range(10):
                    advance(100)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(run, range(40)))
        assert len(lines_of(log)) == 80
        assert all(re.match(r"archive-\d+(:| \()", line) for line in lines_of(log))


class TestBars:
    def test_a_bar_shows_and_vanishes_with_its_thread(self, terminal: Console) -> None:
        before = set(threading.enumerate())
        bars = Bars(terminal)
        for name in ("first.tgz", "second.tgz"):
            with bars.transfer(name, 1000, 250) as advance:
                advance(250)
                advance(250)
                assert [(task.completed, task.total) for task in bars._bars.tasks] == [(750, 1000)]
                bars._bars.refresh()
            assert bars._bars.tasks == []
            assert_no_thread_remains(before)
        shown = "".join(lines_of(terminal))
        assert "first.tgz" in shown
        assert "second.tgz" in shown
        assert "0.8/1.0 kB" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)

    def test_a_bar_that_fails_takes_its_thread_along(self, terminal: Console) -> None:
        before = set(threading.enumerate())
        with pytest.raises(ValueError, match="oops"), Bars(terminal).transfer("codex.tgz", None):
            raise ValueError("oops")
        assert_no_thread_remains(before)

    def test_transfers_at_once_share_one_display(self, terminal: Console) -> None:
        before = set(threading.enumerate())
        bars = Bars(terminal)
        together = threading.Barrier(4, timeout=10)

        def run(number: int) -> int:
            total = 0
            for _ in range(5):
                with bars.transfer(f"archive-{number}", 4000) as advance:
                    together.wait()
                    for _ in range(4):
                        advance(1000)
                        total += 1000
                    bars.note(f"note of {number}")
            return total

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(run, range(4))) == [20_000] * 4
        assert_no_thread_remains(before)
        shown = "".join(lines_of(terminal))
        assert all(shown.count(f"note of {number}") == 5 for number in range(4))

    def test_a_note_stays_and_markup_in_it_is_text(self, terminal: Console) -> None:
        bars = Bars(terminal)
        with bars.transfer("[red]codex[/red].tgz", None):
            bars.note("[bold]waiting[/bold] :warning:")
        shown = "\n".join(lines_of(terminal))
        assert "[bold]waiting[/bold] :warning:" in shown
        assert "[red]codex[/red].tgz" in shown

    def test_bytes_that_are_taken_back_shorten_the_bar(self, terminal: Console) -> None:
        bars = Bars(terminal)
        with bars.transfer("codex.tgz", 1000, 600) as advance:
            advance(-600)
            (task,) = bars._bars.tasks
            assert task.completed == 0


def test_a_terminal_gets_bars_and_everything_else_lines(log: Console, terminal: Console) -> None:
    assert isinstance(progress_for(log), Lines)
    assert isinstance(progress_for(terminal), Bars)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (99_999, "100.0 kB"), (167_001_509, "167.0 MB"), (1_076_000_000, "1.08 GB")],
)
def test_bytes_are_counted_in_decimal_units(count: int, text: str) -> None:
    assert byte_count(count) == text
