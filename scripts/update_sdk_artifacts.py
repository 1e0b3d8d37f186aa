#!/usr/bin/env python3
"""The release toolkit, started from a checkout: the same program as ``codex-release``, at work on this checkout."""

from __future__ import annotations

import sys
from pathlib import Path

try:
    from codex_release.cli import main
except ModuleNotFoundError as error:
    if error.name != "codex_release":
        raise
    sys.exit("codex-release is not installed here; install it with: python -m pip install ./release")

if __name__ == "__main__":
    sys.exit(main(script=Path(__file__)))
