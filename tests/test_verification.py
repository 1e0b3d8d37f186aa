"""What cibuildwheel is given: the very wheel that will be published, and all that its tags promise, but no more."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from archives import CATALOG
from fake_release import FakeRelease
from packaging.utils import parse_wheel_filename
from programs import environment_with, finished
from publishing import SmallRelease

from codex_release.base.digests import file_digest
from codex_release.base.errors import StageError
from codex_release.base.table import read_toml
from codex_release.wheels.cibuildwheel_stage import narrowed

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
SUPPORTED = ("cp310", "cp311", "cp312", "cp313", "cp314", "cp314t")
IMAGES = CATALOG.glibc_images

needs_cibuildwheel = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="cibuildwheel needs Python 3.11, and so do the jobs that run it"
)


@pytest.fixture
def staged(release: FakeRelease, small_release: SmallRelease, tmp_path: Path) -> dict[str, Path]:
    """For each wheel of a release, by its name, the directory made of it."""
    wheels = [small_release.dist / name for name in small_release.runtime]
    release.ran("stage-verification", tmp_path / "verification", *wheels)
    directories = {wheel.name: tmp_path / "verification" / wheel.stem.split("-")[-1] for wheel in wheels}
    assert set((tmp_path / "verification").iterdir()) == set(directories.values())
    return directories


def identifiers(directory: Path, platform: str, archs: str) -> set[str]:
    """The environments in which cibuildwheel would test what a directory holds."""
    words = ("--print-build-identifiers", "--allow-empty", "--platform", platform, "--archs", archs, ".")
    return set(finished(sys.executable, "-m", "cibuildwheel", *words, cwd=directory).stdout.split())


@needs_cibuildwheel
def test_every_wheel_is_tried_by_every_python_on_every_libc_it_promises_and_on_no_other(
    staged: dict[str, Path],
) -> None:
    tried: set[str] = set()
    for name, directory in staged.items():
        tags = {tag.platform for tag in parse_wheel_filename(name)[3]}
        (target,) = (each for each in CATALOG.targets if fits(each.system, each.arch, tags))
        found = identifiers(directory, target.cibuildwheel_platform, target.cibuildwheel_arch)
        families = {each for each in ("manylinux", "musllinux", "macosx", "win") if any(each in tag for tag in tags)}
        promised = {f"{python}-{family}_{target.arch}" for python in SUPPORTED for family in families}
        assert promised <= found, name
        assert {re.split("[-_]", each)[1] for each in found} == families, name
        assert {each.partition("_")[2] for each in found} == {target.arch}, name
        tried |= found
    assert len(tried) >= len(SUPPORTED) * (2 * 2 + 2 + 2)


def fits(system: str, arch: str, tags: set[str]) -> bool:
    """Whether a wheel's tags are those of a target."""
    word = {"linux": "linux", "darwin": "macosx", "win32": "win"}[system]
    return all(word in tag and tag.endswith(f"_{arch}") for tag in tags)


@needs_cibuildwheel
def test_the_settings_are_ones_that_cibuildwheel_knows(staged: dict[str, Path]) -> None:
    from cibuildwheel.schema import get_schema
    from jsonschema import Draft7Validator

    validator = Draft7Validator(get_schema())
    for directory in [ROOT / "runtime_template", *staged.values()]:
        settings = read_toml(directory / "pyproject.toml").values["tool"]["cibuildwheel"]
        validator.validate(settings)
        assert settings["repair-wheel-command"] == ""
        assert settings["test-command"] == "python {project}/verification/installed.py"
    assert list(validator.iter_errors({"test-comand": ""}))


def test_what_the_build_backend_hands_over_is_the_same_file(
    staged: dict[str, Path], small_release: SmallRelease, tmp_path: Path
) -> None:
    for name, directory in staged.items():
        out = tmp_path / "out"
        finished(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, cwd=directory)
        assert file_digest(out / name) == file_digest(directory / name) == file_digest(small_release.dist / name)


def test_a_wheel_is_tried_with_the_oldest_glibc_that_its_tags_admit() -> None:
    assert narrowed(["manylinux2014_x86_64", "manylinux_2_17_x86_64", "musllinux_1_1_x86_64"], IMAGES) == {
        "manylinux-x86_64-image": "manylinux2014"
    }
    assert narrowed(["manylinux_2_18_aarch64"], IMAGES) == {
        "manylinux-aarch64-image": "manylinux_2_28",
        "skip": "*-musllinux_*",
    }
    assert narrowed(["manylinux_2_29_aarch64"], IMAGES)["manylinux-aarch64-image"] == "manylinux_2_34"
    assert narrowed(["musllinux_1_1_aarch64"], IMAGES) == {"skip": "*-manylinux_*"}
    assert narrowed(["win_amd64"], IMAGES) == narrowed(["macosx_11_0_arm64"], IMAGES) == {}
    with pytest.raises(StageError, match=r"no image of cibuildwheel has glibc 2\.99 for x86_64"):
        narrowed(["manylinux_2_99_x86_64"], IMAGES)


@needs_cibuildwheel
def test_the_images_are_ones_that_cibuildwheel_has() -> None:
    import cibuildwheel

    known = (Path(cibuildwheel.__file__).parent / "resources" / "pinned_docker_images.cfg").read_text(encoding="utf-8")
    for image in IMAGES.values():
        assert len(set(re.findall(rf"^{image} = \S*_(x86_64|aarch64)@sha256:", known, re.MULTILINE))) == 2


def test_what_is_no_runtime_wheel_is_refused_and_leaves_nothing(release: FakeRelease, tmp_path: Path) -> None:
    release.ran("build", "--out", tmp_path / "dist")
    (runtime,) = (tmp_path / "dist").glob("codex_cli_bin-*.whl")
    (client,) = (tmp_path / "dist").glob("codex_app_server_sdk-*.whl")
    into = tmp_path / "verification"
    assert "is no wheel of codex-cli-bin" in release.refused("stage-verification", into, client)
    assert "cannot be read as a wheel" in release.refused("stage-verification", into, f"{into}/{runtime.name}")
    assert "for the same platform" in release.refused("stage-verification", into, runtime, runtime, code=2)
    assert not into.exists()
    release.ran("stage-verification", into, runtime)
    release.ran("stage-verification", into, runtime)  # what it made itself, it makes again
    (made,) = into.iterdir()
    (made / ".codex-release-stage").unlink()
    assert "exists, is not empty, and was not made by" in release.refused("stage-verification", into, runtime)


def test_the_released_wheel_of_this_machine_passes_what_cibuildwheel_would_run(
    host_wheel: Path, tmp_path: Path
) -> None:
    """Its steps without its containers: build, install into a fresh environment, run the test command elsewhere."""
    staging = tmp_path / "verification"
    finished(sys.executable, "-m", "codex_release", "stage-verification", staging, host_wheel, cwd=ROOT)
    (project,) = staging.iterdir()
    finished(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "out", cwd=project)
    (wheel,) = (tmp_path / "out").iterdir()
    assert file_digest(wheel) == file_digest(host_wheel)
    python = environment_with(tmp_path / "env", None, "--no-index", wheel)
    command = str(read_toml(project / "pyproject.toml").values["tool"]["cibuildwheel"]["test-command"])
    words = command.format(project=project).split()
    assert words[0] == "python"
    path = os.pathsep.join([str(python.parent), os.environ["PATH"]])
    said = finished(python, *words[1:], cwd=tmp_path, env={"PATH": path}).stdout
    assert said.count("codex-cli 0.") == 3
    assert "codex-cli-bin/0." in said


def test_a_runtime_that_does_not_work_is_told(host_wheel: Path, tmp_path: Path) -> None:
    python = environment_with(tmp_path / "env", None, "--no-index", host_wheel)
    (descriptor,) = (tmp_path / "env").rglob("codex-package.json")
    descriptor.write_text(descriptor.read_text(encoding="utf-8").replace('"version": "', '"version": "9'), "utf-8")
    script = ROOT / "runtime_template" / "verification" / "installed.py"
    path = os.pathsep.join([str(python.parent), os.environ["PATH"]])
    said = finished(python, script, cwd=tmp_path, env={"PATH": path}, code=1).stderr
    assert "the package is of 90." in said
