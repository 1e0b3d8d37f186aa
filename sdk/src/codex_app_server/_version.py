"""The version of this package, from its installed metadata.

It is a module of its own because reading metadata costs more than the rest of the package together.
"""

from __future__ import annotations

from importlib import metadata

__all__ = ["__version__"]

try:
    __version__ = metadata.version("codex-app-server-sdk")
except metadata.PackageNotFoundError:
    __version__ = "0+unknown"  # imported from a checkout that is not installed
