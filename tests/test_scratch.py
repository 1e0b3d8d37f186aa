"""Directories to work in: they go with whoever works in them, also if that is killed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from codex_release.base import scratch as scratch_module
from codex_release.base.scratch import scratch_directory

if TYPE_CHECKING:
    from pathlib import Path

KILLED = """
import os, sys
from pathlib import Path
from codex_release.base.scratch import scratch_directory

with scratch_directory(Path(sys.argv[1])) as place:
    (place / "half").write_text("half")
    os._exit(9)
"""


def left_behind(directory: Path) -> Path:
    """What a killed process leaves."""
    assert subprocess.run([sys.executable, "-c", KILLED, str(directory)]).returncode == 9
    (left,) = directory.iterdir()
    return left


KILLED_GOING = """
import os, sys
from pathlib import Path
from codex_release.base.scratch import scratch_directory

turns = int(sys.argv[2])
watching = False

def watch(event, _):
    global turns
    if watching and event in {"os.remove", "os.rmdir"}:
        turns -= 1
        if turns == 0:
            os._exit(9)

sys.addaudithook(watch)
with scratch_directory(Path(sys.argv[1])) as place:
    for name in "abcd":
        (place / name).touch()
    watching = True
"""


@pytest.mark.parametrize("failure", [None, ValueError, KeyboardInterrupt, SystemExit])
def test_it_goes_at_the_end_however_that_comes(failure: type[BaseException] | None, tmp_path: Path) -> None:
    def work() -> None:
        with scratch_directory(tmp_path / "a" / "b") as place:
            assert place.parent.parent == tmp_path / "a" / "b"
            (place / "below").mkdir()
            (place / "below" / "file").write_text("half")
            if failure:
                raise failure

    if failure:
        with pytest.raises(failure):
            work()
    else:
        work()
    assert not list((tmp_path / "a" / "b").iterdir())


def test_what_a_killed_process_left_goes_when_the_next_one_comes(tmp_path: Path) -> None:
    left = left_behind(tmp_path)
    assert (left / "work" / "half").is_file()
    (tmp_path / ".codex-release-abcdefgh").mkdir()  # as one that was killed right after it had made it
    with scratch_directory(tmp_path) as place:
        assert list(tmp_path.iterdir()) == [place.parent]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("deletion", [1, 3, 5, 6, 7])
def test_what_one_left_that_was_killed_while_it_deleted_goes_as_well(deletion: int, tmp_path: Path) -> None:
    """Seven deletions: four files, their directory, the lock file, and what held both."""
    killed = subprocess.run([sys.executable, "-c", KILLED_GOING, str(tmp_path), str(deletion)])
    assert killed.returncode == 9
    assert len(list(tmp_path.iterdir())) == 1
    with scratch_directory(tmp_path) as place:
        assert list(tmp_path.iterdir()) == [place.parent]


def test_what_cannot_be_deleted_yet_goes_with_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows deletes no file that is in use."""
    with monkeypatch.context() as patch:
        patch.setattr(scratch_module, "remove_tree", lambda _: None)
        with scratch_directory(tmp_path) as place:
            (place / "in-use").touch()
    (left,) = tmp_path.iterdir()
    assert {path.name for path in left.iterdir()} == {".codex-release-held", "work"}
    with scratch_directory(tmp_path) as place:
        assert list(tmp_path.iterdir()) == [place.parent]


def test_one_that_somebody_works_in_stays(tmp_path: Path) -> None:
    with scratch_directory(tmp_path) as one:
        (one / "file").touch()
        with scratch_directory(tmp_path) as other:
            assert one != other
            assert (one / "file").is_file()
        assert list(tmp_path.iterdir()) == [one.parent]


def test_what_only_has_such_a_name_is_left_alone(tmp_path: Path) -> None:
    """Another program's directory, what this one never made a lock in, and a link to what it did."""
    left = left_behind(tmp_path)
    elsewhere = left.rename(tmp_path / "elsewhere")
    (tmp_path / left.name).symlink_to(elsewhere)
    (tmp_path / ".codex-release-abcdefgh").mkdir()
    (tmp_path / ".codex-release-abcdefgh" / "mine").touch()
    (tmp_path / ".codex-release-ijklmnop").touch()
    longer = elsewhere.with_name(f"{left.name}-mine")
    longer.mkdir()
    (elsewhere / ".codex-release-held").replace(longer / ".codex-release-held")
    (elsewhere / ".codex-release-held").touch()
    before = {path.name for path in tmp_path.rglob("*")}
    with scratch_directory(tmp_path):
        pass
    assert {path.name for path in tmp_path.rglob("*")} == before
