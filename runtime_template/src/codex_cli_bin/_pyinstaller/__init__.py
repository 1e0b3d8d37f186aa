"""What PyInstaller asks this package when it freezes an application (entry point ``pyinstaller40``).

Nobody else imports it, and a frozen application goes without it.
"""

from __future__ import annotations

from pathlib import Path

from codex_cli_bin import bundled_package_dir

__all__ = ["hook_dirs", "runtime_files"]

_OWN = {"__init__.py", "__main__.py", "__pycache__", "_pyinstaller", "py.typed"}
"""What lies beside the runtime in this package."""


def hook_dirs() -> list[str]:
    """Where the hook lies."""
    return [str(Path(__file__).absolute().parent)]


def runtime_files() -> list[tuple[str, str]]:
    """Every file of the runtime, and the directory in the frozen application that it belongs into.

    Raises:
        FileNotFoundError: if this installation has no runtime.
    """
    root = bundled_package_dir()
    return [
        (str(path), str(path.relative_to(root.parent).parent))
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.relative_to(root).parts[0] not in _OWN
    ]
