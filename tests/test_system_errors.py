"""Failures at files, told with what was being done."""

from __future__ import annotations

import errno
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from codex_release.base.errors import DiskError, system_errors_as

if TYPE_CHECKING:
    from pathlib import Path


def said(error: OSError, what: str) -> str:
    with pytest.raises(DiskError) as raised, system_errors_as(DiskError, what, "make room"):
        raise error
    assert raised.value.__cause__ is error
    assert raised.value.remedy == "make room"
    return raised.value.what


def test_a_file_is_named_once(tmp_path: Path) -> None:
    file = tmp_path / "file"
    full = OSError(errno.ENOSPC, "No space left", str(file))
    assert said(full, f"{file} cannot be written") == f"{file} cannot be written: No space left"
    assert said(full, f"{tmp_path} cannot be built into") == (
        f"{tmp_path} cannot be built into: No space left: {str(file)!r}"
    )
    moved = OSError(errno.EXDEV, "Invalid link", str(file), None, str(tmp_path))
    assert said(moved, f"{file} cannot be moved").endswith(f"moved: Invalid link: {str(file)!r} -> {str(tmp_path)!r}")
    assert said(OSError("it is a link"), "no use") == "no use: it is a link"


def test_of_a_tree_that_cannot_be_copied_the_first_file_is_named(tmp_path: Path) -> None:
    """The standard library tells of all of them at once, in one list."""
    (tmp_path / "tree").mkdir()
    for name in "ab":
        (tmp_path / "tree" / name).touch()

    def refuse(source: str, copy: str) -> None:
        raise OSError(errno.ENOSPC, "No space left", source, None, copy)

    with pytest.raises(shutil.Error) as raised:
        shutil.copytree(tmp_path / "tree", tmp_path / "copy", copy_function=refuse)
    told = re.escape(f"no use: [Errno {errno.ENOSPC}] No space left: ") + r"'[^']+' -> '[^']+' \(and 1 more\)"
    assert re.fullmatch(told, said(raised.value, "no use"))
