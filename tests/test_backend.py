"""Build backends that share one process, as if each had its own."""

from __future__ import annotations

import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from codex_release.base.errors import BuildError
from codex_release.wheels.assembler import assemble, repack_sdist
from codex_release.wheels.backend import Backend

if TYPE_CHECKING:
    from pathlib import Path

BACKEND = """
import os, sys, zipfile
from pathlib import Path

def build_wheel(directory, settings=None, metadata=None):
    print("a backend may print what it likes")
    name = "made-1-py3-none-any.whl"
    with zipfile.ZipFile(Path(directory, name), "w") as made:
        made.writestr("here.txt", Path("here.txt").read_text() + {word!r})
        made.writestr("epoch.txt", os.environ["SOURCE_DATE_EPOCH"] + str(settings))
    os.environ["LEFT"] = "over"
    return name

def build_sdist(directory, settings=None):
    assert "LEFT" not in os.environ
    {sdist}
"""

EPOCH = 315532800
"""1980, before which nothing can be in a zip."""


def project(directory: Path, word: str, sdist: str = "raise RuntimeError('there is none')") -> Path:
    """A project with a backend of its own, under a name that others have too."""
    directory.mkdir()
    (directory / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "own_backend"\nbackend-path = ["."]\n'
    )
    (directory / "own_backend.py").write_text(BACKEND.format(word=word, sdist=sdist))
    (directory / "here.txt").write_text(directory.name)
    return directory


def read(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name).decode()


def test_the_newest_date_of_a_zip_is_one_that_an_sdist_can_bear(tmp_path: Path) -> None:
    directory = tmp_path / "plain"
    directory.mkdir()
    (directory / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "plain"\nversion = "1"\n[tool.hatch.build.targets.wheel]\nbypass-selection = true\n'
    )
    newest = 4354819199
    with Backend(epoch=newest) as backend:
        skeleton, sdist = (backend.build(kind, directory, tmp_path / "out") for kind in ("wheel", "sdist"))
    made, _ = repack_sdist(sdist, tmp_path / "made", epoch=newest)
    with tarfile.open(made) as archive:
        assert {entry.mtime for entry in archive} == {newest}
    wheel, _ = assemble(skeleton, tmp_path / "made", epoch=newest)
    with zipfile.ZipFile(wheel) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(2107, 12, 31, 23, 59, 58)}


def test_two_projects_do_not_see_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('a file that happens to lie here was imported')")
    monkeypatch.chdir(tmp_path)
    with Backend(epoch=1_580_601_600) as backend:
        one = backend.build("wheel", project(tmp_path / "one", " first"), tmp_path / "out1", {"payload": "omit"})
        two = backend.build("wheel", project(tmp_path / "two", " second"), tmp_path / "out2")
    assert read(one, "here.txt") == "one first"
    assert read(two, "here.txt") == "two second"
    assert read(one, "epoch.txt") == "1580601600{'payload': 'omit'}"


def test_a_backend_that_fails_is_one_line_and_the_next_one_works(tmp_path: Path) -> None:
    with Backend(epoch=EPOCH) as backend:
        failing = project(tmp_path / "failing", "")
        backend.build("wheel", failing, tmp_path / "out")
        with pytest.raises(BuildError, match=r"^the sdist of .*failing cannot be built: RuntimeError: there is none$"):
            backend.build("sdist", failing, tmp_path / "out")
        with pytest.raises(BuildError, match=r"cannot be built: .*nothing here is not a directory"):
            backend.build("wheel", tmp_path / "nothing here", tmp_path / "out")
        assert backend.build("wheel", project(tmp_path / "next", ""), tmp_path / "out").is_file()


def test_a_process_that_dies_is_an_error_and_no_hang(tmp_path: Path) -> None:
    with Backend(epoch=EPOCH) as backend:
        dying = project(tmp_path / "dying", "", sdist="os._exit(3)")
        with pytest.raises(BuildError, match="cannot be built: its process died"):
            backend.build("sdist", dying, tmp_path / "out")
        with pytest.raises(BuildError, match="cannot be built: its process died"):
            backend.build("wheel", dying, tmp_path / "out")
