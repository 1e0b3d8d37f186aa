"""For notebooks: a turn on the screen while it goes on.

    result = show(thread.turn(TextInput("What is in this directory?")))

IPython is imported when it is first needed: it is no requirement of this package.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, overload

from codex_app_server.sync.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from codex_app_server.aio.turn import AsyncTurn
    from codex_app_server.folding import TurnFold
    from codex_app_server.results import TurnResult

__all__ = ["show"]

_PAUSE_S = 0.05
"""Between two updates: a browser draws no faster, and what comes meanwhile is drawn at once."""

_DOING = {
    "agentMessage": "writing",
    "commandExecution": "running a command",
    "dynamicToolCall": "calling a tool",
    "fileChange": "changing files",
    "mcpToolCall": "calling an MCP tool",
    "reasoning": "thinking",
    "webSearch": "searching the web",
}


@overload
def show(turn: AsyncTurn, *, timeout: float | None = None) -> Coroutine[Any, Any, TurnResult[None]]: ...
@overload
def show(turn: Turn, *, timeout: float | None = None) -> TurnResult[None]: ...
def show(
    turn: Turn | AsyncTurn, *, timeout: float | None = None
) -> TurnResult[None] | Coroutine[Any, Any, TurnResult[None]]:
    """Wait for a turn to end, and show it meanwhile: what is said as it is said, and what is being done.

    It is the turn's consumer, as `Turn.run` is, and all said there holds: interrupting the cell interrupts the turn.
    Outside of a notebook it just waits.

    Args:
        turn: of either kind; what is returned for an `AsyncTurn` is to be awaited.
        timeout: how long, in seconds; then the turn is interrupted.

    Returns:
        what came of it; the last expression of a cell is shown, so give it a name there, or it is shown twice.

    Raises:
        ImportError: if IPython is not installed.
        TimeoutError: if it takes longer.
        TransportClosedError: if the connection ends before the turn does.
    """
    rewrite = _display()
    return _show(turn, timeout, rewrite) if isinstance(turn, Turn) else _show_async(turn, timeout, rewrite)


def _show(turn: Turn, timeout: float | None, rewrite: Callable[[str], None]) -> TurnResult[None]:
    def watch(fold: TurnFold) -> None:
        rewrite(_so_far(fold))
        time.sleep(_PAUSE_S)

    result = turn._run(timeout, watch)  # noqa: SLF001 - as `run` does
    rewrite(result._repr_markdown_())
    return result


async def _show_async(turn: AsyncTurn, timeout: float | None, rewrite: Callable[[str], None]) -> TurnResult[None]:
    import asyncio  # whoever awaits has it already

    async def watch(fold: TurnFold) -> None:
        rewrite(_so_far(fold))
        await asyncio.sleep(_PAUSE_S)

    result = await turn._run(timeout, watch)  # noqa: SLF001 - as `run` does
    rewrite(result._repr_markdown_())
    return result


def _so_far(fold: TurnFold) -> str:
    """A turn that goes on, as Markdown."""
    return "\n\n".join(filter(None, [fold.text, f"*{_DOING.get(fold.begun or '', 'working')} …*"]))


def _display() -> Callable[[str], None]:
    """A new place on the screen; what to call with what is to stand there."""
    from IPython.core.getipython import get_ipython
    from IPython.display import Markdown, display

    if not hasattr(get_ipython(), "kernel"):
        return lambda _: None

    handle = display(Markdown(""), display_id=True)
    shown = ""

    def rewrite(text: str) -> None:
        nonlocal shown
        if text != shown:
            shown = text
            handle.update(Markdown(text))

    return rewrite
