"""Where the report lies: ``release.json`` and ``release.html`` beside the files they tell of.

Each command fills in its own section and keeps the others', as long as they speak of the same version and the same
bytes. The report of another version that lies there becomes the release to compare with.
"""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from codex_release import __version__
from codex_release.base.errors import CheckError, DiskError, ReleaseError, system_errors_as
from codex_release.base.switch import put_together
from codex_release.base.table import read_json
from codex_release.building.build_record import BuildRecord
from codex_release.facts.lock import Lock
from codex_release.facts.versions import ReleaseVersion, identity
from codex_release.report.model import (
    SCHEMA,
    BuildSection,
    BuiltFile,
    Previous,
    PublishSection,
    RehearseSection,
    ReleaseReport,
)
from codex_release.report.observe import built_files, in_order, origins_of, payload_of
from codex_release.report.page import page
from codex_release.report.summary import build_summary, publish_summary, rehearse_summary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from codex_release.facts.targets import Catalog
    from codex_release.publish.result import PublishResult
    from codex_release.rehearse.rehearsal import RehearsalResult

__all__ = ["DATA", "PAGE", "ReportStore", "now", "read_previous", "read_report"]

DATA, PAGE = "release.json", "release.html"


def now() -> str:
    """This moment as a report writes it, UTC to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def read_report(path: Path) -> ReleaseReport:
    """Read a ``release.json``, or that of a directory.

    Raises:
        CheckError: if there is none, or it is not of this schema.
    """
    if path.is_dir():
        path /= DATA
    remedy = f"name a {DATA} that this toolkit wrote, or its directory"
    with system_errors_as(CheckError, f"the release report {path} cannot be read", remedy):
        data = read_json(path.read_bytes(), f"the release report {path}", CheckError, remedy)
    if (schema := data.get("schema")) != SCHEMA:
        raise CheckError(
            f"{path} has {'no schema' if schema is None else f'schema {schema}'}, this toolkit reads {SCHEMA}",
            remedy="make it anew with this toolkit: codex-release report DIR",
        )
    try:
        json.dumps(data.values, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair, which JSON can hold and no file
        raise CheckError(f"{path} has text that cannot be written: {error.reason}", remedy=remedy) from error
    return data.filled(ReleaseReport, is_open=True)


def read_previous(path: Path, catalog: Catalog) -> Previous:
    """The release to compare with, from its ``release.json``, a directory that has one, or its lock.

    Raises:
        ReleaseError: if it is none of them.
    """
    if path.suffix == ".toml":
        lock = Lock.read(path)
        return Previous(lock.version.codex, payload_of(lock, catalog), source=path.name)
    return _as_previous(read_report(path), source=path.name)


@dataclass(frozen=True)
class ReportStore:
    """The report of one directory of finished files.

    Attributes:
        directory: where the files lie, and the report with them.
        catalog: the data file.
        lock: what payloads were held against; `None` if they were not.
        job_summary: the file to append a summary in Markdown to, if a CI job has one.
    """

    directory: Path
    catalog: Catalog
    lock: Lock | None
    job_summary: Path | None = None

    def record_build(
        self,
        version: ReleaseVersion,
        files: Sequence[BuiltFile],
        *,
        seconds: float | None = None,
        previous: Previous | None = None,
    ) -> ReleaseReport:
        """Note what was just built; files of other targets that an earlier build noted stay if they are still there.

        If nothing was made anew, the section of the build that made it stays as it is.

        Args:
            version: the runtime.
            files: what was built or found unchanged.
            seconds: how long all of it took.
            previous: the release to compare with; what the report compared with before if not given.
        """
        report = self._begin(version, previous)
        if report.build and _made_by(report.build, files):
            return self._finish(report, build_summary)
        fresh = {(each.project, each.target) for each in files}
        kept = [
            each
            for each in report.files
            if (each.project, each.target) not in fresh and _is_there(self.directory, each)
        ]
        report = replace(report, build=self._section(in_order([*files, *kept], self.catalog), seconds))
        return self._finish(report, build_summary)

    def collect(
        self, version: ReleaseVersion, others: Sequence[ReleaseReport] = (), *, previous: Previous | None = None
    ) -> ReleaseReport:
        """Note what lies in the directory, whoever built it.

        Args:
            version: the runtime.
            others: reports of those who built some of the files; what they know of the same bytes is taken over.
            previous: the release to compare with; what the report compared with before if not given.

        Raises:
            CheckError: if there are no files, or one cannot be read.
        """
        return self._finish(self._observed(version, others, previous), build_summary)

    def record_publish(self, version: ReleaseVersion, result: PublishResult) -> ReleaseReport:
        """Note what a publication did.

        Raises:
            CheckError: if a file in the directory cannot be read.
        """
        return self._finish(replace(self._observed(version), publish=PublishSection.of(result, now())), publish_summary)

    def record_rehearse(self, version: ReleaseVersion, result: RehearsalResult) -> ReleaseReport:
        """Note what a rehearsal did.

        Raises:
            CheckError: if a file in the directory cannot be read.
        """
        return self._finish(
            replace(self._observed(version), rehearse=RehearseSection.of(result, now())), rehearse_summary
        )

    def _observed(
        self, version: ReleaseVersion, others: Sequence[ReleaseReport] = (), previous: Previous | None = None
    ) -> ReleaseReport:
        """The report with its build section as the files are now."""
        report = self._begin(version, previous)
        told = [each.build for each in (*others, report) if each.build]
        known = {(each.name, each.sha256): each for section in told for each in section.files}
        taken = {
            (each.name, each.sha256): each.seconds
            for part in BuildRecord.read(self.directory).parts.values()
            for each in part
        }
        files = []
        for each in built_files(self.directory, self.catalog):
            before = known.get((each.name, each.sha256))
            seconds = before.seconds if before else taken.get((each.name, each.sha256))
            files.append(replace(each, seconds=seconds, reused=bool(before and before.reused)))
        section = self._section(tuple(files), None)
        if report.build and (report.build.files, report.build.locked) == (section.files, section.locked):
            section = report.build  # nothing is new, so the word of who built it stands
        return replace(report, build=section)

    def _begin(self, version: ReleaseVersion, previous: Previous | None) -> ReleaseReport:
        """The report that lies there if it is of this version, else an empty one."""
        try:
            found = read_report(self.directory)
        except ReleaseError:
            found = None  # it is written anew; nothing else depends on it
        if found and found.version != version.codex:
            previous = previous or _as_previous(found, source=DATA)
            found = None
        fresh = found or ReleaseReport(
            version=version.codex,
            tag=version.tag,
            python_version=version.pep440,
            repository=self.catalog.github.repository,
        )
        locked = self.lock if self.lock and self.lock.version == version else None
        origins = tuple(each for each in origins_of(locked) if each.target in self.catalog.triples)
        return replace(fresh, previous=previous or fresh.previous, origins=origins)

    def _section(self, files: tuple[BuiltFile, ...], seconds: float | None) -> BuildSection:
        return BuildSection(
            finished=now(),
            files=files,
            seconds=seconds,
            toolkit=__version__,
            python=platform.python_version(),
            host=platform.platform(),
            locked=all(_is_locked(each, self.lock) for each in files if each.components),
        )

    def _finish(self, report: ReleaseReport, summary: Callable[[ReleaseReport], str]) -> ReleaseReport:
        clients = (identity(each.name) for each in report.files if not each.target)
        version = next((each[1] for each in clients if each), "")
        report = replace(report, client_version=version).without_stale_sections()
        texts = {DATA: json.dumps(asdict(report), indent=1) + "\n", PAGE: page(report)}
        what = f"the report of {self.directory}, {' and '.join(texts)}, cannot be written"
        with system_errors_as(DiskError, what, "make room there and let it be written"):
            changed = {name: text.encode() for name, text in texts.items() if not _says(self.directory / name, text)}
            put_together(self.directory, "codex-release-report", changed)
        if self.job_summary is not None:
            what = f"GITHUB_STEP_SUMMARY is {self.job_summary}, which cannot be written"
            with (
                system_errors_as(DiskError, what, "name a file that can be, or unset it"),
                self.job_summary.open("a", encoding="utf-8") as file,
            ):
                file.write(summary(report))
        return report


def _as_previous(report: ReleaseReport, *, source: str) -> Previous:
    return Previous(report.again or report.version, report.files, source=source)


def _is_locked(file: BuiltFile, lock: Lock | None) -> bool:
    """Whether the lock knows every file of a payload with its digest, as RECORD states it."""
    locked = lock.targets.get(file.target) if lock else None
    return locked is not None and all(
        each.path in locked.files and locked.files[each.path].sha256 == each.sha256 for each in file.components
    )


def _made_by(section: BuildSection, files: Sequence[BuiltFile]) -> bool:
    """Whether all of these files were there unchanged, and the section tells of them."""
    known = {replace(each, reused=True) for each in section.files}
    return all(each.reused and each in known for each in files)


def _says(path: Path, text: str) -> bool:
    """Whether a file is this text already; one that cannot be read is not, which writing will tell."""
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False


def _is_there(directory: Path, file: BuiltFile) -> bool:
    try:
        return (directory / file.name).stat().st_size == file.size
    except OSError:
        return False
