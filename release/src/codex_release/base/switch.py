"""Putting several things in the place of others at once, so that a break at any moment is no broken state.

Everything new is made complete in directories beside its places, the *stage*. Then a *note* of what is going to move is
written, and everything is renamed. A process that dies before the note has changed nothing; one that dies after it is
finished by the next one, which needs nothing but the stage for it. A rename that fails is undone with all before it.

A stage is known by the exact form of its name and by a *stamp* in it, which comes first and goes last. Whatever else
has such a name is somebody's own, and no note makes this touch a file outside the places.

Nothing is forced onto the disk: a machine that loses its power may lose bytes, which the next check of digests finds.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from codex_release.base.atomic import remove_tree, replace, unlink, write_text
from codex_release.base.locking import held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Switch", "exclusive", "finish_broken_off", "put_alone", "put_together", "staged"]

_NOTE = "note.json"
_STAMP = ".codex-release-switch"
_STAMPED = b"codex-release made this directory, and deletes it\n"

Item = tuple[int, str]
"""The number of a place, and a name in it, which may lie in a subdirectory."""


@dataclass(frozen=True)
class Switch:
    """Where things wait to be put into their places.

    Attributes:
        name: of its directories, one in each place: a rename never leaves its file system.
        places: the directories that things are put into.
    """

    name: str
    places: tuple[Path, ...]

    def new(self, item: Item) -> Path:
        """Where to make what goes into a place."""
        return self.places[item[0]] / self.name / "new" / item[1]

    def commit(self, comes: Sequence[Item], goes: Sequence[Item]) -> None:
        """Put everything into its place.

        Args:
            comes: what is put in place of whatever has its name, in this order; with the last of it, it is done.
            goes: what is taken away, before that last one comes.

        Raises:
            OSError: if something cannot be moved; everything is as it was then.
        """
        moved: list[tuple[Path, Path]] = []
        try:
            write_text(self._note, json.dumps({"comes": comes, "goes": goes}))
            self._move(comes, goes, moved)
        except BaseException:
            for source, destination in reversed(moved):
                if os.path.lexists(destination) and not os.path.lexists(source):  # the last may not have come about
                    replace(destination, source)
            unlink(self._note)
            raise
        unlink(self._note)

    def finish(self) -> bool:
        """Do what a process that died had begun, if its stage was complete.

        Returns:
            whether the stage is of no use any more; one whose note says what no note of ours says stays as it is.
        """
        if not self.is_noted:
            return True
        noted = _read_note(self._note, len(self.places)) if _is_ours(self._note.parent) else None
        if noted is None:
            return False
        self._move(*noted, [])
        return True

    def remove(self) -> None:
        """Delete the stage and what was taken away; what is still in use stays, until the next time."""
        for place in self.places:
            root = place / self.name
            if not _is_ours(root):
                continue
            with contextlib.suppress(OSError):
                for each in root.iterdir():
                    if each.is_dir() and not each.is_symlink():
                        remove_tree(each)
                    elif each.name != _STAMP:
                        each.unlink()
                if {each.name for each in root.iterdir()} <= {_STAMP}:
                    remove_tree(root)

    @property
    def is_noted(self) -> bool:
        """Whether it is complete, and its things are on their way."""
        return self._note.is_file()

    @property
    def _note(self) -> Path:
        return self.places[0] / self.name / _NOTE

    def _move(self, comes: Sequence[Item], goes: Sequence[Item], moved: list[tuple[Path, Path]]) -> None:
        """Rename what has not been renamed yet; `moved` is told each before, from where to where."""
        if comes and not os.path.lexists(self.new(comes[-1])):
            return  # all of it was done; what has such a name now has come since
        for item in comes[:-1]:
            self._exchange(item, moved)
        for item in goes:
            self._take_away(item, moved)
        for item in comes[-1:]:
            self._exchange(item, moved)

    def _exchange(self, item: Item, moved: list[tuple[Path, Path]]) -> None:
        waiting = self.new(item)
        if os.path.lexists(waiting):
            self._take_away(item, moved)
            _rename(waiting, self.places[item[0]] / item[1], moved)

    def _take_away(self, item: Item, moved: list[tuple[Path, Path]]) -> None:
        place, name = self.places[item[0]], item[1]
        if os.path.lexists(place / name):
            _rename(place / name, place / self.name / "old" / f"{name}.{secrets.token_hex(4)}", moved)


def put_together(directory: Path, name: str, comes: Mapping[str, Path | bytes], goes: Sequence[str] = ()) -> None:
    """Put files and directories into a directory in place of whatever has their names: all of them, or none.

    One process after another, which finishes first what one that died had begun.

    Args:
        directory: is made if it is not there.
        name: what is put in place; processes that use the same one wait for each other.
        comes: by their names in the directory, files or directories on the same file system, or what is to be in a
            file. A file never takes the place of a directory.
        goes: the names of what is taken away.

    Raises:
        OSError: if something cannot be written or moved; the directory is as it was then.
    """
    if not comes and not goes:
        return
    with exclusive(directory, name):
        put_alone(directory, name, comes, goes)


def put_alone(directory: Path, name: str, comes: Mapping[str, Path | bytes], goes: Sequence[str] = ()) -> None:
    """The same for who holds the lock of that name (`exclusive`), because what comes and goes depends on what is there.

    Raises:
        OSError: as `put_together` does.
    """
    directories = {each for each, what in comes.items() if isinstance(what, Path) and what.is_dir()}
    for each in {*comes, *goes} - directories:
        if (directory / each).is_dir():
            raise IsADirectoryError(errno.EISDIR, "a directory is where a file has to be", str(directory / each))
    finish_broken_off(name, (directory,))
    with staged(name, (directory,)) as stage:
        for each, what in comes.items():
            waiting = stage.new((0, each))
            waiting.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(what, Path):
                replace(what, waiting)
            else:
                waiting.write_bytes(what)
                waiting.chmod(0o644)
        stage.commit([(0, each) for each in comes], [(0, each) for each in goes])


@contextlib.contextmanager
def exclusive(directory: Path, name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock in a directory; the others wait. It leaves nothing behind.

    The operating system frees the lock of a process that dies.

    Args:
        directory: is made if it is not there.
        name: what is locked.
        on_wait: called once if somebody else holds it.

    Raises:
        OSError: if the directory cannot be written, or its file system has no locks.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with held(directory / f".{name}.lock", on_wait=on_wait):
        yield


@contextlib.contextmanager
def staged(name: str, places: Sequence[Path]) -> Iterator[Switch]:
    """A new stage; it vanishes at the end of the block, with everything that was taken away.

    Args:
        name: what is put in place; only one process at a time may do that.
        places: the directories that it is put into, which are made if they are not there.

    Raises:
        OSError: if it cannot be made.
    """
    stage = Switch(f"{_prefix(name)}{secrets.token_hex(8)}", tuple(places))
    try:
        for place in places:
            place.mkdir(parents=True, exist_ok=True)
            (place / stage.name).mkdir()
            (place / stage.name / _STAMP).write_bytes(_STAMPED)
            for part in ("new", "old"):
                (place / stage.name / part).mkdir()
        yield stage
    finally:
        if not stage.is_noted:  # else even taking it back has failed, and the next one has to go on
            stage.remove()


def finish_broken_off(name: str, places: Sequence[Path]) -> None:
    """Finish, or forget, what processes that died had begun.

    Raises:
        OSError: if something cannot be moved.
    """
    known = re.compile(re.escape(_prefix(name)) + "[0-9a-f]{16}")
    for place in places:
        for root in sorted(place.glob(f"{_prefix(name)}*/")):
            if known.fullmatch(root.name) and _is_ours(root):
                stage = Switch(root.name, tuple(places))
                if stage.finish():
                    stage.remove()


def _prefix(name: str) -> str:
    return f".{name}-"


def _is_ours(root: Path) -> bool:
    """Whether a directory is (a place's part of) a stage: it has the stamp, or nothing in it yet."""
    if root.is_symlink() or not root.is_dir():
        return False
    stamp = root / _STAMP
    return stamp.read_bytes() == _STAMPED if stamp.is_file() else not any(root.iterdir())


def _read_note(note: Path, places: int) -> tuple[list[Item], list[Item]] | None:
    """What comes and what goes; `None` if it is no note of ours."""
    try:
        told = json.loads(note.read_text(encoding="utf-8"))
        comes, goes = ([(int(place), str(name)) for place, name in told[key]] for key in ("comes", "goes"))
    except (ValueError, TypeError, KeyError):
        return None
    if any(place not in range(places) or _leads_out(name) for place, name in (*comes, *goes)):
        return None
    return comes, goes


def _leads_out(name: str) -> bool:
    """Whether a name is none below its place, on this system."""
    path = PurePath(name)
    return bool(path.anchor) or ".." in path.parts or not path.parts or "\0" in name


def _rename(source: Path, destination: Path, moved: list[tuple[Path, Path]]) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    moved.append((source, destination))  # before it is: a signal that comes meanwhile is told right after it
    replace(source, destination)
