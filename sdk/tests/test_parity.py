"""The twins: the same names, parameters, defaults and words, with and without `await`."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codex_app_server import (
    AppServerClient,
    AsyncAppServerClient,
    AsyncCodex,
    AsyncCodexPool,
    AsyncCommand,
    AsyncGoal,
    AsyncLogin,
    AsyncSubscription,
    AsyncThread,
    AsyncTurn,
    AsyncTurnStream,
    Codex,
    CodexPool,
    Command,
    Goal,
    Login,
    Subscription,
    Thread,
    Turn,
    TurnStream,
)

TWINS: list[tuple[type, type]] = [
    (Codex, AsyncCodex),
    (CodexPool, AsyncCodexPool),
    (Thread, AsyncThread),
    (Turn, AsyncTurn),
    (TurnStream, AsyncTurnStream),
    (Goal, AsyncGoal),
    (Command, AsyncCommand),
    (Login, AsyncLogin),
    (AppServerClient, AsyncAppServerClient),
    (Subscription, AsyncSubscription),
]
_SPELLED = {"__enter__": "__aenter__", "__exit__": "__aexit__", "__iter__": "__aiter__", "__next__": "__anext__"}


def members(kind: type) -> dict[str, Any]:
    """What a class offers, inherited or not."""
    return {
        name: inspect.getattr_static(kind, name)
        for name in dir(kind)
        if not name.startswith("_") or name in {*_SPELLED, *_SPELLED.values()}
    }


def plain(annotation: object) -> str:
    """An annotation without what makes it async."""
    spelled = re.sub(r" \| AsyncIterable\[\w+\]", "", str(annotation))  # one for asyncio takes both
    spelled = re.sub(r"\bAsyncGenerator\[(.*), None\]", r"Generator[\1, None, None]", spelled)
    return re.sub(r"\bAsync(?=[A-Z])", "", spelled)


@pytest.mark.parametrize(("kind", "twin"), TWINS, ids=lambda kind: kind.__name__)
def test_twins_have_the_same_names(kind: type, twin: type) -> None:
    assert {_SPELLED.get(name, name) for name in members(kind)} == set(members(twin))


@pytest.mark.parametrize(("kind", "twin"), TWINS, ids=lambda kind: kind.__name__)
def test_methods_of_twins_have_the_same_parameters_and_words(kind: type, twin: type) -> None:
    twins = members(twin)
    for name, member in members(kind).items():
        other = twins[_SPELLED.get(name, name)]
        if isinstance(member, classmethod):
            continue  # for this package's own use
        if isinstance(member, property):
            assert inspect.getdoc(member) == inspect.getdoc(other), name
            continue
        ours, theirs = inspect.signature(member), inspect.signature(other)
        assert [plain(each) for each in ours.parameters.values()] == [
            plain(each) for each in theirs.parameters.values()
        ], name
        assert plain(ours.return_annotation) == plain(theirs.return_annotation), name
        assert inspect.getdoc(member) == inspect.getdoc(other), name


def test_every_public_method_says_what_it_does() -> None:
    for kind in [each for twins in TWINS for each in twins]:
        for name, member in members(kind).items():
            assert name.startswith("__") or inspect.getdoc(member), f"{kind.__name__}.{name}"


@pytest.mark.slow
def test_the_fronts_for_threads_are_what_those_for_asyncio_say() -> None:
    twins = Path(__file__).resolve().parents[2] / "scripts" / "twins.py"
    ran = subprocess.run([sys.executable, str(twins), "--check"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
