"""twine and check-wheel-contents, asked once in a process about the same bytes under the same name.

Hundreds of tests build or check the same small release, and these two take longer for it than all the rest. Whatever
they found fault with they are asked about again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.digests import file_digest
from codex_release.check import metadata

if TYPE_CHECKING:
    import pytest

__all__ = ["praised_once"]

_ASK = metadata._ask
_PRAISED: set[tuple[str, ...]] = set()


def praised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the two no more about what they found good, in commands of this process."""
    monkeypatch.setattr(metadata, "_ask", _asked_about_the_rest)


def _asked_about_the_rest(module: str, arguments: list[str]) -> list[str]:
    paths = [path for path in map(Path, arguments) if path.is_file()]
    options = [word for word in arguments if Path(word) not in paths]
    known = {path: (module, *options, path.name, file_digest(path).sha256) for path in paths}
    asked = [path for path in paths if known[path] not in _PRAISED]
    said = _ASK(module, [*options, *map(str, asked)]) if asked else []
    if not said:
        _PRAISED.update(known.values())
    return said
