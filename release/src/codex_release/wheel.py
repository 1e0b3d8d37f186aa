"""The fast assembler: a runtime wheel with the content that hatchling would give it, in a fraction of the time.

hatchling builds the wheel without its payload (the *skeleton*: package, metadata, tags, licence, bill of materials)
and so owns the metadata. This adds the payload from a verified tree and writes all entries anew, in a fixed order,
with a fast deflate on all cores. The same stage gives the same bytes on any machine.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_release.atomic import scratch_file
from codex_release.deflater import compress
from codex_release.digests import FileDigest
from codex_release.errors import BuildError
from codex_release.zipwriter import ZipWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from codex_release.targets import Layout
    from codex_release.zipwriter import Compressed

__all__ = ["assemble", "record_hash", "source_date_epoch"]

_DEFAULT_EPOCH = 1580601600
"""2020-02-02, hatchling's own date for what is built without ``SOURCE_DATE_EPOCH``."""


def source_date_epoch(environ: Mapping[str, str]) -> int:
    """The date of everything that is built, in seconds since 1970 (the SOURCE_DATE_EPOCH convention)."""
    value = environ.get("SOURCE_DATE_EPOCH", "")
    return int(value) if value.isdecimal() else _DEFAULT_EPOCH


@dataclass(frozen=True)
class _Row:
    """One line of RECORD."""

    name: str
    digest: FileDigest


def assemble(
    skeleton: Path,
    files: Mapping[str, FileDigest],
    entry: Callable[[str], AbstractContextManager[Compressed]],
    out: Path,
    *,
    module: str,
    layout: Layout,
    epoch: int,
) -> tuple[Path, FileDigest]:
    """Write the wheel of a runtime.

    Args:
        skeleton: hatchling's wheel without the payload; the result takes its name.
        files: the payload, verified.
        entry: gives the compressed bytes of a file, which are not needed any more at the end of its block.
        out: the directory of the result; it appears there whole or not at all.
        module: the package directory that receives the payload.
        layout: for the modes.
        epoch: the date of the entries, in seconds since 1970.

    Returns:
        the wheel, and what its bytes are.

    Raises:
        BuildError: if the skeleton is no such wheel or holds a payload of its own.
    """
    small = _skeleton_files(skeleton)
    record = next((name for name in small if name.endswith(".dist-info/RECORD")), None)
    clashes = {f"{module}/{path}" for path in files} & small.keys()
    if record is None or clashes:
        raise BuildError(f"{skeleton.name} cannot take the payload: {sorted(clashes) or 'it has no RECORD'}")
    del small[record]
    rows = []
    wheel = out / skeleton.name
    with scratch_file(wheel) as scratch, scratch.open("wb") as file:
        writer = ZipWriter(file, epoch)
        # The largest first, which is most of what an installer waits for.
        for path, digest in sorted(files.items(), key=lambda item: (-item[1].size, item[0])):
            with entry(path) as compressed:
                writer.add(f"{module}/{path}", layout.mode(path), compressed)
            del compressed  # its memory is given back; the next one may be long in coming
            rows.append(_Row(f"{module}/{path}", digest))
        for name, content in small.items():
            writer.add(name, 0o644, compress(content))
            rows.append(_Row(name, FileDigest(len(content), hashlib.sha256(content).hexdigest())))
        writer.add(record, 0o644, compress(_record_text(rows, record).encode()))
        digest = writer.close()
    return wheel, digest


def record_hash(sha256: str) -> str:
    """A sha256 as RECORD writes it (PEP 376): urlsafe base64 without padding."""
    return "sha256=" + base64.urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()


def _skeleton_files(skeleton: Path) -> dict[str, bytes]:
    """What hatchling made, the package before its metadata (PEP 427 recommends that dist-info comes last)."""
    try:
        with zipfile.ZipFile(skeleton) as archive:
            names = sorted(archive.namelist(), key=lambda name: (".dist-info/" in name, name))
            return {name: archive.read(name) for name in names}
    except (OSError, zipfile.BadZipFile) as error:
        raise BuildError(f"the skeleton {skeleton} cannot be read: {error}") from error


def _record_text(rows: Iterable[_Row], record: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow((row.name, record_hash(row.digest.sha256), row.digest.size))
    writer.writerow((record, "", ""))
    return text.getvalue()
