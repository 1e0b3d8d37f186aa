"""npm platform packages, through the registry the user's own npm configuration names.

The registry's version document (``GET {registry}/{package}/{version}``) tells the tarball's address and its
``dist.integrity``. No registry host stands in this project: it is read from the configuration, or asked of ``npm``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from codex_release.base.digests import parse_integrity
from codex_release.base.errors import SourceError, UsageError
from codex_release.base.http import HttpError, Web
from codex_release.base.table import Table
from codex_release.facts.versions import ReleaseVersion
from codex_release.sources import Archive, Bundle, WebFile, web_url

if TYPE_CHECKING:
    from codex_release.facts.targets import NpmFacts, Target
    from codex_release.sources.npm_config import NpmConfig

__all__ = ["Npm"]

_LATEST = "latest"
"""The tag that npm installs if none is named; its publisher moves it."""
_REMEDY = "look whether npm config get registry names an npm registry, or ask another source with --source"


@dataclass(frozen=True)
class Npm:
    """The source ``npm``."""

    facts: NpmFacts
    web: Web
    config: NpmConfig = field(repr=False)
    name: str = "npm"

    def find(self, version: ReleaseVersion, target: Target) -> Archive:
        """The platform package of a target.

        Raises:
            SourceError: if no registry is configured, it cannot be asked, lacks the package, or answers about another.
        """
        number, name = (
            target.fill(pattern).replace("{version}", version.codex)
            for pattern in (self.facts.version, self.facts.archive)  # a registry may name its tarballs as it likes
        )
        document = self._document(number)
        if document.text("version") != number:  # a registry that answers with another one would have it locked as ours
            document.refuse("version", f"is {document.text('version')[:80]!r}, not {number!r}")
        dist = document.table("dist")
        tarball = web_url(dist, "tarball")
        origin = WebFile(tarball, self.config.authorization(tarball))
        digest = parse_integrity(dist.get("integrity"))
        return Archive(self.name, name, origin, digests=(digest,) if digest else ())

    def latest(self) -> ReleaseVersion:
        """What the package's tag ``latest`` names.

        Raises:
            SourceError: if no registry is configured, it cannot be asked, or the tag names no version of Codex.
        """
        document = self._document(_LATEST)
        try:
            return ReleaseVersion.parse(document.text("version"))
        except UsageError as error:
            raise SourceError(f"{document.name}: version: {error.what}", remedy=_REMEDY) from error

    def _document(self, number: str) -> Table:
        """The registry's document of one version, or of what a tag names."""
        registry = self.config.registry(self.facts.package)
        url = f"{registry}/{quote(self.facts.package, safe='@')}/{number}"
        try:
            answer = self.web.json(url, {"Accept": "application/json", **self.config.authorization(url)})
        except HttpError as error:
            if error.status == 404:
                raise SourceError(f"the npm registry has no {self.facts.package}@{number}") from error
            raise SourceError(f"the npm registry cannot be asked: {error}") from error
        return Table(answer, f"the npm registry's answer about {number}", SourceError, _REMEDY)

    def bundle(self, version: ReleaseVersion, target: Target) -> Bundle | None:  # noqa: ARG002 - the protocol
        """None: the platform packages have no Sigstore bundle of the executable."""
        return None
