"""Staged directories: what is taken for a runtime, and what a stage may take the place of. In miniature."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import archives
import pytest
from fake_release import FakeRelease
from installations import MODULE, bare_environment

from codex_release.wheels import stage as stage_module

HOST = archives.CATALOG.host()
VERSION = archives.VERSION
BINARY = HOST.fill(archives.CATALOG.layout.entrypoint)


def files(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


class TestALoneExecutable:
    @pytest.fixture
    def tree(self, release: FakeRelease, tmp_path: Path) -> Path:
        """A package directory."""
        release.ran("fetch", "--target", HOST.triple, "--out", tmp_path / "trees")
        return tmp_path / "trees" / HOST.triple

    def staged(self, release: FakeRelease, directory: Path, runtime: Path) -> dict[str, bytes]:
        release.ran("stage-runtime", directory, runtime, "--runtime-version", VERSION)
        return files(directory)

    def test_in_its_package_directory_brings_what_lies_beside_it(
        self, release: FakeRelease, tree: Path, tmp_path: Path
    ) -> None:
        whole = self.staged(release, tmp_path / "whole", tree)
        assert self.staged(release, tmp_path / "lone", tree / BINARY) == whole
        (tmp_path / "link").symlink_to(tree / BINARY)
        assert self.staged(release, tmp_path / "linked", tmp_path / "link") == whole

    def test_of_an_installed_package_brings_the_runtime_and_nothing_else(
        self, release: FakeRelease, tree: Path, tmp_path: Path
    ) -> None:
        place = bare_environment(tmp_path / "env")
        release.ran("bootstrap", "--python", place.python)
        whole = self.staged(release, tmp_path / "whole", tree)
        assert self.staged(release, tmp_path / "installed", place.site / MODULE / BINARY) == whole

    def test_with_a_damaged_neighbour_is_refused(self, release: FakeRelease, tree: Path, tmp_path: Path) -> None:
        (tree / "bin" / HOST.fill("codex-code-mode-host{exe}")).write_bytes(b"other")
        line = release.refused("stage-runtime", tmp_path / "stage", tree / BINARY, "--runtime-version", VERSION)
        assert f"of {tree} has sha256" in line
        assert not (tmp_path / "stage").exists()

    def test_without_neighbours_is_told_where_it_belongs(
        self, release: FakeRelease, tree: Path, tmp_path: Path
    ) -> None:
        shutil.copyfile(tree / BINARY, tmp_path / "codex")
        line = release.refused("stage-runtime", tmp_path / "stage", tmp_path / "codex", "--runtime-version", VERSION)
        assert line.endswith("; name it where it lies in its package directory, or name the archive")

    def test_of_another_program_is_told_what_is_wanted(self, release: FakeRelease, tmp_path: Path) -> None:
        words = ("stage-runtime", tmp_path / "stage")
        other = tmp_path / "ls"
        other.write_bytes(archives.executable(HOST, "another"))
        line = release.refused(*words, other, "--runtime-version", VERSION)
        assert line.startswith(f"{BINARY} of {other} has sha256 ")
        assert line.endswith(f"; name an archive or a package directory of Codex {VERSION}, or the executable in one")
        other.write_text("#!/bin/sh")
        line = release.refused(*words, other, "--runtime-version", VERSION, code=2)
        assert line.endswith(
            "does not say which target it is for; if it is an archive of Codex, name its target with --target"
        )


class TestTheirPlace:
    @pytest.fixture
    def commands(self, release: FakeRelease, tmp_path: Path) -> dict[str, tuple[str | Path, ...]]:
        """Every command that stages, without the directory it stages into; all of them stage below it or into it."""
        release.ran("build", "--out", tmp_path / "dist")
        (wheel,) = (tmp_path / "dist").glob(f"{MODULE}-*.whl")
        archive = release.archives / archives.package_tar(HOST).name
        return {
            "stage-runtime": (archive, "--runtime-version", VERSION),
            "stage-sdk": ("--runtime-version", VERSION),
            "stage-verification": (wheel,),
        }

    @pytest.mark.slow
    def test_what_a_command_made_it_replaces_and_nothing_else(
        self, release: FakeRelease, commands: dict[str, tuple[str | Path, ...]], tmp_path: Path
    ) -> None:
        made: dict[str, Path] = {}
        for command, words in commands.items():
            said = json.loads(release.ran(command, tmp_path / command, *words, "--json").out)
            made[command] = Path(said["path"] if "path" in said else said[0]["path"])
        for command, words in commands.items():
            before = files(made[command])
            (made[command] / "dist").mkdir()
            (made[command] / "dist" / "old.whl").write_text("of the stage before")
            release.ran(command, tmp_path / command, *words)
            assert files(made[command]) == before
            assert not [path for path in made[command].parent.iterdir() if path.name.startswith(".")]
        line = release.refused("stage-sdk", made["stage-runtime"], *commands["stage-sdk"])
        assert line == (
            f"{made['stage-runtime']} exists, is not empty, and was not made by codex-release stage-sdk; "
            "name a new directory"
        )

    @pytest.mark.slow
    def test_what_is_foreign_stays(
        self, release: FakeRelease, commands: dict[str, tuple[str | Path, ...]], tmp_path: Path
    ) -> None:
        for command, words in commands.items():
            release.ran(command, tmp_path / command, *words)
            (place,) = (path.parent for path in (tmp_path / command).rglob(".codex-release-stage"))
            (place / ".codex-release-stage").unlink()
            before = files(place)
            assert "was not made by" in release.refused(command, tmp_path / command, *words)
            assert files(place) == before
        (tmp_path / "file").write_text("mine")
        words = commands["stage-sdk"]
        assert "was not made by" in release.refused("stage-sdk", tmp_path / "file", *words)
        assert (tmp_path / "file").read_text() == "mine"

    def test_a_stage_that_fails_leaves_the_one_before(
        self, release: FakeRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        words = ("stage-sdk", tmp_path / "stage", "--runtime-version", VERSION)
        release.ran(*words)
        before = files(tmp_path / "stage")

        def full(*_: object) -> Iterator[None]:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(stage_module, "put_together", full)
        assert "No space left on device" in release.refused(*words)
        assert files(tmp_path / "stage") == before
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
