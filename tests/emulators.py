"""Tests of executables of other machines run where their emulator is, and are left out, aloud, where it is not.

In CI nothing is left out: there a missing emulator fails its tests.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from codex_release.facts.targets import Catalog

FILE = Path(__file__).resolve().parents[1] / "release" / "targets.toml"


def missing() -> list[str]:
    """The Debian packages of emulators that are not here, of those that Linux's tests ask for."""
    emulators = [each.emulator for each in Catalog.load(FILE).targets if each.emulator and each.system == "linux"]
    return sorted({each.package for each in emulators if not any(map(shutil.which, each.programs))})


def pytest_report_header() -> str | None:
    """Say what is left out."""
    if sys.platform != "linux" or "CI" in os.environ or not (packages := missing()):
        return None
    return f"left out: tests marked emulator; they come with: apt-get install {' '.join(packages)}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave them out."""
    if pytest_report_header() is None:
        return
    left_out = [item for item in items if item.get_closest_marker("emulator")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
