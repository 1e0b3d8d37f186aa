"""Putting several things in the place of others at once, so that a break at any moment is no broken state.

Everything new is made complete in directories beside its places, the *stage*. Then a *note* of what is going to move is
written, and everything is renamed. A process that dies before the note has changed nothing; one that dies after it is
finished by the next one, which needs nothing but the stage for it. A rename that fails is undone with all before it.

Nothing is forced onto the disk: a machine that loses its power may lose bytes, which the next check of digests finds.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_release.base.atomic import remove_tree, replace, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["Switch", "finish_broken_off", "staged"]

_NOTE = "note.json"

Item = tuple[int, str]
"""The number of a place, and a name in it."""


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
                replace(destination, source)
            self._note.unlink(missing_ok=True)
            raise
        self._note.unlink()

    def finish(self) -> None:
        """Do what a process that died had begun, if its stage was complete."""
        if self.is_noted:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            self._move(note["comes"], note["goes"], [])

    def remove(self) -> None:
        """Delete the stage and what was taken away; what is still in use stays, until the next time."""
        for place in self.places:
            remove_tree(place / self.name)

    @property
    def is_noted(self) -> bool:
        """Whether it is complete, and its things are on their way."""
        return self._note.is_file()

    @property
    def _note(self) -> Path:
        return self.places[0] / self.name / _NOTE

    def _move(self, comes: Sequence[Item], goes: Sequence[Item], moved: list[tuple[Path, Path]]) -> None:
        """Rename what has not been renamed yet; `moved` is told each, from where to where."""
        *first, last = comes
        if not os.path.lexists(self.new(last)):
            return  # all of it was done; what has such a name now has come since
        for item in first:
            self._exchange(item, moved)
        for item in goes:
            self._take_away(item, moved)
        self._exchange(last, moved)

    def _exchange(self, item: Item, moved: list[tuple[Path, Path]]) -> None:
        waiting = self.new(item)
        if os.path.lexists(waiting):
            self._take_away(item, moved)
            _rename(waiting, self.places[item[0]] / item[1], moved)

    def _take_away(self, item: Item, moved: list[tuple[Path, Path]]) -> None:
        place, name = self.places[item[0]], item[1]
        if os.path.lexists(place / name):
            _rename(place / name, place / self.name / "old" / f"{name}.{secrets.token_hex(4)}", moved)


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
    for place in places:
        for root in sorted(place.glob(f"{_prefix(name)}*/")):
            stage = Switch(root.name, tuple(places))
            stage.finish()
            stage.remove()


def _prefix(name: str) -> str:
    return f".{name}-"


def _rename(source: Path, destination: Path, moved: list[tuple[Path, Path]]) -> None:
    replace(source, destination)
    moved.append((source, destination))
