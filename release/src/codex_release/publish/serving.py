"""What an index has of a release, seen from outside: read now, or waited for until pip agrees.

An index answers an upload before it lists the file, and caches may hold an older page for a quarter of an hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_release.base.errors import PackageIndexError, PublishError
from codex_release.base.http import HttpError
from codex_release.base.words import counted
from codex_release.index.resolution import Expectation, Question, ResolvedFile, resolve
from codex_release.publish.plan import CLASH, PRESENT, Candidate, PlannedFile, planned_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from codex_release.base.digests import FileDigest
    from codex_release.index.client import PackageIndex
    from codex_release.index.listing import ListedFile

__all__ = ["Inventory", "Waiting", "client_expectations", "runtime_expectations", "wait_until_served"]


@dataclass(frozen=True)
class Waiting:
    """How long to wait for an index.

    Attributes:
        wait_s: until a file must be listed and resolve, in seconds; longer than caches keep a page.
        first_poll_s: the pause after the first look; it doubles each time, up to `max_poll_s`.
        max_poll_s: see `first_poll_s`.
    """

    wait_s: float = 1200.0
    first_poll_s: float = 0.5
    max_poll_s: float = 15.0


class Inventory:
    """What an index has of a release's files, read anew with each look.

    Where an index does not state the sha256 of a file, the file is downloaded and hashed, once.

    Args:
        index: the index.
    """

    def __init__(self, index: PackageIndex) -> None:
        self.index = index
        self._known: dict[str, FileDigest] = {}

    def read(
        self, files: Iterable[Candidate]
    ) -> tuple[Mapping[str, Mapping[str, ListedFile]], Mapping[str, FileDigest]]:
        """The listings of the files' projects, and by file name the digests that they lack."""
        listings = {project: self.index.listing(project) for project in sorted({each.project for each in files})}
        hashed = {}
        for file in files:
            listed = listings[file.project].get(file.name)
            if listed is not None and listed.sha256 is None:
                if listed.url not in self._known:
                    self.index.web.progress.note(f"{self.index.url} states no sha256 of {file.name}: downloading it")
                    self._known[listed.url] = self.index.digest(listed.url)
                hashed[file.name] = self._known[listed.url]
        return listings, hashed

    def look(self, files: Iterable[Candidate]) -> tuple[PlannedFile, ...]:
        """How the files stand on the index now."""
        files = list(files)
        listings, hashed = self.read(files)
        return tuple(planned_file(each, listings[each.project], hashed) for each in files)


def runtime_expectations(runtime: Sequence[Candidate], python: str) -> list[Expectation]:
    """What pip must answer when the runtime's wheels are there: for each platform tag, the one wheel that has it."""
    return [
        Expectation(Question((f"{each.project}=={each.version}",), (platform,), python), (_resolved(each),))
        for each in runtime
        for platform in each.platforms
    ]


def client_expectations(runtime: Sequence[Candidate], client: Sequence[Candidate], python: str) -> list[Expectation]:
    """What pip must answer when the client is there too: for each runtime wheel, this and the client's wheel."""
    wheel = next(each for each in client if each.path.suffix == ".whl")
    pinned = f"{wheel.project}=={wheel.version}"
    return [
        Expectation(
            Question((pinned, f"{each.project}=={each.version}"), (each.platforms[0],), python),
            (_resolved(wheel), _resolved(each)),
        )
        for each in runtime
    ]


def _resolved(file: Candidate) -> ResolvedFile:
    return ResolvedFile(file.project, file.version, file.name, file.digest.sha256)


def wait_until_served(
    inventory: Inventory,
    files: Sequence[Candidate],
    expectations: Sequence[Expectation],
    waiting: Waiting,
) -> str:
    """Wait until the index lists every file with our bytes, and pip would install what is expected.

    Args:
        inventory: the index.
        files: what must be listed.
        expectations: what pip must answer then.
        waiting: how long to do so.

    Returns:
        what was seen, as one line.

    Raises:
        PublishError: if other bytes are served, or it takes too long.
    """
    web = inventory.index.web
    clock, progress = web.clock, web.progress
    deadline, delay, before = clock.monotonic() + waiting.wait_s, waiting.first_poll_s, ""
    while True:
        with web.until(deadline):
            found = _lacking(inventory, files) or _unresolved(inventory, expectations)
        if not found:
            return (
                f"{counted(len(files), 'file')} listed with our digests, "
                f"pip's {counted(len(expectations), 'answer')} as expected"
            )
        if clock.monotonic() + delay > deadline:
            raise PublishError(
                f"{found}, still after {_duration(waiting.wait_s)}",
                remedy="run again when the index has caught up, what is there is not uploaded again; "
                "or name the index itself with --index-url, if this one only mirrors it",
            )
        if found != before:
            progress.note(f"{found}; waiting up to {_duration(waiting.wait_s)}")
            before = found
        clock.sleep(delay)
        delay = min(delay * 2, waiting.max_poll_s)


def _lacking(inventory: Inventory, files: Sequence[Candidate]) -> str:
    """What the index does not list yet; empty if nothing.

    Raises:
        PublishError: if it lists other bytes.
        HttpError: if it refuses to answer; that it cannot answer now is no refusal, nor is an odd answer: it was
            understood before the first upload.
    """
    try:
        states = inventory.look(files)
    except PackageIndexError as error:
        return error.what
    except HttpError as error:
        if error.status is not None:
            raise
        return error.what
    for each in states:
        if each.action == CLASH:
            raise PublishError(f"{each.file.name} is not what was uploaded: {each.detail}")
    missing = [each.file.name for each in states if each.action != PRESENT]
    if not missing:
        return ""
    listed = f"{len(files) - len(missing)} of {counted(len(files), 'file')}"
    return f"{inventory.index.url} lists {listed}, not {', '.join(missing)}"


def _unresolved(inventory: Inventory, expectations: Sequence[Expectation]) -> str:
    """What pip answers otherwise than it must, the first of it; empty if nothing."""
    answers = resolve(inventory.index, [each.question for each in expectations])
    for each, answer in zip(expectations, answers, strict=True):
        if problem := each.wrong(answer):
            return f"{each.question}: {problem}"
    return ""


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.1f} s"
