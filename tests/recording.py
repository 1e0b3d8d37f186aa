"""What a test sees of the toolkit's waiting and talking: a clock that does not wait, a display that remembers."""

from __future__ import annotations

import contextlib
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codex_release.base.http import Web
from codex_release.base.patience import Clock, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

    from codex_release.base.progress import Advance

__all__ = [
    "IMPATIENT",
    "RecordedClock",
    "RecordedProgress",
    "RecordedTransfer",
    "Silent",
    "connected",
    "direct",
    "told",
]

IMPATIENT = RetryPolicy(attempts=3, connect_timeout_s=5.0, read_timeout_s=5.0)
"""Three tries; the timeouts are there for a server that fails the test, not for the test."""


@dataclass
class RecordedClock:
    """Time that passes by sleeping alone; `slept` is how long, in order.

    Attributes:
        now_s: the time of day, in seconds since the epoch.
        monotonic: where elapsed time is read; real by default, so that stalls can be seen.
    """

    now_s: float = 1_800_000_000.0
    monotonic: Callable[[], float] = time.monotonic
    slept: list[float] = field(default_factory=list)

    @property
    def clock(self) -> Clock:
        """The clock to inject; chance is always in the middle."""
        return Clock(now=lambda: self.now_s, monotonic=self.monotonic, sleep=self._sleep, chance=lambda: 0.5)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


class Silent:
    """A display that shows nothing."""

    @contextlib.contextmanager
    def transfer(self, what: str, total: int | None, done: int = 0) -> Iterator[Advance]:
        """Show nothing."""
        yield RecordedTransfer(what, total, done).advance

    def note(self, text: str) -> None:
        """Show nothing."""


@dataclass
class RecordedTransfer:
    """A transfer, and how far it came."""

    what: str
    total: int | None
    done: int

    def advance(self, count: int) -> None:
        """Count."""
        self.done += count


@dataclass
class RecordedProgress:
    """A display that remembers everything it was to show."""

    notes: list[str] = field(default_factory=list)
    transfers: list[RecordedTransfer] = field(default_factory=list)

    @contextlib.contextmanager
    def transfer(self, what: str, total: int | None, done: int = 0) -> Iterator[Advance]:
        """Remember a transfer."""
        transfer = RecordedTransfer(what, total, done)
        self.transfers.append(transfer)
        yield transfer.advance

    def note(self, text: str) -> None:
        """Remember a line."""
        self.notes.append(text)


@contextlib.contextmanager
def connected(
    progress: RecordedProgress, policy: RetryPolicy = IMPATIENT, clock: RecordedClock | None = None
) -> Iterator[Web]:
    """The real HTTP client, with time and display recorded, closed at the end."""
    web = Web(progress, policy, (clock or RecordedClock()).clock)
    try:
        yield web
    finally:
        web.close()


def direct(monkeypatch: pytest.MonkeyPatch, no_certificates: Path) -> None:
    """Let no proxy stand between the client and the loopback, and spare it this machine's certificates.

    Args:
        monkeypatch: restores the environment.
        no_certificates: a directory without any; reading those of a machine takes longer than most tests.
    """
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(no_certificates))


def told(*things: object) -> str:
    """Everything a person could get to read of these: text, representation, and the whole chain of an exception."""
    texts = []
    for thing in things:
        texts += [str(thing), repr(thing)]
        if isinstance(thing, BaseException):
            texts += traceback.format_exception(type(thing), thing, thing.__traceback__)
        if isinstance(thing, RecordedProgress):
            texts += thing.notes + [transfer.what for transfer in thing.transfers]
    return "\n".join(texts)
