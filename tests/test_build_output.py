"""What a build leaves: bytes that no zlib decides, and all of its files or the directory as it was."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
from pathlib import Path

import archives
import pytest
from fake_release import FakeRelease
from filelock import FileLock, Timeout
from programs import codex_release

from codex_release.base import switch
from codex_release.base.atomic import replace
from codex_release.building.build_record import RECORD, Artifact, BuildRecord

pytestmark = pytest.mark.slow

LINUX = "x86_64-unknown-linux-musl"
_OTHER_ZLIB = """
import zlib
real = zlib.compressobj
zlib.compressobj = lambda level=-1, *rest, **named: real(1, *rest, **named)
"""


def files_in(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def test_another_zlib_gives_the_same_bytes(release: FakeRelease, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(_OTHER_ZLIB)
    words = ("build", "--target", LINUX, "--repo", release.root, "--source", release.archives, "--out")
    codex_release(*words, tmp_path / "usual")
    codex_release(*words, tmp_path / "other", env={"PYTHONPATH": str(tmp_path / "site")})
    usual, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).glob("codex_*")} for name in ("usual", "other")
    )
    assert len(usual) == 3
    assert usual == other


def test_the_sdist_is_a_plain_tar_in_a_gzip_without_a_date(release: FakeRelease, tmp_path: Path) -> None:
    release.ran("build", "--client-only", "--out", tmp_path / "dist")
    (sdist,) = (tmp_path / "dist").glob("*.tar.gz")
    assert sdist.read_bytes()[:9] == b"\x1f\x8b\x08\0\0\0\0\0\0"
    assert gzip.decompress(sdist.read_bytes())[257:262] == b"ustar"
    with tarfile.open(sdist) as archive:
        entries = archive.getmembers()
        names = [each.name for each in entries]
        assert names == sorted(names)
        assert {(each.mode, each.uid, each.gid, each.uname, each.type) for each in entries} == {
            (0o644, 0, 0, "", tarfile.REGTYPE)
        }
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive_:
        modules = {name for name in archive_.namelist() if name.startswith("codex_app_server/")}
    top = sdist.name.removesuffix(".tar.gz")
    assert {f"{top}/src/{name}" for name in modules} | {f"{top}/PKG-INFO"} <= set(names)


def test_a_record_that_names_files_elsewhere_counts_as_none(tmp_path: Path) -> None:
    artifact = Artifact("there.whl", "wheel", "py3-none-any", "", 1, "ab" * 32, "cd" * 32, 0.1)
    record = BuildRecord({"client": (artifact,)})
    (tmp_path / RECORD).write_bytes(record.dumps())
    assert BuildRecord.read(tmp_path) == record
    (tmp_path / RECORD).write_bytes(record.dumps().replace(b"there.whl", b"../there.whl"))
    assert BuildRecord.read(tmp_path) == BuildRecord({})


def test_where_a_file_cannot_be_moved_the_output_is_as_it_was(
    release: FakeRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of the moves it is."""
    words = ("build", "--client-only", "--out", tmp_path / "dist")
    release.ran(*words)
    before, moves = files_in(tmp_path / "dist"), [0]

    def refuse(source: Path, destination: Path) -> None:
        # Staging puts its directory into place in the same way, elsewhere.
        moves[0] += any("/.codex-release-build-" in each.as_posix() for each in (source, destination))
        if moves[0] == number:
            raise PermissionError(13, "somebody has it open", str(source))
        replace(source, destination)

    monkeypatch.setattr(switch, "replace", refuse)
    for number in range(1, 8):
        moves[0] = 0
        line = release.refused(*words, "--sdk-version", f"{archives.VERSION}.post1")
        assert f"{archives.VERSION}.post1" in line, number
        assert "somebody has it open" in line, number
        assert "which is as it was" in line, number
        assert files_in(tmp_path / "dist") == before, number
        assert not [path for path in (tmp_path / "dist").iterdir() if path.is_dir()], number


def test_what_a_build_supersedes_is_found_out_while_no_other_can_change_it(
    release: FakeRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two builds into one directory: the second one to end has to know what the first one has made."""
    dist, read, others_wait = tmp_path / "dist", BuildRecord.read, []

    def watched(directory: Path) -> BuildRecord:
        try:
            with FileLock(dist / ".codex-release-build.lock", timeout=0):
                others_wait.append(False)
        except Timeout:
            others_wait.append(True)
        return read(directory)

    monkeypatch.setattr(BuildRecord, "read", watched)
    release.ran("build", "--client-only", "--out", dist)
    assert others_wait == [False, True]


def test_a_report_that_cannot_be_written_whole_is_left_as_it_was(
    release: FakeRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.ran("build", "--client-only", "--out", tmp_path / "dist")
    (tmp_path / "dist" / "release.json").write_text("{}")
    (tmp_path / "dist" / "release.html").write_text("old")
    before = files_in(tmp_path / "dist")

    def refuse(source: Path, destination: Path) -> None:
        if source.name == "release.html" and "new" in source.parts:
            raise PermissionError(13, "somebody has it open", str(source))
        replace(source, destination)

    monkeypatch.setattr(switch, "replace", refuse)
    line = release.refused("report", tmp_path / "dist")
    assert line.startswith(f"the report of {tmp_path / 'dist'}, release.json and release.html, cannot be written: ")
    assert "somebody has it open" in line
    line = release.refused("report", tmp_path / "nowhere")
    assert line.startswith(f"{tmp_path / 'nowhere'} cannot be looked into: ")
    assert line.endswith("; name the directory of finished files")
    assert files_in(tmp_path / "dist") == before
