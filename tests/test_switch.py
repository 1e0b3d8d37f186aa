"""Several files that take the places of others at once: all of them, or none, whatever happens in between."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from codex_release.base import atomic, switch
from codex_release.base.atomic import replace
from codex_release.base.switch import exclusive, put_together

OLD = {"a": "old a", "rooms/b": "old b", "gone": "old gone"}
NEW = {"a": b"new a", "rooms/b": b"new b", "more/c": b"new c"}
AFTER = {"a": "new a", "rooms/b": "new b", "more/c": "new c"}

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="no such signal there")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with the old files."""
    for name, text in OLD.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def state(place: Path) -> dict[str, str]:
    """All files with what is in them, hidden ones too."""
    return {path.relative_to(place).as_posix(): path.read_text() for path in place.rglob("*") if path.is_file()}


def test_all_come_and_what_goes_is_gone(place: Path) -> None:
    put_together(place, "test", NEW, ["gone"])
    assert state(place) == AFTER


def test_a_file_that_lies_ready_is_moved(place: Path) -> None:
    (place / "ready").write_text("new a")
    put_together(place, "test", {"a": place / "ready"})
    assert state(place) == {**OLD, "a": "new a"}


def test_a_directory_is_never_taken_for_a_file(place: Path) -> None:
    before = state(place)
    for comes, goes in (({"a": b"new", "rooms": b"new"}, []), ({"a": b"new"}, ["rooms"])):
        with pytest.raises(IsADirectoryError, match="a directory is where a file has to be"):
            put_together(place, "test", comes, goes)
        assert state(place) == before


def test_a_directory_may_come_in_place_of_another_one(place: Path) -> None:
    for name, text in (("rooms", "old"), ("ready", "new")):
        (place / name).mkdir(exist_ok=True)
        (place / name / "file").write_text(text)
    put_together(place, "test", {"rooms": place / "ready"})
    assert [path.read_text() for path in (place / "rooms").iterdir() if path.name == "file"] == ["new"]
    assert not (place / "ready").exists()


def test_what_only_goes_goes(place: Path) -> None:
    put_together(place, "test", {}, ["gone"])
    assert "gone" not in state(place)


@pytest.mark.parametrize("number", range(1, 7))
def test_whichever_cannot_be_moved_all_is_as_it_was(number: int, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = [0]

    def refuse(source: Path, destination: Path) -> None:
        count[0] += 1
        if count[0] == number:
            raise PermissionError(13, "somebody has it open", str(source))
        replace(source, destination)

    monkeypatch.setattr(switch, "replace", refuse)
    with pytest.raises(PermissionError, match="somebody has it open"):
        put_together(place, "test", NEW, ["gone"])
    assert state(place) == OLD


@pytest.mark.parametrize("number", range(1, 7))
def test_a_signal_in_the_moment_of_any_move_leaves_all_as_it_was(
    number: int, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = [0]

    def interrupted(source: Path, destination: Path) -> None:
        replace(source, destination)
        count[0] += 1
        if count[0] == number:
            raise KeyboardInterrupt

    monkeypatch.setattr(switch, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        put_together(place, "test", NEW, ["gone"])
    assert state(place) == OLD


_KILLED = """
import os, signal, sys
from pathlib import Path
from codex_release.base import switch
import errno
count, rename = [0], switch.replace
def kill(source, destination):
    count[0] += 1
    if count[0] == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, destination)
switch.replace = kill
switch.put_together(Path(sys.argv[1]), "test", {"a": b"new a", "rooms/b": b"new b", "more/c": b"new c"}, ["gone"])
"""


@posix_only
@pytest.mark.parametrize("number", [1, 3, 6])
def test_what_a_killed_process_had_begun_the_next_one_finishes(number: int, place: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(place), str(number)], check=False)
    assert killed.returncode < 0
    put_together(place, "test", {"other": b"other"})
    assert state(place) == {**AFTER, "other": "other"}


@pytest.mark.parametrize("name", [".test-backup", ".test-0123456789abcdef", ".test-0123456789abcdef0", ".test-extra"])
def test_a_directory_that_only_looks_like_a_stage_is_left_alone(name: str, place: Path) -> None:
    (place / name / "new").mkdir(parents=True)
    (place / name / "new" / "a").write_text("mine")
    (place / name / "note.json").write_text(json.dumps({"comes": [[0, "a"]], "goes": [[0, "gone"]]}))
    before = state(place)
    put_together(place, "test", {"other": b"other"})
    assert state(place) == {**before, "other": "other"}


@pytest.mark.parametrize("fails", [False, True])
def test_a_note_that_windows_does_not_let_go_of_at_once_is_deleted_a_little_later(
    fails: bool, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virus scanner may look at it: what was done would look broken off, and what was taken back would be done."""
    delete, held = Path.unlink, iter([True, True])

    def unlink(self: Path, missing_ok: bool = False) -> None:
        if self.name == "note.json" and next(held, False):
            raise PermissionError(13, "The process cannot access the file", str(self))
        delete(self, missing_ok)

    def refuse(source: Path, destination: Path) -> None:
        if fails and source.parent.name == "new":
            raise OSError(errno.EIO, "it is refused")
        replace(source, destination)

    monkeypatch.setattr(Path, "unlink", unlink)
    monkeypatch.setattr(switch, "replace", refuse)
    monkeypatch.setattr(atomic, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(atomic, "time", SimpleNamespace(sleep=lambda _: None))
    with pytest.raises(OSError, match="it is refused") if fails else nullcontext():
        put_together(place, "test", NEW, ["gone"])
    assert state(place) == (OLD if fails else AFTER)
    assert not next(held, False)


@pytest.mark.parametrize("name", ["../important", "/important", "", ".", "rooms/../../important", "\0"])
def test_no_note_reaches_beyond_the_places(name: str, place: Path, tmp_path: Path) -> None:
    inner = tmp_path / "rooms"
    stage = inner / ".test-0123456789abcdef"
    for part in ("new", "old"):
        (stage / part).mkdir(parents=True)
    (stage / switch._STAMP).write_bytes(switch._STAMPED)
    (tmp_path / "important").write_text("mine")
    name = str(tmp_path / "important") if name == "/important" else name
    notes: list[object] = [{"comes": [], "goes": [[0, name]]}, {"comes": [[1, "a"]], "goes": []}, {"comes": []}, []]
    for note in notes:
        (stage / "note.json").write_text(json.dumps(note))
        before = state(place)
        put_together(inner, "test", {"other": b"other"})
        assert state(place) == {**before, "rooms/other": "other"}


def test_what_a_kill_left_of_a_stage_goes_whichever_part_it_is(place: Path) -> None:
    """Before its stamp, in the middle, and after all that was in it."""
    empty, half = place / ".test-0123456789abcdef", place / ".test-fedcba9876543210"
    empty.mkdir()
    (half / "new" / "more").mkdir(parents=True)
    (half / "new" / "more" / "c").write_text("half")
    (half / ".note.json.x").write_text("half")
    (half / switch._STAMP).write_bytes(switch._STAMPED)
    put_together(place, "test", {"other": b"other"})
    assert state(place) == {**OLD, "other": "other"}
    assert not empty.exists()


def test_a_lock_leaves_nothing_behind(tmp_path: Path) -> None:
    with exclusive(tmp_path / "new", "test"):
        pass
    assert list((tmp_path / "new").iterdir()) == []


def test_a_lock_that_cannot_be_had_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("filelock.BaseFileLock.acquire", refuse)
    with pytest.raises(PermissionError, match=r"\.ours\.lock"), exclusive(tmp_path, "ours"):
        pass
