"""Whether a file lies in one of some directories, wherever links and ``..`` lead.

Paths are looked up on this machine; with a runtime on another one, that says nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["Places"]

_GUARDED = frozenset({".git", ".codex", ".agents"})
"""Directories whose files are run, or tell an agent what to do: they belong to nobody's working files."""


class Places:
    """Files and directories; whoever names a directory means all that is in it.

    But not what is in a ``.git``, ``.codex`` or ``.agents`` of it: files in there are run, or tell an agent what to do.
    Who means those names such a directory itself.

    Args:
        paths: relative ones are in the current directory.

    Raises:
        TypeError: if one is no path, or one of bytes.
        ValueError: if one is empty: it would be the current directory, which nobody has named.
    """

    def __init__(self, *paths: str | os.PathLike[str]) -> None:
        self._roots = [_real(_named(path)) for path in paths]

    def cover(self, path: str, *, is_removed: bool = False) -> bool:
        """Whether a file is in there; a relative path is not.

        Args:
            path: of the file.
            is_removed: whether its name goes: that of a link has to be in there too, for it goes, not where it leads.
        """
        file = Path(path)
        if not file.is_absolute():
            return False
        places = [_real(file)]
        if is_removed:
            places.append(str(Path(_real(file.parent), os.path.normcase(file.name))))
        return all(any(_is_in(place, root) for root in self._roots) for place in places)


def _named(path: object) -> str:
    named = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(named, str):
        raise TypeError(f"allow_paths takes paths, not {path!r}")
    if not named:
        raise ValueError("allow_paths: a path is empty; the current directory is '.'")
    return named


def _real(path: str | os.PathLike[str]) -> str:
    """Without links and steps up, and in one case where case does not count."""
    return os.path.normcase(os.path.realpath(path))


def _is_in(path: str, root: str) -> bool:
    try:
        inside = Path(path).relative_to(root)
    except ValueError:
        return False
    return _GUARDED.isdisjoint(map(_plain, inside.parts))


def _plain(name: str) -> str:
    """What file systems may make of a name.

    Windows leaves out dots and spaces at its end, and a stream of it; others fold case as Unicode does, or pass over
    characters that show nothing.
    """
    return name.casefold().encode("ascii", "ignore").decode().partition(":")[0].rstrip(". ")
