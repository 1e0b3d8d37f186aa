"""GitHub's releases on loopback: the REST API of one repository, and the other host that the bytes come from.

Both speak as GitHub does: ``GET /repos/{owner}/{repo}/releases/tags/{tag}`` with whole release documents, assets by
their API address (302 for ``Accept: application/octet-stream``) and by their public one (302 too), signed addresses on
a storage host that refuses whoever shows it a token, rate-limit headers on every answer.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loopback import Loopback, Reply, Request, file_reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["SIGNATURE", "GitHubServer", "github_server"]

SIGNATURE = "sp=r&sv=2018-11-09&se=2027-01-15&sig=c2VjcmV0LXNpZ25hdHVyZQ%3D%3D&response-content-disposition=attachment"
"""The query of signed addresses: who knows it may read, so no message may hold it."""

_DATE = "2026-11-02T19:20:21Z"


@dataclass
class GitHubServer:
    """One repository.

    Attributes:
        api: the API and the public download addresses.
        storage: the host that has the bytes.
        repository: its owner and name.
        prefix: the path before the API, as GitHub Enterprise has ``/api/v3``.
        token: the one good token; `None` for none.
        private: whether the repository shows itself only to the token.
        digests: whether assets carry a digest, as those of before mid-2025 do not.
        releases: the assets of each release, by tag.
    """

    api: Loopback
    storage: Loopback
    repository: str
    prefix: str = ""
    token: str | None = None
    private: bool = False
    digests: bool = True
    releases: dict[str, dict[str, bytes]] = field(default_factory=dict)

    @property
    def api_root(self) -> str:
        """What ``GITHUB_API_URL`` would say."""
        return self.api.url + self.prefix

    def release(self, tag: str, assets: Mapping[str, bytes], *, checksums: str | None = None) -> None:
        """Publish a release.

        Args:
            tag: its git tag.
            assets: its files by name.
            checksums: the name of an asset to add that has the sha256 of all the others.
        """
        published = dict(assets)
        if checksums is not None:
            lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in assets.items()]
            published[checksums] = "".join(lines).encode()
        self.releases[tag] = published

    def document(self, tag: str) -> dict[str, Any]:
        """The release as the API describes it."""
        number = 1000 + list(self.releases).index(tag)
        url = f"{self.api_root}/repos/{self.repository}/releases/{number}"
        web = f"{self.api.url}/{self.repository}/releases"
        return {
            "url": url,
            "assets_url": f"{url}/assets",
            "upload_url": f"{url}/assets{{?name,label}}",
            "html_url": f"{web}/tag/{tag}",
            "id": number,
            "author": _USER,
            "node_id": f"RE_{number}",
            "tag_name": tag,
            "target_commitish": "main",
            "name": tag.rpartition("v")[2],
            "draft": False,
            "immutable": False,
            "prerelease": "-" in tag.rpartition("v")[2],
            "created_at": _DATE,
            "updated_at": _DATE,
            "published_at": _DATE,
            "assets": [self._asset(tag, name) for name in self.releases[tag]],
            "tarball_url": f"{self.api_root}/repos/{self.repository}/tarball/{tag}",
            "zipball_url": f"{self.api_root}/repos/{self.repository}/zipball/{tag}",
            "body": "## New Features\n\n- Several\n",
        }

    def asset_path(self, tag: str, name: str) -> str:
        """The path of an asset's API address."""
        return f"{self.prefix}/repos/{self.repository}/releases/assets/{self._number(tag, name)}"

    def public_path(self, tag: str, name: str) -> str:
        """The path of an asset's public download address."""
        return f"/{self.repository}/releases/download/{tag}/{name}"

    def storage_path(self, tag: str, name: str) -> str:
        """The path of an asset on the storage host."""
        return f"/github-production-release-asset/{self._number(tag, name)}"

    def answer_api(self, request: Request) -> Reply:
        """The app of `api`."""
        authorization = request.headers.get("authorization")
        if authorization not in {None, f"Bearer {self.token}"}:
            return _api_reply({"message": "Bad credentials", **_DOCUMENTATION, "status": "401"}, 401)
        if self.private and authorization is None:
            return _NOT_FOUND
        stable = [tag for tag in self.releases if not self.document(tag)["prerelease"]]
        if stable and request.path == f"{self.prefix}/repos/{self.repository}/releases/latest":
            return _api_reply(self.document(stable[-1]))
        for tag, assets in self.releases.items():
            if request.path == f"{self.prefix}/repos/{self.repository}/releases/tags/{tag}":
                return _api_reply(self.document(tag))
            for name in assets:
                if request.path == self.public_path(tag, name):
                    return self._redirect(tag, name)
                if request.path == self.asset_path(tag, name):
                    wants_bytes = request.headers.get("accept") == "application/octet-stream"
                    return self._redirect(tag, name) if wants_bytes else _api_reply(self._asset(tag, name))
        return _NOT_FOUND

    def answer_storage(self, request: Request) -> Reply:
        """The app of `storage`."""
        if "authorization" in request.headers:
            return Reply(400, b"<Error><Code>InvalidAuthenticationInfo</Code></Error>")
        if request.query != SIGNATURE:
            return Reply(403, b"<Error><Code>AuthenticationFailed</Code></Error>")
        for tag, assets in self.releases.items():
            for name, data in assets.items():
                if request.path == self.storage_path(tag, name):
                    return file_reply(request, data)
        return Reply(404, b"<Error><Code>BlobNotFound</Code></Error>")

    def _number(self, tag: str, name: str) -> int:
        return 500_000 + 1000 * list(self.releases).index(tag) + list(self.releases[tag]).index(name)

    def _asset(self, tag: str, name: str) -> dict[str, Any]:
        data = self.releases[tag][name]
        number = self._number(tag, name)
        return {
            "url": f"{self.api.url}{self.asset_path(tag, name)}",
            "id": number,
            "node_id": f"RA_{number}",
            "name": name,
            "label": "",
            "uploader": _USER,
            "content_type": "application/octet-stream",
            "state": "uploaded",
            "size": len(data),
            "digest": f"sha256:{hashlib.sha256(data).hexdigest()}" if self.digests else None,
            "download_count": 12,
            "created_at": _DATE,
            "updated_at": _DATE,
            "browser_download_url": f"{self.api.url}{self.public_path(tag, name)}",
        }

    def _redirect(self, tag: str, name: str) -> Reply:
        location = f"{self.storage.url}{self.storage_path(tag, name)}?{SIGNATURE}"
        return Reply(302, b"", {"Location": location})


@contextlib.contextmanager
def github_server(
    repository: str,
    *,
    prefix: str = "",
    token: str | None = None,
    private: bool = False,
    digests: bool = True,
) -> Iterator[GitHubServer]:
    """A repository without releases, served until the block ends; see `GitHubServer` for the arguments."""
    with Loopback(_nothing) as api, Loopback(_nothing) as storage:
        server = GitHubServer(api, storage, repository, prefix, token, private, digests)
        api.app, storage.app = server.answer_api, server.answer_storage
        yield server


def _nothing(request: Request) -> Reply:
    return Reply(404)


def _api_reply(value: object, status: int = 200) -> Reply:
    limits = {
        "X-GitHub-Media-Type": "github.v3; format=json",
        "X-RateLimit-Limit": "60",
        "X-RateLimit-Remaining": "57",
        "X-RateLimit-Reset": "1800003600",
        "X-RateLimit-Resource": "core",
    }
    return json_reply(value, status=status, headers=limits)


_DOCUMENTATION = {"documentation_url": "https://docs.github.com/rest"}
_NOT_FOUND = _api_reply({"message": "Not Found", **_DOCUMENTATION, "status": "404"}, 404)
_USER = {"login": "github-actions[bot]", "id": 41898282, "node_id": "MDM6Qm90NDE4OTgyODI=", "type": "Bot"}
