"""What came of a publication, as plain values that are the same as JSON, and the steps of any such work.

Durations are in seconds.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codex_release.base.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["PublishResult", "PublishedFile", "Step", "Steps"]


@dataclass(frozen=True)
class Step:
    """One step, in the order they were taken.

    Attributes:
        name: what was done.
        seconds: how long it took.
        outcome: ``passed``, ``failed`` or ``skipped``.
        detail: what is worth saying about it, as one line.
    """

    name: str
    seconds: float
    outcome: str = "passed"
    detail: str = ""


@dataclass(frozen=True)
class Steps:
    """The steps of something long, collected as they are taken.

    Attributes:
        clock: tells the time, in seconds.
        taken: the steps so far.
    """

    clock: Callable[[], float]
    taken: list[Step] = field(default_factory=list)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """Time a step; the block may say what is worth knowing about it."""
        begun, outcome = self.clock(), "failed"
        said: list[str] = []
        try:
            yield said.append
            outcome = "passed"
        except ReleaseError as error:
            said[:] = [str(error)]
            raise
        finally:
            self.taken.append(Step(name, self.clock() - begun, outcome, " ".join(said)))


@dataclass(frozen=True)
class PublishedFile:
    """One file on its way to an index.

    Attributes:
        name: its file name.
        sha256: of its bytes here.
        outcome: ``uploaded``, ``present`` (it was there with these bytes), ``planned`` (it was not its turn),
            ``failed``, or ``clash`` (other bytes are there under its name).
        seconds: how long the upload took, its repetitions included.
        attempts: how often it was sent.
        detail: what is worth knowing, as one line.
    """

    name: str
    sha256: str
    outcome: str
    seconds: float = 0.0
    attempts: int = 0
    detail: str = ""


@dataclass(frozen=True)
class PublishResult:
    """A publication.

    Attributes:
        index: the root of the index's simple API, without credentials.
        outcome: ``published``, ``planned`` or ``failed``.
        files: in the order of the upload.
        steps: the uploads, the waits, what pip would install.
        seconds: how long all of it took.
        attested: whether attestations (PEP 740) were uploaded along.
        problem: why it failed, as one line.
    """

    index: str
    outcome: str
    files: tuple[PublishedFile, ...]
    steps: tuple[Step, ...] = ()
    seconds: float = 0.0
    attested: bool = False
    problem: str = ""
