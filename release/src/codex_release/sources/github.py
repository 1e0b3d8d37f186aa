"""GitHub releases, through the REST API (``GET /repos/{owner}/{repo}/releases/tags/{tag}``), else the ``gh`` program.

With a token an asset's bytes come from its API address, which redirects to another host (the token stays behind);
without one from its public download address. When the API cannot be asked, ``gh`` is, if it is installed: it has its
own login.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from codex_release.base.digests import Digest, checksum_of, published_digest
from codex_release.base.errors import SourceError, UsageError
from codex_release.base.http import HttpError, Web
from codex_release.base.programs import answer, found
from codex_release.base.table import Table, read_json
from codex_release.facts.versions import ReleaseVersion
from codex_release.sources import Archive, Bundle, Program, WebFile, web_url

if TYPE_CHECKING:
    from codex_release.facts.targets import GitHubFacts, Target

__all__ = ["GitHub"]

_GH_TIMEOUT_S = 60
_JSON = "application/vnd.github+json"


@dataclass
class GitHub:
    """The source ``github``.

    Args:
        facts: the repository and its asset names.
        web: the HTTP client.
        api: the API's root, e.g. ``https://api.github.com``, or that of a GitHub Enterprise server.
        token: sent to the API if given.
    """

    facts: GitHubFacts
    web: Web
    api: str
    token: str | None = field(default=None, repr=False)
    name: str = "github"
    _answers: dict[str, dict[str, Archive] | SourceError] = field(default_factory=dict, repr=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def find(self, version: ReleaseVersion, target: Target) -> Archive:
        """The best archive among the release's assets, by the order in ``targets.toml``.

        Raises:
            SourceError: if the release cannot be read or has no archive for the target.
        """
        assets = self._release(version)
        for pattern in self.facts.archives:
            if asset := assets.get(target.fill(pattern)):
                return asset if asset.digests else replace(asset, digests=self._checksums(assets, asset.name))
        raise SourceError(f"release {version.tag} of {self.facts.repository} has no archive for {target.triple}")

    def latest(self) -> ReleaseVersion:
        """The release that the repository shows as its latest; a draft or pre-release never is.

        Raises:
            SourceError: if it cannot be read, or its tag names no version of Codex.
        """
        repository = self.facts.repository
        try:
            url = f"{self.api}/repos/{repository}/releases/latest"
            tag = _table(self.web.json(url, self._headers(_JSON)), "the latest release").text("tag_name")
        except HttpError as error:
            gh = found("gh")
            if gh is None:
                raise self._explain(error, "marked as the latest") from error
            said = answer([gh, "release", "view", "--repo", repository, "--json", "tagName"], timeout_s=_GH_TIMEOUT_S)
            tag = _told(said, "the latest release").text("tagName")
        try:
            return ReleaseVersion.parse(tag)
        except UsageError as error:
            raise SourceError(f"the latest release of {repository} has the tag {tag!r}, which is no version") from error

    def bundle(self, version: ReleaseVersion, target: Target) -> Bundle | None:
        """The Sigstore bundle among the release's assets.

        Raises:
            SourceError: if the release or the bundle cannot be read.
        """
        asset = self._release(version).get(target.fill(self.facts.bundle))
        return Bundle(asset.name, self._read(asset)) if asset else None

    def _release(self, version: ReleaseVersion) -> dict[str, Archive]:
        """The assets of a release by name; asked once, a failure is remembered too."""
        with self._guard:
            if version.tag not in self._answers:
                try:
                    self._answers[version.tag] = self._ask(version.tag)
                except SourceError as error:
                    self._answers[version.tag] = error
            answer = self._answers[version.tag]
        if isinstance(answer, SourceError):
            raise answer
        return answer

    def _ask(self, tag: str) -> dict[str, Archive]:
        url = f"{self.api}/repos/{self.facts.repository}/releases/tags/{tag}"
        try:
            release = _table(self.web.json(url, self._headers(_JSON)), tag)
            if release.text("tag_name") != tag:
                release.refuse("tag_name", f"is {release.text('tag_name')[:80]!r}, not {tag!r}")
            return {asset.text("name"): self._asset(asset) for asset in _uploaded(release)}
        except HttpError as error:
            problem = self._explain(error, tag)
            problem.__cause__ = error
        except SourceError as error:
            problem = error
        gh = found("gh")
        if gh is None:
            raise problem
        try:
            return self._ask_gh(gh, tag)
        except SourceError as error:
            raise SourceError(f"{problem}; and {error}") from problem

    def _asset(self, asset: Table) -> Archive:
        # The token is for the API alone.
        if self.token and urlsplit(web_url(asset, "url"))[:2] == urlsplit(self.api)[:2]:
            origin = WebFile(asset.text("url"), self._headers("application/octet-stream"))
        else:
            origin = WebFile(web_url(asset, "browser_download_url"))
        return self._described(asset, origin)

    def _ask_gh(self, gh: str, tag: str) -> dict[str, Archive]:
        there = (tag, "--repo", self.facts.repository)
        said = answer([gh, "release", "view", *there, "--json", "assets"], timeout_s=_GH_TIMEOUT_S)
        found = {}
        for asset in _uploaded(_told(said, tag)):
            name = asset.text("name")
            origin = Program((gh, "release", "download", *there, "--pattern", name, "--output", "-"))
            found[name] = self._described(asset, origin)
        return found

    def _described(self, asset: Table, origin: WebFile | Program) -> Archive:
        size = None if asset.get("size") is None else asset.number("size")
        digest = published_digest(asset.get("digest"))
        return Archive(self.name, asset.text("name"), origin, size, (digest,) if digest else ())

    def _read(self, asset: Archive) -> bytes:
        """The content of a small asset."""
        if isinstance(asset.origin, Program):
            return answer(asset.origin.argv, timeout_s=_GH_TIMEOUT_S).encode()
        origin = cast("WebFile", asset.origin)
        try:
            return self.web.body(origin.url, origin.headers)
        except HttpError as error:
            raise SourceError(f"{asset.name} cannot be read: {error}") from error

    def _checksums(self, assets: dict[str, Archive], name: str) -> tuple[Digest, ...]:
        """An asset's digest from the release's checksum file; assets of before mid-2025 carry none themselves."""
        sums = assets.get(self.facts.checksums)
        if sums is None or not isinstance(sums.origin, WebFile):
            return ()
        digest = checksum_of(self._read(sums).decode("utf-8", "replace"), name)
        return (digest,) if digest else ()

    def _headers(self, accept: str) -> dict[str, str]:
        headers = {"Accept": accept, "X-GitHub-Api-Version": "2022-11-28"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return headers

    def _explain(self, error: HttpError, tag: str) -> SourceError:
        repository = self.facts.repository
        if error.status == 404:
            remedy = None if self.token else "if it is private, set GH_TOKEN"
            return SourceError(f"GitHub has no release {tag} of {repository}", remedy=remedy)
        if error.status in {401, 403}:
            remedy = "look at GH_TOKEN and GITHUB_TOKEN" if self.token else "set GH_TOKEN"
            return SourceError(f"GitHub refuses the {'token' if self.token else 'request'}: {error}", remedy=remedy)
        if error.status == 429 and not self.token:
            return SourceError(f"GitHub cannot be asked: {error.what}", remedy="run again then, or set GH_TOKEN")
        return SourceError(f"GitHub cannot be asked: {error}")


def _table(answer: object, about: str) -> Table:
    remedy = "look whether GITHUB_API_URL leads to GitHub's API, or ask another source with --source"
    return Table(answer, f"GitHub's answer about {about}", SourceError, remedy)


def _told(said: str, about: str) -> Table:
    """What ``gh`` tells, as a table."""
    remedy = "look whether gh is up to date, or ask another source with --source"
    return read_json(said, f"gh's answer about {about}", SourceError, remedy)


def _uploaded(release: Table) -> list[Table]:
    """The assets of a release as the API and ``gh`` list them, without those whose upload was broken off."""
    return [asset for asset in release.tables("assets") if asset.get("state") in (None, "uploaded")]
