"""RECORD, the list of an installation's files (PEP 376, and PEP 427 for wheels): how it is written and read."""

from __future__ import annotations

import base64
import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_release.base.digests import FileDigest

__all__ = ["RecordRow", "parse_record", "record_hash", "record_text", "sha256_of"]


@dataclass(frozen=True)
class RecordRow:
    """What RECORD says of one file; both are empty for RECORD itself."""

    hash: str
    size: str


def record_hash(sha256: str) -> str:
    """A sha256 as RECORD writes it (PEP 376): urlsafe base64 without padding."""
    return "sha256=" + base64.urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()


def sha256_of(row: RecordRow) -> str:
    """The sha256 that a row of RECORD states, in hex; empty if it states none."""
    algorithm, _, encoded = row.hash.partition("=")
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex() if algorithm == "sha256" else ""
    except ValueError:
        return ""


def record_text(files: Mapping[str, FileDigest], own: str) -> str:
    """A RECORD.

    Args:
        files: what each file is, by its POSIX path from the directory of packages, in the order of the rows.
        own: the path of the RECORD itself.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for name, digest in files.items():
        writer.writerow((name, record_hash(digest.sha256), digest.size))
    writer.writerow((own, "", ""))
    return text.getvalue()


def parse_record(text: str) -> dict[str, RecordRow]:
    """The rows of a RECORD, by path.

    Raises:
        ValueError: if a row is malformed, or there are two of one file.
    """
    try:
        rows = list(csv.reader(io.StringIO(text)))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if any(len(row) != 3 for row in rows) or len({row[0] for row in rows}) != len(rows):
        raise ValueError("it has malformed or doubled rows")
    return {name: RecordRow(hashed, size) for name, hashed, size in rows}
