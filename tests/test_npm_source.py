"""The source ``npm``: which registry it asks, what it believes of the answer, and who gets to see credentials."""

from __future__ import annotations

import base64
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from loopback import Loopback, Reply, cut_at, instead, json_reply, status
from npm_server import NpmServer, integrity, npm_server
from recording import RecordedProgress, direct, told

from codex_release.base.digests import Digest, parse_integrity
from codex_release.base.errors import DownloadError, ReleaseError, SourceError
from codex_release.facts.targets import Catalog
from codex_release.facts.versions import ReleaseVersion
from codex_release.fetching.cache import Cache
from codex_release.fetching.download import download
from codex_release.sources import WebFile
from codex_release.sources.npm import Npm
from codex_release.sources.npm_config import NpmConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from codex_release.base.http import Web
    from codex_release.sources import Archive

CATALOG = Catalog.load(Path(__file__).parents[1] / "release" / "targets.toml")
PACKAGE = CATALOG.npm.package
TARGET = CATALOG.target("x86_64-unknown-linux-musl")
VERSION = ReleaseVersion.parse("0.155.1")
NUMBER = "0.155.1-linux-x64"
BODY = random.Random(4).randbytes(150_000)
SECRET = "npm_S3cretS3cretS3cret"
BEARER = f"Bearer {SECRET}"
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for npm is a script")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without an ``.npmrc``, on a machine without ``npm``."""
    direct(monkeypatch, tmp_path)
    directory = tmp_path / "home"
    directory.mkdir()
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(directory))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return directory


@pytest.fixture
def npm() -> Iterator[NpmServer]:
    with npm_server() as server:
        server.publish(PACKAGE, NUMBER, BODY)
        yield server


def source(web: Web, project: Path, **variables: str) -> Npm:
    return Npm(CATALOG.npm, web, NpmConfig.load(variables, project))


def headers_of(archive: Archive) -> Mapping[str, str]:
    assert isinstance(archive.origin, WebFile)
    return archive.origin.headers


class TestFinding:
    def test_the_platform_package_is_found_and_its_tarball_kept(
        self, npm: NpmServer, web: Web, project: Path, cache: Cache
    ) -> None:
        archive = source(web, project, NPM_CONFIG_REGISTRY=npm.registry).find(VERSION, TARGET)
        assert (archive.source, archive.name) == ("npm", f"codex-{NUMBER}.tgz")
        assert archive.digests == (parse_integrity(integrity(BODY)),)
        assert download(archive, cache, web).path.read_bytes() == BODY
        assert [request.path for request in npm.server.requests] == [
            f"/@openai%2Fcodex/{NUMBER}",
            f"/@openai/codex/-/codex-{NUMBER}.tgz",
        ]
        assert not any("authorization" in request.headers for request in npm.server.requests)

    def test_a_prerelease_is_asked_for_as_npm_spells_it(self, npm: NpmServer, web: Web, project: Path) -> None:
        npm.publish(PACKAGE, "0.156.0-alpha.2-linux-x64", BODY)
        found = source(web, project, NPM_CONFIG_REGISTRY=npm.registry)
        archive = found.find(ReleaseVersion.parse("0.156.0a2"), TARGET)
        assert archive.name == "codex-0.156.0-alpha.2-linux-x64.tgz"

    def test_a_broken_download_is_resumed(self, npm: NpmServer, web: Web, project: Path, cache: Cache) -> None:
        npm.server.fail(".tgz", cut_at(0.6))
        archive = source(web, project, NPM_CONFIG_REGISTRY=npm.registry).find(VERSION, TARGET)
        assert download(archive, cache, web).path.read_bytes() == BODY
        assert npm.server.ranges == [None, None, "bytes=90000-"]

    def test_a_version_without_the_platform_is_named(self, npm: NpmServer, web: Web, project: Path) -> None:
        found = source(web, project, NPM_CONFIG_REGISTRY=npm.registry)
        with pytest.raises(SourceError, match=r"^the npm registry has no @openai/codex@0\.155\.1-darwin-arm64$"):
            found.find(VERSION, CATALOG.target("aarch64-apple-darwin"))

    def test_a_registry_without_the_package(self, web: Web, project: Path) -> None:
        with npm_server() as empty, pytest.raises(SourceError, match=r"has no @openai/codex@0\.155\.1-linux-x64"):
            source(web, project, NPM_CONFIG_REGISTRY=empty.registry).find(VERSION, TARGET)

    def test_a_registry_that_fails_to_the_end(self, npm: NpmServer, web: Web, project: Path) -> None:
        npm.server.fail("/", *[status(500)] * 9)
        with pytest.raises(SourceError, match=r"^the npm registry cannot be asked: .*status 500, 3 times in a row$"):
            source(web, project, NPM_CONFIG_REGISTRY=npm.registry).find(VERSION, TARGET)

    def test_a_tarball_with_a_name_of_the_registrys_own(
        self, npm: NpmServer, web: Web, project: Path, cache: Cache
    ) -> None:
        with Loopback(lambda request: Reply(200, BODY)) as elsewhere:
            npm.changes["tarball"] = f"{elsewhere.url}/download/5f3a?token=x"
            archive = source(web, project, NPM_CONFIG_REGISTRY=npm.registry).find(VERSION, TARGET)
            assert archive.name == f"codex-{NUMBER}.tgz"
            assert download(archive, cache, web).path.read_bytes() == BODY

    @pytest.mark.parametrize("document", [[], None, 7, "text", {}, {"dist": None}, {"dist": {}}, {"dist": "x"}])
    def test_an_answer_of_another_shape(self, npm: NpmServer, web: Web, project: Path, document: Any) -> None:
        npm.server.fail("/", instead(json_reply(document)))
        with pytest.raises(SourceError, match=f"the npm registry's answer about {NUMBER}: .*; look whether npm config"):
            source(web, project, NPM_CONFIG_REGISTRY=npm.registry).find(VERSION, TARGET)

    def test_an_answer_about_another_version(self, npm: NpmServer, web: Web, project: Path) -> None:
        other = {**npm.document(PACKAGE, NUMBER), "version": "0.155.0-linux-x64"}
        npm.server.fail("/", instead(json_reply(other)))
        with pytest.raises(SourceError, match=f"about {NUMBER}: version is '0.155.0-linux-x64', not '{NUMBER}'; look"):
            source(web, project, NPM_CONFIG_REGISTRY=npm.registry).find(VERSION, TARGET)

    @pytest.mark.parametrize("tarball", [None, 7, ["x"], {}, "http://[::1"])
    def test_a_tarball_that_is_no_address(self, npm: NpmServer, web: Web, project: Path, tarball: Any) -> None:
        npm.changes["tarball"] = tarball
        with pytest.raises(SourceError, match=r"answer about .*: dist\.tarball is "):
            source(web, project, NPM_CONFIG_REGISTRY=npm.registry).find(VERSION, TARGET)

    def test_what_is_not_json(self, npm: NpmServer, web: Web, project: Path) -> None:
        npm.server.fail("/", instead(Reply(200, b"<html>")))
        with pytest.raises(SourceError, match=r"the npm registry cannot be asked: .* did not answer JSON"):
            source(web, project, NPM_CONFIG_REGISTRY=npm.registry).find(VERSION, TARGET)


class TestIntegrity:
    def test_bytes_of_another_integrity_are_refused(
        self, npm: NpmServer, web: Web, project: Path, cache: Cache
    ) -> None:
        npm.changes["integrity"] = integrity(b"other")
        archive = source(web, project, NPM_CONFIG_REGISTRY=npm.registry).find(VERSION, TARGET)
        with pytest.raises(DownloadError, match=r"from npm has sha512 \w+, npm says"):
            download(archive, cache, web)
        assert [path for kind in ("archives", "partial") for path in cache.root.glob(f"{kind}/*")] == []

    @pytest.mark.parametrize("text", [None, 7, "", "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "sha512-???", "sha512-YWJj"])
    def test_an_integrity_that_says_nothing_is_no_digest(
        self, npm: NpmServer, web: Web, project: Path, text: Any
    ) -> None:
        npm.changes["integrity"] = text
        assert source(web, project, NPM_CONFIG_REGISTRY=npm.registry).find(VERSION, TARGET).digests == ()

    def test_the_strongest_of_several_counts(self, npm: NpmServer, web: Web, project: Path) -> None:
        sha256 = base64.b64encode(bytes(32)).decode()
        npm.changes["integrity"] = f"sha256-{sha256} {integrity(BODY)}?x"
        (digest,) = source(web, project, NPM_CONFIG_REGISTRY=npm.registry).find(VERSION, TARGET).digests
        assert digest == parse_integrity(integrity(BODY))
        assert isinstance(digest, Digest)


class TestCredentials:
    def test_the_registry_and_its_tarballs_get_them(self, web: Web, project: Path, home: Path, cache: Cache) -> None:
        with npm_server(prefix="/artifacts/npm", authorization=BEARER) as npm:
            npm.publish(PACKAGE, NUMBER, BODY)
            (home / ".npmrc").write_text(
                f"@openai:registry={npm.registry}\n//{npm.server.host}/artifacts/npm/:_authToken=${{NPM_TOKEN}}\n"
            )
            archive = source(web, project, NPM_TOKEN=SECRET).find(VERSION, TARGET)
            assert download(archive, cache, web).path.read_bytes() == BODY
            assert [request.headers["authorization"] for request in npm.server.requests] == [BEARER] * 2

    def test_tarballs_on_another_host_do_not(self, web: Web, project: Path, home: Path, cache: Cache) -> None:
        with npm_server(authorization=BEARER, apart=True) as npm:
            npm.publish(PACKAGE, NUMBER, BODY)
            (home / ".npmrc").write_text(f"registry={npm.registry}\n//{npm.server.host}/:_authToken={SECRET}\n")
            archive = source(web, project).find(VERSION, TARGET)
            assert headers_of(archive) == {}
            download(archive, cache, web)
            assert [request.headers["authorization"] for request in npm.server.requests] == [BEARER]
            assert not any("authorization" in request.headers for request in npm.tarballs.requests)

    def test_nor_does_a_host_that_the_tarball_is_redirected_to(
        self, web: Web, project: Path, home: Path, cache: Cache
    ) -> None:
        with npm_server(authorization=BEARER) as npm, Loopback(lambda request: Reply(200, BODY)) as storage:
            npm.publish(PACKAGE, NUMBER, BODY)
            npm.server.fail(".tgz", instead(Reply(302, headers={"Location": f"{storage.url}/x?sig=SIGNED"})))
            (home / ".npmrc").write_text(f"registry={npm.registry}\n//{npm.server.host}/:_authToken={SECRET}\n")
            download(source(web, project).find(VERSION, TARGET), cache, web)
            assert len(storage.requests) == 1
            assert "authorization" not in storage.requests[0].headers

    @pytest.mark.parametrize("fault", [status(401), status(500), status(404), instead(Reply(200, b"x")), cut_at(0.5)])
    @pytest.mark.parametrize("failing", ["%2Fcodex", ".tgz"])
    def test_they_show_nowhere(
        self, web: Web, project: Path, home: Path, cache: Cache, progress: RecordedProgress, failing: str, fault: Any
    ) -> None:
        with npm_server(authorization=BEARER) as npm:
            npm.publish(PACKAGE, NUMBER, BODY)
            npm.server.fail(failing, *[fault] * 20)
            (home / ".npmrc").write_text(f"registry={npm.registry}\n//{npm.server.host}/:_authToken={SECRET}\n")
            found = source(web, project)
            archives: list[Archive] = []

            def fetch() -> None:
                archives.append(found.find(VERSION, TARGET))
                download(archives[0], cache, web)

            with pytest.raises(ReleaseError) as caught:
                fetch()
            assert npm.server.requests[0].headers["authorization"] == BEARER
        assert SECRET not in told(caught.value, found, found.config, archives, progress)

    def test_a_password_in_the_registrys_address_shows_nowhere(
        self, web: Web, project: Path, npm: NpmServer, progress: RecordedProgress
    ) -> None:
        npm.server.fail("/", *[status(500)] * 9)
        found = source(web, project, NPM_CONFIG_REGISTRY=npm.registry.replace("//", f"//user:{SECRET}@"))
        with pytest.raises(SourceError) as caught:
            found.find(VERSION, TARGET)
        basic = base64.b64encode(f"user:{SECRET}".encode()).decode()
        assert npm.server.requests[0].headers["authorization"] == f"Basic {basic}"
        assert SECRET not in told(caught.value, found, progress)
