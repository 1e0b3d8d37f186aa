"""Ctrl-C in the moments in which Python itself would lose it."""

from __future__ import annotations

import asyncio
import importlib
import signal
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING

import pytest
from until import until

from codex_app_server.cli.interrupts import heeded, run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    signal.getsignal(signal.SIGINT) is not signal.default_int_handler, reason="Ctrl-C means something else here"
)


class Thing:
    """Something that can be referred to."""


def test_what_a_weak_references_callback_would_swallow_is_told_again() -> None:
    thing = Thing()
    reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt), heeded():  # noqa: PT012 - where it comes is what this is about
        del thing
        assert reference() is None
        time.sleep(10)


def test_and_what_a_finalizer_would() -> None:
    class Final:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), heeded():  # noqa: PT012
        Final()
        time.sleep(10)


def test_an_import_is_not_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "halfway_there.py").write_text(
        "import signal\nsignal.raise_signal(signal.SIGINT)\nis_whole = True\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt), heeded():  # noqa: PT012
        importlib.import_module("halfway_there")
        time.sleep(10)
    assert sys.modules.pop("halfway_there").is_whole


def test_elsewhere_it_comes_at_once_and_nothing_is_left_of_it() -> None:
    before = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), heeded():
        signal.raise_signal(signal.SIGINT)
    assert sys.unraisablehook is before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_comes_as_the_block_ends_does_not_come_behind_it() -> None:
    thing = Thing()
    reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    with heeded():
        del thing
    assert reference() is None
    until(lambda: not any(isinstance(thread, threading.Timer) for thread in threading.enumerate()))


def test_a_loop_is_cancelled_and_not_broken_into() -> None:
    seen: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(signal.raise_signal, signal.SIGINT)  # where it would leave the loop's own work in pieces
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            seen.append("cancelled")
            await asyncio.sleep(0.01)
            seen.append("ended in peace")
            # and whatever becomes of the cancellation, Ctrl-C it was

    with pytest.raises(KeyboardInterrupt), heeded():
        run(main)
    assert seen == ["cancelled", "ended in peace"]


def test_a_loop_is_not_even_begun_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = asyncio.new_event_loop

    def interrupted() -> asyncio.AbstractEventLoop:
        signal.raise_signal(signal.SIGINT)
        return made()

    monkeypatch.setattr(asyncio.events, "new_event_loop", interrupted)
    begun: list[bool] = []

    async def main() -> None:
        begun.append(True)

    with pytest.raises(KeyboardInterrupt), heeded():
        run(main)
    assert not begun


def test_what_a_loop_does_not_hear_in_peace_ends_it_the_second_time() -> None:
    async def main() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(10)

    with pytest.raises(KeyboardInterrupt), heeded():
        run(main)


def test_how_a_loop_ends_is_told_unless_it_was_interrupted() -> None:
    async def failed() -> None:
        raise LookupError

    async def failed_after_it() -> None:
        signal.raise_signal(signal.SIGINT)
        raise LookupError

    async def cancelled() -> None:
        raise asyncio.CancelledError

    with heeded():
        run(lambda: asyncio.sleep(0))
        with pytest.raises(LookupError):
            run(failed)
        with pytest.raises(KeyboardInterrupt):
            run(failed_after_it)
        with pytest.raises(asyncio.CancelledError):
            run(cancelled)
    with pytest.raises(KeyboardInterrupt), heeded():
        signal.raise_signal(signal.SIGINT)


def test_who_has_other_plans_for_it_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: told.append(number))
    try:
        with heeded():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert told == [signal.SIGINT]
    in_thread = threading.Thread(target=lambda: heeded().__enter__())
    in_thread.start()
    in_thread.join()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("usual_signals")
def test_a_signal_to_end_is_heeded_where_ctrl_c_is_ignored() -> None:
    """As it is in a job that a script starts in the background."""
    before, ended = signal.signal(signal.SIGINT, signal.SIG_IGN), list[signal.Signals]()
    try:
        with pytest.raises(KeyboardInterrupt), heeded(ended):
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
