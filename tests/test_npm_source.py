"""The source ``npm``: which registry it asks, what it believes of the answer, and who gets to see credentials."""

from __future__ import annotations

import base64
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fake_programs import calls_of, fake_npm, fake_program
from loopback import Loopback, Reply, cut_at, instead, json_reply, status
from npm_server import NpmServer, integrity, npm_server
from recording import RecordedProgress, connected, told

from codex_release.cache import Cache
from codex_release.digests import Digest, parse_integrity
from codex_release.download import download
from codex_release.errors import DownloadError, ReleaseError, SourceError
from codex_release.npm_config import NpmConfig, parse_npmrc
from codex_release.sources import WebFile
from codex_release.sources.npm import Npm
from codex_release.targets import Catalog
from codex_release.versions import ReleaseVersion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from codex_release.http import Web
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
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    directory = tmp_path / "home"
    directory.mkdir()
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(directory))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return directory


@pytest.fixture
def project(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    return directory


@pytest.fixture
def npm() -> Iterator[NpmServer]:
    with npm_server() as server:
        server.publish(PACKAGE, NUMBER, BODY)
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def progress() -> RecordedProgress:
    return RecordedProgress()


@pytest.fixture
def web(progress: RecordedProgress) -> Iterator[Web]:
    with connected(progress) as made:
        yield made


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
        with npm_server() as empty, pytest.raises(SourceError, match="has no @openai/codex@0.155.1-linux-x64"):
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
        with pytest.raises(SourceError, match=f"the npm registry's answer about {NUMBER} has an unknown shape"):
            source(web, project, NPM_CONFIG_REGISTRY=npm.registry).find(VERSION, TARGET)

    @pytest.mark.parametrize("tarball", [None, 7, ["x"], {}, "http://[::1"])
    def test_a_tarball_that_is_no_address(self, npm: NpmServer, web: Web, project: Path, tarball: Any) -> None:
        npm.changes["tarball"] = tarball
        with pytest.raises(SourceError, match="has an unknown shape"):
            source(web, project, NPM_CONFIG_REGISTRY=npm.registry).find(VERSION, TARGET)

    def test_what_is_not_json(self, npm: NpmServer, web: Web, project: Path) -> None:
        npm.server.fail("/", instead(Reply(200, b"<html>")))
        with pytest.raises(SourceError, match="the npm registry cannot be asked: .* did not answer JSON"):
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


class TestWhichRegistry:
    def registry(self, project: Path, **variables: str) -> str:
        return NpmConfig.load(variables, project).registry(PACKAGE)

    def test_from_the_environment_in_any_case(self, project: Path) -> None:
        for name in ("NPM_CONFIG_REGISTRY", "npm_config_registry", "Npm_Config_Registry"):
            assert self.registry(project, **{name: "https://env.example/npm/"}) == "https://env.example/npm"

    def test_from_the_users_file(self, project: Path, home: Path) -> None:
        (home / ".npmrc").write_text("registry=https://user.example/\n")
        assert self.registry(project) == "https://user.example"

    def test_from_a_users_file_elsewhere(self, project: Path, home: Path) -> None:
        (home / ".npmrc").write_text("registry=https://wrong.example/\n")
        (home / "elsewhere").write_text("registry=https://user.example/\n")
        assert self.registry(project, NPM_CONFIG_USERCONFIG=str(home / "elsewhere")) == "https://user.example"
        assert self.registry(project, npm_config_userconfig="~/elsewhere") == "https://user.example"

    def test_the_order_is_environment_project_user_machine(self, project: Path, home: Path, tmp_path: Path) -> None:
        machine = tmp_path / "npmrc"
        variables = {"NPM_CONFIG_GLOBALCONFIG": str(machine)}
        machine.write_text("registry = https://machine.example")
        assert self.registry(project, **variables) == "https://machine.example"
        (home / ".npmrc").write_text("registry = https://user.example")
        assert self.registry(project, **variables) == "https://user.example"
        (project / ".npmrc").write_text("registry = https://project.example")
        assert self.registry(project, **variables) == "https://project.example"
        variables["NPM_CONFIG_REGISTRY"] = "https://env.example"
        assert self.registry(project, **variables) == "https://env.example"

    @posix_only
    def test_the_machines_file_lies_beside_the_program(self, project: Path, tmp_path: Path) -> None:
        program = fake_npm(tmp_path / "bin", "https://program.example/")
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc" / "npmrc").write_text("registry = https://machine.example")
        assert self.registry(project) == "https://machine.example"
        assert calls_of(program) == []

    def test_that_of_the_scope_comes_before_all(self, project: Path, home: Path) -> None:
        (home / ".npmrc").write_text("@openai:registry=https://scope.example/npm/\n@other:registry=https://x.example\n")
        assert self.registry(project, NPM_CONFIG_REGISTRY="https://env.example") == "https://scope.example/npm"
        assert (
            self.registry(project, **{"npm_config_@openai:registry": "https://env.example"}) == "https://env.example"
        )

    def test_variables_are_put_in(self, project: Path, home: Path) -> None:
        (home / ".npmrc").write_text("registry=https://${NAME}.example/${MISSING?}${KEPT}")
        assert self.registry(project, NAME="mirror") == "https://mirror.example/${KEPT}"

    def test_an_empty_variable_counts_as_not_set(self, project: Path, home: Path) -> None:
        (home / ".npmrc").write_text("registry=https://user.example")
        assert self.registry(project, NPM_CONFIG_REGISTRY="") == "https://user.example"

    def test_a_file_that_cannot_be_read_is_passed_over(self, project: Path, home: Path) -> None:
        (project / ".npmrc").write_bytes(b"registry=\xff\xfe")
        (home / ".npmrc").write_text("registry=https://user.example")
        assert self.registry(project) == "https://user.example"

    def test_none_and_no_npm_names_the_remedy(self, project: Path) -> None:
        with pytest.raises(SourceError) as caught:
            self.registry(project)
        assert caught.value.what == "no npm registry is configured and npm is not installed"
        assert caught.value.remedy == "set NPM_CONFIG_REGISTRY, or install npm"

    @posix_only
    def test_npm_is_asked_once_when_nothing_is_configured(self, project: Path, tmp_path: Path) -> None:
        program = fake_npm(tmp_path / "bin", "https://program.example/npm/")
        config = NpmConfig.load({}, project)
        assert [config.registry(PACKAGE) for _ in range(3)] == ["https://program.example/npm"] * 3
        assert calls_of(program) == [["config", "get", "registry"]]

    @posix_only
    @pytest.mark.parametrize(
        ("code", "found"),
        [
            ("sys.exit('npm error code EJSONPARSE')", "npm failed with exit code 1: npm error code EJSONPARSE"),
            ("import time; time.sleep(60)", "npm gave no answer for 0 s"),
        ],
    )
    def test_an_npm_that_fails_is_quoted(
        self, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, found: str
    ) -> None:
        monkeypatch.setattr("codex_release.npm_config._NPM_TIMEOUT_S", 0.4)
        fake_program(tmp_path / "bin", "npm", code)
        with pytest.raises(SourceError, match=f"npm could not be asked for its registry: {found}") as caught:
            self.registry(project)
        assert caught.value.remedy == "set NPM_CONFIG_REGISTRY, or install npm"

    @posix_only
    def test_an_npm_that_prints_no_address(self, project: Path, tmp_path: Path) -> None:
        fake_npm(tmp_path / "bin", "undefined")
        with pytest.raises(SourceError, match="registry is not an http or https URL"):
            self.registry(project)

    def test_an_address_that_is_none_is_shown_without_its_password(self, project: Path) -> None:
        with pytest.raises(SourceError, match="not an http or https URL: ftp://mirror.example/npm") as caught:
            self.registry(project, NPM_CONFIG_REGISTRY=f"ftp://user:{SECRET}@mirror.example/npm")
        assert SECRET not in told(caught.value)


class TestTheFile:
    @pytest.mark.parametrize(
        ("line", "value"),
        [
            ("registry=https://a.example", "https://a.example"),
            ("  registry  =  https://a.example  ", "https://a.example"),
            ('registry = "https://a.example"', "https://a.example"),
            ("registry = 'https://a.example'", "https://a.example"),
            ("registry = https://a.example ; the mirror", "https://a.example"),
            ("registry = https://a.example # the mirror", "https://a.example"),
            (r"registry = https://a.example/\#x\;y\z", r"https://a.example/#x;y\z"),
            ("registry = https://a.example/x=y", "https://a.example/x=y"),
            ("\ufeffregistry=https://a.example", "https://a.example"),
            ("; registry = https://b.example\n# registry = https://b.example\nregistry=https://a.example", None),
            ("registry=https://b.example\r\nregistry=https://a.example\r\n", "https://a.example"),
            ("registry=https://a.example\n[section]\nregistry=https://b.example", "https://a.example"),
        ],
    )
    def test_it_is_read_as_npm_reads_it(self, tmp_path: Path, line: str, value: str | None) -> None:
        path = tmp_path / "npmrc"
        path.write_bytes(line.encode())
        config = NpmConfig.load({"NPM_CONFIG_USERCONFIG": str(path)}, tmp_path)
        assert config.registry(PACKAGE) == (value or "https://a.example")

    def test_lines_that_set_nothing_are_passed_over(self) -> None:
        assert parse_npmrc("\n\nalone\n=\n;a=b\n#a=b\n", {}) == {"": ""}

    def test_keys_have_variables_too(self) -> None:
        assert parse_npmrc("//${HOST}/:_authToken=${TOKEN}", {"HOST": "h", "TOKEN": "t"}) == {"//h/:_authToken": "t"}


def authorization(config: Mapping[str, str], url: str) -> str | None:
    return NpmConfig(config).authorization(url).get("Authorization")


class TestCredentials:
    def test_a_token_a_pair_and_a_user_with_password(self) -> None:
        basic = base64.b64encode(b"user:pass").decode()
        password = base64.b64encode(b"pass").decode()
        url = "https://host.example/npm/@openai%2Fcodex/1.0.0"
        assert authorization({"//host.example/npm/:_authToken": SECRET}, url) == BEARER
        assert authorization({"//host.example/npm/:_auth": basic}, url) == f"Basic {basic}"
        config = {"//host.example/:username": "user", "//host.example/:_password": password}
        assert authorization(config, url) == f"Basic {basic}"

    @pytest.mark.parametrize(
        "key", ["//host.example/npm/", "//host.example/npm", "//host.example/", "//host.example", "//host.example/npm/@openai%2Fcodex"]
    )
    def test_a_key_covers_what_lies_below_its_path(self, key: str) -> None:
        assert authorization({f"{key}:_authToken": SECRET}, "https://host.example/npm/@openai%2Fcodex/1") == BEARER

    @pytest.mark.parametrize(
        "url",
        [
            "https://other.example/npm/x",
            "https://host.example.evil.example/npm/x",
            "https://host.example:8443/npm/x",
            "https://host.example@evil.example/npm/x",
            "https://sub.host.example/npm/x",
            "https://host.example/other/x",
            "https://host.example/npmx/y",
            "https://host.example/",
        ],
    )
    def test_a_key_covers_nothing_else(self, url: str) -> None:
        assert authorization({"//host.example/npm/:_authToken": SECRET}, url) is None

    def test_the_narrowest_path_wins(self) -> None:
        config = {"//h.example/:_authToken": "wide", "//h.example/a/:_authToken": SECRET}
        assert authorization(config, "https://h.example/a/b") == BEARER
        assert authorization(config, "https://h.example/b") == "Bearer wide"

    def test_the_port_belongs_to_the_host_unless_it_goes_without_saying(self) -> None:
        config = {"//h.example:8443/:_authToken": "8443", "//h.example/:_authToken": SECRET}
        assert authorization(config, "https://h.example:8443/x") == "Bearer 8443"
        assert authorization(config, "https://h.example:443/x") == BEARER
        assert authorization(config, "HTTPS://H.Example/x") == BEARER

    def test_credentials_for_no_host_go_nowhere(self) -> None:
        assert authorization({"_authToken": SECRET, "_auth": SECRET}, "https://h.example/") is None

    @pytest.mark.parametrize("password", ["not base64!", SECRET + "*"])
    def test_a_password_that_is_not_in_base64_is_an_error_that_does_not_show_it(self, password: str) -> None:
        config = {"//h.example/:username": "user", "//h.example/:_password": password}
        with pytest.raises(SourceError, match=r"the password for //h\.example/ .* is not in base64") as caught:
            authorization(config, "https://h.example/x")
        assert password not in told(caught.value)

    def test_a_password_of_any_bytes_is_passed_on(self) -> None:
        config = {"//h.example/:username": "ü", "//h.example/:_password": base64.b64encode(b"\xff:").decode()}
        expected = base64.b64encode("ü".encode() + b":\xff:").decode()
        assert authorization(config, "https://h.example/x") == f"Basic {expected}"

    def test_the_registry_and_its_tarballs_get_them(
        self, web: Web, project: Path, home: Path, cache: Cache
    ) -> None:
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
            archive = None
            with pytest.raises(ReleaseError) as caught:
                archive = found.find(VERSION, TARGET)
                download(archive, cache, web)
            assert npm.server.requests[0].headers["authorization"] == BEARER
        assert SECRET not in told(caught.value, found, found.config, archive, progress)

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


def test_no_other_npm_is_in_the_way(tmp_path: Path) -> None:
    assert os.environ["PATH"] == str(tmp_path / "bin")
