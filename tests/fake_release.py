"""A whole release in miniature: a checkout of its own, archives of fake runtimes for every target, and their lock.

Everything is real but the executables, which are a few hundred bytes; so the whole road takes a second. What is the
same for all of them, the client's sources, the archives and their lock, is made once in a process; a checkout links to
the sources, which no test may change where they are, and `untouched` sees to that.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import archives
from programs import codex_release, link
from verdicts import praised_once

from codex_release.cli import main

if TYPE_CHECKING:
    import pytest

__all__ = ["FakeRelease", "Ran", "Unheard", "lay_out"]

ROOT = Path(__file__).resolve().parent.parent
_NOTHING = "asks = []\n"
_COMPILED = shutil.ignore_patterns("__pycache__")


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


class Unheard:
    """Stands in for the fixture that catches what commands print, where what is made belongs to no single test."""

    def readouterr(self) -> SimpleNamespace:
        """Nothing."""
        return SimpleNamespace(out="", err="")


@dataclass(frozen=True)
class FakeRelease:
    """A checkout whose lock pins fake runtimes, and the directory that serves them.

    Attributes:
        root: the checkout.
        archives: the directory with the archives.
        capsys: catches what commands print.
    """

    root: Path
    archives: Path
    capsys: pytest.CaptureFixture[str]

    @classmethod
    def make(cls, directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> FakeRelease:
        """A new one below a directory, with an empty cache; it is locked already."""
        root, served = lay_out(directory)
        monkeypatch.setenv("CODEX_RELEASE_CACHE", str(directory / "cache"))
        monkeypatch.delenv("CODEX_RELEASE_SOURCES", raising=False)
        praised_once(monkeypatch)
        release = cls(root, served, capsys)
        release.lock_file.write_bytes(_lock())
        return release

    @staticmethod
    def untouched() -> None:
        """Insist on that nobody wrote into a source that other releases have too."""
        assert _times() == _linked()[1], "a test changed a source in its place; let it write another file there"

    def asked_for_one_python(self) -> FakeRelease:
        """The same; pip will be asked about it for one Python only, which is quicker."""
        facts = self.root / "release" / "targets.toml"
        text = facts.read_text(encoding="utf-8")
        everyone = 'pythons = ["3.10", "3.11", "3.12", "3.13", "3.14", "3.15"]'
        assert everyone in text
        facts.write_text(text.replace(everyone, 'pythons = ["3.12"]'), encoding="utf-8")
        return self

    def asked(self, question: str) -> None:
        """From now on its runtimes are asked something wherever they can run."""
        facts = self.root / "release" / "targets.toml"
        text = facts.read_text(encoding="utf-8").replace(_NOTHING, f'asks = ["{question}"]\n')
        facts.write_text(text, encoding="utf-8", newline="\n")

    @property
    def lock_file(self) -> Path:
        """The lock of the checkout."""
        return self.root / "release" / "runtime.lock.toml"

    def ran(self, *words: str | Path, code: int = 0, source: Path | None = None) -> Ran:
        """Run a command on this checkout with its archives as the only source, and insist on its exit code."""
        self.capsys.readouterr()
        arguments = [str(word) for word in words]
        arguments += ["--repo", str(self.root), "--source", str(source or self.archives)]
        found = main(arguments)
        said = self.capsys.readouterr()
        assert found == code, f"{arguments} ended with {found}, not {code}:\n{said.out}\n{said.err}"
        return Ran(found, said.out, said.err)

    def refused(self, *words: str | Path, code: int = 1, source: Path | None = None) -> str:
        """The one line with which a command refuses, without the program's name."""
        said = self.ran(*words, code=code, source=source)
        *notes, line = said.err.splitlines()
        assert line.startswith("codex-release: ")
        assert not any(note.startswith("codex-release: ") for note in notes)
        return line.removeprefix("codex-release: ")


def lay_out(directory: Path) -> tuple[Path, Path]:
    """Make a checkout without a lock, and a directory with the archives of its runtimes."""
    root, served = directory / "checkout", directory / "archives"
    (root / "release").mkdir(parents=True)
    served.mkdir()
    facts = (ROOT / "release" / "targets.toml").read_text(encoding="utf-8")
    asks = 'asks = ["--version", "initialize"]\n'
    assert asks in facts
    facts = facts.replace(asks, _NOTHING, 1)  # the executables say nothing
    (root / "release" / "targets.toml").write_text(facts, encoding="utf-8", newline="\n")
    shutil.copyfile(ROOT / "LICENSE", root / "LICENSE")
    shutil.copytree(ROOT / "runtime_template", root / "runtime_template", ignore=_COMPILED)
    shutil.copytree(_linked()[0], root / "sdk" / "src", copy_function=link)
    for name in ("pyproject.toml", "README.md"):
        shutil.copyfile(ROOT / "sdk" / name, root / "sdk" / name)
    for packed in _archives():
        (served / packed.name).write_bytes(packed.data)
    return root, served


@functools.cache
def _linked() -> tuple[Path, dict[Path, int]]:
    """The client's sources as all checkouts link to them, and when each was changed."""
    directory = Path(tempfile.mkdtemp(prefix="codex-tests-sources-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    shutil.copytree(ROOT / "sdk" / "src", directory / "src", ignore=_COMPILED)
    return directory / "src", {path: path.stat().st_mtime_ns for path in (directory / "src").rglob("*")}


def _times() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in _linked()[1]}


@functools.cache
def _archives() -> list[archives.Packed]:
    return [archives.package_tar(target) for target in archives.CATALOG.targets]


@functools.cache
def _lock() -> bytes:
    """What `codex-release lock` writes for these archives."""
    with tempfile.TemporaryDirectory() as scratch:
        root, served = lay_out(Path(scratch))
        cache = {"CODEX_RELEASE_CACHE": str(Path(scratch) / "cache")}
        codex_release("lock", archives.VERSION, "--repo", root, "--source", served, env=cache)
        return (root / "release" / "runtime.lock.toml").read_bytes()
