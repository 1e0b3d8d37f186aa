"""The fast assembler: a runtime wheel with the content that hatchling would give it, in a fraction of the time.

hatchling builds the wheel without its payload (the *skeleton*: package, metadata, tags, licence, bill of materials)
and so owns the metadata. This adds the payload from a verified tree and writes all entries anew, in a fixed order,
with a fast deflate on all cores. The same stage gives the same bytes on any machine.
"""

from __future__ import annotations

import hashlib
import zipfile
from typing import TYPE_CHECKING

from codex_release.base.atomic import scratch_file
from codex_release.base.digests import FileDigest
from codex_release.base.errors import BuildError
from codex_release.wheels.deflater import compress
from codex_release.wheels.record import record_text
from codex_release.wheels.zipwriter import ZipWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from codex_release.facts.targets import Layout
    from codex_release.wheels.zipwriter import Compressed

__all__ = ["assemble", "skeleton_files"]


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
    small = skeleton_files(skeleton)
    record = next((name for name in small if name.endswith(".dist-info/RECORD")), None)
    clashes = {f"{module}/{path}" for path in files} & small.keys()
    if record is None or clashes:
        raise BuildError(f"{skeleton.name} cannot take the payload: {sorted(clashes) or 'it has no RECORD'}")
    del small[record]
    rows: dict[str, FileDigest] = {}
    wheel = out / skeleton.name
    with scratch_file(wheel) as scratch, scratch.open("wb") as file:
        writer = ZipWriter(file, epoch)
        # The largest first, which is most of what an installer waits for.
        for path, digest in sorted(files.items(), key=lambda item: (-item[1].size, item[0])):
            with entry(path) as compressed:
                writer.add(f"{module}/{path}", layout.mode(path), compressed)
            del compressed  # its memory is given back; the next one may be long in coming
            rows[f"{module}/{path}"] = digest
        for name, content in small.items():
            writer.add(name, 0o644, compress(content))
            rows[name] = FileDigest(len(content), hashlib.sha256(content).hexdigest())
        writer.add(record, 0o644, compress(record_text(rows, record).encode()))
        digest = writer.close()
    return wheel, digest


def skeleton_files(skeleton: Path) -> dict[str, bytes]:
    """What hatchling made, the package before its metadata (PEP 427 recommends that dist-info comes last).

    Raises:
        BuildError: if it is no wheel.
    """
    try:
        with zipfile.ZipFile(skeleton) as archive:
            names = sorted(archive.namelist(), key=lambda name: (".dist-info/" in name, name))
            return {name: archive.read(name) for name in names}
    except (OSError, zipfile.BadZipFile) as error:
        raise BuildError(f"the skeleton {skeleton} cannot be read: {error}") from error
