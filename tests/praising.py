"""A ``codex-release`` for which twine and check-wheel-contents find no fault: ``python praising.py WORDS…``.

For runs that must be whole processes, because they are killed, on files whose verdict is known.
"""

from __future__ import annotations

import sys

from codex_release.check.metadata import MetadataCheck
from codex_release.cli import main


def _praise(*_: object) -> list[str]:
    return []


if __name__ == "__main__":
    MetadataCheck._said = _praise  # type: ignore[assignment, method-assign]
    sys.exit(main())
