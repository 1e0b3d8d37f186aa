"""How far many prompts are, for a person at a terminal: a bar of `rich` where that is installed, else one line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codex_app_server.mapping.outcomes import MapProgress

__all__ = ["ProgressBar"]


class ProgressBar:
    """Shows progress on stderr if that is a terminal; nothing elsewhere."""

    def __init__(self) -> None:
        self._stream = sys.stderr if sys.stderr is not None and sys.stderr.isatty() else None
        self._bar: Any = None
        self._task: Any = None
        if self._stream is None:
            return
        try:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
        except ImportError:
            return
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bar = Progress(*columns, console=Console(file=self._stream))
        self._task = self._bar.add_task("", total=None)
        self._bar.start()

    def show(self, progress: MapProgress) -> None:
        """Show how far it is."""
        failed = f"{progress.failed} failed" if progress.failed else ""
        if self._bar is not None:
            self._bar.update(self._task, completed=progress.done, total=progress.total, description=failed)
        elif self._stream is not None:
            total = f"/{progress.total}" if progress.total is not None else ""
            self._stream.write(f"\r{progress.done}{total} {failed}".rstrip())
            self._stream.flush()

    def close(self) -> None:
        """Leave what is shown as it is."""
        if self._bar is not None:
            self._bar.stop()
        elif self._stream is not None:
            self._stream.write("\n")
