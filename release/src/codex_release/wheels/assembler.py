"""The fast assembler: wheels with the content that hatchling would give them, in a fraction of the time.

hatchling builds a wheel without its payload (the *skeleton*: package, metadata, tags, licence, bill of materials) and
so owns the metadata. This adds the payload from a verified tree and writes all entries anew, in a fixed order, with a
fast deflate on all cores. The client's wheel and sdist, which have no payload, are written anew in the same way: the
same stage gives the same bytes on any machine, whatever zlib its Python has.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import deflate

from codex_release.base.atomic import scratch_file
from codex_release.base.digests import FileDigest, digested
from codex_release.base.errors import BuildError
from codex_release.wheels.deflater import LEVEL, compress
from codex_release.wheels.record import record_text
from codex_release.wheels.zipwriter import Compressed, ZipWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from codex_release.facts.targets import Layout

__all__ = ["Shipment", "assemble", "repack_sdist", "skeleton_files"]


@dataclass(frozen=True)
class Shipment:
    """The payload of a runtime wheel.

    Attributes:
        files: what each file is, verified.
        entry: gives the compressed bytes of a file, which are not needed any more at the end of its block.
        module: the package directory that receives them.
        layout: for the modes.
    """

    files: Mapping[str, FileDigest]
    entry: Callable[[str], AbstractContextManager[Compressed]]
    module: str
    layout: Layout


def assemble(skeleton: Path, out: Path, *, epoch: int, shipment: Shipment | None = None) -> tuple[Path, FileDigest]:
    """Write a wheel.

    Args:
        skeleton: hatchling's wheel without the payload; the result takes its name.
        out: the directory of the result; it appears there whole or not at all.
        epoch: the date of the entries, in seconds since 1970.
        shipment: the payload, if it has one.

    Returns:
        the wheel, and what its bytes are.

    Raises:
        BuildError: if the skeleton is no such wheel or holds a payload of its own.
    """
    small = skeleton_files(skeleton)
    record = next((name for name in small if name.endswith(".dist-info/RECORD")), None)
    if record is None:
        raise BuildError(f"{skeleton} has no RECORD, so it is no wheel", remedy="look at the hatchling that made it")
    del small[record]
    rows: dict[str, FileDigest] = {}
    wheel = out / skeleton.name
    with scratch_file(wheel) as scratch, scratch.open("wb") as file:
        writer = ZipWriter(file, epoch)
        if shipment is not None:
            if clashes := sorted({f"{shipment.module}/{path}" for path in shipment.files} & small.keys()):
                raise BuildError(
                    f"{skeleton} holds a payload of its own: {', '.join(clashes)}",
                    remedy="take those files out of runtime_template/src",
                )
            # The largest first, which is most of what an installer waits for.
            for path, digest in sorted(shipment.files.items(), key=lambda item: (-item[1].size, item[0])):
                with shipment.entry(path) as compressed:
                    writer.add(f"{shipment.module}/{path}", shipment.layout.mode(path), compressed)
                del compressed  # its memory is given back; the next one may be long in coming
                rows[f"{shipment.module}/{path}"] = digest
        for name, content in small.items():
            writer.add(name, 0o644, compress(content))
            rows[name] = digested([content])
        writer.add(record, 0o644, compress(record_text(rows, record).encode()))
        digest = writer.close()
    return wheel, digest


def repack_sdist(sdist: Path, out: Path, *, epoch: int) -> tuple[Path, FileDigest]:
    """Write hatchling's sdist anew: the same files as a plain tar (POSIX ustar), compressed by the pinned deflate.

    Args:
        sdist: hatchling's; the result takes its name.
        out: the directory of the result; it appears there whole or not at all.
        epoch: the date of the entries, in seconds since 1970.

    Returns:
        the sdist, and what its bytes are.

    Raises:
        BuildError: if it is none, or has a name that such a tar cannot hold.
    """
    plain = io.BytesIO()
    try:
        with (
            # Whole: the order of the names is not that of the archive, and gzip goes back only to its beginning.
            tarfile.open(fileobj=io.BytesIO(gzip.decompress(sdist.read_bytes())), mode="r:") as there,
            tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT, encoding="utf-8") as here,
        ):
            for each in sorted((each for each in there if each.isfile()), key=lambda each: each.name):
                entry = tarfile.TarInfo(each.name)
                entry.size, entry.mtime = each.size, epoch
                here.addfile(entry, there.extractfile(each))
    except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError) as error:
        raise BuildError(f"the sdist {sdist} cannot be written anew: {error}") from error
    packed = bytes(deflate.gzip_compress(plain.getvalue(), LEVEL))
    with scratch_file(out / sdist.name) as scratch:
        scratch.write_bytes(packed)
    return out / sdist.name, digested([packed])


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
