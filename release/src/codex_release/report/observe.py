"""Reading what a report says of finished files off the files themselves, and off the lock. It judges nothing.

What a wheel's payload takes in it stands in the zip's directory and in RECORD, so nothing is unpacked.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from codex_release.base.digests import file_digest
from codex_release.base.errors import CheckError, system_errors_as
from codex_release.check.release import distributions_in
from codex_release.check.runtime import payload_paths, target_of
from codex_release.facts.versions import identity
from codex_release.report.model import ArchiveOrigin, BuiltFile, Component, Origin, SignedCode
from codex_release.wheels.record import sha256_of
from codex_release.wheels.wheel_file import WheelFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from codex_release.facts.lock import Lock
    from codex_release.facts.targets import Catalog

__all__ = ["built_file", "built_files", "in_order", "origins_of", "payload_of"]


def built_files(directory: Path, catalog: Catalog) -> tuple[BuiltFile, ...]:
    """Every wheel and sdist right in a directory, in the order of a release: by target, the client last.

    Raises:
        CheckError: if there is none, or one cannot be read.
    """
    return in_order((built_file(path, catalog) for path in distributions_in(directory)), catalog)


def in_order(files: Iterable[BuiltFile], catalog: Catalog) -> tuple[BuiltFile, ...]:
    """Files in the order of a release: the runtimes by target, then the client's wheel and sdist."""
    places = {triple: place for place, triple in enumerate(catalog.triples)}
    return tuple(
        sorted(files, key=lambda each: (places.get(each.target, len(places)), each.kind == "sdist", each.name))
    )


def built_file(
    path: Path, catalog: Catalog, *, sha256: str | None = None, seconds: float | None = None, reused: bool = False
) -> BuiltFile:
    """One wheel or sdist.

    Args:
        path: where it lies.
        catalog: the data file.
        sha256: of its bytes, if it is known; hashed if not.
        seconds: how long it took to make, if that is known.
        reused: whether it was there unchanged.

    Raises:
        CheckError: if it is neither, or cannot be read.
    """
    if not path.is_file():
        raise CheckError(f"{path} is no file", remedy="take it out of the directory")
    with system_errors_as(CheckError, f"{path} cannot be read"):
        sha256, size = sha256 or file_digest(path).sha256, path.stat().st_size
    made = partial(BuiltFile, path.name, size=size, sha256=sha256, seconds=seconds, reused=reused)
    if path.suffix != ".whl":
        known = identity(path.name)
        if known is None:
            raise CheckError(
                f"{path} is neither a wheel nor an sdist by its name", remedy="take it out of the directory"
            )
        return made(known[0], "sdist", limit=catalog.size_limits.get(known[0], 0))
    with WheelFile.open(path) as wheel:
        is_runtime = wheel.distribution == catalog.distribution
        return made(
            wheel.distribution,
            "wheel",
            target=target_of(wheel, catalog).triple if is_runtime else "",
            tags=tuple(sorted(map(str, wheel.tags))),
            limit=catalog.size_limits.get(wheel.distribution, 0),
            components=_components(wheel, catalog) if is_runtime else (),
        )


def origins_of(lock: Lock | None) -> tuple[Origin, ...]:
    """Where each target's runtime comes from, as the lock knows it."""
    if lock is None:
        return ()
    return tuple(
        Origin(
            target=triple,
            archives=tuple(
                ArchiveOrigin(source, archive.name, archive.digest.size, archive.digest.sha256)
                for source, archive in sorted(locked.archives.items())
            ),
            signature=locked.signature.state if locked.signature else "",
            identity=locked.signature.identity if locked.signature else "",
            issuer=locked.signature.issuer if locked.signature else "",
            code=tuple(
                SignedCode(
                    each.state,
                    tuple(path for path, other in sorted(locked.code_signatures.items()) if other == each),
                    each.signer,
                    each.team,
                    each.flags,
                )
                for each in dict.fromkeys(locked.code_signatures.values())
            ),
        )
        for triple, locked in sorted(lock.targets.items())
    )


def payload_of(lock: Lock, catalog: Catalog) -> tuple[BuiltFile, ...]:
    """What a lock tells of the wheels that are built from it: their payloads, before they are compressed."""
    return tuple(
        BuiltFile(
            name="",
            project=catalog.distribution,
            kind="wheel",
            size=0,
            sha256="",
            target=triple,
            components=_largest_first(
                Component(path, digest.size, digest.sha256)
                for path, digest in catalog.layout.payload(locked.files).items()
            ),
        )
        for triple, locked in sorted(lock.targets.items())
    )


def _components(wheel: WheelFile, catalog: Catalog) -> tuple[Component, ...]:
    """The payload of a runtime wheel, the largest file first."""
    found = []
    for path, name in payload_paths(wheel, catalog).items():
        info = wheel.zip.getinfo(name)
        row = wheel.record.get(name)
        found.append(Component(path, info.file_size, sha256_of(row) if row else "", info.compress_size))
    return _largest_first(found)


def _largest_first(components: Iterable[Component]) -> tuple[Component, ...]:
    return tuple(sorted(components, key=lambda each: (-each.size, each.path)))
