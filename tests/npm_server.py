"""An npm registry on loopback: version documents, package documents and tarballs, with or without credentials."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from loopback import Loopback, Reply, Request, file_reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NpmServer", "integrity", "npm_server"]


def integrity(data: bytes) -> str:
    """The Subresource Integrity of some bytes, as npm publishes it."""
    return f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}"


@dataclass
class NpmServer:
    """A registry.

    Attributes:
        server: the registry itself.
        tarballs: the server that has the tarballs; the same one, save for registries that keep them elsewhere.
        prefix: the path before the packages' names, as proxies have it.
        authorization: the one header value that is let in; `None` if everybody is.
        packages: the tarball of each version, by package.
        tags: the tag that names a version, e.g. ``latest``, by version.
        changes: what the ``dist`` of every version says otherwise than it would.
    """

    server: Loopback
    tarballs: Loopback
    prefix: str = ""
    authorization: str | None = None
    packages: dict[str, dict[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def registry(self) -> str:
        """What ``NPM_CONFIG_REGISTRY`` would say, with the slash that npm puts at its end."""
        return f"{self.server.url}{self.prefix}/"

    def publish(self, package: str, version: str, tarball: bytes) -> None:
        """Publish a version."""
        self.packages.setdefault(package, {})[version] = tarball

    def tarball_path(self, package: str, version: str) -> str:
        """The path of a tarball."""
        return f"{self.prefix}/{package}/-/{package.rpartition('/')[2]}-{version}.tgz"

    def document(self, package: str, version: str) -> dict[str, Any]:
        """A version's document."""
        data = self.packages[package][version]
        dist = {
            "integrity": integrity(data),
            "shasum": hashlib.sha1(data, usedforsecurity=False).hexdigest(),
            "tarball": f"{self.tarballs.url}{self.tarball_path(package, version)}",
            "fileCount": 6,
            "unpackedSize": 3 * len(data),
            "signatures": [{"keyid": "SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U", "sig": "MEUCIQDx"}],
        }
        return {
            "name": package,
            "version": version,
            "license": "Apache-2.0",
            "os": ["linux"],
            "cpu": ["x64"],
            "files": ["vendor"],
            "repository": {"type": "git", "url": "git+https://github.com/openai/codex.git", "directory": "codex-cli"},
            "_id": f"{package}@{version}",
            "dist": {**dist, **self.changes},
        }

    def answer(self, request: Request) -> Reply:
        """The app of `server`, and of `tarballs` where it is the same."""
        if self.authorization not in {None, request.headers.get("authorization")}:
            return json_reply({"error": "You must be logged in to do this"}, status=401)
        path = unquote(request.path)
        for package, versions in self.packages.items():
            root = f"{self.prefix}/{package}"
            if path == root:
                documents = {version: self.document(package, version) for version in versions}
                return json_reply({"_id": package, "name": package, "versions": documents})
            for version, data in versions.items():
                if path in {f"{root}/{version}", f"{root}/{self.tags.get(version)}"}:
                    return json_reply(self.document(package, version))
                if path == self.tarball_path(package, version):
                    return file_reply(request, data)
            if path.startswith(f"{root}/"):
                return json_reply(f"version not found: {path.rpartition('/')[2]}", status=404)
        return json_reply({"error": "Not found"}, status=404)

    def answer_tarball(self, request: Request) -> Reply:
        """The app of a separate `tarballs`; it lets everybody in."""
        for package, versions in self.packages.items():
            for version, data in versions.items():
                if request.path == self.tarball_path(package, version):
                    return file_reply(request, data)
        return Reply(404)


@contextlib.contextmanager
def npm_server(*, prefix: str = "", authorization: str | None = None, apart: bool = False) -> Iterator[NpmServer]:
    """An empty registry, served until the block ends.

    Args:
        prefix: see `NpmServer`.
        authorization: see `NpmServer`.
        apart: whether the tarballs are on another host.
    """
    with Loopback(_nothing) as server, Loopback(_nothing) as other:
        npm = NpmServer(server, other if apart else server, prefix, authorization)
        server.app, other.app = npm.answer, npm.answer_tarball
        yield npm


def _nothing(request: Request) -> Reply:
    return Reply(404)
