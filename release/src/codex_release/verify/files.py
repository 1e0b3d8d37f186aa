"""What an index lists of a release, and what was installed from it, held against the files themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from codex_release.base.digests import FileDigest, file_digest
from codex_release.base.errors import ReleaseError, VerifyError
from codex_release.facts.versions import identity
from codex_release.index.attestations import attested_by
from codex_release.verify.findings import Finding
from codex_release.wheels.wheel_file import WheelFile, read_headers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from codex_release.index.client import PackageIndex
    from codex_release.index.listing import ListedFile
    from codex_release.index.resolution import ResolvedFile

__all__ = ["OurFile", "file_findings", "installed_problem", "stray_findings"]


@dataclass(frozen=True)
class OurFile:
    """A file as it should be on the index.

    Attributes:
        path: where it lies here.
        digest: what it is.
        metadata: of a wheel, its METADATA file; `None` of an sdist.
    """

    path: Path
    digest: FileDigest
    metadata: bytes | None

    @classmethod
    def of(cls, path: Path) -> OurFile:
        """Read a file.

        Raises:
            CheckError: if it is a wheel that cannot be read.
        """
        metadata = None
        if path.suffix == ".whl":
            with WheelFile.open(path) as wheel:
                metadata = wheel.read(f"{wheel.dist_info}METADATA")
        return cls(path, file_digest(path), metadata)

    @property
    def name(self) -> str:
        """Its file name."""
        return self.path.name


def file_findings(
    ours: OurFile, listed: ListedFile | None, index: PackageIndex, *, attestations_required: bool
) -> list[Finding]:
    """What the index says of one file, question by question.

    Args:
        ours: what it should be.
        listed: what the index lists under its name.
        index: where to look further.
        attestations_required: whether a file without attestations is a problem.
    """
    if listed is None:
        return [Finding(ours.name, "listed", problem=f"{index.url} does not have it")]
    looks = {"digest": _digest, "not yanked": _yanked, "metadata": _metadata, "Python": _requires_python}
    if attestations_required or listed.provenance:
        looks["attestations"] = _attestations
    found = [Finding(ours.name, "listed")]
    for question, look in looks.items():
        try:
            found.append(Finding(ours.name, question, note=look(ours, listed, index)))
        except ReleaseError as error:
            found.append(Finding(ours.name, question, problem=str(error)))
    if "attestations" not in looks:
        found.append(Finding(ours.name, "attestations", note="no attestations"))
    return found


def stray_findings(listed: Iterable[ListedFile], ours: Collection[str]) -> list[Finding]:
    """Files of the same version on the index that are none of ours, which are known by their names."""
    return [
        Finding(each.name, "ours", problem="the index has it, but it is none of the published files")
        for each in listed
        if each.name not in ours
    ]


def installed_problem(installed: Sequence[ResolvedFile], ours: Mapping[str, str]) -> str:
    """What is wrong with what was installed; empty if all projects of ours came, with our bytes.

    Args:
        installed: what pip says that it installed.
        ours: the sha256 of each file of the release, by its name.
    """
    projects = {known[0] for name in ours if (known := identity(name))}
    came = {each.project: each for each in installed if each.project in projects}
    if missing := projects - came.keys():
        return f"the installation brings no {', '.join(sorted(missing))}"
    other = [
        f"{each.project} {each.version} with sha256 {each.sha256}"
        for each in came.values()
        if each.sha256 not in ours.values()
    ]
    return f"it brings other bytes than ours: {', '.join(other)}" if other else ""


def _digest(ours: OurFile, listed: ListedFile, index: PackageIndex) -> str:
    """Its bytes are ours, as the index states them or, where it states none, as it serves them."""
    sha256 = listed.sha256 or index.digest(listed.url).sha256
    if sha256 != ours.digest.sha256:
        raise VerifyError(f"the index has it with sha256 {sha256}, ours is {ours.digest.sha256}")
    if listed.size is not None and listed.size != ours.digest.size:
        raise VerifyError(f"the index says it has {listed.size} bytes, ours has {ours.digest.size}")
    return "" if listed.sha256 else "the index states no digest, so it was downloaded"


def _yanked(_: OurFile, listed: ListedFile, __: PackageIndex) -> str:
    if listed.yanked is not None:
        raise VerifyError(f"it is yanked: {listed.yanked or 'no reason is given'}")
    return ""


def _metadata(ours: OurFile, listed: ListedFile, index: PackageIndex) -> str:
    """The metadata beside a wheel is what is in it (PEP 658)."""
    if ours.metadata is None:
        return ""
    if not listed.core_metadata:
        return "no metadata beside it"
    if index.body(f"{listed.url}.metadata") != ours.metadata:
        raise VerifyError("the metadata that the index serves beside it is not the METADATA in it")
    return ""


def _requires_python(ours: OurFile, listed: ListedFile, _: PackageIndex) -> str:
    """The index asks for the Pythons that the wheel asks for: installers pass over a file by this alone."""
    if ours.metadata is None or listed.requires_python is None:
        return ""
    wanted = read_headers(ours.metadata).get("Requires-Python", "")
    try:
        same = SpecifierSet(listed.requires_python) == SpecifierSet(wanted)
    except InvalidSpecifier:
        same = False
    if not same:
        raise VerifyError(f"the index says it needs Python {listed.requires_python}, its METADATA {wanted or 'any'}")
    return ""


def _attestations(ours: OurFile, listed: ListedFile, index: PackageIndex) -> str:
    """Its attestations are there and speak of it (PEP 740)."""
    if listed.provenance is None:
        raise VerifyError("the index has no attestations of it")
    return f"attested by {attested_by(index.body(listed.provenance), ours.name, ours.digest.sha256)}"
