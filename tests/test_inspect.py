"""Looking at a runtime tree: what it promises is held against its executables, and a lie names its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import archives
import executables
import pytest
from archives import CATALOG, VERSION

from codex_release.base.errors import InspectError
from codex_release.facts.versions import ReleaseVersion
from codex_release.runtime.inspection import infer_target, inspect_tree
from codex_release.runtime.tree import RuntimeTree

if TYPE_CHECKING:
    from pathlib import Path

    from codex_release.facts.targets import Target

LAYOUT = CATALOG.layout
LINUX = CATALOG.target("x86_64-unknown-linux-musl")
LINUX_ARM = CATALOG.target("aarch64-unknown-linux-musl")
MACOS = CATALOG.target("aarch64-apple-darwin")
WINDOWS = CATALOG.target("x86_64-pc-windows-msvc")

each_target = pytest.mark.parametrize("target", CATALOG.targets, ids=lambda target: target.triple)


def tree_of(target: Target, directory: Path) -> RuntimeTree:
    """A fake runtime, as it comes out of its archive."""
    made = archives.package_tar(target)
    archive = directory / "archive"
    archive.write_bytes(made.data)
    root = directory / "tree"
    root.mkdir()
    version = ReleaseVersion.parse(VERSION)
    files = archives.unpack_tree(archive, made.name, root, layout=LAYOUT, target=target, version=version)
    return RuntimeTree(root, LAYOUT.payload(files))


def with_file(tree: RuntimeTree, path: str, data: bytes) -> RuntimeTree:
    """The tree with another file, or another content of one; digests do not matter here."""
    (tree.root / path).parent.mkdir(parents=True, exist_ok=True)
    (tree.root / path).write_bytes(data)
    return RuntimeTree(tree.root, {**tree.files, path: next(iter(tree.files.values()))})


TAGS = {
    "x86_64-unknown-linux-musl": [["manylinux2014_x86_64", "manylinux_2_17_x86_64", "musllinux_1_1_x86_64"]],
    "aarch64-unknown-linux-musl": [
        ["manylinux_2_18_aarch64"],
        ["manylinux2014_aarch64", "manylinux_2_17_aarch64", "musllinux_1_1_aarch64"],
    ],
    "x86_64-apple-darwin": [["macosx_10_12_x86_64"]],
    "aarch64-apple-darwin": [["macosx_11_0_arm64"]],
    "x86_64-pc-windows-msvc": [["win_amd64"]],
    "aarch64-pc-windows-msvc": [["win_arm64"]],
}


@each_target
def test_a_runtime_earns_the_tags_of_its_executables(target: Target, tmp_path: Path) -> None:
    tree = tree_of(target, tmp_path)
    inspection = inspect_tree(tree, target, LAYOUT)
    assert inspection.executables.keys() == {path for path in tree.files if path != "codex-package.json"}
    assert {(each.format, *each.machines) for each in inspection.executables.values()} == {
        (target.format, target.machine)
    }
    assert [list(variant.platforms) for variant in inspection.variants] == TAGS[target.triple]


def test_the_second_wheel_of_a_target_does_without_what_breaks_its_tags(tmp_path: Path) -> None:
    inspection = inspect_tree(tree_of(LINUX_ARM, tmp_path), LINUX_ARM, LAYOUT)
    assert [variant.left_out for variant in inspection.variants] == [frozenset(), frozenset({"codex-path/rg"})]


@pytest.mark.parametrize("path", ["bin/codex", "bin/codex-code-mode-host", "codex-resources/bwrap", "codex-path/rg"])
@pytest.mark.parametrize(
    ("alien", "found"),
    [
        (executables.elf("aarch64"), "elf aarch64"),
        (executables.elf("i386"), "elf i386"),
        (executables.macho("x86_64"), "mach-o x86_64"),
        (executables.fat([executables.macho("x86_64"), executables.macho()]), r"mach-o x86_64\+aarch64"),
        (executables.pe("x86_64"), "pe x86_64"),
    ],
    ids=["arm64", "i386", "Mach-O", "fat Mach-O", "PE"],
)
def test_an_executable_of_another_platform_stops(alien: bytes, found: str, path: str, tmp_path: Path) -> None:
    tree = with_file(tree_of(LINUX, tmp_path), path, alien)
    with pytest.raises(InspectError, match=f"^{path} is {found}, but x86_64-unknown-linux-musl needs elf x86_64$"):
        inspect_tree(tree, LINUX, LAYOUT)


@pytest.mark.parametrize("machine", ["x86_64", "arm64e"])
def test_a_mac_executable_of_another_machine_stops(machine: str, tmp_path: Path) -> None:
    tree = with_file(tree_of(MACOS, tmp_path), "bin/codex", executables.macho(machine))
    with pytest.raises(
        InspectError, match=f"^bin/codex is mach-o {machine}, but aarch64-apple-darwin needs mach-o aarch64"
    ):
        inspect_tree(tree, MACOS, LAYOUT)


def test_a_universal_mac_executable_that_has_the_machine_is_good(tmp_path: Path) -> None:
    fat = executables.fat([executables.macho("x86_64", minos=(10, 12)), executables.macho(minos=(12, 0))])
    tree = with_file(tree_of(MACOS, tmp_path), "bin/codex", fat)
    (variant,) = inspect_tree(tree, MACOS, LAYOUT).variants
    assert variant.platforms == ("macosx_12_0_arm64",)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"#!/bin/sh\nexec codex\n", "it is a text file that begins with '#!/bin/sh"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a text file that begins with 'version "),
        (b"", "it is empty"),
        (b"\0" * 64, "it begins with 00 00"),
    ],
    ids=["script", "LFS pointer", "empty", "zeros"],
)
@pytest.mark.parametrize("path", ["bin/codex", "codex-path/rg"])
def test_what_is_no_executable_in_the_place_of_one_stops(path: str, data: bytes, found: str, tmp_path: Path) -> None:
    tree = with_file(tree_of(LINUX, tmp_path), path, data)
    with pytest.raises(InspectError) as refused:
        inspect_tree(tree, LINUX, LAYOUT)
    assert str(refused.value).startswith(f"{tree.root / path} is no executable: {found}")


@each_target
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.99])
def test_an_executable_that_was_cut_short_stops(target: Target, kept: float, tmp_path: Path) -> None:
    path = f"bin/codex{target.exe}"
    whole = archives.executable(target)
    tree = with_file(tree_of(target, tmp_path), path, whole[: int(len(whole) * kept)])
    with pytest.raises(InspectError) as refused:
        inspect_tree(tree, target, LAYOUT)
    assert str(tree.root / path) in str(refused.value)


@pytest.mark.parametrize(
    "path", ["codex-resources/data.bin", "codex-resources/zsh/lib/module.so", "NOTICE", "extra/bin/codex"]
)
@pytest.mark.parametrize(
    "program",
    [
        executables.elf(),
        executables.elf("aarch64"),
        executables.pe(),
        executables.macho(),
        executables.fat([executables.macho()]),
    ],
    ids=["ELF", "ELF of another machine", "PE", "Mach-O", "fat Mach-O"],
)
def test_an_executable_in_the_place_of_data_stops(program: bytes, path: str, tmp_path: Path) -> None:
    tree = with_file(tree_of(LINUX, tmp_path), path, program)
    with pytest.raises(InspectError) as refused:
        inspect_tree(tree, LINUX, LAYOUT)
    assert str(refused.value) == (
        f"{path} is an executable, but has no executable's place in the layout; "
        "add its pattern to layout.executables in targets.toml"
    )


def test_data_in_the_place_of_data_is_good(tmp_path: Path) -> None:
    tree = with_file(tree_of(LINUX, tmp_path), "codex-resources/empty", b"")
    tree = with_file(tree, "codex-resources/script.sh", b"#!/bin/sh\n")
    inspection = inspect_tree(tree, LINUX, LAYOUT)
    assert "codex-resources/script.sh" not in inspection.executables


def test_a_needed_executable_that_fits_no_tag_stops(tmp_path: Path) -> None:
    musl = executables.elf(interpreter="/lib/ld-musl-x86_64.so.1", needed=("libc.so",))
    tree = with_file(tree_of(LINUX, tmp_path), "bin/codex-code-mode-host", musl)
    with pytest.raises(InspectError, match=r"bin/codex-code-mode-host needs /lib/ld-musl-x86_64\.so\.1$"):
        inspect_tree(tree, LINUX, LAYOUT)


def test_a_mac_executable_that_names_no_system_stops(tmp_path: Path) -> None:
    tree = with_file(tree_of(MACOS, tmp_path), "codex-path/rg", executables.macho(minos=None))
    with pytest.raises(InspectError, match=r"^codex-path/rg names no oldest macOS"):
        inspect_tree(tree, MACOS, LAYOUT)


@pytest.mark.parametrize("path", ["bin/codex", "codex-package.json"])
def test_a_file_that_is_gone_stops(path: str, tmp_path: Path) -> None:
    tree = tree_of(LINUX, tmp_path)
    (tree.root / path).unlink()
    with pytest.raises(InspectError) as refused:
        inspect_tree(tree, LINUX, LAYOUT)
    assert str(refused.value).startswith(f"{tree.root / path} cannot be read: ")


def test_a_tree_without_executables_stops(tmp_path: Path) -> None:
    tree = tree_of(LINUX, tmp_path)
    data = {path: digest for path, digest in tree.files.items() if not LAYOUT.is_executable(path)}
    with pytest.raises(InspectError, match="the runtime for x86_64-unknown-linux-musl has no executable"):
        inspect_tree(RuntimeTree(tree.root, data), LINUX, LAYOUT)


# --- The target of a lone executable


@each_target
def test_an_executable_shows_its_target(target: Target, tmp_path: Path) -> None:
    program = tmp_path / "codex"
    program.write_bytes(archives.executable(target))
    assert infer_target(program, CATALOG) == target


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (executables.elf("riscv64"), "is elf riscv64, which is no target"),
        (executables.pe("i386"), "is pe i386, which is no target"),
        (
            executables.fat([executables.macho("x86_64"), executables.macho()]),
            "is mach-o x86_64+aarch64, which is no target",
        ),
        (b"#!/bin/sh\n", "is no executable"),
        (executables.elf()[:100], "is truncated or damaged"),
    ],
    ids=["RISC-V", "i386", "fat Mach-O", "script", "cut short"],
)
def test_an_executable_for_no_target_is_refused(data: bytes, found: str, tmp_path: Path) -> None:
    program = tmp_path / "codex"
    program.write_bytes(data)
    with pytest.raises(InspectError) as refused:
        infer_target(program, CATALOG)
    assert str(refused.value).startswith(f"{program} {found}")
