"""What came of a publication, as plain values that are the same as JSON. Durations are in seconds."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PublishResult", "PublishedFile", "Step"]


@dataclass(frozen=True)
class Step:
    """One step, in the order they were taken.

    Attributes:
        name: what was done.
        seconds: how long it took.
        outcome: ``passed`` or ``failed``.
        detail: what is worth saying about it, as one line.
    """

    name: str
    seconds: float
    outcome: str = "passed"
    detail: str = ""


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
