"""Files appear whole or not at all, also when somebody pulls the plug."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from codex_release.base import atomic
from codex_release.base.atomic import remove_tree, replace, scratch_file, write_text

if TYPE_CHECKING:
    from collections.abc import Callable

posix_only = pytest.mark.skipif(os.name != "posix", reason="Windows has no modes")


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_a_text_is_written_as_utf_8_with_its_own_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "directory" / "text"
    write_text(path, "one\ntwö\r\n")
    assert path.read_bytes() == b"one\ntw\xc3\xb6\r\n"
    assert names(path.parent) == {"text"}


def test_a_text_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "text"
    write_text(path, "a long text")
    write_text(path, "new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == {"text"}


@posix_only
def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        write_text(tmp_path / "text", "")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "text").stat().st_mode) == 0o644


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_file_and_nothing_else(failure: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("old")

    def write_half() -> None:
        with scratch_file(path) as scratch:
            scratch.write_text("half")
            raise failure

    with pytest.raises(failure):
        write_half()
    assert path.read_text() == "old"
    assert names(tmp_path) == {"text"}


def test_a_failure_is_told_even_if_the_scratch_file_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError("it is open")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(ValueError, match="the reason"), scratch_file(tmp_path / "text"):
        raise ValueError("the reason")


def test_a_disk_that_is_full_is_told_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which the system does not name where something is written into an open file."""

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OSError, match="file") as raised:
        write_text(tmp_path / "file", "text")
    assert raised.value.filename == str(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_file_that_its_user_moved_away_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), scratch_file(tmp_path / "text") as scratch:
        scratch.unlink()
    assert not names(tmp_path)


KILLED = """
import os, sys
from pathlib import Path
from codex_release.base.atomic import scratch_file

with scratch_file(Path(sys.argv[1])) as scratch:
    scratch.write_text("half")
    os._exit(9)
"""


def test_a_killed_process_leaves_the_old_state(tmp_path: Path) -> None:
    path = tmp_path / "thing"
    path.write_text("old")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)])
    assert killed.returncode == 9
    assert path.read_text() == "old"
    assert all(name.startswith(".thing.") for name in names(tmp_path) - {"thing"})


def test_of_many_writers_one_wins_and_all_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "text"
    texts = [f"{number}" * 100_000 for number in range(8)]
    seen: list[str] = []
    writers = [threading.Thread(target=write_text, args=(path, text)) for text in texts]
    for writer in writers:
        writer.start()
        if path.exists():
            seen.append(path.read_text())
    for writer in writers:
        writer.join()
    assert {path.read_text(), *seen} <= set(texts)
    assert names(tmp_path) == {"text"}


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[float]]:
    """Makes renames fail a few times, as on Windows while a virus scanner looks; gives the pauses that were made."""

    def fail(times: int) -> list[float]:
        left = [times]
        pauses: list[float] = []
        rename = Path.replace

        def refuse(self: Path, target: Path) -> Path:
            if left[0]:
                left[0] -= 1
                raise PermissionError(13, "Access is denied", str(self))
            return rename(self, target)

        monkeypatch.setattr(Path, "replace", refuse)
        monkeypatch.setattr(atomic, "sys", SimpleNamespace(platform="win32"))
        monkeypatch.setattr(atomic, "time", SimpleNamespace(sleep=pauses.append))
        return pauses

    return fail


@pytest.mark.parametrize("times", [0, 1, 5])
def test_windows_gets_time_to_let_go_of_a_file(times: int, tmp_path: Path, busy: Callable[[int], list[float]]) -> None:
    pauses = busy(times)
    write_text(tmp_path / "text", "new")
    assert (tmp_path / "text").read_text() == "new"
    assert len(pauses) == times
    assert pauses == sorted(pauses)
    assert sum(pauses) < 2


def test_windows_gets_no_more_than_two_seconds(tmp_path: Path, busy: Callable[[int], list[float]]) -> None:
    busy(6)
    (tmp_path / "text").write_text("old")
    with pytest.raises(PermissionError):
        write_text(tmp_path / "text", "new")
    assert (tmp_path / "text").read_text() == "old"
    assert names(tmp_path) == {"text"}


def test_other_systems_need_no_second_try(
    tmp_path: Path, busy: Callable[[int], list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = busy(1)
    monkeypatch.setattr(atomic, "sys", SimpleNamespace(platform="linux"))
    (tmp_path / "one").touch()
    with pytest.raises(PermissionError):
        replace(tmp_path / "one", tmp_path / "two")
    assert not pauses


def test_removing_a_tree_takes_all_of_it_and_only_it(tmp_path: Path) -> None:
    (tmp_path / "tree" / "below").mkdir(parents=True)
    (tmp_path / "tree" / "below" / "file").touch()
    (tmp_path / "kept").touch()
    remove_tree(tmp_path / "tree")
    remove_tree(tmp_path / "tree")
    assert names(tmp_path) == {"kept"}


@posix_only
def test_removing_a_tree_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "kept")
    remove_tree(tmp_path / "tree")
    assert names(tmp_path) == {"kept"}
    assert names(tmp_path / "kept") == {"file"}
