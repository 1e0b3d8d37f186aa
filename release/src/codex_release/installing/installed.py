"""What is installed of the runtime in a directory of packages, and whether it is whole. It changes nothing.

RECORD says what was installed, by whichever installer; the lock says what the runtime's files must be, the template
what the package's own. All three must agree with the bytes that are there.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from codex_release.base.digests import FileDigest, file_digests
from codex_release.base.errors import LockError
from codex_release.base.words import by_number
from codex_release.facts.lock import compare_files
from codex_release.wheels.record import RecordRow, parse_record, record_hash

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from codex_release.facts.targets import Catalog

__all__ = ["dist_infos", "owner_of", "whats_wrong"]

_BYTECODE = ("__pycache__", ".pyc")


def dist_infos(site: Path, distribution: str) -> dict[str, str]:
    """The metadata directories of a distribution, and the versions they are of; usually there is one."""
    found = {}
    for path in site.glob("*.dist-info"):
        project, _, version = path.name.removesuffix(".dist-info").partition("-")
        if _normalized(project) == _normalized(distribution):
            found[path.name] = version
    return found


def _normalized(project: str) -> str:
    """A project's name as it compares (PEP 503); packaging says the same and takes 10 ms to load."""
    return re.sub(r"[-_.]+", "-", project).lower()


def owner_of(site: Path, module: str) -> str | None:
    """The metadata directory of whichever distribution recorded a package."""
    for record in site.glob("*.dist-info/RECORD"):
        if f"\n{module}/" in "\n" + record.read_text(encoding="utf-8", errors="replace").replace('"', ""):
            return record.parent.name
    return None


def whats_wrong(site: Path, version: str, expected: Mapping[str, FileDigest], catalog: Catalog) -> str | None:
    """Why the runtime in a directory of packages is not the expected one, whole; `None` if it is.

    Every file that was recorded is read.

    Args:
        site: the directory.
        version: what has to be installed, in PEP 440's spelling.
        expected: what each file of the package has to be, by its path in it.
        catalog: the data file.
    """
    found = dist_infos(site, catalog.distribution)
    if list(found.values()) != [version]:
        what = " and ".join(sorted(found.values())) or "nothing"
        return f"{what} {by_number(max(len(found), 1), 'is', 'are')} installed"
    (dist_info,) = found
    try:
        rows = parse_record((site / dist_info / "RECORD").read_text(encoding="utf-8"))
        recorded = {name: row for name, row in rows.items() if row.hash}
        digests = file_digests({site / name: name for name in recorded})
    except (OSError, ValueError) as error:
        return f"it cannot be read: {error}"
    files = {name: digests[site / name] for name in recorded}
    return (
        _not_as_recorded(recorded, files)
        or _not_as_expected(files, expected, catalog)
        or _not_as_it_lies(site, dist_info, rows, catalog)
    )


def _not_as_recorded(recorded: Mapping[str, RecordRow], files: Mapping[str, FileDigest]) -> str | None:
    for name, row in recorded.items():
        if row.hash != record_hash(files[name].sha256):
            return f"{name} is not what was installed"
    return None


def _not_as_expected(
    files: Mapping[str, FileDigest], expected: Mapping[str, FileDigest], catalog: Catalog
) -> str | None:
    """Whether the package's own files are the template's, and all others the locked ones.

    Only optional files may be missing, see `tags.variants`.
    """
    prefix = f"{catalog.module}/"
    package = {name.removeprefix(prefix): digest for name, digest in files.items() if name.startswith(prefix)}
    wanted = {
        path: digest for path, digest in expected.items() if path in package or not catalog.layout.is_optional(path)
    }
    try:
        compare_files(wanted, package, expected_by="the lock", found_in="the installed package")
    except LockError as error:
        return error.what
    return None


def _not_as_it_lies(site: Path, dist_info: str, rows: Mapping[str, RecordRow], catalog: Catalog) -> str | None:
    """Whether the metadata was recorded, every file of the package too, and the programs may run."""
    if f"{dist_info}/METADATA" not in rows:
        return "its metadata was not recorded"
    for directory, below, names in os.walk(site / catalog.module):
        below[:] = [name for name in below if name not in _BYTECODE]
        for name in names:
            path = os.path.join(directory, name)  # noqa: PTH118 - os.walk speaks of text
            relative = os.path.relpath(path, site).replace(os.sep, "/")
            if relative not in rows and not name.endswith(_BYTECODE):
                return f"{relative} was not installed with it"
            if catalog.layout.is_executable(relative.partition("/")[2]) and not os.access(path, os.X_OK):
                return f"{relative} may not be run"
    return None
