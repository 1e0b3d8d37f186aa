"""Fixtures of several files of tests, a plugin of pytest: what a download needs, and what an installation goes into."""

from __future__ import annotations

from typing import TYPE_CHECKING

import archives
import pytest
from installations import Place, bare_environment
from recording import RecordedClock, RecordedProgress, connected, direct

from codex_release.fetching.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fake_release import FakeRelease

    from codex_release.base.http import Web


@pytest.fixture
def directly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy stands between a client and the loopback, see `recording.direct`."""
    direct(monkeypatch, tmp_path)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """An empty one."""
    return Cache(tmp_path / "cache")


@pytest.fixture
def progress() -> RecordedProgress:
    """A display that remembers."""
    return RecordedProgress()


@pytest.fixture
def clock() -> RecordedClock:
    """A clock that does not wait."""
    return RecordedClock()


@pytest.fixture
def web(progress: RecordedProgress, clock: RecordedClock) -> Iterator[Web]:
    """The real HTTP client, with this clock and this display."""
    with connected(progress, clock=clock) as made:
        yield made


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The directory of a project of npm."""
    directory = tmp_path / "project"
    directory.mkdir()
    return directory


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A new environment without pip."""
    return bare_environment(tmp_path / "env")


@pytest.fixture
def older(release: FakeRelease, tmp_path: Path) -> Path:
    """The lock of the version `archives.OLDER`, whose archives are in the directory beside it."""
    directory = tmp_path / archives.OLDER
    directory.mkdir()
    for target in archives.CATALOG.targets:
        packed = archives.package_tar(target, archives.OLDER)
        (directory / packed.name).write_bytes(packed.data)
    release.ran("lock", archives.OLDER, "--lock-file", directory / "lock.toml", source=directory)
    return directory / "lock.toml"
