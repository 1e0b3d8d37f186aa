"""The main road on the real thing: wheels of the pinned release, built, checked, compared, installed, resolved."""

from __future__ import annotations

import base64
import contextlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import installer
import installer.destinations
import installer.sources
import pytest
from programs import PINNED, ROOT, codex_release, environment_with, finished, python_of, uv_pip_install
from programs import PUBLISHED as VERSION

from codex_release.base.digests import file_digest
from codex_release.check.metadata import _metadata_copy
from codex_release.facts.targets import Catalog

RUNTIMES = {
    f"codex_cli_bin-{VERSION}-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.musllinux_1_1_x86_64.whl",
    f"codex_cli_bin-{VERSION}-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.musllinux_1_1_aarch64.whl",
    f"codex_cli_bin-{VERSION}-py3-none-manylinux_2_18_aarch64.whl",
    f"codex_cli_bin-{VERSION}-py3-none-macosx_10_12_x86_64.whl",
    f"codex_cli_bin-{VERSION}-py3-none-macosx_11_0_arm64.whl",
    f"codex_cli_bin-{VERSION}-py3-none-win_amd64.whl",
    f"codex_cli_bin-{VERSION}-py3-none-win_arm64.whl",
}
CLIENT = {f"codex_app_server_sdk-{VERSION}-py3-none-any.whl", f"codex_app_server_sdk-{VERSION}.tar.gz"}


def test_a_release_is_seven_runtime_wheels_and_the_client(dist: Path) -> None:
    report = {"release.json", "release.html"}
    assert {path.name for path in dist.glob("[!.]*")} == RUNTIMES | CLIENT | report


def test_the_whole_release_passes_its_own_check(dist: Path, catalog: Catalog) -> None:
    verdicts = json.loads(codex_release("check", dist, "--json").stdout)
    assert len(verdicts) == len(RUNTIMES | CLIENT) + 1
    assert not any(each["problems"] for each in verdicts.values())
    runs = [each["run"] for each in verdicts.values() if each["run"]]
    assert len(runs) == len(RUNTIMES)
    assert all(bool(each["asked"]) != bool(each["reason"]) for each in runs)
    assert {"this machine"} == {each["by"] for each in runs if each["target"] == catalog.host().triple}


def test_no_wheel_with_a_musl_tag_holds_an_executable_that_needs_glibc(dist: Path) -> None:
    (musl,) = dist.glob("*musllinux*aarch64.whl")
    (glibc,) = dist.glob("*manylinux_2_18_aarch64.whl")
    names = {path: set(zipfile.ZipFile(path).namelist()) for path in (musl, glibc)}
    more = {name.partition("/")[2] for name in names[glibc] - names[musl]}
    assert more == {"codex-path/rg", "licenses/LICENSE.ripgrep"}


@pytest.fixture
def undisturbed() -> Iterator[None]:
    """What is started comes before other tests, as if it had the machine to itself; where the system lets us."""
    if not hasattr(os, "setpriority"):
        yield
        return
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    yield
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, before)


@pytest.mark.usefixtures("started_from_nothing", "undisturbed")
def test_an_unchanged_build_is_recognised_within_two_seconds(dist: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in dist.iterdir()}
    begun = time.monotonic()
    built = json.loads(codex_release("build", "--all", "--out", dist, "--json").stdout)
    assert time.monotonic() - begun < 2.0
    assert all(each["reused"] for each in built)
    assert {path.name: path.stat().st_mtime_ns for path in dist.iterdir()} == before


def test_a_damaged_wheel_is_not_taken_for_unchanged(dist: Path, tmp_path: Path) -> None:
    client = f"codex_app_server_sdk-{VERSION}-py3-none-any.whl"
    shutil.copytree(dist, tmp_path / "dist")
    whole = (tmp_path / "dist" / client).read_bytes()
    (tmp_path / "dist" / client).write_bytes(whole[:-1])
    built = json.loads(codex_release("build", "--all", "--out", tmp_path / "dist", "--json").stdout)
    assert (tmp_path / "dist" / client).read_bytes() == whole
    assert [each["name"] for each in built if not each["reused"]] == sorted(CLIENT)


@pytest.fixture(scope="session")
def plain_wheel(
    tmp_path_factory: pytest.TempPathFactory, runtime_tree: Callable[[str], Path], catalog: Catalog
) -> Path:
    """This machine's wheel, made with the plain tools from a staged directory."""
    directory = tmp_path_factory.mktemp("plain")
    stage = directory / "stage"
    codex_release("stage-runtime", stage, runtime_tree(catalog.host().triple), "--runtime-version", VERSION)
    finished(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", directory / "out", stage)
    (wheel,) = (directory / "out").glob("*.whl")
    return wheel


def test_assembler_and_hatchling_wheels_hold_the_same(host_wheel: Path, plain_wheel: Path) -> None:
    assert plain_wheel.name == host_wheel.name
    ours, theirs = _contents(host_wheel), _contents(plain_wheel)
    assert ours.keys() == theirs.keys()
    differing = {name for name in ours if ours[name] != theirs[name]}
    assert not {name for name in differing if not name.endswith("/RECORD")}
    record = next(name for name in ours if name.endswith("/RECORD"))
    with zipfile.ZipFile(host_wheel) as mine, zipfile.ZipFile(plain_wheel) as plain:
        assert sorted(mine.read(record).splitlines()) == sorted(plain.read(record).splitlines())


def test_our_wheel_is_no_larger_than_hatchlings(host_wheel: Path, plain_wheel: Path) -> None:
    assert host_wheel.stat().st_size <= plain_wheel.stat().st_size


def _contents(wheel: Path) -> dict[str, tuple[int, int, int]]:
    """Per file: permission bits, size and CRC."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            each.filename: (each.external_attr >> 16 & 0o777, each.file_size, each.CRC) for each in archive.infolist()
        }


@pytest.mark.index
@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.10", "3.13"])
def test_another_python_umask_timezone_and_place_give_the_same_bytes(
    python: str, host_wheel: Path, tmp_path: Path, catalog: Catalog
) -> None:
    interpreter = environment_with(tmp_path / "env", python, "--require-hashes", "-r", "requirements/release.txt")
    uv_pip_install("--no-deps", "--no-build-isolation", "--python", interpreter, "./release")
    previous = os.umask(0o077)
    try:
        finished(
            interpreter,
            "-m",
            "codex_release",
            "build",
            "--repo",
            ROOT,
            "--out",
            tmp_path / "elsewhere",
            cwd=tmp_path,
            env={"TZ": "Pacific/Kiritimati", "LC_ALL": "C"},
        )
    finally:
        os.umask(previous)
    again = list((tmp_path / "elsewhere").glob("codex*"))
    assert {path.suffix for path in again} == {".whl", ".gz"}
    for path in again:
        assert path.read_bytes() == (host_wheel.parent / path.name).read_bytes()


def test_zip_tools_are_content(host_wheel: Path) -> None:
    finished(sys.executable, "-m", "zipfile", "-t", host_wheel)
    finished("unzip", "-tq", host_wheel)


def _install_with_pip(environment: Path, wheel: Path) -> None:
    finished(python_of(environment), "-m", "pip", "install", "-q", "--no-index", wheel)


def _install_with_uv(environment: Path, wheel: Path) -> None:
    finished(
        sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python_of(environment), "--no-index", wheel
    )


def _install_with_installer(environment: Path, wheel: Path) -> None:
    paths = json.loads(
        finished(
            python_of(environment), "-c", "import json, sysconfig; print(json.dumps(sysconfig.get_paths()))"
        ).stdout
    )
    destination = installer.destinations.SchemeDictionaryDestination(
        {scheme: paths[scheme] for scheme in ("purelib", "platlib", "scripts", "data")} | {"headers": paths["include"]},
        interpreter=str(python_of(environment)),
        script_kind="posix",
    )
    with installer.sources.WheelFile.open(wheel) as source:
        installer.install(source=source, destination=destination, additional_metadata={})


@pytest.mark.parametrize("install", [_install_with_pip, _install_with_uv, _install_with_installer])
def test_installers_install_it_and_it_runs(
    install: Callable[[Path, Path], None], host_wheel: Path, tmp_path: Path
) -> None:
    python = environment_with(tmp_path / "env", None)
    install(tmp_path / "env", host_wheel)
    home = {"CODEX_HOME": str(tmp_path)}
    assert PINNED in finished(python.parent / "codex", "--version", env=home).stdout
    assert PINNED in finished(python, "-m", "codex_cli_bin", "--version", env=home).stdout
    code = (
        "import codex_cli_bin as c; p = c.bundled_package_dir();"
        "print(c.PACKAGE_NAME, c.__version__, c.bundled_codex_path().relative_to(p), c.bundled_path_dir().name)"
    )
    assert finished(python, "-c", code).stdout.split() == ["codex-cli-bin", VERSION, "bin/codex", "codex-path"]
    finished(python, "-m", "pip", "uninstall", "-q", "-y", "codex-cli-bin")
    assert not list((tmp_path / "env").rglob("codex_cli_bin*"))


def test_the_exit_code_of_codex_is_passed_on(host_wheel: Path, tmp_path: Path) -> None:
    python = environment_with(tmp_path / "env", None)
    _install_with_uv(tmp_path / "env", host_wheel)
    finished(python, "-m", "codex_cli_bin", "--no-such-option", env={"CODEX_HOME": str(tmp_path)}, code=2)


def test_a_missing_payload_is_one_clear_error(host_wheel: Path, tmp_path: Path) -> None:
    python = environment_with(tmp_path / "env", None)
    _install_with_uv(tmp_path / "env", host_wheel)
    (binary,) = (tmp_path / "env").rglob("codex_cli_bin/bin/codex")
    binary.unlink()
    said = finished(python, "-m", "codex_cli_bin", "--version", code=127).stderr
    assert str(binary) in said
    assert "pip install --force-reinstall codex-cli-bin" in said
    assert len(said.splitlines()) == 1


PIP_PLATFORMS = {
    "manylinux2014_x86_64": "musllinux_1_1_x86_64.whl",
    "manylinux_2_17_x86_64": "musllinux_1_1_x86_64.whl",
    "musllinux_1_1_x86_64": "musllinux_1_1_x86_64.whl",
    "manylinux2014_aarch64": "musllinux_1_1_aarch64.whl",
    "manylinux_2_17_aarch64": "musllinux_1_1_aarch64.whl",
    "manylinux_2_18_aarch64": "manylinux_2_18_aarch64.whl",
    "musllinux_1_1_aarch64": "musllinux_1_1_aarch64.whl",
    "macosx_10_12_x86_64": "macosx_10_12_x86_64.whl",
    "macosx_14_0_x86_64": "macosx_10_12_x86_64.whl",
    "macosx_11_0_arm64": "macosx_11_0_arm64.whl",
    "macosx_26_0_arm64": "macosx_11_0_arm64.whl",
    "win_amd64": "win_amd64.whl",
    "win_arm64": "win_arm64.whl",
}
PIP_UNSUPPORTED = (
    "macosx_10_11_x86_64",
    "manylinux_2_5_x86_64",
    "manylinux_2_17_i686",
    "win32",
    "musllinux_1_1_armv7l",
)
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")


@pytest.fixture(scope="session")
def unladen(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runtime wheels by their names and with their metadata, which is all that a resolver goes by."""
    directory = tmp_path_factory.mktemp("unladen")
    for wheel in dist.glob("codex_cli_bin-*.whl"):
        assert _metadata_copy(wheel, directory)
    return directory


def _pip_would_take(dist: Path, python: str, *platforms: str) -> str | None:
    """The wheel that pip resolves for a platform, or `None`."""
    flags = [word for platform in platforms for word in ("--platform", platform)]
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--dry-run",
            "--ignore-installed",
            "--report",
            "-",
            "--target",
            "unused",
            "--no-index",
            "--find-links",
            str(dist),
            "--no-deps",
            "--only-binary",
            ":all:",
            "--python-version",
            python,
            "--implementation",
            "cp",
            *flags,
            f"codex-cli-bin=={VERSION}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        assert "No matching distribution found" in ran.stderr
        return None
    url: str = json.loads(ran.stdout)["install"][0]["download_info"]["url"]
    return url.rpartition("/")[2]


@pytest.mark.parametrize("platform", PIP_PLATFORMS)
def test_pip_resolves_the_right_wheel_for_every_python(platform: str, unladen: Path) -> None:
    """The tags name none, so the oldest and the newest tell of all."""
    for python in (PYTHONS[0], PYTHONS[-1]):
        taken = _pip_would_take(unladen, python, platform)
        assert taken is not None, (platform, python)
        assert taken.endswith(PIP_PLATFORMS[platform])


def test_pip_prefers_the_wheel_with_everything_on_a_newer_glibc(unladen: Path) -> None:
    platforms = ("manylinux_2_28_aarch64", "manylinux_2_18_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
    taken = _pip_would_take(unladen, "3.12", *platforms)
    assert taken is not None
    assert taken.endswith("manylinux_2_18_aarch64.whl")


@pytest.mark.parametrize("platform", PIP_UNSUPPORTED)
def test_pip_resolves_nothing_where_codex_cannot_run(platform: str, unladen: Path) -> None:
    assert _pip_would_take(unladen, "3.12", platform) is None


def test_pip_downloads_the_wheel_it_resolves(dist: Path, tmp_path: Path) -> None:
    finished(
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-index",
        "--find-links",
        dist,
        "--no-deps",
        "-d",
        tmp_path,
        "--only-binary",
        ":all:",
        "--platform",
        "macosx_12_0_x86_64",
        "--python-version",
        "3.14",
        f"codex-cli-bin=={VERSION}",
    )
    assert [path.name for path in tmp_path.iterdir()] == [f"codex_cli_bin-{VERSION}-py3-none-macosx_10_12_x86_64.whl"]


UV_PLATFORMS = {
    "x86_64-unknown-linux-musl": "musllinux_1_1_x86_64.whl",
    "x86_64-unknown-linux-gnu": "musllinux_1_1_x86_64.whl",
    "x86_64-manylinux_2_17": "musllinux_1_1_x86_64.whl",
    "aarch64-unknown-linux-musl": "musllinux_1_1_aarch64.whl",
    "aarch64-unknown-linux-gnu": "manylinux_2_18_aarch64.whl",
    "aarch64-manylinux_2_17": "musllinux_1_1_aarch64.whl",
    "x86_64-apple-darwin": "macosx_10_12_x86_64.whl",
    "aarch64-apple-darwin": "macosx_11_0_arm64.whl",
    "x86_64-pc-windows-msvc": "win_amd64.whl",
    "aarch64-pc-windows-msvc": "win_arm64.whl",
}


@pytest.mark.parametrize("platform", UV_PLATFORMS)
def test_uv_resolves_the_right_wheel_for_every_python(platform: str, unladen: Path, tmp_path: Path) -> None:
    for python in PYTHONS:
        taken = _uv_would_take(unladen, python, platform, tmp_path)
        assert taken is not None, python
        assert taken.endswith(UV_PLATFORMS[platform])


def test_uv_resolves_nothing_where_codex_cannot_run(unladen: Path, tmp_path: Path) -> None:
    assert _uv_would_take(unladen, "3.12", "riscv64-unknown-linux", tmp_path) is None


def _uv_would_take(dist: Path, python: str, platform: str, scratch: Path) -> str | None:
    """The wheel that uv resolves for a platform, or `None`."""
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--dry-run",
        "--no-deps",
        "--no-index",
        "--only-binary",
        ":all:",
        "--python-version",
        python,
        "--python-platform",
        platform,
        "--target",
        str(scratch / "target"),
        "--no-cache",
    ]
    whole = subprocess.run(
        [*command, "--find-links", str(dist), "--verbose", f"codex-cli-bin=={VERSION}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if whole.returncode != 0:
        return None
    (selected,) = [line for line in whole.stderr.splitlines() if "Selecting: codex-cli-bin" in line]
    return selected.rpartition("(")[2].rstrip(")")


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize(
    ("triple", "platform"),
    [
        ("x86_64-unknown-linux-musl", "manylinux_2_17_x86_64"),
        ("aarch64-apple-darwin", "macosx_11_0_arm64"),
        ("x86_64-pc-windows-msvc", "win_amd64"),
    ],
)
def test_executables_are_those_of_openais_own_wheels(triple: str, platform: str, tmp_path: Path) -> None:
    """What is fetched is; that a wheel holds it, byte for byte, is what `check` looks at."""
    words = ("--unlocked", "--source", "npm", "--target", triple, "--json")
    (ours,) = json.loads(codex_release("fetch", "--runtime-version", "0.163.0", *words).stdout)
    pip = (sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", tmp_path / "theirs")
    finished(*pip, "--only-binary", ":all:", "--platform", platform, "openai-codex-cli-bin==0.163.0")
    (wheel,) = (tmp_path / "theirs").glob("*.whl")
    theirs = _recorded(wheel)
    executables = {name for name in theirs if "/bin/" in name or "/codex-path/" in name or name.endswith(".exe")}
    assert any(name.startswith("codex_cli_bin/bin/codex") for name in executables)
    for name in executables:
        path = Path(ours["path"]) / name.partition("/")[2]
        digest = base64.urlsafe_b64encode(bytes.fromhex(file_digest(path).sha256)).decode().rstrip("=")
        assert theirs[name] == f"sha256={digest}"


def _recorded(wheel: Path) -> dict[str, str]:
    """What RECORD says of each file."""
    with zipfile.ZipFile(wheel) as archive:
        record = next(name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        rows = [line.split(",") for line in archive.read(record).decode().splitlines()]
    return {name: digest for name, digest, _ in rows}


@pytest.mark.index
@pytest.mark.slow
def test_the_toolkit_works_as_a_plain_install_from_any_directory(tmp_path: Path) -> None:
    python = environment_with(tmp_path / "env", None)
    uv_pip_install("--python", python, "./release", "./sdk")
    outside = tmp_path / "outside"
    outside.mkdir()
    expected = codex_release("matrix", "--json").stdout
    script = python.parent / "codex-release"
    assert finished(script, "matrix", "--json", "--repo", ROOT, cwd=outside).stdout == expected
    assert finished(script, "matrix", "--json", cwd=ROOT / "sdk" / "src").stdout == expected
    assert (
        finished(python, ROOT / "scripts" / "update_sdk_artifacts.py", "matrix", "--json", cwd=outside).stdout
        == expected
    )
    said = finished(script, "matrix", cwd=outside, code=1).stderr
    assert "--repo DIR" in said
    assert len(said.splitlines()) == 1
    assert (
        importlib.metadata.version("codex-release")
        in finished(
            python, "-c", "import codex_release, codex_app_server; print(codex_release.__version__)", cwd=outside
        ).stdout
    )
