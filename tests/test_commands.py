"""The commands as a person types them, on a whole release in miniature: what they make, and how they refuse."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import importlib.metadata
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import archives
import pytest
import tomlkit
from fake_release import FakeRelease
from programs import ROOT, finished
from publishing import SmallRelease
from until import until

from codex_release import cli
from codex_release.base.errors import DiskError
from codex_release.building import builder
from codex_release.check.release import distributions_in
from codex_release.commands import fetch
from codex_release.commands.options import runnable
from codex_release.context import Context
from codex_release.facts.lock import Lock, LockedTarget, Runtime
from codex_release.facts.versions import ReleaseVersion
from codex_release.fetching import fetcher
from codex_release.fetching.cache import Cache, CacheEntry

VERSION = archives.VERSION
TRIPLES = archives.CATALOG.triples
LINUX = "x86_64-unknown-linux-musl"
ARM_LINUX = "aarch64-unknown-linux-musl"


def packed(release: FakeRelease, triple: str) -> Path:
    """A target's archive."""
    return release.archives / archives.package_tar(archives.CATALOG.target(triple)).name


def replace_in_archive(archive: Path, path: str, content: bytes) -> None:
    """Write an archive anew with other bytes in one of its files."""
    with tarfile.open(archive) as source:
        files = {member.name: source.extractfile(member) for member in source if member.isreg()}
        contents = {name: file.read() for name, file in files.items() if file}
    contents[path] = content
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as sink:
        for name, data in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            sink.addfile(info, io.BytesIO(data))
    archive.write_bytes(gzip.compress(target.getvalue()))


# --- lock


def test_lock_records_every_file_of_every_target(release: FakeRelease) -> None:
    lock = Lock.read(release.lock_file)
    assert set(lock.targets) == set(TRIPLES)
    assert "codex-resources/voice/bin/codex-voice-host" in lock.targets[LINUX].files
    release.ran("lock", "--check")


def test_lock_check_names_the_file_and_both_digests(release: FakeRelease) -> None:
    pinned = Lock.read(release.lock_file).targets[LINUX].files["codex-resources/bwrap"].sha256
    target = archives.CATALOG.target(LINUX)
    replace_in_archive(packed(release, LINUX), "codex-resources/bwrap", archives.executable(target, "another"))
    line = release.refused("lock", "--check")
    assert "codex-resources/bwrap" in line
    assert pinned in line
    assert line.count("sha256 ") == 1
    assert line.endswith("; find out from upstream which bytes are right, and release nothing until then")
    told = f"WARNING: {LINUX} of {VERSION} had other files when it was locked; find out from upstream why before"
    assert told in release.ran("lock", VERSION).err
    assert "had other files" not in release.ran("lock", VERSION).err  # what is locked now, it has
    release.lock_file.write_text(release.lock_file.read_text("utf-8").replace(VERSION, "0.168.0"), encoding="utf-8")
    assert "had other files" not in release.ran("lock", VERSION).err


def test_a_version_that_is_not_locked_is_not_brought_to_be_compared(release: FakeRelease, tmp_path: Path) -> None:
    line = release.refused("lock", "0.168.0", "--check", source=tmp_path)
    assert line.startswith(f"the lock knows {VERSION}, not 0.168.0; check out what pins it, or name another lock: ")
    line = release.refused("lock", "0.999.0", "--check", source=tmp_path)
    told = "update the checkout, or move its pin with: codex-release bump --version 0.999.0"
    assert line == f"the lock knows {VERSION}, not 0.999.0; {told}"


def test_sources_that_disagree_about_a_file_are_refused(release: FakeRelease, tmp_path: Path) -> None:
    before = release.lock_file.read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    for path in release.archives.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    replace_in_archive(
        other / packed(release, LINUX).name, "bin/codex", archives.executable(archives.CATALOG.target(LINUX), "evil")
    )
    line = release.refused("lock", VERSION, "--source", str(other))
    assert "bin/codex" in line
    assert str(other) in line
    assert release.lock_file.read_bytes() == before


def test_a_target_that_nobody_serves_is_no_lock(release: FakeRelease) -> None:
    before = release.lock_file.read_bytes()
    packed(release, LINUX).unlink()
    line = release.refused("lock", VERSION)
    assert LINUX in line
    assert line.endswith("or Codex is not built for it any more, say so in release/targets.toml")
    assert release.lock_file.read_bytes() == before


def test_lock_wants_a_version(release: FakeRelease) -> None:
    assert "lock 0.169.0" in release.refused("lock", code=2)


def test_a_version_may_be_written_in_three_ways(release: FakeRelease) -> None:
    for spelling in (VERSION, f"rust-v{VERSION}"):
        release.ran("fetch", "--target", LINUX, "--runtime-version", spelling)
    assert "is not a Codex version" in release.refused("fetch", "--runtime-version", "latest", code=2)


# --- fetch


def test_fetch_extracts_a_runtime_that_can_run(release: FakeRelease, tmp_path: Path) -> None:
    release.ran("fetch", "--target", LINUX, "--out", tmp_path / "out")
    tree = tmp_path / "out" / LINUX
    modes = {
        path.relative_to(tree).as_posix(): path.stat().st_mode & 0o777 for path in tree.rglob("*") if path.is_file()
    }
    assert modes["bin/codex"] == modes["codex-path/rg"] == modes["codex-resources/bwrap"] == 0o755
    assert modes["codex-package.json"] == 0o644
    assert not any("voice" in path for path in modes)


@pytest.mark.skipif(sys.platform == "win32", reason="it needs POSIX")
def test_what_fetch_extracts_may_be_entered_by_everybody_whatever_the_umask(
    release: FakeRelease, tmp_path: Path
) -> None:
    umask = os.umask(0o077)
    try:
        release.ran("fetch", "--target", LINUX, "--out", tmp_path / "out")
    finally:
        os.umask(umask)
    assert (tmp_path / "out" / LINUX).stat().st_mode & 0o777 == 0o755


def test_fetch_takes_what_it_made_itself_and_nothing_else(release: FakeRelease, tmp_path: Path) -> None:
    out = tmp_path / "out"
    tree, words = out / LINUX, ("fetch", "--target", LINUX, "--out", out)
    (out / LINUX).mkdir(parents=True)  # an empty directory may be there
    made = release.ran(*words, "--json")
    assert [path.name for path in out.iterdir()] == [LINUX]
    archive = packed(release, LINUX)
    sums = release.archives / "codex-package_SHA256SUMS"
    sums.write_text(f"{_sha256(archive)}  {archive.name}\n")
    for more in ((), ("--unlocked",)):
        again = release.ran(*words, "--json", *more)
        assert json.loads(again.out) == json.loads(made.out)
        assert f"{tree} is there already and complete: {VERSION} for {LINUX}" in again.err
    binary = tree / "bin" / "codex"
    whole = binary.read_bytes()
    binary.write_bytes(whole[::-1])
    for more in ((), ("--unlocked",)):
        line = release.refused(*words, *more, code=2)
        assert line == f"{tree} exists and is not empty; name a new directory with --out"
    binary.write_bytes(whole)
    (tree / "mine").touch()
    release.refused(*words, code=2)
    (tree / "mine").unlink()
    binary.replace(tmp_path / "codex")
    release.refused(*words, code=2)
    binary.symlink_to(tmp_path / "codex")
    release.refused(*words, code=2)
    assert binary.is_symlink()


@pytest.mark.skipif(sys.platform == "win32", reason="it needs POSIX")
def test_fetch_takes_no_runtime_that_cannot_run_and_follows_no_link(release: FakeRelease, tmp_path: Path) -> None:
    tree, words = tmp_path / LINUX, ("fetch", "--target", LINUX, "--out", tmp_path)
    release.ran(*words)
    (tree / "bin" / "codex").chmod(0o644)
    assert release.refused(*words, code=2) == f"{tree} exists and is not empty; name a new directory with --out"
    for elsewhere in (tmp_path / "empty", tmp_path / "missing"):
        elsewhere.mkdir(exist_ok=True)
        shutil.rmtree(tree) if tree.is_dir() and not tree.is_symlink() else tree.unlink()
        tree.symlink_to(elsewhere)
        if elsewhere.name == "missing":
            elsewhere.rmdir()
        assert release.refused(*words, code=2) == f"{tree} exists and is a link; name a new directory with --out"


def test_fetch_takes_what_another_one_has_put_there_meanwhile(
    release: FakeRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("fetch", "--target", LINUX, "--out", tmp_path / "out")

    def come_late(made: Path, place: Path) -> NoReturn:
        shutil.copytree(made, place)
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))

    monkeypatch.setattr(fetch, "replace", come_late)
    assert "is there already and complete" in release.ran(*words).err


def test_fetch_says_what_it_cannot_read_in_a_directory_that_is_there(
    release: FakeRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of somebody else's; whose permissions say no, root may read all the same."""
    tree, words = tmp_path / LINUX, ("fetch", "--target", LINUX, "--out", tmp_path)
    release.ran(*words)
    reason = PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(tree / "bin" / "codex"))

    def refuse(*_: object) -> NoReturn:
        raise reason

    with monkeypatch.context() as patched:
        patched.setattr(fetch, "file_digests", refuse)
        line = release.refused(*words, code=2)
        said = f"{reason.strerror}: {reason.filename!r}"
        assert line == f"{tree} exists and cannot be read: {said}; name a new directory with --out"
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: refuse() if path == tree else listed(path))
    assert release.refused(*words, code=2) == line


@pytest.mark.parametrize("words", [("build", "--client-only"), ("fetch", "--target", LINUX)])
def test_what_a_killed_command_left_in_the_output_goes_with_the_next_one(
    words: tuple[str, ...], release: FakeRelease, tmp_path: Path
) -> None:
    left = tmp_path / "out" / ".codex-release-abcdefgh"
    left.mkdir(parents=True)
    (left / ".codex-release-held").touch()
    (left / "half.whl").touch()
    release.ran(*words, "--out", tmp_path / "out")
    assert not list((tmp_path / "out").glob(".codex-release-????????"))


def test_fetch_mends_a_damaged_cache(release: FakeRelease, tmp_path: Path) -> None:
    release.ran("fetch", "--target", LINUX, "--json")
    (listed,) = json.loads(release.ran("fetch", "--target", LINUX, "--json").out)
    binary = Path(listed["path"], "bin", "codex")
    whole = binary.read_bytes()
    binary.write_bytes(whole[::-1])
    said = release.ran("fetch", "--target", LINUX, "--out", tmp_path / "out")
    assert "damaged" in said.err
    assert (tmp_path / "out" / LINUX / "bin" / "codex").read_bytes() == whole


def test_the_reasons_of_all_sources_are_shown_together(
    release: FakeRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed(release, LINUX).unlink()
    monkeypatch.setenv("CODEX_RELEASE_CACHE", str(tmp_path / "empty"))
    (tmp_path / "none").mkdir()
    said = release.ran("fetch", "--target", LINUX, "--source", str(tmp_path / "none"), code=1).err
    *_, one, other, line = said.splitlines()
    assert {one.partition(": ")[0], other.partition(": ")[0]} == {f"- {release.archives}", f"- {tmp_path / 'none'}"}
    assert "--source DIR" in line


@pytest.mark.slow
def test_a_byte_that_the_lock_does_not_know_is_refused(
    release: FakeRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEX_RELEASE_CACHE", str(tmp_path / "empty"))
    evil = archives.executable(archives.CATALOG.target(LINUX), "evil")
    replace_in_archive(packed(release, LINUX), "bin/codex", evil)
    line = release.refused("build", "--target", LINUX, "--out", tmp_path / "dist")
    assert "bin/codex" in line
    assert "the lock says" in line
    assert not list((tmp_path / "dist").iterdir())


# --- build


@pytest.mark.slow
def test_build_all_makes_a_complete_release(release: FakeRelease, tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    built = json.loads(release.ran("build", "--all", "--out", dist, "--json").out)
    assert {each["name"] for each in built} == {path.name for path in distributions_in(dist)}
    assert [each["target"] for each in built if each["kind"] == "wheel" and each["target"]].count(ARM_LINUX) == 2
    verdicts = json.loads(release.ran("check", dist, "--json").out)
    assert not any(each["problems"] for each in verdicts.values())


def test_build_refuses_a_version_the_lock_does_not_know(release: FakeRelease, tmp_path: Path) -> None:
    line = release.refused("build", "--runtime-version", "0.170.0", "--out", tmp_path / "dist")
    assert "the lock knows" in line
    assert line.endswith("move its pin with: codex-release bump --version 0.170.0")
    assert not (tmp_path / "dist").exists()


@pytest.mark.slow
def test_unlocked_needs_a_published_digest_and_says_so_loudly(release: FakeRelease, tmp_path: Path) -> None:
    words = ("build", "--unlocked", "--target", LINUX, "--out", tmp_path / "dist")
    assert "no digest" in release.refused(*words)
    sums = "".join(
        f"{_sha256(path)}  {path.name}\n"
        for path in release.archives.iterdir()
        if path.name.startswith("codex-package")
    )
    (release.archives / "codex-package_SHA256SUMS").write_text(sums)
    said = release.ran(*words)
    assert "WARNING: UNLOCKED" in said.err
    assert len(list((tmp_path / "dist").glob("*.whl"))) == 2


def _sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def _pinned(release: FakeRelease) -> tuple[Path, bytes]:
    """Pin an archive too, as npm's; where an empty cache would have it, and its bytes."""
    served = (release.archives / f"codex-package-{LINUX}.tar.gz").read_bytes()
    sha256 = hashlib.sha256(served).hexdigest()
    pin = f'npm = {{name = "codex.tgz", size = {len(served)}, sha256 = "{sha256}"}}'
    table = f"[targets.{LINUX}.archives]\n"
    release.lock_file.write_text(release.lock_file.read_text().replace(table, table + pin + "\n"))
    release.ran("cache", "clear")
    cached = Path(os.environ["CODEX_RELEASE_CACHE"]) / "archives" / sha256
    cached.parent.mkdir(parents=True, exist_ok=True)
    return cached, served


def test_an_archive_that_is_cleared_away_once_it_is_found_is_brought_again(
    release: FakeRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached, served = _pinned(release)
    cached.write_bytes(served)
    find = Cache.find_archive

    def find_and_clear(cache: Cache, sha256: str) -> Path | None:
        path = find(cache, sha256)
        cache.clear()
        return path

    monkeypatch.setattr(Cache, "find_archive", find_and_clear)
    assert "damaged" not in release.ran("fetch", "--target", LINUX).err
    assert not cached.exists()


@pytest.mark.slow
def test_a_build_writes_no_tree_and_mends_a_damaged_cache(release: FakeRelease, tmp_path: Path) -> None:
    cached, served = _pinned(release)
    cached.write_bytes(served[:-20])
    said = release.ran("build", "--target", LINUX, "--out", tmp_path / "first")
    assert "a damaged cache entry is dropped" in said.err
    assert not cached.exists()
    cached.write_bytes(served)
    assert "dropped" not in release.ran("build", "--target", LINUX, "--out", tmp_path / "second").err
    for path in (tmp_path / "first").glob("*.whl"):
        assert (tmp_path / "second" / path.name).read_bytes() == path.read_bytes()
    assert not list((cached.parent.parent / "trees").glob("*"))


@pytest.mark.slow
def test_only_what_changed_is_built_again(release: FakeRelease, tmp_path: Path) -> None:
    words = ("build", "--target", LINUX, "--target", ARM_LINUX, "--out", tmp_path / "dist", "--json")
    assert not any(each["reused"] for each in json.loads(release.ran(*words).out))
    assert all(each["reused"] for each in json.loads(release.ran(*words).out))
    readme = release.root / "sdk" / "README.md"
    readme.write_text(readme.read_text() + "\nMore.\n")
    again = json.loads(release.ran(*words).out)
    assert [each["reused"] for each in again] == [True, True, True, False, False]


@pytest.mark.slow
def test_a_build_with_other_settings_supersedes_the_earlier_one(release: FakeRelease, tmp_path: Path) -> None:
    words = ("build", "--target", LINUX, "--out", tmp_path / "dist")
    release.ran(*words)
    release.ran(*words, "--sdk-version", f"{VERSION}.post1")
    names = {path.name for path in (tmp_path / "dist").glob("codex_app_server_sdk*")}
    assert names == {
        f"codex_app_server_sdk-{VERSION}.post1-py3-none-any.whl",
        f"codex_app_server_sdk-{VERSION}.post1.tar.gz",
    }


@pytest.mark.slow
def test_store_leaves_the_payload_uncompressed(release: FakeRelease, tmp_path: Path) -> None:
    release.ran("build", "--store", "--target", LINUX, "--out", tmp_path / "dist")
    (wheel,) = (tmp_path / "dist").glob("codex_cli_bin*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.getinfo("codex_cli_bin/bin/codex").compress_type == zipfile.ZIP_STORED
    release.ran("check", wheel)
    targets = release.root / "release" / "targets.toml"
    targets.write_text(targets.read_text().replace("codex-cli-bin = 209_715_200", "codex-cli-bin = 100"))
    release.ran("build", "--store", "--target", LINUX, "--out", tmp_path / "dist")  # it is not for an index


@pytest.mark.slow
def test_machines_that_share_a_release_build_the_files_of_one_that_builds_it_alone(
    release: FakeRelease, tmp_path: Path
) -> None:
    release.ran("build", "--all", "--out", tmp_path / "alone")
    release.ran("build", "--client-only", "--out", tmp_path / "client")
    assert sorted(path.suffix for path in tmp_path.glob("client/codex_*")) == [".gz", ".whl"]
    shared = [tmp_path / "client"]
    for triple in TRIPLES:
        shared.append(tmp_path / triple)
        release.ran("build", "--runtime-only", "--target", triple, "--out", shared[-1])
    together = {path.name: path.read_bytes() for each in shared for path in each.glob("codex_*")}
    assert together == {path.name: path.read_bytes() for path in (tmp_path / "alone").glob("codex_*")}
    refused = release.refused("build", "--client-only", "--target", TRIPLES[0], "--out", tmp_path / "no", code=2)
    assert "the same on every platform" in refused


@pytest.mark.slow
def test_a_failing_build_leaves_the_output_as_it_was(release: FakeRelease, tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    release.ran("build", "--target", LINUX, "--out", dist)
    before = {path.name: path.read_bytes() for path in dist.iterdir()}
    targets = release.root / "release" / "targets.toml"
    targets.write_text(targets.read_text().replace("codex-cli-bin = 209_715_200", "codex-cli-bin = 100"))
    line = release.refused("build", "--target", LINUX, "--out", dist)
    assert "raise size_limits.codex-cli-bin in release/targets.toml" in line
    assert {path.name: path.read_bytes() for path in dist.iterdir()} == before


@pytest.mark.slow
def test_an_interrupted_build_leaves_nothing_half_written(release: FakeRelease, tmp_path: Path) -> None:
    dist, begun = tmp_path / "dist", tmp_path / "begun"
    slow = release.root / "runtime_template" / "build_backend.py"
    slow.write_text(
        slow.read_text().replace(
            "    staged = _staged()\n",
            f"    import time; open({str(begun)!r}, 'w').close(); time.sleep(60)\n    staged = _staged()\n",
        )
    )
    words = [
        "build",
        "--target",
        LINUX,
        "--out",
        str(dist),
        "--repo",
        str(release.root),
        "--source",
        str(release.archives),
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "codex_release", *words], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        until(lambda: begun.exists() or process.poll() is not None)
        assert list(dist.glob(f".codex-release-*/work/{LINUX}-0/stage"))
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the program and all it started
        said = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert said.splitlines()[-1] == "codex-release: interrupted"
    assert "Traceback" not in said
    assert not list(dist.iterdir())


# --- staging


def contents(wheel: Path) -> dict[str, tuple[int, bytes]]:
    """Per file: permission bits, and the bytes; of RECORD, which may be in any order, its lines in one."""
    with zipfile.ZipFile(wheel) as archive:
        found = {each.filename: (each.external_attr >> 16 & 0o777, archive.read(each)) for each in archive.infolist()}
    record = next(name for name in found if name.endswith(".dist-info/RECORD"))
    mode, lines = found[record]
    return {**found, record: (mode, b"\n".join(sorted(lines.splitlines())))}


@pytest.mark.slow
def test_staging_a_package_directory_builds_with_plain_tools_and_refuses_an_sdist(
    release: FakeRelease, small_release: SmallRelease, tmp_path: Path
) -> None:
    release.ran("fetch", "--target", LINUX, "--out", tmp_path / "tree")
    stage = tmp_path / "stage"
    release.ran("stage-runtime", stage, tmp_path / "tree" / LINUX, "--runtime-version", VERSION)
    build = (sys.executable, "-m", "build", "--no-isolation", stage)
    finished(*build, "--wheel")
    (wheel,) = (stage / "dist").glob("*.whl")
    release.ran("check", wheel)
    assert contents(wheel) == contents(small_release.dist / wheel.name)  # as the assembler made it
    refused = finished(*build, "--sdist", code=1)
    assert "codex-cli-bin has no source distribution" in refused.stdout + refused.stderr
    refused = finished(*build, code=1)
    assert "codex-cli-bin has no source distribution" in refused.stdout + refused.stderr
    refused = finished(*build, "--wheel", "--outdir", tmp_path / "out", env={"HATCH_BUILD_NO_HOOKS": "1"}, code=1)
    assert "Is HATCH_BUILD_NO_HOOKS set?" in refused.stdout + refused.stderr
    assert not list((tmp_path / "out").glob("*.whl"))


def test_the_template_alone_builds_nothing(release: FakeRelease, tmp_path: Path) -> None:
    template = release.root / "runtime_template"
    (template / "LICENSE").write_text("")
    refused = finished(
        sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path, template, code=1
    )
    assert "codex-release stage-runtime STAGING_DIR RUNTIME --runtime-version V" in refused.stdout + refused.stderr


def test_staging_takes_an_archive_and_tells_its_target_by_name(release: FakeRelease, tmp_path: Path) -> None:
    said = release.ran(
        "stage-runtime", tmp_path / "stage", packed(release, LINUX), "--runtime-version", VERSION, "--json"
    )
    assert json.loads(said.out)["target"] == LINUX
    assert (tmp_path / "stage" / "src" / "codex_cli_bin" / "bin" / "codex").stat().st_mode & 0o777 == 0o755


def test_staging_takes_a_lone_binary_only_unlocked(release: FakeRelease, tmp_path: Path) -> None:
    lone = archives.bare(archives.CATALOG.target("aarch64-apple-darwin"))
    (tmp_path / "codex").write_bytes(lone.data)
    words = ("stage-runtime", tmp_path / "stage", tmp_path / "codex", "--runtime-version", VERSION)
    assert "lacks bin/codex-code-mode-host" in release.refused(*words)
    assert not (tmp_path / "stage").exists()
    said = release.ran(*words, "--unlocked", "--json")
    assert json.loads(said.out)["tag"].startswith("py3-none-macosx_")


def test_staging_keeps_to_a_narrower_tag_and_refuses_a_wider_one(release: FakeRelease, tmp_path: Path) -> None:
    archive = packed(release, ARM_LINUX)
    words = (archive, "--runtime-version", VERSION)
    said = release.ran("stage-runtime", tmp_path / "whole", *words)
    assert "--platform-tag manylinux2014_aarch64" in said.err
    assert (tmp_path / "whole" / "src" / "codex_cli_bin" / "codex-path" / "rg").is_file()
    twice = "musllinux_1_2_aarch64.musllinux_1_2_aarch64"
    said = release.ran("stage-runtime", tmp_path / "narrow", *words, "--platform-tag", twice)
    assert "py3-none-musllinux_1_2_aarch64 " in said.out
    assert not (tmp_path / "narrow" / "src" / "codex_cli_bin" / "codex-path").exists()
    line = release.refused("stage-runtime", tmp_path / "wide", *words, "--platform-tag", "manylinux_2_17_x86_64")
    assert "breaks the promise of manylinux_2_17_x86_64" in line
    assert not (tmp_path / "wide").exists()


def test_staging_into_a_used_directory_is_refused(release: FakeRelease, tmp_path: Path) -> None:
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "mine").write_text("kept")
    for words in (("stage-sdk",), ("stage-runtime", packed(release, LINUX))):
        line = release.refused(words[0], tmp_path / "stage", *words[1:], "--runtime-version", VERSION)
        assert "is not empty" in line
    assert [path.name for path in (tmp_path / "stage").iterdir()] == ["mine"]


def test_staging_into_a_link_that_leads_in_a_circle_is_refused(release: FakeRelease, tmp_path: Path) -> None:
    (tmp_path / "stage").symlink_to("stage")
    line = release.refused("stage-sdk", tmp_path / "stage", "--runtime-version", VERSION)
    assert line == f"{tmp_path / 'stage'} is a link that leads in a circle; name a new directory"
    assert (tmp_path / "stage").is_symlink()


@pytest.mark.parametrize(
    "before",
    [
        [],
        ["codex-cli-bin"],
        ["codex_cli_bin>=0.1,<9; python_version > '3'"],
        ["Codex.CLI-bin[extra]==0.1", "rich>=13", "codex-cli-bin!=2"],
    ],
)
def test_stage_sdk_pins_exactly_whatever_was_there_before(
    before: list[str], release: FakeRelease, tmp_path: Path
) -> None:
    project = release.root / "sdk" / "pyproject.toml"
    document = tomlkit.parse(project.read_text())
    document["project"]["dependencies"] = before
    project.write_text(tomlkit.dumps(document))
    release.ran("stage-sdk", tmp_path / "stage", "--runtime-version", VERSION, "--sdk-version", f"v{VERSION}.post3")
    staged = tomlkit.parse((tmp_path / "stage" / "pyproject.toml").read_text())["project"]
    others = [each for each in before if each.startswith("rich")]
    assert staged["dependencies"] == [*others, f"codex-cli-bin=={VERSION}"]
    assert staged["version"] == f"{VERSION}.post3"


def test_what_an_index_shows_of_the_client_links_to_nothing_that_is_not_there(
    release: FakeRelease, tmp_path: Path
) -> None:
    page = (ROOT / "sdk" / "README.md").read_text(encoding="utf-8")
    assert "[approvals](docs/approvals.md)" in page
    (release.root / "sdk" / "README.md").write_text(f"{page}[Codex](https://github.com/openai/codex/x.md)")
    release.ran("stage-sdk", tmp_path / "stage", "--runtime-version", VERSION)
    staged = (tmp_path / "stage" / "README.md").read_text(encoding="utf-8")
    assert "See\napprovals." in staged
    assert staged.endswith("[Codex](https://github.com/openai/codex/x.md)")
    assert re.findall(r"\]\((?!https://)[^)]*\)", staged) == []


def test_stage_sdk_refuses_what_cannot_be_pinned(release: FakeRelease, tmp_path: Path) -> None:
    assert "codex-release lock 0.1.0" in release.refused("stage-sdk", tmp_path / "a", "--runtime-version", "0.1.0")
    project = release.root / "sdk" / "pyproject.toml"
    project.write_text(project.read_text().replace('version = "0.1.0"', 'dynamic = ["version"]'))
    assert "dynamic" in release.refused("stage-sdk", tmp_path / "a", "--runtime-version", VERSION)
    assert not (tmp_path / "a").exists()


# --- inspect, matrix, cache


def test_inspect_shows_what_executables_need(release: FakeRelease, tmp_path: Path) -> None:
    release.ran("fetch", "--target", ARM_LINUX, "--out", tmp_path)
    shown = json.loads(release.ran("inspect", tmp_path / ARM_LINUX, "--json").out)
    assert shown["executables"]["codex-path/rg"]["interpreter"] == "/lib/ld-linux-aarch64.so.1"
    assert shown["tags"] == [
        "py3-none-manylinux_2_18_aarch64",
        "py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.musllinux_1_1_aarch64",
    ]
    lines = release.ran("inspect", tmp_path / ARM_LINUX / "bin" / "codex").out.splitlines()
    assert "static" in lines[0]
    archived = json.loads(release.ran("inspect", packed(release, ARM_LINUX), "--json").out)
    assert archived["tags"] == shown["tags"]
    assert shown["executables"].items() <= archived["executables"].items()


def test_inspect_refuses_what_is_no_executable(release: FakeRelease, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("#!/bin/sh\n")
    assert "it is a text file" in release.refused("inspect", tmp_path / "text")
    assert "does not exist" in release.refused("inspect", tmp_path / "missing", code=2)


def test_inspect_does_not_pass_over_a_directory_that_it_cannot_read(
    release: FakeRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.ran("fetch", "--target", ARM_LINUX, "--out", tmp_path)
    closed, scandir = str(tmp_path / ARM_LINUX / "codex-path"), os.scandir

    def as_nobody(path: Any = ".") -> Any:  # root may read everything
        if path == closed:
            raise PermissionError(errno.EACCES, "Permission denied", closed)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", as_nobody)
    line = release.refused("inspect", tmp_path / ARM_LINUX)
    assert line == f"{closed} cannot be looked into: Permission denied; let it be read, or name what is in it"


def test_what_may_be_waited_for_for_ever_is_not_opened(release: FakeRelease, tmp_path: Path) -> None:
    assert "is neither a file nor a directory" in release.refused("inspect", os.devnull, code=2)
    words = ("stage-runtime", tmp_path / "stage", os.devnull, "--runtime-version", VERSION)
    assert "is neither a file nor a directory" in release.refused(*words, code=2)


def test_matrix_is_what_github_actions_reads(release: FakeRelease) -> None:
    matrix = json.loads(release.ran("matrix", "--json").out)
    assert [each["target"] for each in matrix["include"]] == list(TRIPLES)
    assert all(each["runner"] and each["platform"] and each["archs"] for each in matrix["include"])
    assert json.loads(release.ran("matrix", "--json", "--runtime-version", f"v{archives.VERSION}").out) == matrix
    assert "the lock knows" in release.refused("matrix", "--runtime-version", "9.9.9")


@pytest.mark.parametrize(("tag", "client"), [(f"v{VERSION}", VERSION), (f"v{VERSION}.post1", f"{VERSION}.post1")])
def test_the_tag_of_a_client_says_both_versions(tag: str, client: str, release: FakeRelease) -> None:
    entries = json.loads(release.ran("matrix", "--json", "--sdk-version", tag).out)["include"]
    assert [each["target"] for each in entries] == list(TRIPLES)
    assert {(each["runtime"], each["client"]) for each in entries} == {(VERSION, client)}


@pytest.mark.parametrize(
    "words",
    [
        ("matrix",),
        ("build", "--client-only"),
        ("stage-sdk", "stage", "--runtime-version", VERSION),
        ("rehearse",),
        ("verify-index", VERSION, "--index-url", "http://localhost:1/simple/"),
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize(
    "tag",
    ["one", "v9.9.9", f"v{VERSION}1", f"{VERSION}.dev1", f"{VERSION}+local", f"{VERSION}.post1.dev2"]
    + [f"v{VERSION}{other}" for other in ("-1", ".POST1", ".post01", ".post0", "post1", ".rev1", ".post1 ")],
)
def test_a_version_that_is_no_client_of_the_runtime_is_refused(
    tag: str, words: tuple[str, ...], release: FakeRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = release.refused(*words, "--sdk-version", tag, code=2)
    assert line.startswith(f"{tag!r} is no version of a client for Codex {VERSION}; name {VERSION}, ")
    assert f"{VERSION}.post1" in line


def test_the_cache_lists_prunes_and_clears(release: FakeRelease) -> None:
    release.ran("fetch", "--all")
    assert len(json.loads(release.ran("cache", "list", "--json").out)) == len(TRIPLES)
    assert not json.loads(release.ran("cache", "prune", "--days", "1", "--json").out)
    assert len(json.loads(release.ran("cache", "clear", "--json").out)) == len(TRIPLES)
    assert not json.loads(release.ran("cache", "list", "--json").out)


def test_days_are_for_what_is_pruned(release: FakeRelease) -> None:
    release.ran("fetch", "--target", LINUX)
    for action in ("list", "clear"):
        line = release.refused("cache", action, "--days", "1", code=2)
        assert line == f"cache {action} takes no --days; leave it out, or prune the cache"
    assert len(json.loads(release.ran("cache", "list", "--json").out)) == 1


@pytest.mark.parametrize("used", [4e11, -1e11, 1e20])
def test_a_cache_entry_of_a_year_that_no_calendar_has_is_listed(
    used: float, release: FakeRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems can say that a file was changed in the year 14645."""
    monkeypatch.setattr(Cache, "entries", lambda _: [CacheEntry("archives", Path("x"), 1, used)])
    assert release.ran("cache", "list").out == "archives  x  1 B  -\n"


# --- the program


@pytest.mark.parametrize(
    "words", [[], ["no-such-command"], ["build", "--all", "--target", LINUX], ["build", "--target", "vax"]]
)
def test_words_that_make_no_sense_exit_with_two(words: list[str], release: FakeRelease) -> None:
    try:
        code = cli.main([*words, *(["--repo", str(release.root)] if words else [])])
    except SystemExit as error:  # argparse's own way
        code = int(error.code or 0)
    assert code == 2


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("publish", "--wait"), "is no length of time"),
        (("cache", "prune", "--days"), "is no length of time"),
        (("publish", "--max-file-size"), "is no number of bytes"),
    ],
)
@pytest.mark.parametrize("number", ["nan", "inf", "1e400", "-1", "soon", ""])
def test_a_number_that_is_no_amount_of_anything_is_refused(
    number: str, words: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([*words[:-1], f"{words[-1]}={number}"])
    assert ended.value.code == 2
    assert f"argument {words[-1]}: {number!r} {complaint}" in capsys.readouterr().err


def test_a_source_that_is_none_is_a_usage_error(release: FakeRelease, tmp_path: Path) -> None:
    line = release.refused("fetch", source=tmp_path / "nowhere", code=2)
    assert "name github, npm, or an existing directory" in line


def test_a_broken_data_file_is_one_line(release: FakeRelease) -> None:
    targets = release.root / "release" / "targets.toml"
    targets.write_text("[[[")
    assert "is not valid TOML" in release.refused("matrix")


def test_a_missing_lock_says_how_to_write_one(release: FakeRelease, tmp_path: Path) -> None:
    release.lock_file.unlink()
    assert "codex-release lock VERSION" in release.refused("fetch")
    line = release.refused("build", "--lock-file", tmp_path / "no.toml", "--out", tmp_path / "dist")
    assert line.startswith(f"there is no lock {tmp_path / 'no.toml'}; ")
    assert line.endswith("or name the one that is meant with --lock-file")
    assert "name a file that can be read" in release.refused("fetch", "--lock-file", tmp_path)
    shutil.rmtree(release.archives)  # nothing is downloaded to be held against a lock that is not there
    release.archives.mkdir()
    assert release.refused("lock", VERSION, "--check", "--lock-file", tmp_path / "no.toml") == line


def test_a_lock_that_a_merge_left_in_pieces_says_what_writes_another(release: FakeRelease) -> None:
    before = Lock.read(release.lock_file)
    release.lock_file.write_text(f"<<<<<<< HEAD\n{release.lock_file.read_text('utf-8')}", encoding="utf-8")
    # It may be some other file, so even `lock` does not write over it.
    for words in (("fetch",), ("lock", VERSION), ("lock", "--check")):
        assert release.refused(*words).endswith(
            "; restore it from version control, or delete it and write it anew with: codex-release lock VERSION"
        )
    release.lock_file.unlink()
    release.ran("lock", VERSION)
    assert Lock.read(release.lock_file) == before


def test_a_lock_that_cannot_be_written_is_named_with_what_to_do(release: FakeRelease, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "file" / "lock.toml"
    line = release.refused("lock", VERSION, "--lock-file", path)
    assert line.startswith(f"the lock {path} cannot be written: ")
    assert line.endswith("; make room there and let it be written, or name another file with --lock-file")


def test_a_lock_that_says_no_schema_lacks_it(release: FakeRelease) -> None:
    text = release.lock_file.read_text(encoding="utf-8")
    release.lock_file.write_text(text.replace("schema = 1\n", ""), encoding="utf-8")
    assert "schema is missing" in release.refused("fetch")
    release.lock_file.write_text(text.replace("schema = 1\n", "schema = 2\n"), encoding="utf-8")
    assert "schema is 2, this toolkit reads 1" in release.refused("fetch")


@pytest.mark.parametrize("project", ["codex-cli-bin", "codex-app-server-sdk"])
def test_a_project_without_a_size_limit_is_refused(project: str, release: FakeRelease) -> None:
    targets = release.root / "release" / "targets.toml"
    lines = targets.read_text(encoding="utf-8").splitlines(keepends=True)
    targets.write_text("".join(each for each in lines if not each.startswith(f"{project} = ")), encoding="utf-8")
    assert "size_limits has codex-" in release.refused("matrix")


@pytest.mark.slow
def test_a_cache_that_cannot_be_locked_is_not_the_fault_of_a_source(release: FakeRelease, tmp_path: Path) -> None:
    locks = Path(os.environ["CODEX_RELEASE_CACHE"]) / "locks"
    release.ran("cache", "clear")
    shutil.rmtree(locks, ignore_errors=True)
    locks.parent.mkdir(parents=True, exist_ok=True)
    locks.write_bytes(b"")
    for words in (("fetch",), ("build", "--out", tmp_path / "dist"), ("lock", "--check")):
        line = release.refused(*words)
        assert line.startswith("the directory locks cannot be made in the cache ")
        assert "no source serves" not in line
        assert "CODEX_RELEASE_CACHE" in line


def test_a_full_disk_is_not_the_fault_of_a_source(release: FakeRelease, monkeypatch: pytest.MonkeyPatch) -> None:
    really_open = Path.open

    def open_full(self: Path, mode: str = "r", *words: Any, **more: Any) -> Any:
        if "x" in mode:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return really_open(self, mode, *words, **more)

    monkeypatch.setattr(Path, "open", open_full)
    line = release.refused("fetch")
    assert f"cannot be written: {os.strerror(errno.ENOSPC)}; make room there" in line
    assert "no source serves" not in line


def _full(*_: object) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_temporary_directory_is_named(release: FakeRelease, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = os.strerror(errno.ENOSPC)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: contextlib.nullcontext(SimpleNamespace(write=_full)))
    line = release.refused("lock", "--check")
    assert line == f"a file in {tempfile.gettempdir()} cannot be written: {lost}; make room there"
    context, target = SimpleNamespace(fetcher=SimpleNamespace(copied=_full)), archives.CATALOG.target(LINUX)
    runtime = Runtime(ReleaseVersion.parse(VERSION), target, LockedTarget({}, {}))
    told = rf"^{VERSION} for {LINUX} cannot be copied to .*: {lost}; make room there$"
    with pytest.raises(DiskError, match=told), runnable(cast(Context, context), runtime):
        pass


def test_a_cached_tree_that_cannot_be_read_is_not_taken_for_damaged(
    release: FakeRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.ran("fetch")

    def refuse(_: object) -> NoReturn:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(fetcher, "file_digests", refuse)
    line = release.refused("fetch")
    assert f"cannot be read in the cache {os.environ['CODEX_RELEASE_CACHE']}" in line
    assert os.strerror(errno.EMFILE) in line


def test_help_lists_every_command_and_each_answers_for_itself(capsys: pytest.CaptureFixture[str]) -> None:
    commands = Path(cli.__file__).with_name("commands")
    modules = {path.stem for path in commands.glob("*.py")} - {"__init__", "answer", "options"}
    assert {name.replace("-", "_") for name in cli._COMMANDS} == modules
    for words in ([], *([name] for name in cli._COMMANDS)):
        with pytest.raises(SystemExit, match="0"):
            cli.main([*words, "--help"])
        said = capsys.readouterr().out
        assert "--json" in said if words else all(name in said for name in cli._COMMANDS)


def test_the_list_of_commands_and_the_version_cost_next_to_nothing() -> None:
    """Nothing that a command needs is loaded before one is asked for."""
    loaded = "import sys; from codex_release import cli\ntry: cli.main([{!r}])\nfinally: print(*sys.modules, sep='\\n')"
    for option, said in (("--help", "verify-index"), ("--version", importlib.metadata.version("codex-release"))):
        printed = finished(sys.executable, "-c", loaded.format(option)).stdout
        assert said in printed
        assert not {"httpx", "rich", "hatchling", "codex_release.commands.build"} & set(printed.split("\n"))


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["matrix"], ["matrix", "--json"], ["--help"]])
def test_a_reader_that_leaves_early_is_no_error(words: list[str], unbuffered: str, release: FakeRelease) -> None:
    """Whether it is noticed when a line is written, or only when all of them are."""
    command = [sys.executable, "-m", "codex_release", *words]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        cwd=release.root,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    if words != ["--help"] or not unbuffered:  # argparse writes it, and does not say whether it could
        assert process.returncode == 1


@pytest.mark.parametrize(("system", "error"), [("win32", BrokenPipeError), ("linux", DiskError)])
def test_windows_may_call_it_an_invalid_argument_that_a_reader_has_left(
    system: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Left(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(cli, "sys", SimpleNamespace(platform=system, stdout=Left()))
    monkeypatch.setattr(cli, "_let_go_of", lambda _: None)
    with pytest.raises(error), cli._answering():
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_answer_that_cannot_be_written_is_a_failure_and_a_complaint_is_one_all_the_same(
    unbuffered: str, release: FakeRelease
) -> None:
    environ = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-m", "codex_release"]
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        ran = subprocess.run(
            [*command, "matrix", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environ,
            cwd=release.root,
            check=False,
        )
        assert ran.returncode == 1
        said = f"the answer cannot be written to standard output: {os.strerror(errno.ENOSPC)}"
        remedy = "make room where it leads to, and run this again"
        assert ran.stderr.decode() == f"codex-release: {said}; {remedy}\n"
        command += ["matrix", "--sdk-version", "x"]
        assert subprocess.run(command, stderr=full, env=environ, cwd=release.root, check=False).returncode == 2


@pytest.mark.skipif(os.name == "nt", reason="names that are no text")
def test_a_path_that_the_output_cannot_show_is_written_as_an_escape(
    small_release: SmallRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte that is no UTF-8, or a letter that a log of another encoding does not have."""
    odd = tmp_path / os.fsdecode(b"\xc5\x91\xff")
    odd.mkdir()
    shutil.copyfile(small_release.dist / small_release.client[0], odd / small_release.client[0])
    for encoding, shown in (("utf-8", b"\xc5\x91\\udcff"), ("cp1252", b"\\u0151\\udcff")):
        printed = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding=encoding))
        assert cli.main(["check", str(odd), "--repo", str(small_release.root)]) == 1
        sys.stdout.flush()
        assert shown in printed.getvalue()


@pytest.mark.skipif(os.name == "nt", reason="names that no file has there")
@pytest.mark.parametrize("is_terminal", [False, True])
def test_what_a_terminal_would_obey_reaches_it_as_an_escape(
    is_terminal: bool,
    release: FakeRelease,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    odd = tmp_path / "\x1b]0;mine\x07\u202e"
    odd.mkdir()
    shutil.copyfile(shutil.which("true") or "/bin/true", odd / "\x1b[2Jcodex")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    assert cli.main(["inspect", str(odd), "--repo", str(release.root)]) == 0
    assert cli.main(["check", str(odd), "--repo", str(release.root)]) == 1
    with pytest.raises(SystemExit):
        cli.main(["matrix", odd.name])
    said = capsys.readouterr()
    assert "\\x1b[2Jcodex" in said.out
    assert "\\x1b]0;mine\\x07\\u202e holds no wheel" in said.err
    assert "unrecognized arguments: \\x1b]0;mine\\x07\\u202e" in said.err
    assert not re.search("\x1b]|\x1b\\[2J|\x07|\u202e", said.out + said.err)


@pytest.mark.parametrize("closed", ["stdin", "stdout", "stderr"])
def test_a_stream_that_is_closed_leads_nowhere(
    closed: str, release: FakeRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, closed, None)
    assert cli.main(["matrix", "--json", "--repo", str(release.root)]) == 0
    assert cli.main(["fetch", "--target", "none", "--repo", str(release.root)]) == 2
    getattr(sys, closed).close()


def test_the_program_needs_no_docstrings() -> None:
    said = finished(sys.executable, "-OO", "-m", "codex_release", "matrix", "--help").stdout
    assert "list the platforms and the CI machines that build them" in said


def test_an_output_path_that_is_a_file_is_one_line(release: FakeRelease, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    line = release.refused("build", "--target", LINUX, "--out", tmp_path / "file")
    assert line == f"{tmp_path / 'file'} is no directory; name one to build into with --out"
    (tmp_path / LINUX).write_text("mine")
    line = release.refused("fetch", "--target", LINUX, "--out", tmp_path, code=2)
    assert line == f"{tmp_path / LINUX} exists and is no directory; name a new directory with --out"
    assert (tmp_path / "file").read_text() == (tmp_path / LINUX).read_text() == "mine"


def test_a_disk_that_is_full_in_the_midst_of_a_build_is_told_with_what_to_do(
    release: FakeRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(builder, "assemble", refuse)
    out = tmp_path / "out"
    line = release.refused("build", "--runtime-only", "--target", LINUX, "--out", out)
    assert line.startswith(f"{out} cannot be built into: {os.strerror(errno.ENOSPC)}; make room there")
    assert not list(out.iterdir())


def test_an_output_directory_that_cannot_be_written_is_named_with_what_to_do(
    release: FakeRelease, tmp_path: Path
) -> None:
    """One below a file: whose permissions say no, root may write all the same."""
    (tmp_path / "file").write_text("mine")
    out = tmp_path / "file" / "dist"
    remedy = "make room there and let it be written, or name another directory with --out"
    line = release.refused("build", "--target", LINUX, "--out", out)
    assert line.startswith(f"{out} cannot be built into: ")
    assert line.endswith(f"; {remedy}")
    line = release.refused("fetch", "--target", LINUX, "--out", out)
    assert line.startswith(f"{VERSION} for {LINUX} cannot be extracted into {out / LINUX}: ")
    assert line.endswith(f"; {remedy}")


@pytest.mark.usefixtures("usual_signals")
def test_signals_are_left_as_they_were_and_what_is_ignored_stays_so(
    release: FakeRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [name for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    seen: list[Any] = []

    def run(*_: object) -> Any:
        seen.append([signal.getsignal(getattr(signal, name)) for name in names])
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_run", run)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as `nohup` does
    try:
        assert cli.main(["matrix"]) == 130
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert cli.main(["matrix"]) == 130
    assert seen[0][0] is signal.SIG_IGN
    assert all(callable(each) for each in (*seen[0][1:], *seen[1]))
    assert [signal.getsignal(getattr(signal, name)) for name in names] == [signal.SIG_DFL] * len(names)
