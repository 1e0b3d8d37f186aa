"""What a person sees while bytes move: bars on a terminal, plain lines elsewhere. Always on standard error."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Protocol

from rich import progress as shown

from codex_release.base.shown import visible
from codex_release.base.words import byte_count

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Advance", "Bars", "Lines", "Progress", "progress_for"]


Advance = Callable[[int], None]
"""Counts bytes of a running transfer; a negative number takes some back."""


class Progress(Protocol):
    """Where transfers and remarks are shown."""

    def transfer(self, what: str, total: int | None, done: int = 0) -> contextlib.AbstractContextManager[Advance]:
        """Show a transfer of `total` bytes (if known), `done` of which are here already, until the block ends."""

    def note(self, text: str) -> None:
        """Show one line that stays."""


class Lines:
    """Plain lines, for logs and pipes: one when a transfer starts, one when it is done."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextlib.contextmanager
    def transfer(self, what: str, total: int | None, done: int = 0) -> Iterator[Advance]:
        """One line at the start and one with what came, time and rate at the end; none there if it fails."""
        facts = [byte_count(total)] if total else []
        facts += [f"{byte_count(done)} are here"] if done else []
        self.note(f"{what} ({', '.join(facts)})" if facts else what)
        counts, start = list[int](), time.monotonic()
        yield counts.append
        came, seconds = sum(counts), max(time.monotonic() - start, 1e-9)
        self.note(f"{what}: {byte_count(came)} in {seconds:.1f} s, {byte_count(int(came / seconds))}/s")

    def note(self, text: str) -> None:
        """One line."""
        self._console.print(visible(text), markup=False, emoji=False, highlight=False, soft_wrap=True)


class Bars:
    """Bars with rate and remaining time, for terminals."""

    def __init__(self, console: Console) -> None:
        self._bars = shown.Progress(
            shown.TextColumn("{task.description}", markup=False),
            shown.BarColumn(),
            shown.DownloadColumn(),
            shown.TransferSpeedColumn(),
            shown.TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._guard = threading.Lock()

    @contextlib.contextmanager
    def transfer(self, what: str, total: int | None, done: int = 0) -> Iterator[Advance]:
        """A bar until the block ends; the display runs while at least one transfer does."""
        with self._guard:
            if not self._bars.tasks:
                self._bars.start()
            task = self._bars.add_task(visible(what), total=total, completed=done)
        try:
            yield partial(self._bars.advance, task)
        finally:
            with self._guard:
                self._bars.remove_task(task)
                if not self._bars.tasks:
                    self._bars.stop()

    def note(self, text: str) -> None:
        """One line above the bars."""
        self._bars.console.print(visible(text), markup=False, emoji=False, highlight=False)


def progress_for(console: Console) -> Progress:
    """Bars if the console is a terminal, lines if not."""
    return Bars(console) if console.is_terminal else Lines(console)
