"""What pip says of the files that it installs, or would: ``--report``, version 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from codex_release.base.table import Table

__all__ = ["ResolvedFile", "reported"]


@dataclass(frozen=True)
class ResolvedFile:
    """A file that pip installs.

    Attributes:
        project: whose it is, normalized.
        version: as its metadata has it.
        name: its file name.
        sha256: as the index states it, or as it was found; `None` if neither.
        url: where it comes from; empty if that is no matter.
    """

    project: str
    version: str
    name: str
    sha256: str | None
    url: str = ""


def reported(report: Table) -> tuple[ResolvedFile, ...]:
    """The files in a report, dependencies too."""
    return tuple(_file(entry) for entry in report.tables("install"))


def _file(entry: Table) -> ResolvedFile:
    download, metadata = entry.table("download_info"), entry.table("metadata")
    archive, url = download.table("archive_info"), download.text("url")
    return ResolvedFile(
        project=canonicalize_name(metadata.text("name")),
        version=metadata.text("version"),
        name=unquote(urlsplit(url).path.rpartition("/")[2]),
        sha256=archive.table("hashes").get("sha256") if "hashes" in archive else None,
        url=url,
    )
