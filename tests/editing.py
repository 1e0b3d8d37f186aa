"""Finished wheels with something changed in them, and a RECORD that tells of it: what a stranger could serve."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["Edit", "Files", "edited", "put", "replaced", "without"]

Files = dict[str, tuple[int, bytes]]
"""By their names, the modes and the bytes of the files of a wheel."""
Edit = Callable[[Files], None]


def edited(wheel: Path, edit: Edit, *, name: str | None = None, record: bool = True) -> Path:
    """The wheel with its files changed (name to mode and bytes), and a RECORD that fits if `record`."""
    with zipfile.ZipFile(wheel) as source:
        files = {each.filename: (each.external_attr >> 16 & 0o777, source.read(each)) for each in source.infolist()}
    edit(files)
    about = "-".join(wheel.name.split("-")[:2]) + ".dist-info"
    if record:
        text = io.StringIO()
        for path, (_, data) in files.items():
            if path != f"{about}/RECORD":
                digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                csv.writer(text, lineterminator="\n").writerow((path, f"sha256={digest}", len(data)))
        text.write(f"{about}/RECORD,,\n")
        files[f"{about}/RECORD"] = (0o644, text.getvalue().encode())
    result = wheel.parent / "edited" / (name or wheel.name)
    result.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as sink:
        for path, (mode, data) in files.items():
            info = zipfile.ZipInfo(path)
            info.create_system, info.external_attr = 3, (mode if mode >> 12 else 0o100000 | mode) << 16
            sink.writestr(info, data)
    return result


def replaced(path: str, old: bytes, new: bytes) -> Edit:
    """Other bytes in one file."""

    def edit(files: Files) -> None:
        mode, data = files[path]
        assert old in data
        files[path] = (mode, data.replace(old, new))

    return edit


def put(path: str, data: bytes, mode: int = 0o644) -> Edit:
    """One file more, or another."""
    return lambda files: files.update({path: (mode, data)})


def without(path: str) -> Edit:
    """One file less."""

    def edit(files: Files) -> None:
        del files[path]

    return edit
