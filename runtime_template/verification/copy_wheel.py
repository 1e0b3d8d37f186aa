"""A build backend (PEP 517) that builds nothing: the wheel is there, and is handed over byte for byte.

With it cibuildwheel installs and runs the very file that will be published. It needs no other package.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

__all__ = ["build_wheel"]


def build_wheel(
    wheel_directory: str,
    config_settings: dict[str, Any] | None = None,  # noqa: ARG001 - the signature is PEP 517's
    metadata_directory: str | None = None,  # noqa: ARG001
) -> str:
    """Copy the one wheel of the project's directory."""
    (wheel,) = Path().glob("*.whl")
    shutil.copyfile(wheel, Path(wheel_directory, wheel.name))
    return wheel.name
