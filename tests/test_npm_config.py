"""The user's npm configuration: which registry it names, how its files are read, and whom its credentials are for."""

from __future__ import annotations

import base64
import re
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from fake_programs import calls_of, fake_npm, fake_program
from recording import told

from codex_release.base.errors import SourceError
from codex_release.sources import npm_config
from codex_release.sources.npm_config import NpmConfig, parse_npmrc

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PACKAGE = "@openai/codex"
SECRET = "npm_S3cretS3cretS3cret"
BEARER = f"Bearer {SECRET}"
KEY = "//host.example/npm/:_authToken"
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for npm is a script")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without an ``.npmrc``, on a machine without ``npm``."""
    directory = tmp_path / "home"
    directory.mkdir()
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(directory))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return directory


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
        assert self.registry(project, **{"npm_config_@openai:registry": "https://env.example"}) == "https://env.example"

    def test_variables_are_put_in(self, project: Path, home: Path) -> None:
        (home / ".npmrc").write_text("registry=https://${NAME}.example/${MISSING?}${KEPT}")
        assert self.registry(project, NAME="mirror") == "https://mirror.example/${KEPT}"

    @pytest.mark.parametrize(("system", "expected"), [("win32", "mirror"), ("linux", "${Name}")])
    def test_a_variable_has_no_case_on_windows(
        self, system: str, expected: str, project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """There, a process is told the names of its variables in capitals, however they were set."""
        monkeypatch.setattr(npm_config, "sys", SimpleNamespace(platform=system))
        (home / ".npmrc").write_text("//host.example/:_authToken=${Name}")
        assert NpmConfig.load({"NAME": "mirror"}, project).values["//host.example/:_authToken"] == expected

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
        monkeypatch.setattr("codex_release.sources.npm_config._NPM_TIMEOUT_S", 0.4 if "sleep" in code else 30)
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
        with pytest.raises(SourceError) as caught:
            self.registry(project, NPM_CONFIG_REGISTRY=f"ftp://user:{SECRET}@mirror.example/npm")
        assert caught.value.what == (
            "registry in npm's configuration (NPM_CONFIG_REGISTRY) is not an http or https URL: "
            "ftp://mirror.example/npm"
        )
        assert SECRET not in told(caught.value)

    @pytest.mark.parametrize("address", ["http://x:bad/", "http://x:99999/", "http://[::1/", "foo", "https://"])
    def test_what_is_no_address_is_refused_with_the_file_that_says_it(
        self, address: str, home: Path, project: Path
    ) -> None:
        for key in ("registry", "@openai:registry"):
            (home / ".npmrc").write_text(f"{key}={address}\n")
            with pytest.raises(SourceError, match=f"^{key} in .*{re.escape(str(home / '.npmrc'))}.* is not an http"):
                self.registry(project)

    def test_anothers_address_that_is_none_hinders_nobody(self, home: Path, project: Path) -> None:
        (home / ".npmrc").write_text("registry=http://mirror.example\n@other:registry=http://[::1/\n")
        config = NpmConfig.load({}, project)
        assert config.authorization(config.registry(PACKAGE) + "/x") == {}


class TestCredentialsInTheClear:
    LINE = "//mirror.example/npm/:_authToken=S3cret\n"

    @pytest.mark.parametrize(
        ("registry", "url", "sent"),
        [
            ("https://mirror.example/npm/", "https://mirror.example/npm/x.tgz", True),
            ("https://mirror.example/npm/", "http://mirror.example/npm/x.tgz", False),
            ("http://mirror.example/npm/", "http://mirror.example/npm/x.tgz", True),
            ("http://other.example/npm/", "http://mirror.example/npm/x.tgz", False),
        ],
    )
    def test_a_token_goes_in_the_clear_only_where_the_registry_is_so_configured(
        self, registry: str, url: str, sent: bool, project: Path, home: Path
    ) -> None:
        (home / ".npmrc").write_text(f"registry={registry}\n{self.LINE}")
        assert bool(NpmConfig.load({}, project).authorization(url)) == sent


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
    return NpmConfig(config, {}).authorization(url).get("Authorization")


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
        "key",
        [
            "//host.example/npm/",
            "//host.example/npm",
            "//host.example/",
            "//host.example",
            "//host.example/npm/@openai%2Fcodex",
        ],
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

    def test_a_variable_may_hold_them(self, project: Path) -> None:
        config = NpmConfig.load({"npm_config_//Host.example/:_authToken": "x", f"npm_config_{KEY}": SECRET}, project)
        assert config.authorization("https://host.example/npm/x") == {"Authorization": BEARER}

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
