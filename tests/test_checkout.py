"""A checkout is the same everywhere: a git that changes the ends of lines changes no byte of what is built."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest
from fake_release import FakeRelease
from programs import ROOT, finished

pytestmark = pytest.mark.slow

WINDOWS = "x86_64-pc-windows-msvc"


@pytest.fixture
def origin(release: FakeRelease) -> Path:
    """The miniature release's checkout, as a repository."""
    shutil.copyfile(ROOT / ".gitattributes", release.root / ".gitattributes")
    finished("git", "init", "--quiet", cwd=release.root)
    committed(release.root)
    return release.root


def committed(repository: Path) -> None:
    """Commit everything as it is."""
    finished("git", "-c", "core.autocrlf=false", "add", "--all", cwd=repository)
    who = ("-c", "user.name=x", "-c", "user.email=x@example.invalid")
    finished("git", *who, "commit", "--quiet", "--message", "x", cwd=repository)


def built(release: FakeRelease, autocrlf: str) -> dict[str, bytes]:
    """What the Windows wheel and its staging directory hold, made from a clone."""
    place = release.root.parent / f"autocrlf-{autocrlf}"
    clone = place / "clone"
    finished("git", "clone", "--quiet", "--config", f"core.autocrlf={autocrlf}", release.root, clone)
    theirs = dataclasses.replace(release, root=clone)
    theirs.ran("build", "--target", WINDOWS, "--out", place / "dist")
    archive = next(release.archives.glob(f"*{WINDOWS}*"))
    theirs.ran("stage-runtime", place / "staged", archive, "--runtime-version", "0.169.0", "--target", WINDOWS)
    return {
        path.relative_to(place).as_posix(): path.read_bytes()
        for path in (*(place / "dist").iterdir(), *(place / "staged").rglob("*"))
        if path.is_file() and path.suffix in {".whl", ".toml", ".py", ".md"}
    }


def test_the_windows_wheel_has_the_same_bytes_whatever_git_does_to_lines(release: FakeRelease, origin: Path) -> None:
    plain, changing = built(release, "false"), built(release, "true")
    assert any(name.endswith("win_amd64.whl") for name in plain)
    assert any(name.startswith("staged/") for name in plain)
    assert changing == plain


def test_without_attributes_it_would_not(release: FakeRelease, origin: Path) -> None:
    (origin / ".gitattributes").unlink()
    committed(origin)
    assert built(release, "true") != built(release, "false")


def test_every_file_of_this_checkout_has_its_attributes_and_ends_lines_with_a_line_feed() -> None:
    listed = finished("git", "ls-files", "--eol", "-z", cwd=ROOT).stdout.split("\0")
    for index, _, attributes in (line.split("\t")[0].split(maxsplit=2) for line in filter(None, listed)):
        assert (index, attributes.strip()) in {
            ("i/lf", "attr/text=auto eol=lf"),
            ("i/none", "attr/text=auto eol=lf"),
            ("i/-text", "attr/-text"),
        }


def test_a_binary_file_is_named_in_the_attributes() -> None:
    """Not left to git's guess, which looks at the first bytes only."""
    listed = finished("git", "ls-files", "-z", cwd=ROOT).stdout.split("\0")
    binary = [name for name in filter(None, listed) if b"\0" in (ROOT / name).read_bytes()]
    asked = subprocess.run(
        ["git", "check-attr", "text", "-z", *binary], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert asked.stdout.split("\0")[2::3] == ["unset"] * len(binary)
