"""The source ``directory``: archives that were brought here by other means, under the names that others gave them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from codex_release.base.digests import Digest
from codex_release.base.errors import SourceError
from codex_release.facts.targets import Catalog
from codex_release.facts.versions import ReleaseVersion
from codex_release.sources import LocalFile
from codex_release.sources.directory import Directory

CATALOG = Catalog.load(Path(__file__).parents[1] / "release" / "targets.toml")
TARGET = CATALOG.target("x86_64-pc-windows-msvc")
VERSION = ReleaseVersion.parse("0.155.1")
CHECKSUMS = CATALOG.github.checksums
PACKAGE = "codex-package-x86_64-pc-windows-msvc.tar.gz"
NAMES = [
    "codex-0.155.1-win32-x64.tgz",
    "openai-codex-0.155.1-win32-x64.tgz",  # as `npm pack` names it
    PACKAGE,
    "codex-x86_64-pc-windows-msvc.tar.gz",
    "codex-x86_64-pc-windows-msvc.exe.zip",
    "codex-x86_64-pc-windows-msvc.exe.zst",
    "codex-x86_64-pc-windows-msvc.exe",
]


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path, CATALOG)


def test_the_name_that_carries_the_version_comes_first_then_the_order_of_the_data_file(directory: Directory) -> None:
    for name in reversed(NAMES):
        (directory.path / name).write_bytes(b"archive")
        archive = directory.find(VERSION, TARGET)
        assert (archive.source, archive.name, archive.size) == (str(directory.path), name, 7)
        assert archive.origin == LocalFile(directory.path / name)
        assert archive.digests == ()


def test_what_is_not_for_the_target_and_version_is_not_found(directory: Directory) -> None:
    (directory.path / "codex-0.155.0-win32-x64.tgz").write_bytes(b"")
    (directory.path / "codex-package-aarch64-pc-windows-msvc.tar.gz").write_bytes(b"")
    (directory.path / PACKAGE).mkdir()
    with pytest.raises(SourceError, match="has no archive for x86_64-pc-windows-msvc") as caught:
        directory.find(VERSION, TARGET)
    assert caught.value.remedy == "put codex-0.155.1-win32-x64.tgz there"


def test_a_checksum_file_beside_it_vouches_for_it(directory: Directory) -> None:
    (directory.path / PACKAGE).write_bytes(b"archive")
    sha256 = hashlib.sha256(b"archive").hexdigest()
    (directory.path / CHECKSUMS).write_text(f"{'ab' * 32}  other.tar.gz\n{sha256} *{PACKAGE}\n", encoding="utf-8")
    assert directory.find(VERSION, TARGET).digests == (Digest("sha256", sha256),)


def test_a_checksum_file_that_does_not_know_it_says_nothing(directory: Directory) -> None:
    (directory.path / PACKAGE).write_bytes(b"archive")
    (directory.path / CHECKSUMS).write_bytes(b"\xff\xfe not text\n" + f"no-hex  {PACKAGE}".encode())
    assert directory.find(VERSION, TARGET).digests == ()


def test_a_checksum_file_that_cannot_be_read_is_an_error(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory.path / PACKAGE).write_bytes(b"archive")
    (directory.path / CHECKSUMS).write_bytes(b"")

    def refuse(path: Path, *arguments: object, **options: object) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(SourceError, match=f"{CHECKSUMS} cannot be read: .*Permission denied"):
        directory.find(VERSION, TARGET)
