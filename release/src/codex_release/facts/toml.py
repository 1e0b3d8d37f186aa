"""Reading TOML: the standard library's parser where there is one (3.11), its backport on 3.10."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from codex_release.base.errors import WorkspaceError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["parse_toml", "read_toml"]


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """The tables of a TOML text; `name` is what an error calls it.

    Raises:
        WorkspaceError: if it is no TOML.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is a ValueError; so is a number of absurd length
        raise WorkspaceError(f"{name} is not valid TOML: {error}") from error


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        WorkspaceError: if it cannot be read or is no TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WorkspaceError(f"{path} cannot be read: {error}") from error
    return parse_toml(text, str(path))
