"""Reading TOML: the standard library's parser where there is one (3.11), its backport on 3.10."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from codex_release.base.errors import WorkspaceError
from codex_release.base.table import Table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path

    from codex_release.base.errors import ReleaseError

__all__ = ["parse_toml", "read_toml"]

_REMEDY = "mend it there; git diff shows what was changed"


def parse_toml(text: str, name: str, error: type[ReleaseError], remedy: str) -> Table:
    """The tables of a TOML text.

    Args:
        text: the TOML.
        name: what an error calls it.
        error: what is raised, here and by the tables.
        remedy: what to do about it.

    Raises:
        ReleaseError: of the kind `error`, if it is no TOML.
    """
    try:
        return Table(tomllib.loads(text), name, error, remedy)
    except (ValueError, RecursionError) as problem:  # TOMLDecodeError is a ValueError; so is a number of absurd length
        raise error(f"{name} is not valid TOML: {problem}", remedy=remedy) from problem


def read_toml(path: Path) -> Table:
    """The tables of a TOML file of the checkout.

    Raises:
        WorkspaceError: if it cannot be read or is no TOML, here and by the tables.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise WorkspaceError(f"{path} cannot be read: {problem}", remedy=_REMEDY) from problem
    return parse_toml(text, str(path), WorkspaceError, _REMEDY)
