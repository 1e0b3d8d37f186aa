"""The verdicts of twine (``check --strict``) and check-wheel-contents, each asked once for many files.

Neither has a public API; both are programs. twine would hash every byte of a wheel thrice, so it is shown a copy that
has the same name and metadata and none of the payload.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.errors import CheckError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["metadata_problems"]

_TIMEOUT_S = 120
_SMALL = 1 << 20


def metadata_problems(paths: Iterable[Path]) -> list[str]:
    """What the two programs say against these wheels and sdists; empty if nothing."""
    files = list(paths)
    wheels = [str(path) for path in files if path.suffix == ".whl"]
    with tempfile.TemporaryDirectory(prefix="codex-check-") as scratch:
        copies = [str(_without_payload(path, Path(scratch))) for path in files]
        problems = _ask("twine", ["check", "--strict", *copies])
    return problems + (_ask("check_wheel_contents", wheels) if wheels else [])


def _without_payload(path: Path, directory: Path) -> Path:
    """A copy of a wheel that holds only its small files; an sdist is small as it is."""
    copy = directory / path.name
    if path.suffix != ".whl":
        shutil.copyfile(path, copy)
        return copy
    try:
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(copy, "w") as sink:
            for info in source.infolist():
                if info.file_size < _SMALL:
                    sink.writestr(info, source.read(info))
    except (OSError, zipfile.BadZipFile) as error:
        raise CheckError(f"{path} cannot be read as a wheel: {error}") from error
    return copy


def _ask(module: str, arguments: list[str]) -> list[str]:
    argv = [sys.executable, "-m", module, *arguments]
    try:
        ran = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CheckError(f"{module} could not be run: {error}") from error
    if ran.returncode == 0:
        return []
    said = [line.strip() for line in (ran.stdout + ran.stderr).splitlines() if line.strip()]
    return [f"{module}: {line}" for line in said if not line.endswith(("OK", "PASSED"))] or [f"{module} failed"]
