"""What has to be uploaded, in which order, and why not: from finished files and what an index lists. Pure decisions.

The order is the promise: every runtime wheel first, then the client's wheel, then its sdist. Whatever speaks against
the release is found here, before the first upload.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_release.base.words import by_number, byte_count, counted
from codex_release.facts.versions import identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from codex_release.base.digests import FileDigest
    from codex_release.check.release import FileVerdict
    from codex_release.index.listing import ListedFile

__all__ = ["CLASH", "PRESENT", "UPLOAD", "Candidate", "Plan", "PlannedFile", "candidates", "make_plan", "planned_file"]

UPLOAD = "upload"
"""It is not on the index."""
PRESENT = "present"
"""It is there, with these bytes."""
CLASH = "clash"
"""Other bytes are there under its name, which no index lets anybody replace."""

_ATTESTATION = ".publish.attestation"
"""What the attestation of a file is called, behind the file's own name (PEP 740)."""


@dataclass(frozen=True)
class Candidate:
    """A finished file that belongs to the release.

    Attributes:
        path: where it lies.
        project: its project's normalized name.
        version: its version (PEP 440).
        digest: its bytes.
        is_runtime: whether it is a wheel of the runtime; the others are the client's.
        platforms: the platform tags of a runtime wheel; the client has none.
        attestation: where its attestation is, if there is one.
    """

    path: Path
    project: str
    version: str
    digest: FileDigest
    is_runtime: bool
    platforms: tuple[str, ...] = ()
    attestation: Path | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name


@dataclass(frozen=True)
class PlannedFile:
    """A file and what is to be done with it.

    Attributes:
        file: the file.
        action: `UPLOAD`, `PRESENT` or `CLASH`.
        detail: what is worth knowing, as one line.
    """

    file: Candidate
    action: str
    detail: str = ""


@dataclass(frozen=True)
class Plan:
    """A publication to be.

    Attributes:
        files: in the order of the upload.
        problems: why it must not begin, one line each; none if it may.
        warnings: what somebody should know, one line each.
        python: the version of CPython that pip is asked about; what the tags of the wheels say holds for any Python 3.
    """

    files: tuple[PlannedFile, ...]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    python: str = "3"

    @property
    def runtime(self) -> tuple[PlannedFile, ...]:
        """The runtime's wheels."""
        return tuple(each for each in self.files if each.file.is_runtime)

    @property
    def client(self) -> tuple[PlannedFile, ...]:
        """The client's wheel and sdist."""
        return tuple(each for each in self.files if not each.file.is_runtime)

    @property
    def to_upload(self) -> tuple[PlannedFile, ...]:
        """What the index does not have."""
        return tuple(each for each in self.files if each.action == UPLOAD)

    @property
    def attested(self) -> bool:
        """Whether all that is to be uploaded has an attestation beside it."""
        return bool(self.to_upload) and all(each.file.attestation for each in self.to_upload)


def candidates(
    verdicts: Sequence[FileVerdict], digests: Mapping[Path, FileDigest], distribution: str
) -> tuple[Candidate, ...]:
    """The files of a release in the order of their upload; those whose names cannot be understood are left out.

    Args:
        verdicts: what `check` found about each file.
        digests: what each file is.
        distribution: the runtime's project.
    """
    found = []
    for verdict in verdicts:
        known = identity(verdict.path.name)
        if known is None:
            continue  # check has said so
        attestation = verdict.path.with_name(verdict.path.name + _ATTESTATION)
        found.append(
            Candidate(
                path=verdict.path,
                project=known[0],
                version=known[1],
                digest=digests[verdict.path],
                is_runtime=known[0] == distribution,
                platforms=tuple(sorted(verdict.coverage.platforms)) if verdict.coverage else (),
                attestation=attestation if os.path.lexists(attestation) else None,
            )
        )
    return tuple(sorted(found, key=lambda each: (not each.is_runtime, each.path.suffix != ".whl", each.name)))


def make_plan(
    files: Sequence[Candidate],
    listings: Mapping[str, Mapping[str, ListedFile]],
    hashed: Mapping[str, FileDigest],
    problems: Iterable[str] = (),
    project_size: int | None = None,
    python: str = "3",
) -> Plan:
    """Hold the files against the index.

    Args:
        files: the release, in the order of the upload.
        listings: what the index has, by project and name.
        hashed: by file name, what the bytes on the index are, where it does not state their sha256.
        problems: what `check` found.
        project_size: what all files of a project together may come to, in bytes.
        python: see `Plan`.
    """
    planned = tuple(planned_file(each, listings[each.project], hashed) for each in files)
    found = list(problems)
    found += [f"{each.file.name}: {each.detail}" for each in planned if each.action == CLASH]
    found += _yanked(planned, listings) + _strangers(files, listings) + _half_attested(planned)
    return Plan(planned, tuple(found), (*_too_early(planned), *_nearly_full(planned, listings, project_size)), python)


def planned_file(file: Candidate, listing: Mapping[str, ListedFile], hashed: Mapping[str, FileDigest]) -> PlannedFile:
    """Hold one file against what the index has of its project; `hashed` as in `make_plan`."""
    listed = listing.get(file.name)
    if listed is None:
        return PlannedFile(file, UPLOAD)
    digest = hashed.get(file.name)
    there = listed.sha256 or (digest.sha256 if digest else None)
    if there == file.digest.sha256:
        return PlannedFile(file, PRESENT)
    size = digest.size if digest else listed.size
    return PlannedFile(file, CLASH, _clash(file, there, size))


def _clash(file: Candidate, sha256: str | None, size: int | None) -> str:
    """What to say of a file that is on the index with other bytes."""
    kind = f"{size} of {file.digest.size} bytes" if size is not None and size < file.digest.size else "other bytes"
    cause = "a broken upload was kept: " if kind != "other bytes" else ""
    return (
        f"the index has {kind} under this name ({cause}sha256 {sha256 or 'unknown'}, here {file.digest.sha256}); "
        "a name is good for one content only: remove it from the index if that forgets the name, else release "
        "another version, or a client alone, from a directory without runtime wheels: those on the index are taken then"
    )


def _yanked(planned: Sequence[PlannedFile], listings: Mapping[str, Mapping[str, ListedFile]]) -> list[str]:
    """Files that are there and that nobody would be given."""
    problems = []
    for each in planned:
        listed = listings[each.file.project].get(each.file.name)
        if listed is not None and listed.yanked is not None and each.action == PRESENT:
            reason = f" ({listed.yanked})" if listed.yanked else ""
            problems.append(f"{each.file.name} is yanked on the index{reason}; lift that, or release another version")
    return problems


def _strangers(files: Sequence[Candidate], listings: Mapping[str, Mapping[str, ListedFile]]) -> list[str]:
    """Files of the same versions on the index that do not belong to the release: pip might choose them."""
    ours = {each.name for each in files}
    versions = {(each.project, each.version) for each in files}
    return [
        f"{listed.name} is on the index and not here; build what belongs to this version, or release another one"
        for listing in listings.values()
        for listed in listing.values()
        if listed.name not in ours and listed.yanked is None and identity(listed.name) in versions
    ]


def _half_attested(planned: Sequence[PlannedFile]) -> list[str]:
    uploads = [each.file for each in planned if each.action == UPLOAD]
    bare = [each.name for each in uploads if each.attestation is None]
    if not bare or len(bare) == len(uploads):
        return []
    names = f"{', '.join(bare)} {by_number(len(bare), 'lacks', 'lack')}"
    return [f"{names} the attestation that others have; sign all of them, or remove the others'"]


def _too_early(planned: Sequence[PlannedFile]) -> list[str]:
    missing = [each.file.name for each in planned if each.file.is_runtime and each.action == UPLOAD]
    public = [each.file.name for each in planned if not each.file.is_runtime and each.action == PRESENT]
    if not missing or not public:
        return []
    broken = f"installing it fails on the platforms of {counted(len(missing), 'runtime wheel')} until they are uploaded"
    names = f"{' and '.join(public)} {by_number(len(public), 'is', 'are')}"
    return [f"{names} public already: {broken} ({', '.join(missing)})"]


def _nearly_full(
    planned: Sequence[PlannedFile], listings: Mapping[str, Mapping[str, ListedFile]], project_size: int | None
) -> Iterable[str]:
    """Projects that have no room for another release of this size; files of which no size is stated count nothing."""
    for project, listing in listings.items():
        release = sum(each.file.digest.size for each in planned if each.file.project == project)
        coming = sum(
            each.file.digest.size for each in planned if each.file.project == project and each.action == UPLOAD
        )
        there = sum(each.size or 0 for each in listing.values())
        if project_size is not None and there + coming + release > project_size:
            yield (
                f"{project} comes to {byte_count(there + coming)} with this release, and a project may "
                f"have {byte_count(project_size)}: another release will not fit; ask the index for more, or remove old "
                "pre-releases"
            )
