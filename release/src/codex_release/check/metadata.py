"""The verdicts of twine (``check --strict``) and check-wheel-contents, each asked once for many files.

Neither has a public API; both are programs. twine would hash every byte of a wheel thrice, so it is shown a copy that
has the same name and metadata and none of the payload.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.errors import CheckError
from codex_release.base.programs import run
from codex_release.wheels.wheel_file import DAMAGED

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["metadata_problems"]

_TIMEOUT_S = 120
_NO_PLUGINS = {"PYDANTIC_DISABLE_PLUGINS": "true"}
"""check-wheel-contents' data classes would load whatever plugin of pydantic an environment has: logfire takes longer to
come than all wheels of a release to check."""


def metadata_problems(paths: Iterable[Path]) -> list[str]:
    """What the two programs say against these wheels and sdists; empty if nothing.

    A wheel that cannot be read is passed over: that is found elsewhere.
    """
    with tempfile.TemporaryDirectory(prefix="codex-check-") as scratch, ThreadPoolExecutor(3) as pool:
        try:
            copies = {path: _metadata_copy(path, Path(scratch)) for path in paths}
        except OSError as error:
            raise CheckError(f"metadata cannot be copied to {scratch}: {error}", remedy="make room there") from error
        wheels = [path for path, copy in copies.items() if copy and path.suffix == ".whl"]
        hooked = [wheel for wheel in wheels if _has_hook(wheel)]
        questions: tuple[tuple[str, list[str], list[Path]], ...] = (
            ("twine", ["check", "--strict"], [copy for copy in copies.values() if copy]),
            ("check_wheel_contents", ["--ignore", "W004"], hooked),
            ("check_wheel_contents", [], [wheel for wheel in wheels if wheel not in hooked]),
        )
        asked = [
            pool.submit(_ask, module, [*options, *map(str, files)]) for module, options, files in questions if files
        ]
        return [problem for answer in asked for problem in answer.result()]


def _metadata_copy(path: Path, directory: Path) -> Path | None:
    """A copy of a wheel that holds only its metadata; an sdist is small as it is."""
    copy = directory / path.name
    if path.suffix != ".whl":
        shutil.copyfile(path, copy)
        return copy
    content = io.BytesIO()
    try:
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(content, "w") as sink:
            for info in source.infolist():
                if ".dist-info/" in info.filename:
                    sink.writestr(info, source.read(info))
    except DAMAGED:
        return None
    copy.write_bytes(content.getvalue())
    return copy


def _has_hook(wheel: Path) -> bool:
    """Whether a wheel has a hook for PyInstaller, whose file must have a name that no module can have (W004)."""
    with zipfile.ZipFile(wheel) as archive:
        return any("/_pyinstaller/hook-" in name for name in archive.namelist())


def _ask(module: str, arguments: list[str]) -> list[str]:
    argv, environ = [sys.executable, "-m", module, *arguments], {**os.environ, **_NO_PLUGINS}
    ran = run(argv, timeout_s=_TIMEOUT_S, error=CheckError, name=module, environ=environ)
    if ran.code is None:
        raise CheckError(ran.failure)
    if ran.code == 0:
        return []
    said = [line.strip() for line in ran.said.splitlines() if line.strip()]
    return [f"{module}: {line}" for line in said if not line.endswith(("OK", "PASSED"))] or [ran.failure]
