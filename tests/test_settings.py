"""Every variable that the toolkit reads, with odd values: a refusal by name, or what the table in the docs says."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from programs import ROOT, codex_release

from codex_release.base.errors import ReleaseError, UsageError
from codex_release.context import open_context
from codex_release.facts import settings as module
from codex_release.facts.settings import Settings
from codex_release.facts.workspace import Workspace
from codex_release.index.repository import Repository
from codex_release.installing.plan import wanted_version
from codex_release.sources.directory import Directory
from codex_release.sources.npm_config import NpmConfig

WORKSPACE = Workspace(ROOT)
ODD = [
    *["", " ", "\t", "0", "-1", "1e9", "1.5", "nan", "yes", "/", "..", "~nobody-here/x", "a,b", ",", "a b", "'quoted'"],
    *["http://[::1", "https://user:secret@host/x", "ftp://host", "x" * 5_000, "9" * 5_000],
    *["\u00fc", "\udcff", "$HOME", "\u2028"],
]
"""Values that nobody means; an environment cannot hold a NUL."""


def documented() -> set[str]:
    """The variables in the first column of the table in the docs."""
    text = (ROOT / "release" / "README.md").read_text(encoding="utf-8")
    table = text.partition("## Environment")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([A-Z][A-Z_*]+)`", cell)}


def in_the_code() -> set[str]:
    """The variables in the table of the code."""
    return set(re.findall(r"^``([A-Z_*]+)``", str(module.__doc__), re.MULTILINE))


def test_the_tables_of_the_docs_and_of_the_code_name_the_same_variables() -> None:
    assert documented() == in_the_code() != set()


def test_no_variable_is_read_that_the_table_does_not_have() -> None:
    known = in_the_code()
    reads = r"environ(?:\.get\(|\[)\"([A-Za-z_]+)\"|set_to(?:\.get\(|\[)\"([A-Z_]+)\""
    source = Path(module.__file__).parents[1]
    for path in source.rglob("*.py"):
        for found in re.finditer(reads, path.read_text(encoding="utf-8")):
            name = found[1] or found[2]
            assert name in known, f"{path}: {name}"


def test_whoever_looks_at_the_environment_is_named_in_the_table() -> None:
    source = Path(module.__file__).parents[1]
    looking = {
        ".".join(path.relative_to(source).with_suffix("").parts)
        for path in source.rglob("*.py")
        if re.search(r"os\.(environ|getenv)", path.read_text(encoding="utf-8"))
    }
    assert {"context", "protocol.schema"} <= looking
    assert looking == {each for each in looking if f"`{each}`" in str(module.__doc__)}


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("name", sorted(each for each in in_the_code() if "*" not in each))
def test_an_odd_value_is_refused_by_name_or_does_what_the_table_says(name: str, value: str) -> None:
    refusal, plain = None, Settings.read({})
    try:
        found = Settings.read({name: value})
    except UsageError as error:
        refusal, found = error, plain
    if refusal:
        assert refusal.what.startswith(name)
        assert refusal.remedy
        assert "secret" not in str(refusal) or name == "SOURCE_DATE_EPOCH"
        assert len(str(refusal)) < 300
    assert 315532800 <= found.epoch <= 4354819199
    assert found.sources
    if not value.strip():
        assert (found.cache_dir, found.epoch, found.github_api) == (plain.cache_dir, plain.epoch, plain.github_api)
        assert (found.sources, found.github_token, found.job_summary) == (plain.sources, None, None)


def use() -> None:
    """Have all parts of the toolkit that read variables do so."""
    with open_context(lambda: WORKSPACE) as context:
        assert context.sources
        _ = context.cache
    wanted_version()
    Repository.read(None, None, os.environ)
    if os.environ.get("NPM_CONFIG_REGISTRY", "").strip():  # without one, npm is asked
        config = NpmConfig.load(os.environ, Path.cwd())
        config.authorization(config.registry("@openai/codex"))


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize(
    "name",
    [*sorted(each for each in in_the_code() if "*" not in each), "NPM_CONFIG_REGISTRY", "npm_config_@x:registry"],
)
def test_who_reads_an_odd_value_takes_it_or_refuses_it_by_name(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv(name, value)
    refusal = None
    try:
        use()
    except ReleaseError as error:
        refusal = error
    if refusal:
        assert name in refusal.what
        assert refusal.remedy
        assert "secret" not in str(refusal) or name in {"SOURCE_DATE_EPOCH", "CODEX_PYTHON_RUNTIME_VERSION"}
        assert len(str(refusal)) < 300


@pytest.mark.skipif(sys.platform == "win32", reason="Windows asks the system for its directories")
def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)  # as of an id that no user has
    with pytest.raises(UsageError, match=r"^this user has no cache directory: .*; name a directory in CODEX_RELEASE_"):
        Settings.read({})
    assert Settings.read({"CODEX_RELEASE_CACHE": "/somewhere"}).cache_dir == Path("/somewhere")


def test_a_source_may_be_a_directory_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "archives").mkdir()
    monkeypatch.setenv("CODEX_RELEASE_SOURCES", "~/archives,directory:~/archives")
    with open_context(lambda: WORKSPACE) as context:
        assert [each.path for each in context.sources if isinstance(each, Directory)] == [tmp_path / "archives"] * 2


@pytest.mark.parametrize("value", ODD)
def test_npm_settings_of_any_value_are_read(value: str, tmp_path: Path) -> None:
    read = NpmConfig.load({"NPM_CONFIG_REGISTRY": value, "npm_config_userconfig": str(tmp_path / value[:99])}, tmp_path)
    assert read.values.get("registry", "") == value.strip()


@pytest.mark.parametrize("good", ["315532800", "1700000000", "4354819199", " 1700000000 "])
def test_whole_seconds_that_a_zip_can_hold(good: str) -> None:
    assert Settings.read({"SOURCE_DATE_EPOCH": good}).epoch == int(good)


@pytest.mark.parametrize(
    "bad", ["315532799", "4354819200", "-1", "1.7e9", "1700000000.0", "\u0661\u0662", "today", "1_7"]
)
def test_another_date_is_refused_by_name(bad: str) -> None:
    with pytest.raises(UsageError, match=r"^SOURCE_DATE_EPOCH is .*; set it to whole seconds .* \(1980\) .* \(2107\)"):
        Settings.read({"SOURCE_DATE_EPOCH": bad})


def test_a_command_says_it_in_one_line() -> None:
    said = codex_release("cache", "list", code=2, env={"SOURCE_DATE_EPOCH": "0"}).stderr
    assert said.startswith("codex-release: SOURCE_DATE_EPOCH is '0', which is no date that a zip can hold; set it")
    assert said.count("\n") == 1
