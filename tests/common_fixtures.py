"""What all tests share: the checkout, the pinned runtimes of every target, and this machine's real executable.

The runtimes come from the toolkit's own cache and are fetched when it lacks them, so a clean machine downloads about
1 GB once, and as much again for old runtimes. A test that needs one never skips: without it, it fails.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from fake_release import FakeRelease, Unheard
from filelock import FileLock
from forked import STARTED, Programs
from needs import needs
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename
from programs import codex_release, link
from publishing import SmallRelease
from rich.console import Console

from codex_release.base.http import Web
from codex_release.base.progress import Lines
from codex_release.context import Context
from codex_release.facts.settings import Settings
from codex_release.facts.targets import Catalog
from codex_release.facts.workspace import Workspace
from codex_release.rehearse.local_index import LocalIndex, local_index

ROOT = Path(__file__).resolve().parents[1]
RUN = subprocess.run


@pytest.fixture(scope="session", autouse=sys.platform != "win32")
def _programs_start_in_a_moment() -> Iterator[None]:
    """See `forked`; tests about the start itself ask for `started_from_nothing`."""
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        programs = Programs(Path(directory))
        patch.setattr(subprocess, "run", programs.run)
        for place, argv in programs.stand_ins().items():
            patch.setattr(place, argv)
        yield
        programs.close()


@pytest.fixture
def usual_signals() -> Iterator[None]:
    """Signals end this process and what it starts, as where nobody has `nohup` before it."""
    names = [name for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), signal.SIG_DFL) for name in names}
    yield
    for name, handler in before.items():
        signal.signal(getattr(signal, name), handler)


@pytest.fixture
def started_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs import all they use, as they do for everybody."""
    monkeypatch.setattr(subprocess, "run", RUN)
    for place, argv in STARTED.items():
        monkeypatch.setattr(place, argv)


@pytest.fixture(scope="session")
def workspace() -> Workspace:
    """This checkout."""
    return Workspace(ROOT)


@pytest.fixture(scope="session")
def catalog(workspace: Workspace) -> Catalog:
    """This checkout's targets."""
    return Catalog.load(workspace.targets_file)


@pytest.fixture(scope="session")
@needs("runtime")
def context(workspace: Workspace) -> Iterator[Context]:
    """What a command would work with here."""
    progress = Lines(Console(stderr=True))
    web = Web(progress)
    yield Context(lambda: workspace, Settings.read(os.environ), progress, web)
    web.close()


@pytest.fixture(scope="session")
def runtime_tree(context: Context) -> Callable[[str], Path]:
    """For a triple, the root of its pinned runtime in package layout, every byte of it verified."""

    @functools.cache
    def tree(triple: str) -> Path:
        target = context.catalog.target(triple)
        return context.fetcher.tree(context.runtime(context.lock.version, target)).root

    return tree


@contextlib.contextmanager
def one_at_a_time(factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """A directory that all workers of a run know, for one of them at a time; who comes first makes what is in it."""
    base = factory.getbasetemp()
    directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{directory}.lock"):
        yield directory


@pytest.fixture(scope="session")
def executable_of(context: Context, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """For a version, this machine's Codex executable, ready to run, its helpers beside it.

    It is fetched once for all workers. Of another version than the pinned one its source alone vouches for the bytes.
    """
    target = context.catalog.host()

    def executable(version: str) -> Path:
        words = () if version == str(context.lock.version) else ("--unlocked",)
        with one_at_a_time(tmp_path_factory, f"runtime-{version}") as directory:
            root = directory / target.triple
            if not root.is_dir():
                codex_release("fetch", "--runtime-version", version, *words, "--out", directory)
        return root / target.fill(context.catalog.layout.entrypoint)

    return executable


@pytest.fixture(scope="session")
def codex_binary(
    executable_of: Callable[[str], Path], context: Context, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """This machine's pinned Codex executable; each worker has a name of its own for it, to see what it left running."""
    shared = executable_of(str(context.lock.version)).parents[1]
    own = tmp_path_factory.mktemp("runtime")
    shutil.copytree(shared, own, copy_function=link, dirs_exist_ok=True)
    return own / context.catalog.host().fill(context.catalog.layout.entrypoint)


@pytest.fixture(scope="session")
@needs("runtime")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole release, built as a release engineer would; once for all workers of a run."""
    with one_at_a_time(tmp_path_factory, "release") as directory:
        out = directory / "dist"
        if not out.is_dir():
            codex_release("build", "--all", "--out", out)
    return out


@pytest.fixture(scope="session")
@needs("slow")
def small_release(tmp_path_factory: pytest.TempPathFactory) -> SmallRelease:
    """A whole release with small executables, see `publishing`; once for all workers of a run, so nobody changes it."""
    with one_at_a_time(tmp_path_factory, "small-release") as directory:
        return SmallRelease.at(directory)


@pytest.fixture(scope="session")
@needs("index")
def devpi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalIndex]:
    """A running index server; who needs an empty index makes one on it."""
    with local_index(tmp_path_factory.mktemp("devpi")) as server:
        yield server


@pytest.fixture(scope="session")
def host_wheel(dist: Path) -> Path:
    """The wheel of the release that this machine's pip would take."""
    return min(
        (rank, path)
        for path in dist.glob("codex_cli_bin-*.whl")
        for rank, tag in enumerate(sys_tags())
        if tag in parse_wheel_filename(path.name)[3]
    )[1]


@pytest.fixture
def release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[FakeRelease]:
    """A whole release in miniature, see `fake_release`."""
    yield FakeRelease.make(tmp_path, monkeypatch, capsys)
    FakeRelease.untouched()


@pytest.fixture(scope="module")
@needs("slow")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeRelease]:
    """A finished release in miniature, built once; no test changes it. pip is asked about it for one Python only."""
    with pytest.MonkeyPatch.context() as patch:
        made = FakeRelease.make(tmp_path_factory.mktemp("release"), patch, cast("Any", Unheard()))
        made.asked_for_one_python()
        made.ran("build", "--all", "--out", made.root / "dist")
        yield made
