"""Synchronous objects behind awaits, so that one scene plays with both kinds of client."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from codex_app_server import AppServerClient, AsyncCodex, Codex, CodexPool, Command, Goal, Login, Thread, Turn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from codex_app_server import AppServerConfig

__all__ = ["KINDS", "Awaited", "awaited", "bare", "connected", "each", "outcomes_of", "stepwise"]

KINDS = ["threads", "asyncio"]

_WRAPPED = (AppServerClient, Codex, CodexPool, Command, Goal, Login, Thread, Turn)
_ITERATORS = {"stream", "threads", "turns"}
_END = object()


class Awaited:
    """Every call of a method runs in a thread of its own; what it returns is wrapped likewise."""

    def __init__(self, wrapped: object) -> None:
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._wrapped, name)
        if name in _ITERATORS:
            return lambda **options: stepwise(value(**options))
        if not callable(value):
            return value

        async def call(*args: object, **options: object) -> object:
            result = await asyncio.to_thread(value, *args, **options)
            return awaited(result)

        return call

    async def __aenter__(self) -> Any:
        return awaited(await asyncio.to_thread(self._wrapped.__enter__))  # type: ignore[attr-defined]  # it has one

    async def __aexit__(self, *error: object) -> None:
        await asyncio.to_thread(self._wrapped.__exit__, *error)  # type: ignore[attr-defined]  # likewise

    def __setattr__(self, name: str, value: object) -> None:
        if name == "_wrapped":
            super().__setattr__(name, value)
        else:
            setattr(self._wrapped, name, value)


def awaited(result: object) -> Any:
    """A client, thread or turn behind awaits; anything else as it is."""
    return Awaited(result) if isinstance(result, _WRAPPED) else result


def bare(result: Any) -> Any:
    """What stands behind the awaits, of either kind of client."""
    return getattr(result, "_wrapped", result)


@asynccontextmanager
async def connected(kind: str, config: AppServerConfig) -> AsyncIterator[Any]:
    """A client of either kind, both used with awaits."""
    if kind == "asyncio":
        async with AsyncCodex(config) as codex:
            yield codex
        return
    client = await asyncio.to_thread(Codex, config)
    try:
        yield awaited(client)
    finally:
        await asyncio.to_thread(client.close)


def each(iterator: Any) -> Any:
    """What a loop goes over, of either kind of client."""
    return iterator if hasattr(iterator, "__anext__") else stepwise(iterator)


def outcomes_of(client: Any, *arguments: Any, **options: Any) -> Any:
    """What `map` gives of a client or a pool of either kind."""
    return each(bare(client).map(*arguments, **options))


async def stepwise(iterator: Any) -> Any:
    """An iterator, each step of it in a thread."""
    while (event := await asyncio.to_thread(next, iterator, _END)) is not _END:
        yield awaited(event)
