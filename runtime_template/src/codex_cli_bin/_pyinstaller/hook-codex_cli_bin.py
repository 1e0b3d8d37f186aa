"""PyInstaller's hook for `codex_cli_bin`: a frozen application has the runtime, and the metadata with its version.

PyInstaller collects the executables as it collects all: as they are, unless it is told to strip or to compress them,
and on macOS signed anew with the application.
"""

from __future__ import annotations

from PyInstaller.utils.hooks import copy_metadata

from codex_cli_bin import PACKAGE_NAME
from codex_cli_bin._pyinstaller import runtime_files

datas = [*runtime_files(), *copy_metadata(PACKAGE_NAME)]
