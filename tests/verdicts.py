"""twine and check-wheel-contents, asked once in a process about the same bytes under the same name.

Hundreds of tests build or check the same small release, and these two take longer for it than all the rest. Whatever
they found fault with they are asked about again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_release.base.digests import file_digest
from codex_release.check.metadata import MetadataCheck

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

__all__ = ["praised_once"]

_SAID = MetadataCheck._said
_PRAISED: set[tuple[str, ...]] = set()


def praised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the two no more about what they found good, in commands of this process."""
    monkeypatch.setattr(MetadataCheck, "_said", _said_about_the_rest)


def _said_about_the_rest(check: MetadataCheck, module: str, options: Sequence[str], path: Path) -> list[str]:
    known = (module, *options, path.name, file_digest(path).sha256)
    said = [] if known in _PRAISED else _SAID(check, module, options, path)
    if not said:
        _PRAISED.add(known)
    return said
