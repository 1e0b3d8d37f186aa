"""Two releases side by side: which file of the one before a file of today's answers to. Pure values."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codex_release.report.model import BuiltFile, Previous

__all__ = ["earlier_file"]


def earlier_file(file: BuiltFile, previous: Previous) -> BuiltFile | None:
    """The file that this one replaces: of the same project, kind and target, and by its tags if there are several."""
    alike = [
        each
        for each in previous.files
        if (each.project, each.kind, each.target) == (file.project, file.kind, file.target)
    ]
    same_tags = [each for each in alike if each.tags == file.tags]
    if len(same_tags) == 1:
        return same_tags[0]
    # A release may move its tags, to a newer macOS for instance; then its only wheel still is the one to compare with.
    return alike[0] if len(alike) == 1 else None
