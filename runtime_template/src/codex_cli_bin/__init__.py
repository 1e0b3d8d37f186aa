"""The Codex runtime of one platform, as files inside this package.

They lie in the layout of Codex's own packages, so the executable finds its helpers by itself.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["PACKAGE_NAME", "__version__", "bundled_codex_path", "bundled_package_dir", "bundled_path_dir"]

PACKAGE_NAME = "codex-cli-bin"
"""The distribution's name on the package index."""

__version__: str

_DESCRIPTOR = "codex-package.json"


def bundled_package_dir() -> Path:
    """The directory that holds the runtime: ``bin``, ``codex-path``, ``codex-resources``, ``codex-package.json``.

    It is where this package was imported from; links in it are not followed, for what lies beside a link need not lie
    beside what it leads to (installers, sandboxes and build systems make trees of linked files).

    Raises:
        FileNotFoundError: if this installation has no runtime.
    """
    return _present(Path(__file__).absolute().parent / _DESCRIPTOR).parent


def bundled_codex_path() -> Path:
    """The Codex executable.

    Raises:
        FileNotFoundError: if this installation has none.
    """
    return _present(bundled_package_dir() / "bin" / ("codex.exe" if os.name == "nt" else "codex"))


def bundled_path_dir() -> Path | None:
    """The directory of helper programs that Codex puts on its PATH, or `None` if this runtime has none."""
    directory = bundled_package_dir() / "codex-path"
    return directory if directory.is_dir() else None


def _present(file: Path) -> Path:
    if file.is_file():
        return file
    archive = next((parent for parent in file.parents if parent.is_file()), None)
    if getattr(sys, "frozen", False):
        what = f"the application was frozen without the runtime of {PACKAGE_NAME}: {file} is missing"
        remedy = "freeze it with the files of that package, beside it and not in an archive"
    elif archive:
        what, remedy = f"{PACKAGE_NAME} lies in the archive {archive}, where no program can run", "unpack it first"
    else:
        what = f"{PACKAGE_NAME} is installed without its runtime: {file} is missing"
        remedy = f"reinstall it with: pip install --force-reinstall {PACKAGE_NAME}"
    raise FileNotFoundError(f"{what}; {remedy}")


def __getattr__(name: str) -> str:
    """``__version__`` is looked up only when asked for: reading metadata costs more than all the rest here."""
    if name == "__version__":
        from importlib import metadata

        return metadata.version(PACKAGE_NAME)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
