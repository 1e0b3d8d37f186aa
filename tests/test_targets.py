"""The data file of targets: what it says holds together, and what it may not say is refused."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import archives
import pytest
from archives import CATALOG

from codex_release.base.errors import UsageError, WorkspaceError
from codex_release.facts import targets
from codex_release.facts.targets import Catalog, Target, matches
from codex_release.runtime.headers import Executable
from codex_release.runtime.tags import variants

FILE = Path(__file__).parents[1] / "release" / "targets.toml"
LAYOUT = CATALOG.layout

each_target = pytest.mark.parametrize("target", CATALOG.targets, ids=lambda target: target.triple)


def test_a_target_is_found_by_its_triple() -> None:
    for triple in CATALOG.triples:
        assert CATALOG.target(triple).triple == triple


def test_an_unknown_triple_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as refused:
        CATALOG.target("riscv64gc-unknown-linux-gnu")
    assert str(refused.value) == (
        f"'riscv64gc-unknown-linux-gnu' is not a target; choose one of {', '.join(CATALOG.triples)}"
    )


def test_no_two_targets_are_the_same_to_a_source_an_index_or_a_machine() -> None:
    for distinct in (
        [target.triple for target in CATALOG.targets],
        [target.npm for target in CATALOG.targets],
        [target.runner for target in CATALOG.targets],
        [(target.format, target.machine) for target in CATALOG.targets],
        [(target.system, machine) for target in CATALOG.targets for machine in target.machines],
    ):
        assert len(distinct) == len(set(distinct))


@each_target
def test_a_triple_agrees_with_the_facts_about_it(target: Target) -> None:
    machine, *_, system = re.split("-", target.triple.replace("-msvc", "").replace("-musl", ""))
    assert target.machine == machine
    facts = {"linux": ("elf", "linux", ""), "darwin": ("mach-o", "darwin", ""), "windows": ("pe", "win32", ".exe")}
    assert (target.format, target.system, target.exe) == facts[system]
    assert target.npm.startswith(target.system)


@each_target
def test_a_machine_gets_the_target_whose_executables_it_runs(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "sys", SimpleNamespace(platform=target.system))
    for machine in target.machines:
        monkeypatch.setattr(targets, "platform", SimpleNamespace(machine=lambda machine=machine: machine))
        assert CATALOG.host() == target


@pytest.mark.parametrize(
    ("system", "machine"), [("linux", "riscv64"), ("freebsd14", "amd64"), ("darwin", "ppc"), ("", "")]
)
def test_a_machine_that_codex_is_not_built_for_is_told_so(
    system: str, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "sys", SimpleNamespace(platform=system))
    monkeypatch.setattr(targets, "platform", SimpleNamespace(machine=lambda: machine))
    with pytest.raises(UsageError, match=f"^Codex is not built for {system} on {machine}; name a target with --target"):
        CATALOG.host()


def test_this_machine_has_a_target() -> None:
    assert CATALOG.host() in CATALOG.targets


def test_a_pattern_is_filled_with_what_the_target_knows_and_nothing_else() -> None:
    target = CATALOG.target("aarch64-pc-windows-msvc")
    assert (
        target.fill("{triple}{exe} {npm} {version} {tag}") == "aarch64-pc-windows-msvc.exe win32-arm64 {version} {tag}"
    )


# --- Layout


@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        ("bin/codex", "bin/*", True),
        ("bin/a/codex", "bin/*", False),
        ("a/bin/codex", "bin/*", False),
        ("bin", "bin/*", False),
        ("Bin/codex", "bin/*", False),
        ("codex.exe", "*.exe", True),
        ("bin/codex.exe", "*.exe", False),
        ("codex", "codex", True),
        ("codex-resources/voice/bin/host", "codex-resources/voice/**", True),
        ("codex-resources/voice/x", "codex-resources/voice/**", True),
        ("codex-resources/voice", "codex-resources/voice/**", False),
        ("codex-resources/voices/x", "codex-resources/voice/**", False),
        ("a/codex-resources/voice/x", "codex-resources/voice/**", False),
        ("", "*", False),
    ],
)
def test_a_pattern_means_one_level_unless_it_ends_in_two_stars(path: str, pattern: str, expected: bool) -> None:
    assert matches(path, [pattern]) is expected
    assert matches(path, ["nothing/**", pattern]) is expected
    assert not matches(path, [])


@each_target
def test_every_file_of_a_runtime_has_its_role(target: Target) -> None:
    for path, data in archives.runtime(target).items():
        if LAYOUT.is_excluded(path):
            assert path.startswith("codex-resources/voice/")
            continue
        runs = not data.startswith(b"{")
        assert LAYOUT.is_executable(path) is runs
        assert LAYOUT.mode(path) == (0o755 if runs else 0o644)
        assert LAYOUT.is_optional(path) is path.startswith("codex-path/")


@each_target
def test_what_the_runtime_cannot_do_without_is_neither_optional_nor_excluded(target: Target) -> None:
    for path in (target.fill(LAYOUT.entrypoint), LAYOUT.descriptor):
        assert not LAYOUT.is_optional(path)
        assert not LAYOUT.is_excluded(path)
    assert LAYOUT.is_executable(target.fill(LAYOUT.entrypoint))


def test_a_shell_that_some_releases_bring_narrows_no_wheel() -> None:
    """That of 0.162 needs a glibc that few systems have, and commands run without it."""
    target, zsh = CATALOG.target("x86_64-unknown-linux-musl"), "codex-resources/zsh/bin/zsh"
    static = Executable("elf", ("x86_64",), static=True)
    dynamic = Executable("elf", ("x86_64",), static=False, interpreter="/lib64/ld-linux-x86-64.so.2", glibc=(2, 38))
    assert LAYOUT.is_executable(zsh)
    narrow, wide = variants(target, {"bin/codex": static, zsh: dynamic}, LAYOUT.is_optional)
    assert narrow.platforms == ("manylinux_2_38_x86_64",)
    assert wide.left_out == {zsh}
    assert {"manylinux_2_17_x86_64", "musllinux_1_1_x86_64"} <= set(wide.platforms)


# --- The file


def load(tmp_path: Path, text: str) -> Catalog:
    path = tmp_path / "targets.toml"
    path.write_text(text, encoding="utf-8")
    return Catalog.load(path)


def test_a_platform_is_added_by_adding_a_table(tmp_path: Path) -> None:
    table = """
[targets.riscv64gc-unknown-linux-musl]
format = "elf"
machine = "riscv64"
arch = "riscv64"
exe = ""
npm = "linux-riscv64"
runner = "ubuntu-24.04-riscv"
cibuildwheel_platform = "linux"
cibuildwheel_arch = "riscv64"
system = "linux"
machines = ["riscv64"]
systems = ["musllinux_1_2_riscv64"]
"""
    catalog = load(tmp_path, FILE.read_text(encoding="utf-8") + table)
    assert catalog.triples == (*CATALOG.triples, "riscv64gc-unknown-linux-musl")
    assert catalog.target("riscv64gc-unknown-linux-musl").machines == ("riscv64",)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('format = "elf"\n', "", "format"),
        ('format = "elf"', 'fromat = "elf"', "fromat is not known"),
        ('format = "elf"', "format = 1", "format"),
        ('machines = ["AMD64", "x86_64"]', 'machines = "AMD64"', "machines"),
        ('exe = ".exe"', 'exe = ".exe"\ncolour = "blue"', "colour"),
        ('descriptor = "codex-package.json"\n', "", "descriptor"),
        ('optional = ["codex-path/*", ', 'optional = "codex-path/*" # ', "optional"),
        ("[layout.renames]", "[renames]", "renames"),
        ("[layout", "[lay", "layout"),
        ("[size_limits]", "[size]", "size_limits"),
        ("[sources.npm]", "[sources.pnpm]", "npm"),
        ('package = "@openai/codex"', "package = []", "package"),
        ("[targets.", "[target.", "targets"),
        ('module = "codex_cli_bin"\n', "", "module"),
        ('module = "codex_cli_bin"\n', 'module = "../codex"\n', "leads out"),
        ('descriptor = "codex-package.json"', 'descriptor = "/etc/x"', "absolute path"),
        ('optional = ["codex-path/*"', 'optional = ["..\\\\x"', "leads out"),
        ('"path/rg{exe}" = "codex-path/rg{exe}"', '"path/rg{exe}" = "C:/rg{exe}"', "layout.renames .*absolute path"),
        ('checksums = "codex-package_SHA256SUMS"', 'checksums = "x/SUMS"', "no plain name"),
        ("x86_64-unknown-linux-musl", '"x/../../y"', "leads out"),
        ("project_size = 10_737_418_240", "project_size = -1", "index.project_size is -1, which is negative"),
        ("project_size = 10_737_418_240", 'project_size = "large"', "index.project_size is 'large', not a number"),
        ('asks = ["--version", "initialize"]\n', "", "asks"),
        ("oldest = 10", 'oldest = "10"', "oldest"),
        ('package = "wine"\n', "", "package"),
        (
            'entrypoint = "bin/codex{exe}"',
            'entrypoint = "{nope}"',
            "layout.entrypoint has '{nope}'; filled in are {triple}",
        ),
        ('entrypoint = "bin/codex{exe}"', 'entrypoint = "bin/codex{exe"', "layout.entrypoint has 'bin/codex{exe'"),
        ('"codex-{triple}{exe}.zip"', '"codex-{triple}{version}.zip"', "github.archives has .*; filled in are"),
        ('"codex{exe}" = "bin', '"codex{ext}" = "bin', "layout.renames has 'codex{ext}'; filled in are"),
        ('version = "{version}-{npm}"', 'version = "{tag}-{npm}"', "npm.version has '{tag}-{npm}'; filled in are"),
        ("refs/tags/{tag}", "refs/tags/{version}", "github.signer has .*; filled in are {tag} alone"),
        ("WINEPREFIX={scratch}", "WINEPREFIX={triple}", "environ has .*; filled in are {scratch} alone"),
        ('path_dir = "codex-path"', 'path_dir = "codex-{exe}"', "path_dir has 'codex-{exe}'; filled in are no braces"),
        ('repository = "openai/codex"', 'repository = ""', "github.repository is empty"),
        (
            'repository = "openai/codex"',
            'repository = "codex"',
            "github.repository is 'codex', not an owner and a name",
        ),
        ('package = "@openai/codex"', 'package = ""', "npm.package is empty"),
        ('machines = ["AMD64", "x86_64"]', 'machines = [""]', "machines is empty, or has an empty text"),
        ('format = "elf"', 'format = "ELF"', "format has 'ELF', which is none of 'elf', 'mach-o', 'pe'"),
        ('system = "win32"', 'system = "windows"', "system has 'windows', which is none of 'linux'"),
        ('exe = ".exe"', 'exe = "exe"', "exe has 'exe', which is none of '', '.exe'"),
        ('asks = ["--version"]', 'asks = ["--help"]', "asks has '--help', which is none of '--version', 'initialize'"),
        ("[emulators.x86_64-pc", "[emulators.i686-pc", "emulators.i686-pc-windows-msvc is no target"),
    ],
)
def test_a_missing_or_misspelled_fact_is_named(old: str, new: str, named: str, tmp_path: Path) -> None:
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(WorkspaceError, match=rf"targets\.toml: .*{named}.*; mend it there"):
        load(tmp_path, text.replace(old, new))


@pytest.mark.parametrize("text", ["targets = 1", "targets = []", "[targets]\nx = 1", "[runtime]\n", ""])
def test_a_file_of_another_shape_is_refused(text: str, tmp_path: Path) -> None:
    whole = f'{text}\n[runtime]\ndistribution = "x"\nmodule = "x"\n' if "runtime" not in text else text
    with pytest.raises(WorkspaceError, match=r"targets\.toml: .* (is missing|not a table); mend it there"):
        load(tmp_path, whole)


def test_a_file_that_is_not_there_or_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"targets\.toml cannot be read"):
        Catalog.load(tmp_path / "targets.toml")
    with pytest.raises(WorkspaceError, match=r"targets\.toml is not valid TOML"):
        load(tmp_path, "[targets")
    (tmp_path / "targets.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(WorkspaceError, match=r"targets\.toml cannot be read"):
        Catalog.load(tmp_path / "targets.toml")
