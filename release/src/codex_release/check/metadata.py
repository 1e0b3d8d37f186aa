"""The verdicts of twine (``check --strict``) and check-wheel-contents.

Neither has a public API; both are programs, and take far longer to load than to judge: one process has them loaded for
all files. twine would hash every byte of a wheel thrice, so it is shown a copy that has the same name and metadata and
none of the payload.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.errors import CheckError, system_errors_as
from codex_release.base.worker import Worker
from codex_release.wheels.wheel_file import DAMAGED

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MetadataCheck"]

_TIMEOUT_S = 300.0
_MOST_METADATA = 32 << 20
"""More metadata than so many bytes are not looked at: that is a problem in itself, which is found elsewhere."""
_SETTINGS = {
    # Or twine breaks its lines, also within a file's name; where TERM is ``dumb`` it wants to know both.
    "COLUMNS": "1000",
    "LINES": "25",
    # check-wheel-contents' data classes would load whatever plugin of pydantic an environment has: logfire takes longer
    # to come than all wheels of a release to check.
    "PYDANTIC_DISABLE_PLUGINS": "true",
}


class MetadataCheck(Worker):
    """Asks the two programs, in a process that starts with the first file.

    Args:
        aside: leave most of the processors' time to others, where the system knows such processes.
    """

    def __init__(self, *, aside: bool = False) -> None:
        super().__init__(
            "codex_release.base.worker",
            *(("aside",) if aside else ()),
            timeout_s=_TIMEOUT_S,
            environ={**os.environ, **_SETTINGS},
        )

    def problems(self, path: Path) -> list[str]:
        """What they say against a wheel or an sdist; empty if nothing.

        What cannot be read as a wheel is passed over: that is found elsewhere.

        Raises:
            CheckError: if they cannot be asked.
        """
        if not path.is_file():
            return []
        with tempfile.TemporaryDirectory(prefix="codex-check-", ignore_cleanup_errors=True) as scratch:
            with system_errors_as(CheckError, f"metadata cannot be copied to {scratch}", "make room there"):
                copy = _metadata_copy(path, Path(scratch))
            if copy is None:
                return []
            said = self._said("twine", ["--no-color", "check", "--strict"], copy)
        if path.suffix == ".whl":
            said += self._said("check_wheel_contents", ["--ignore", "W004"] if _has_hook(path) else [], path)
        return said

    def _said(self, module: str, options: Sequence[str], path: Path) -> list[str]:
        """What a program says against a file."""
        ran = self.ask({"module": module, "words": [*options, str(path)]})
        if "error" in ran:
            what = f"{module} cannot be asked about {path.name}: {ran['error']}"
            raise CheckError(what, remedy=f"look whether this works: python -m {module} --version")
        if "broke" in ran:
            return [f"{module} cannot read it: {ran['broke']}"]
        if ran["code"] == 0:
            return []
        lines = [line.strip() for line in ran["said"].splitlines() if line.strip()]
        return [f"{module}: {line}" for line in lines] or [f"{module} failed with exit code {ran['code']}"]


def _metadata_copy(path: Path, directory: Path) -> Path | None:
    """A copy of a wheel that holds only its metadata; an sdist is small as it is."""
    copy = directory / path.name
    if path.suffix != ".whl":
        shutil.copyfile(path, copy)
        return copy
    content = io.BytesIO()
    try:
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(content, "w") as sink:
            about = [info for info in source.infolist() if ".dist-info/" in info.filename]
            if sum(info.file_size for info in about) > _MOST_METADATA:
                return None
            for info in about:
                sink.writestr(info, source.read(info))
    except DAMAGED:
        return None
    copy.write_bytes(content.getvalue())
    return copy


def _has_hook(wheel: Path) -> bool:
    """Whether a wheel has a hook for PyInstaller, whose file must have a name that no module can have (W004)."""
    with zipfile.ZipFile(wheel) as archive:
        return any("/_pyinstaller/hook-" in name for name in archive.namelist())
