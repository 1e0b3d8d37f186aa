"""A directory of archives that were brought here by other means: for machines without a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_release.base.digests import Digest, checksum_of
from codex_release.base.errors import SourceError, system_errors_as
from codex_release.sources import Archive, Bundle, LocalFile

if TYPE_CHECKING:
    from pathlib import Path

    from codex_release.facts.targets import Catalog, Target
    from codex_release.facts.versions import ReleaseVersion

__all__ = ["Directory"]


@dataclass(frozen=True)
class Directory:
    """A directory as source: files named as GitHub or npm name them, and a checksum file if there is one.

    GitHub's asset names do not tell the version; put one release into one directory.
    """

    path: Path
    catalog: Catalog

    @property
    def name(self) -> str:
        """The directory's path."""
        return str(self.path)

    def find(self, version: ReleaseVersion, target: Target) -> Archive:
        """The best archive in the directory.

        Raises:
            SourceError: if there is none for the target.
        """
        names = self._names(version, target)
        for name in names:
            path = self.path / name
            if path.is_file():
                digest = self._checksum(name)
                return Archive(self.name, name, LocalFile(path), path.stat().st_size, (digest,) if digest else ())
        raise SourceError(f"{self.path} has no archive for {target.triple}", remedy=f"put {names[0]} there")

    def latest(self) -> ReleaseVersion:
        """No answer: a directory is where a copy lies, and nobody says there what is new.

        Raises:
            SourceError: always.
        """
        raise SourceError(f"{self.path} is a directory, which does not tell which release is the newest")

    def bundle(self, version: ReleaseVersion, target: Target) -> Bundle | None:  # noqa: ARG002 - the protocol
        """The bundle that was put beside the archives, under its name at GitHub.

        Raises:
            SourceError: if it cannot be read.
        """
        path = self.path / target.fill(self.catalog.github.bundle)
        if not path.is_file():
            return None
        with system_errors_as(SourceError, f"{path} cannot be read"):
            return Bundle(path.name, path.read_bytes())

    def _names(self, version: ReleaseVersion, target: Target) -> list[str]:
        """The names to look for: npm's carry the version and so come first; `npm pack` puts the scope in front."""
        npm = target.fill(self.catalog.npm.archive).replace("{version}", version.codex)
        scope = self.catalog.npm.package.partition("/")[0].removeprefix("@")
        return [npm, f"{scope}-{npm}", *(target.fill(pattern) for pattern in self.catalog.github.archives)]

    def _checksum(self, name: str) -> Digest | None:
        sums = self.path / self.catalog.github.checksums
        if not sums.is_file():
            return None
        with system_errors_as(SourceError, f"{sums} cannot be read"):
            return checksum_of(sums.read_text(encoding="utf-8", errors="replace"), name)
