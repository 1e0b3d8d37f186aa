"""What threads share of a command's context is made once, in every Python."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fake_release import lay_out
from rich.console import Console

from codex_release.base.http import Web
from codex_release.base.once import made_once
from codex_release.base.progress import Lines
from codex_release.context import Context
from codex_release.facts.settings import Settings
from codex_release.facts.workspace import Workspace

THREADS = 8


def test_threads_that_ask_at_once_get_the_same_thing() -> None:
    entered, made = threading.Event(), []

    class Shared:
        @made_once
        def thing(self) -> object:
            made.append(object())
            entered.wait(0.2)  # as long as somebody else could come in
            if len(made) > 1:
                entered.set()
            return made[-1]

        @made_once
        def both(self) -> tuple[object, object]:
            """One that is made of another."""
            return self.thing, self.thing

    shared, gate = Shared(), threading.Barrier(THREADS)

    def ask(number: int) -> object:
        gate.wait()
        return shared.thing if number % 2 else shared.both[0]

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(ask, range(THREADS)))
    assert len(made) == 1
    assert found == made * THREADS
    assert Shared().thing not in found
    assert Shared.both.__doc__ == "One that is made of another."


def test_a_context_finds_the_checkout_once_for_all_threads(tmp_path: Path) -> None:
    root, _ = lay_out(tmp_path)
    asked: list[Workspace] = []
    gate = threading.Barrier(THREADS)

    def find() -> Workspace:
        asked.append(Workspace(root))
        return asked[-1]

    progress = Lines(Console(stderr=True))
    web = Web(progress)
    context = Context(find, Settings.read(os.environ), progress, web, ("npm", "github"))

    def fetcher(_: int) -> tuple[object, ...]:
        gate.wait()
        return context.fetcher, context.catalog, context.sources, context.cache

    with ThreadPoolExecutor(THREADS) as pool:
        first, *others = pool.map(fetcher, range(THREADS))
    web.close()
    assert len(asked) == 1
    assert all(mine is theirs for each in others for mine, theirs in zip(each, first, strict=True))
