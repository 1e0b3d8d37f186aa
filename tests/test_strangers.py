"""What does not belong into a distribution is found, whatever RECORD says of it, and nothing of it is let out."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import archives
import pytest
from editing import Edit, edited, put, replaced, without
from fake_release import FakeRelease
from publishing import SmallRelease

from codex_release.check.metadata import MetadataCheck

pytestmark = pytest.mark.slow

VERSION = archives.VERSION
RUNTIME, CLIENT = f"codex_cli_bin-{VERSION}", f"codex_app_server_sdk-{VERSION}"


@pytest.fixture
def dist(small_release: SmallRelease, tmp_path: Path) -> Path:
    """A good runtime wheel for x86-64 Linux and the client's files."""
    (tmp_path / "dist").mkdir()
    (found,) = small_release.dist.glob("codex_cli_bin*musllinux*x86_64.whl")
    for path in (found, *small_release.dist.glob("codex_app_server_sdk*")):
        shutil.copy2(path, tmp_path / "dist")
    return tmp_path / "dist"


@pytest.fixture(autouse=True)
def unasked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What twine and check-wheel-contents say of it is another matter, and takes longer than all the rest."""
    if request.function is not test_what_is_no_file_is_not_waited_for:
        monkeypatch.setattr(MetadataCheck, "problems", lambda *_: [])


def problems(release: FakeRelease, path: Path) -> str:
    """What the check says against a file, which must be something."""
    verdicts = json.loads(release.ran("check", path, "--json", code=1).out)
    return "\n".join(verdicts[str(path)]["problems"])


def added(path: str, text: bytes) -> Edit:
    """More at the end of one file."""

    def edit(files: dict[str, tuple[int, bytes]]) -> None:
        mode, data = files[path]
        files[path] = (mode, data + text)

    return edit


RUNTIMES: dict[str, tuple[Edit, str]] = {
    "code at every start": (put("evil.pth", b"import os"), "evil.pth does not belong there"),
    "code by .data": (put(f"{RUNTIME}.data/purelib/evil.pth", b"import os"), "evil.pth does not belong there"),
    "a script": (put(f"{RUNTIME}.data/scripts/git", b"#!python"), "scripts/git does not belong there"),
    "a signature of RECORD": (put(f"{RUNTIME}.dist-info/RECORD.jws", b"{}"), "RECORD.jws does not belong there"),
    "another package": (put("evil/__init__.py", b""), "evil/__init__.py does not belong there"),
    "other code": (
        added("codex_cli_bin/__init__.py", b"import evil\n"),
        "codex_cli_bin/__init__.py is not what it is in the checkout",
    ),
    "less code": (without("codex_cli_bin/__main__.py"), "codex_cli_bin/__main__.py is missing"),
    "a program": (
        added(f"{RUNTIME}.dist-info/entry_points.txt", b"\n[pytest11]\nevil = evil\n"),
        "entry_points.txt is not what the checkout's project leads to",
    ),
    "another license": (
        added(f"{RUNTIME}.dist-info/licenses/LICENSE", b"but not for you\n"),
        "licenses/LICENSE is not what it is in the checkout",
    ),
    "another license of a part": (
        added(f"{RUNTIME}.dist-info/licenses/LICENSE.ripgrep", b"but not for you\n"),
        "licenses/LICENSE.ripgrep is not what it is in the checkout",
    ),
    "no license": (without(f"{RUNTIME}.dist-info/licenses/LICENSE"), "licenses/LICENSE is missing"),
    "a license that is not named": (
        replaced(f"{RUNTIME}.dist-info/METADATA", b"License-File: LICENSE\n", b""),
        "its metadata names the license files LICENSE.bubblewrap, LICENSE.ripgrep, not LICENSE, LICENSE.bubblewrap,",
    ),
    "an extra": (
        replaced(f"{RUNTIME}.dist-info/METADATA", b"Requires-Python:", b"Provides-Extra: evil\nRequires-Python:"),
        "its metadata provides the extras evil, the checkout's project none",
    ),
    "two formats": (
        replaced(f"{RUNTIME}.dist-info/WHEEL", b"Wheel-Version: 1.0", b"Wheel-Version: 1.0\nWheel-Version: 2.0"),
        "WHEEL says Wheel-Version more than once",
    ),
    "a license less": (without(f"{RUNTIME}.dist-info/licenses/LICENSE.ripgrep"), "licenses/LICENSE.ripgrep is missing"),
    "a dependency": (
        replaced(f"{RUNTIME}.dist-info/METADATA", b"Requires-Python:", b"Requires-Dist: evil\nRequires-Python:"),
        "its metadata requires evil, unlike the checkout's project",
    ),
    "other Pythons": (
        replaced(f"{RUNTIME}.dist-info/METADATA", b"Requires-Python: >=3.10", b"Requires-Python: >=3.14"),
        "its metadata is for Python >=3.14, the checkout's project for >=3.10",
    ),
    "another format": (
        replaced(f"{RUNTIME}.dist-info/WHEEL", b"Wheel-Version: 1.0", b"Wheel-Version: 9.0"),
        "WHEEL is of version 9.0, not 1.0",
    ),
    "a build number within": (
        replaced(f"{RUNTIME}.dist-info/WHEEL", b"Root-Is-Purelib", b"Build: 4\nRoot-Is-Purelib"),
        "it has a build number",
    ),
    "no components": (
        replaced(f"{RUNTIME}.dist-info/sboms/codex-cli-bin.cdx.json", b'"type": "file"', b'"type": "data"'),
        "is nothing in the bill of materials",
    ),
    "the components of another": (
        replaced(f"{RUNTIME}.dist-info/sboms/codex-cli-bin.cdx.json", f"codex-cli-bin@{VERSION}".encode(), b"evil@1"),
        "the bill of materials is that of pkg:pypi/evil@1",
    ),
    "a link": (put("codex_cli_bin/bin/codex", b"/bin/sh", 0o120755), "is a link or another special file"),
    "megabytes of metadata": (
        put(f"{RUNTIME}.dist-info/METADATA", b"Name: x\n" * (5 << 20)),
        "has 41943040 bytes, more than 33554432",
    ),
}


@pytest.mark.parametrize("case", RUNTIMES)
def test_a_runtime_wheel_holds_nothing_that_is_not_known(release: FakeRelease, dist: Path, case: str) -> None:
    edit, said = RUNTIMES[case]
    (wheel,) = dist.glob("codex_cli_bin*.whl")
    assert said in problems(release, edited(wheel, edit))


@pytest.mark.parametrize("name", ["/{}", "codex_cli_bin/{}", "codex_cli_bin/../../{}", "codex_cli_bin\\..\\{}"])
def test_nothing_is_unpacked_of_a_wheel_that_names_a_place_elsewhere(
    release: FakeRelease, dist: Path, tmp_path: Path, name: str
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (wheel,) = dist.glob("codex_cli_bin*.whl")
    bad = edited(wheel, put(name.format(victim), b"theirs"))
    assert "the entry" in problems(release, bad)
    assert victim.read_text() == "mine"


def test_bytes_that_belong_to_no_file(release: FakeRelease, dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("codex_cli_bin*.whl")
    good, other = wheel.read_bytes(), tmp_path / wheel.name
    with zipfile.ZipFile(wheel) as archive:
        directory = archive.start_dir
    end = good[:-6] + (directory + 4).to_bytes(4, "little") + good[-2:]  # says where the directory is
    for data in (
        b"odd!" + good,
        good + b"odd!",
        end[:directory] + b"odd!" + end[directory:],
        good[:-2] + b"\4\0odd!",
    ):
        other.write_bytes(data)
        assert "it holds bytes that belong to none of its files" in problems(release, other)


@pytest.mark.parametrize("name", ["-9-py3-none-", "-cp313-cp313-"])
def test_a_wheel_that_pip_would_prefer_to_ours(release: FakeRelease, dist: Path, name: str) -> None:
    (wheel,) = dist.glob("codex_cli_bin*.whl")
    tag = name.removeprefix("-9").strip("-").encode()
    same = edited(
        wheel,
        replaced(f"{RUNTIME}.dist-info/WHEEL", b"Tag: py3-none", b"Tag: " + tag),
        name=wheel.name.replace("-py3-none-", name),
    )
    said = problems(release, same)
    assert "it has a build number" in said or "it is for cp313-cp313, not for py3-none" in said


CLIENTS: dict[str, tuple[Edit, str]] = {
    "other code": (
        added("codex_app_server/__init__.py", b"import evil\n"),
        "codex_app_server/__init__.py is not what it is in the checkout",
    ),
    "more code": (put("codex_app_server/evil.py", b""), "codex_app_server/evil.py does not belong there"),
    "code at every start": (put("evil.pth", b"import os"), "evil.pth does not belong there"),
    "a script": (put(f"{CLIENT}.data/scripts/git", b"#!python"), "scripts/git does not belong there"),
    "a dependency": (
        replaced(f"{CLIENT}.dist-info/METADATA", b"Requires-Python:", b"Requires-Dist: evil\nRequires-Python:"),
        "its metadata requires evil, unlike the checkout's project",
    ),
    "a dependency less": (
        replaced(f"{CLIENT}.dist-info/METADATA", b"Requires-Dist: docstring-parser<1,>=0.16\n", b""),
        "its metadata lacks docstring-parser<1,>=0.16, unlike the checkout's project",
    ),
    "an extra less": (
        replaced(f"{CLIENT}.dist-info/METADATA", b"Provides-Extra: ws\n", b""),
        "its metadata provides the extras acp, agents, otel, pydantic-ai, ray, the checkout's project acp, agents,",
    ),
    "an extra of the runtime": (
        replaced(f"{CLIENT}.dist-info/METADATA", b"codex-cli-bin==", b"codex-cli-bin[evil]=="),
        "it must depend on codex-cli-bin==VERSION and nothing else of it",
    ),
    "no license": (without(f"{CLIENT}.dist-info/licenses/LICENSE"), "licenses/LICENSE is missing"),
    "the place of compiled code": (
        replaced(f"{CLIENT}.dist-info/WHEEL", b"Purelib: true", b"Purelib: false"),
        "WHEEL does not say Root-Is-Purelib: true",
    ),
}


@pytest.mark.parametrize("case", CLIENTS)
def test_the_clients_wheel_holds_nothing_that_is_not_known(release: FakeRelease, dist: Path, case: str) -> None:
    edit, said = CLIENTS[case]
    (wheel,) = dist.glob("codex_app_server_sdk*.whl")
    assert said in problems(release, edited(wheel, edit))


def test_a_client_for_one_platform(release: FakeRelease, dist: Path) -> None:
    (wheel,) = dist.glob("codex_app_server_sdk*.whl")
    other = edited(
        wheel,
        replaced(f"{CLIENT}.dist-info/WHEEL", b"py3-none-any", b"py3-none-win_amd64"),
        name=wheel.name.replace("any", "win_amd64"),
    )
    assert "it is not for any platform" in problems(release, other)


def repacked(sdist: Path, change: Callable[[dict[str, bytes | tarfile.TarInfo]], None]) -> Path:
    """An sdist with other members."""
    with tarfile.open(sdist) as archive:
        read = {each.name: archive.extractfile(each) for each in archive.getmembers()}
        members: dict[str, bytes | tarfile.TarInfo] = {name: file.read() for name, file in read.items() if file}
    change(members)
    result = sdist.parent / "repacked" / sdist.name
    result.parent.mkdir(exist_ok=True)
    with tarfile.open(result, "w:gz", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            if isinstance(content, bytes):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            else:
                archive.addfile(content)
    return result


def link() -> tarfile.TarInfo:
    """A member that is a symbolic link."""
    entry = tarfile.TarInfo(f"{CLIENT}/README.md")
    entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return entry


SDISTS: dict[str, tuple[str, bytes | tarfile.TarInfo, str]] = {
    "a file elsewhere": (f"{CLIENT}/../../../victim", b"x", "the entry"),
    "a link": (f"{CLIENT}/README.md", link(), "is a symbolic link"),
    "more code": (f"{CLIENT}/src/codex_app_server/evil.py", b"", "evil.py does not belong there"),
    "other code": (f"{CLIENT}/src/codex_app_server/__init__.py", b"", "__init__.py is not what it is in the checkout"),
    "a build script": (f"{CLIENT}/setup.py", b"", "setup.py does not belong there"),
    "another backend": (
        f"{CLIENT}/pyproject.toml",
        b'[build-system]\nrequires = ["evil"]\nbuild-backend = "evil"\n',
        "its build system is not that of the checkout's project",
    ),
}


@pytest.mark.parametrize("case", SDISTS)
def test_the_clients_sdist_holds_nothing_that_is_not_known(release: FakeRelease, dist: Path, case: str) -> None:
    name, content, said = SDISTS[case]
    (sdist,) = dist.glob("codex_app_server_sdk*.tar.gz")
    assert said in problems(release, repacked(sdist, lambda members: members.update({name: content})))


CHANGES: dict[str, tuple[str, bytes, bytes, str]] = {
    "a dependency": ("pyproject.toml", b"dependencies = [", b'dependencies = ["evil", ', "pyproject.toml is not what"),
    "another runtime": ("pyproject.toml", b"codex-cli-bin==", b"codex-cli-bin==9", "pyproject.toml is not what"),
    "a hook's dependency": (
        "pyproject.toml",
        b"[build-system]",
        b'[tool.hatch.build]\ndependencies = ["evil"]\n\n[build-system]',
        "pyproject.toml is not what the checkout's project leads to",
    ),
    "a wheel without code": (
        ".gitignore",
        b"/dist/",
        b"*.py",
        ".gitignore is not what the checkout's project leads to",
    ),
    "another license": ("LICENSE", b"Apache", b"Apaches'", "LICENSE is not what the checkout's project leads to"),
    "another text": ("README.md", b"Codex", b"Kodex", "README.md is not what the checkout's project leads to"),
    "another project": (
        "PKG-INFO",
        b"Name: codex",
        b"Name: kodex",
        "PKG-INFO says the project is kodex-app-server-sdk",
    ),
    "another version": ("PKG-INFO", b"\nVersion: ", b"\nVersion: 1", "PKG-INFO says the version is 10.169.0"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_the_clients_sdist_builds_what_the_checkout_leads_to(release: FakeRelease, dist: Path, case: str) -> None:
    name, old, new, said = CHANGES[case]
    (sdist,) = dist.glob("codex_app_server_sdk*.tar.gz")

    def change(members: dict[str, bytes | tarfile.TarInfo]) -> None:
        content = members[f"{CLIENT}/{name}"]
        assert isinstance(content, bytes)
        assert old in content
        members[f"{CLIENT}/{name}"] = content.replace(old, new)

    assert said in problems(release, repacked(sdist, change))


def test_the_clients_sdist_passes_as_it_was_built(release: FakeRelease, dist: Path) -> None:
    (sdist,) = dist.glob("codex_app_server_sdk*.tar.gz")
    release.ran("check", repacked(sdist, lambda members: None))


def test_a_project_of_the_checkout_that_cannot_be_read_is_named(release: FakeRelease, dist: Path) -> None:
    project = release.root / "sdk" / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    project.unlink()  # it is shared
    project.write_text(text.replace('"docstring-parser>=', '"docstring parser>='), encoding="utf-8")
    (wheel,) = dist.glob("codex_app_server_sdk*.whl")
    assert f"{project}: project has a dependency that is none" in problems(release, wheel)


def test_two_wheels_for_one_platform_are_no_release(release: FakeRelease, dist: Path) -> None:
    (wheel,) = dist.glob("codex_cli_bin*.whl")
    shutil.copy2(wheel, dist / wheel.name.replace("-py3-", "-9-py3-"))
    verdicts = json.loads(release.ran("check", dist, "--json", code=1).out)
    said = verdicts[str(dist)]["problems"]
    assert "x86_64-unknown-linux-musl has 2 wheels for musllinux_1_1_x86_64" in said


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_what_is_no_file_is_not_waited_for(release: FakeRelease, dist: Path) -> None:
    pipe = dist / f"{RUNTIME}-py3-none-win_arm64.whl"
    os.mkfifo(pipe)
    assert problems(release, pipe) == f"{pipe} is no file"
