"""One session: a thread, what was chosen for it, and the prompt that is at work in it.

It knows an editor only as who is told what happens; what is asked and allowed is the agent's.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from codex_app_server.errors import InvalidRequestError
from codex_app_server.integrations.acp.updates import Updates

if TYPE_CHECKING:
    from collections.abc import Sequence

    import acp

    from codex_app_server.aio.stream import AsyncTurnStream
    from codex_app_server.aio.thread import AsyncThread
    from codex_app_server.inputs import InputItem
    from codex_app_server.integrations.acp.settings import Settings
    from codex_app_server.results import TurnResult

__all__ = ["Session"]

_ENDING_S = 20.0
"""How long a prompt may take to end that was cancelled, in seconds."""


class Session:
    """One thread, and the prompt that is at work in it."""

    def __init__(self, thread: AsyncThread, settings: Settings) -> None:
        self.thread = thread
        self.settings = settings
        self._is_cancelled = False
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._stream: AsyncTurnStream[Any] | None = None

    async def run(self, items: Sequence[InputItem], editor: acp.Client) -> TurnResult[Any] | None:
        """Run a turn; None if it was cancelled before it began.

        Raises:
            ValueError: if another one runs.
        """
        if not self._is_idle.is_set():
            raise ValueError("a prompt is at work in this session already")
        self._is_idle.clear()
        self._is_cancelled = False
        updates = Updates()
        try:
            options = self.settings.turn_options()
            async with self.thread.stream(items, **options) as stream:
                self.settings.are_told(options)
                self._stream = stream
                if self._is_cancelled:
                    return None  # to leave the block interrupts it
                async for event in stream:
                    for update in updates.of(event):
                        await editor.session_update(self.thread.id, update)
            return stream.result
        finally:
            self._stream = None
            self._is_idle.set()

    async def cancel(self) -> None:
        """Interrupt the turn, or let it not begin."""
        self._is_cancelled = True
        if self._stream is not None:
            with suppress(InvalidRequestError):  # it has just ended
                await self._stream.turn.interrupt()

    async def close(self) -> None:
        """The same, and wait for the end of the prompt: it would not be told to who has unsubscribed.

        Raises:
            TimeoutError: if it does not end in time.
        """
        await self.cancel()
        try:
            await asyncio.wait_for(self._is_idle.wait(), _ENDING_S)
        except asyncio.TimeoutError:
            raise TimeoutError("the prompt did not end in time") from None
