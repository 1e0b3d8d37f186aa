"""What the check finds: each promise of a finished wheel, broken once."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import archives
import executables
import pytest
from editing import edited, put, replaced, without
from fake_release import FakeRelease
from packageurl import PackageURL
from publishing import SmallRelease

from codex_release.base.digests import FileDigest
from codex_release.check.contents import entry_problems, read_contents
from codex_release.check.metadata import MetadataCheck
from codex_release.check.release import check_files, distributions_in
from codex_release.context import open_context
from codex_release.facts.lock import Lock, LockedArchive, LockedTarget, Runtime
from codex_release.facts.workspace import Workspace
from codex_release.wheels import wheel_file
from codex_release.wheels.sbom import sbom_json
from codex_release.wheels.wheel_file import DAMAGED, WheelFile

pytestmark = pytest.mark.slow

VERSION = archives.VERSION
LINUX = "x86_64-unknown-linux-musl"
DIST_INFO = f"codex_cli_bin-{VERSION}.dist-info"
CODEX = "codex_cli_bin/bin/codex"


@pytest.fixture
def wheel(small_release: SmallRelease, tmp_path: Path) -> Path:
    """A good runtime wheel for x86-64 Linux, as it was built, and the client's files beside it."""
    (tmp_path / "dist").mkdir()
    (found,) = small_release.dist.glob("codex_cli_bin*musllinux*x86_64.whl")
    for path in (found, *small_release.dist.glob("codex_app_server_sdk*")):
        shutil.copy2(path, tmp_path / "dist")
    return tmp_path / "dist" / found.name


def problems(release: FakeRelease, wheel: Path, *words: str) -> str:
    """What the check says against a file, which must be something."""
    verdicts = json.loads(release.ran("check", wheel, "--json", *words, code=1).out)
    return "\n".join(verdicts[str(wheel)]["problems"])


def test_a_good_wheel_passes(release: FakeRelease, wheel: Path) -> None:
    assert release.ran("check", wheel).out.split() == [str(wheel), "passes"]
    release.ran("check", edited(wheel, lambda files: None))


def test_no_plugin_of_the_environment_has_a_say(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = tmp_path / "plugins" / "meddling-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: meddling\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[pydantic]\nmeddling = meddling:plugin\n")
    (about.parent / "meddling.py").write_text("raise SystemExit('loaded')\n")
    paths = filter(None, [str(about.parent), os.environ.get("PYTHONPATH")])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.delenv("PYDANTIC_DISABLE_PLUGINS")
    with MetadataCheck() as check:
        assert check.problems(wheel) == []


def test_another_byte_in_the_payload_is_found_by_record_and_by_the_lock(release: FakeRelease, wheel: Path) -> None:
    other = archives.executable(archives.CATALOG.target(LINUX), "another")
    found = problems(release, edited(wheel, put(CODEX, other, 0o755), record=False))
    assert f"{CODEX} has sha256=" in found
    assert "bin/codex of the wheel has sha256" in found
    found = problems(release, edited(wheel, put(CODEX, other, 0o755)))
    assert "RECORD says" not in found
    assert "the lock says" in found
    assert " in the bill of materials, " in problems(release, edited(wheel, put(CODEX, other, 0o755)), "--unlocked")


def test_files_that_record_does_not_list_and_lists_that_lack_their_file(release: FakeRelease, wheel: Path) -> None:
    extra = edited(wheel, put("codex_cli_bin/codex-resources/extra.txt", b"x"), record=False)
    assert "RECORD does not list codex_cli_bin/codex-resources/extra.txt" in problems(release, extra)
    missing = edited(wheel, without("codex_cli_bin/py.typed"), record=False)
    assert "RECORD lists codex_cli_bin/py.typed, which is not there" in problems(release, missing)


def test_a_payload_file_too_many_or_too_few(release: FakeRelease, wheel: Path) -> None:
    extra = edited(wheel, put("codex_cli_bin/codex-resources/extra.txt", b"x"))
    assert "has codex-resources/extra.txt, which the lock does not know" in problems(release, extra)
    missing = edited(wheel, without("codex_cli_bin/codex-resources/bwrap"))
    assert "lacks codex-resources/bwrap" in problems(release, missing)


def test_an_executable_that_breaks_the_tag(release: FakeRelease, wheel: Path) -> None:
    dynamic = executables.elf(interpreter="/lib64/ld-linux-x86-64.so.2", glibc=("2.31",))
    found = problems(release, edited(wheel, put(CODEX, dynamic, 0o755)))
    assert "bin/codex breaks the promise of manylinux2014_x86_64: it needs glibc 2.31" in found
    assert "bin/codex breaks the promise of musllinux_1_1_x86_64" in found


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (executables.elf("aarch64"), "is elf aarch64, but x86_64-unknown-linux-musl needs elf x86_64"),
        (b"#!/bin/sh\nexit 0\n", "text file"),
        (executables.elf()[:-1], "damaged"),
    ],
)
def test_an_executable_that_is_none_or_another_machines(
    data: bytes, reason: str, release: FakeRelease, wheel: Path
) -> None:
    assert reason in problems(release, edited(wheel, put(CODEX, data, 0o755)))


def test_a_name_that_promises_more_than_the_wheel_says(release: FakeRelease, wheel: Path) -> None:
    renamed = edited(wheel, lambda files: None, name=f"codex_cli_bin-{VERSION}-py3-none-manylinux_2_5_x86_64.whl")
    found = problems(release, renamed)
    assert "WHEEL says py3-none-manylinux2014_x86_64" in found
    unsorted = f"codex_cli_bin-{VERSION}-py3-none-musllinux_1_1_x86_64.manylinux2014_x86_64.manylinux_2_17_x86_64.whl"
    assert "does not have a wheel's name" in problems(release, edited(wheel, lambda files: None, name=unsorted))
    version = wheel.name.replace(VERSION, "0.168.0")
    assert "the payload is of version" in problems(release, edited(wheel, lambda files: None, name=version))


def test_modes_that_do_not_fit_the_role(release: FakeRelease, wheel: Path) -> None:
    def edit(files: dict[str, tuple[int, bytes]]) -> None:
        files[CODEX] = (0o644, files[CODEX][1])
        files["codex_cli_bin/codex-package.json"] = (0o777, files["codex_cli_bin/codex-package.json"][1])

    found = problems(release, edited(wheel, edit))
    assert f"{CODEX} has mode 0644, its role wants 0755" in found
    assert "codex-package.json has mode 0777, its role wants 0644" in found


def test_metadata_that_is_not_what_it_should_be(release: FakeRelease, wheel: Path) -> None:
    pure = edited(wheel, replaced(f"{DIST_INFO}/WHEEL", b"Root-Is-Purelib: false", b"Root-Is-Purelib: true"))
    assert "pass as pure Python" in problems(release, pure)
    other = edited(wheel, replaced(f"{DIST_INFO}/METADATA", b"License-Expression:", b"License-Text:"))
    assert "has the license expression none, not Apache-2.0 AND" in problems(release, other)
    newer = edited(wheel, replaced(f"{DIST_INFO}/METADATA", b"Metadata-Version: 2.4", b"Metadata-Version: 2.5"))
    assert "its metadata is of version 2.5, but 2.4 is what every index takes" in problems(release, newer)
    bare = edited(wheel, lambda files: files.update({f"{DIST_INFO}/METADATA": (0o644, _without_description(files))}))
    assert "twine" in problems(release, bare)


def test_twine_says_plainly_what_it_finds(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")  # where rich takes 80 columns, whatever there are
    bad = edited(wheel, lambda files: files.update({f"{DIST_INFO}/METADATA": (0o644, _without_description(files))}))
    with MetadataCheck() as check:
        first, *rest = check.problems(bad)
        assert not any(check.problems(path) for path in wheel.parent.glob("codex_*"))  # in the same process
    assert re.fullmatch(rf"twine: Checking \S+{re.escape(bad.name)}: FAILED.*", first)
    assert rest
    assert "\x1b" not in "".join([first, *rest])


def test_what_twine_cannot_read_is_the_fault_of_that_file(wheel: Path) -> None:
    damaged = wheel.parent / f"codex_app_server_sdk-{VERSION}.tar.gz"
    damaged.write_bytes(b"no gzip")
    with MetadataCheck() as check:
        (said,) = check.problems(damaged)
        assert said.startswith("twine cannot read it: ")
        assert check.problems(wheel) == []


def _without_description(files: dict[str, tuple[int, bytes]]) -> bytes:
    headers = files[f"{DIST_INFO}/METADATA"][1].partition(b"\n\n")[0]
    return b"\n".join(line for line in headers.splitlines() if not line.startswith(b"Description")) + b"\n"


def test_a_missing_bill_of_materials(release: FakeRelease, wheel: Path) -> None:
    bare = edited(wheel, without(f"{DIST_INFO}/sboms/codex-cli-bin.cdx.json"))
    assert f"has no {DIST_INFO}/sboms/codex-cli-bin.cdx.json" in problems(release, bare)


@pytest.fixture(params=["isal", "zlib"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is deflated, read in each of the ways there are."""
    if request.param == "zlib":
        monkeypatch.setattr(wheel_file, "isal_zlib", None)
    return str(request.param)


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_an_entry_is_what_the_directory_says_or_damaged(method: int, tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    path = tmp_path / "some-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", method) as made:
        made.writestr("before", b"other")
        made.writestr("payload", data)
        made.writestr("empty", b"")
    for name, wrong in (("CRC", 1), ("file_size", len(data) - 1), ("file_size", len(data) + 1), ("compress_size", 9)):
        with WheelFile.open(path) as wheel:
            info = wheel.zip.getinfo("payload")
            assert b"".join(wheel.chunks(info)) == data
            assert list(wheel.chunks(wheel.zip.getinfo("empty"))) == []
            setattr(info, name, wrong)
            with pytest.raises(DAMAGED):
                b"".join(wheel.chunks(info))


def zipped(
    place: Path,
    *,
    own: dict[int, int] | None = None,
    extra: bytes = b"",
    listed_extra: bytes = b"",
    comment: bytes = b"",
    behind: bytes = b"",
    end: dict[int, int] | None = None,
    beside: bytes = b"",
) -> Path:
    """A wheel of one deflated file, written byte by byte, with bytes where none belong or fields that are not true."""
    name, data = b"payload", b"of it " * 1000
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = deflater.compress(data) + deflater.flush() + behind
    # version, flags, method, time, date, checksum, sizes, and the lengths of name and extra field
    fields = [20, 0, 8, 0, 33, zlib.crc32(data), len(packed), len(data), len(name)]
    mine = {**dict(enumerate(fields)), **(own or {})}
    entry = struct.pack("<4s5H3I2H", b"PK\3\4", *mine.values(), len(extra)) + name + extra + packed
    lengths = (len(listed_extra), len(comment), 0, 0, 0o100644 << 16, 0)
    directory = struct.pack("<4s6H3I5H2I", b"PK\1\2", 3 << 8 | 20, *fields, *lengths) + name + listed_extra + comment
    last = {**dict(enumerate([0, 0, 1, 1, len(directory + beside), len(entry), 0])), **(end or {})}
    path = place / "some-1-py3-none-any.whl"
    path.write_bytes(entry + directory + beside + struct.pack("<4s4H2IH", b"PK\5\6", *last.values()))
    return path


def test_bytes_that_no_file_holds_are_found_wherever_a_zip_has_room(tmp_path: Path) -> None:
    def found(**odd: bytes | dict[int, int]) -> list[str]:
        with WheelFile.open(zipped(tmp_path, **odd)) as wheel:  # type: ignore[arg-type]  # of each its own kind
            return entry_problems(wheel) or read_contents(wheel)[1]

    field = struct.pack("<HH", 0xCAFE, 7) + b"smuggle"
    hidden = ["it holds bytes that belong to none of its files"]
    assert found() == []
    assert found(extra=field) == hidden
    assert found(listed_extra=field) == hidden
    assert found(comment=b"smuggle") == hidden
    assert found(end={2: 0}) == hidden  # who counts by that sees an empty zip
    assert found(behind=b"smuggle") == ["payload is damaged: there are bytes behind its end"]


@pytest.mark.parametrize("field", [0, 1, 2, 5, 6, 7])
def test_an_entry_of_which_its_own_header_and_the_directory_tell_two_things_is_refused(
    field: int, tmp_path: Path
) -> None:
    with WheelFile.open(zipped(tmp_path, own={field: 10})) as wheel:
        assert entry_problems(wheel) == ["payload's own header says otherwise than the directory"]


def test_a_stored_entry_has_as_many_bytes_as_it_says(tmp_path: Path) -> None:
    path = tmp_path / "some-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("payload", b"data")
    with WheelFile.open(path) as wheel:
        wheel.zip.getinfo("payload").file_size = 3
        wheel.zip.getinfo("payload").CRC = zlib.crc32(b"dat")
        with pytest.raises(zipfile.BadZipFile, match="is stored, and has 4 bytes, not 3"):
            b"".join(wheel.chunks(wheel.zip.getinfo("payload")))


def test_a_method_that_not_every_installer_knows_is_refused(wheel: Path) -> None:
    with zipfile.ZipFile(wheel, "a", zipfile.ZIP_BZIP2) as made:
        made.writestr("payload", b"data")
    with WheelFile.open(wheel) as opened:
        assert "payload is compressed by method 12, which few can read" in entry_problems(opened)


@pytest.mark.usefixtures("reader")
def test_what_is_no_zip_and_what_is_damaged(release: FakeRelease, wheel: Path) -> None:
    broken = wheel.parent / "broken" / wheel.name
    broken.parent.mkdir()
    broken.write_bytes(wheel.read_bytes()[:-100])
    assert "cannot be read as a wheel" in problems(release, broken)
    data = bytearray(wheel.read_bytes())
    data[200:210] = bytes(10)
    broken.write_bytes(data)
    assert "damaged" in problems(release, broken)


@pytest.mark.parametrize("part", ["payload", "metadata"])
def test_a_full_disk_is_no_damage(
    part: str, release: FakeRelease, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    really_open = Path.open

    def open_full(self: Path, mode: str = "r", *words: Any, **more: Any) -> Any:
        if {"w", "x"} & {*mode} and self.name == (Path(CODEX).name if part == "payload" else wheel.name):
            raise full
        return really_open(self, mode, *words, **more)

    monkeypatch.setattr(Path, "open", open_full)
    if part == "payload":
        assert f"{CODEX} cannot be read here: {full.strerror}" in problems(release, wheel)
    else:
        line = release.refused("check", wheel)
        assert line.startswith("metadata cannot be copied to ")
        assert line.endswith(f": {full.strerror}; make room there")


@pytest.mark.usefixtures("reader")
def test_damage_anywhere_is_a_finding_and_never_a_traceback(release: FakeRelease, wheel: Path) -> None:
    broken = wheel.parent / "broken" / wheel.name
    broken.parent.mkdir()
    good = wheel.read_bytes()
    with open_context(lambda: Workspace(release.root)) as context:
        for position in [*range(0, len(good), len(good) // 40), *range(len(good) - 900, len(good), 30)]:
            broken.write_bytes(good[:position] + bytes([good[position] ^ 0xFF]) + good[position + 1 :])
            (verdict,) = check_files([broken], context, of_this_checkout=False)
            assert verdict.path == broken


def test_a_wheel_above_the_size_limit_says_how_to_raise_it(release: FakeRelease, wheel: Path) -> None:
    targets = release.root / "release" / "targets.toml"
    targets.write_text(targets.read_text().replace("codex-cli-bin = 209_715_200", "codex-cli-bin = 1_000"))
    assert "raise size_limits.codex-cli-bin in release/targets.toml" in problems(release, wheel)


def test_a_runtime_of_another_version_than_the_lock(release: FakeRelease, wheel: Path) -> None:
    text = release.lock_file.read_text()
    release.lock_file.write_text(text.replace(f'version = "{VERSION}"', 'version = "0.200.0"', 1))
    assert f"the lock knows 0.200.0, not {VERSION}" in problems(release, wheel)


# --- the client and the set


def test_a_client_that_is_not_pinned_exactly(release: FakeRelease, wheel: Path) -> None:
    (client,) = wheel.parent.glob("codex_app_server_sdk*.whl")
    metadata = f"codex_app_server_sdk-{VERSION}.dist-info/METADATA"
    pin = f"codex-cli-bin=={VERSION}".encode()
    for loose in (b"codex-cli-bin>=0.1", b"codex-cli-bin==0.169.*", pin + b"; python_version > '3'", b"rich"):
        changed = wheel.parent / "loose" / client.name
        changed.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(client) as source, zipfile.ZipFile(changed, "w") as sink:
            for info in source.infolist():
                data = source.read(info)
                sink.writestr(info, data.replace(pin, loose) if info.filename == metadata else data)
        assert "it must depend on codex-cli-bin==VERSION" in problems(release, changed)


def test_an_sdist_of_the_runtime_is_refused(release: FakeRelease, wheel: Path) -> None:
    sdist = wheel.parent / f"codex_cli_bin-{VERSION}.tar.gz"
    with tarfile.open(sdist, "w:gz"):
        pass
    assert "wheels only" in problems(release, sdist)


def test_a_file_that_belongs_to_no_project_of_the_release(release: FakeRelease, wheel: Path) -> None:
    stranger = wheel.parent / "stranger-1.0-py3-none-any.whl"
    shutil.copyfile(wheel, stranger)
    assert "stranger is no project of this release" in problems(release, stranger)


def test_an_incomplete_release_is_refused_platform_by_platform(release: FakeRelease, tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    release.ran("build", "--all", "--out", dist)
    (dist / f"codex_cli_bin-{VERSION}-py3-none-win_arm64.whl").unlink()
    (reduced,) = dist.glob("*musllinux*aarch64.whl")
    reduced.unlink()
    (dist / f"codex_app_server_sdk-{VERSION}.tar.gz").unlink()
    said = release.ran("check", dist, "--json", code=1)
    verdicts = json.loads(said.out)
    *lines, last = said.err.splitlines()
    assert lines == [f"- {dist}: {each}" for each in verdicts[str(dist)]["problems"]]
    assert last == (
        f"codex-release: 1 of 7 paths does not pass: {lines[0].removeprefix('- ')} (and 4 more); publish none of it, "
        "and build what is wrong once more: codex-release build"
    )
    assert verdicts[str(dist)]["client_alone"] is False
    assert verdicts.pop(str(dist))["problems"] == [
        "aarch64-unknown-linux-musl has no wheel for manylinux2014_aarch64",
        "aarch64-unknown-linux-musl has no wheel for manylinux_2_17_aarch64",
        "aarch64-unknown-linux-musl has no wheel for musllinux_1_1_aarch64",
        "aarch64-pc-windows-msvc has no wheel for any platform",
        "there are 0 pinned sdists of the client, not one",
    ]
    assert not any(each["problems"] for each in verdicts.values())


def test_a_post_release_of_the_client_alone_is_whole_without_runtime_wheels(
    release: FakeRelease, tmp_path: Path
) -> None:
    dist, words = tmp_path / "dist", ("build", "--client-only", "--out", tmp_path / "dist", "--sdk-version")
    release.ran(*words, f"{VERSION}.post1")
    said = release.ran("check", dist)
    assert said.out.splitlines()[-1] == f"{dist}  passes: the client alone, its runtime's wheels are not here"
    assert json.loads(release.ran("check", dist, "--json").out)[str(dist)] == {
        "problems": [],
        "run": None,
        "client_alone": True,
    }
    (wheel,) = dist.glob("*.whl")
    stranger = dist / wheel.name.replace("codex_app_server_sdk", "somebody_elses")
    shutil.copyfile(wheel, stranger)
    assert json.loads(release.ran("check", dist, "--json", code=1).out)[str(dist)]["client_alone"] is False
    stranger.unlink()
    wheel.rename(tmp_path / wheel.name)
    assert f"{dist}: there are 0 pinned wheels of the client, not one" in release.refused("check", dist)
    release.ran(*words, f"{VERSION}.post2")
    (dist / wheel.name.replace("post1", "post2")).unlink()
    (tmp_path / wheel.name).rename(wheel)
    mixed = f"the files of the client are of versions {VERSION}.post1 and {VERSION}.post2, not of one"
    assert f"{dist}: {mixed}" in release.refused("check", dist)
    release.ran("build", "--client-only", "--out", tmp_path / "first")  # whose runtime is not known to be released
    assert "has no wheel for any platform" in release.ran("check", tmp_path / "first", code=1).err


def test_an_empty_directory_is_no_release(release: FakeRelease, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no wheel" in release.refused("check", tmp_path / "empty")
    assert "does not exist" in release.refused("check", tmp_path / "missing", code=2)


# --- the bill of materials


def schema_problem(text: str) -> object:
    """What the schema of CycloneDX has against a bill of materials."""
    # Whoever loads this waits for seconds: it makes a parser of each format that a schema may ask for.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)


def test_the_bill_of_materials_is_valid_and_tells_of_every_file(release: FakeRelease, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"{DIST_INFO}/sboms/codex-cli-bin.cdx.json").decode()
        payload = {name.removeprefix("codex_cli_bin/"): archive.read(name) for name in archive.namelist()}
    assert schema_problem(text) is None
    document = json.loads(text)
    described = {
        each["name"]: each["hashes"][0]["content"] for each in document["components"] if each["type"] == "file"
    }
    assert described == {path: hashlib.sha256(payload[path]).hexdigest() for path in described}
    assert {"bin/codex", "codex-path/rg", "codex-package.json"} <= described.keys()
    (codex,) = [each for each in document["components"] if each["type"] == "application"]
    assert codex["version"] == VERSION
    refs = {each["bom-ref"] for each in document["components"]} | {document["metadata"]["component"]["bom-ref"]}
    for dependency in document["dependencies"]:
        assert {dependency["ref"], *dependency["dependsOn"]} <= refs
    for purl in (codex["purl"], document["metadata"]["component"]["purl"]):
        assert PackageURL.from_string(purl).version in {VERSION, f"rust-v{VERSION}"}


def test_the_bill_of_materials_tells_source_tag_and_digests(release: FakeRelease) -> None:
    lock = Lock.read(release.lock_file)
    served = {
        "github": LockedArchive("codex-package-x86_64-unknown-linux-musl.tar.gz", FileDigest(3, "a" * 64)),
        "npm": LockedArchive(f"codex-{VERSION}-linux-x64.tgz", FileDigest(4, "b" * 64)),
    }
    files = lock.targets[LINUX].files
    runtime = Runtime(lock.version, archives.CATALOG.target(LINUX), LockedTarget(served, files))
    text = sbom_json(runtime, files, archives.CATALOG)
    assert text == sbom_json(runtime, dict(sorted(files.items(), reverse=True)), archives.CATALOG)
    assert schema_problem(text) is None
    document = json.loads(text)
    (codex,) = [each for each in document["components"] if each["type"] == "application"]
    assert codex["purl"] == f"pkg:github/openai/codex@rust-v{VERSION}"
    properties = {each["name"]: each["value"] for each in codex["properties"]}
    assert properties == {"codex-release:release-tag": f"rust-v{VERSION}", "codex-release:target": LINUX}
    shipped = [each for each in codex["externalReferences"] if each["type"] == "distribution"]
    assert {each["url"]: each["hashes"][0]["content"] for each in shipped} == {
        f"https://github.com/openai/codex/releases/download/rust-v{VERSION}/{served['github'].name}": "a" * 64,
        f"pkg:npm/%40openai/codex@{VERSION}-linux-x64": "b" * 64,
    }
    npm = PackageURL.from_string(shipped[1]["url"])
    assert (npm.type, npm.namespace, npm.name, npm.version) == ("npm", "@openai", "codex", f"{VERSION}-linux-x64")
    runnable = {
        each["name"]: each["hashes"][0]["content"]
        for each in document["components"]
        if {"name": "codex-release:executable", "value": "true"} in each["properties"] and each["type"] == "file"
    }
    assert runnable == {
        path: digest.sha256 for path, digest in files.items() if archives.CATALOG.layout.is_executable(path)
    }
    assert {"bin/codex", "codex-path/rg"} <= runnable.keys()


def test_two_builds_of_one_lock_are_the_same_bytes(release: FakeRelease, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".gitignore").write_text(f"# of a repository around {name}\n")
        release.ran("build", "--all", "--out", tmp_path / name)
    first, second = (
        {path.name: path.read_bytes() for path in distributions_in(tmp_path / name)} for name in ("one", "two")
    )
    assert len(first) == 9
    assert first == second
