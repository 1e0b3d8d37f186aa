"""What holds for any wheel: RECORD tells of every file, and the name, WHEEL and METADATA tell the same."""

from __future__ import annotations

import contextlib
import stat
import zipfile
from typing import TYPE_CHECKING

from packaging.tags import parse_tag
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from codex_release.base.digests import FileDigest, digested
from codex_release.base.errors import ArchiveError, CheckError
from codex_release.runtime.entries import EntryRules
from codex_release.wheels.record import record_hash
from codex_release.wheels.wheel_file import DAMAGED, WheelFile, told

if TYPE_CHECKING:
    from collections.abc import Iterable
    from email.message import Message
    from pathlib import Path

    from codex_release.facts.targets import Catalog

__all__ = [
    "Contents",
    "entry_problems",
    "identity_problems",
    "metadata_problems",
    "name_problems",
    "read_contents",
    "record_problems",
    "size_problems",
]

_UNIX = 3
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_METADATA = "2.4"
"""The first version of core metadata with license expressions; some indexes know none beyond it."""

Contents = dict[str, FileDigest]
"""What each file of a wheel is, by its name."""


def entry_problems(wheel: WheelFile) -> list[str]:
    """What nobody should unpack: odd names, links, more than fits, no Unix modes, bytes beside the entries."""
    rules = EntryRules(wheel.path.name, wheel.path.stat().st_size)
    problems = []
    try:
        for info in wheel.zip.infolist():
            rules.admit(info.orig_filename, _kind(info), info.file_size)
            rules.grow(info.file_size)
            if info.create_system != _UNIX:
                problems.append(f"{info.filename} was not written with Unix modes")
            if info.compress_type not in _METHODS:
                problems.append(f"{info.filename} is compressed by method {info.compress_type}, which few can read")
        if wheel.has_gaps:
            problems.append("it holds bytes that belong to none of its files")
        problems += [f"{name}'s own header says otherwise than the directory" for name in wheel.contradictions]
    except ArchiveError as error:
        problems.append(str(error))
    except DAMAGED as error:
        problems.append(f"its directory {told(error)}")
    return problems


def _kind(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.orig_filename.endswith("/"):
        return "directory"
    return "file" if kind in {0, stat.S_IFREG} else "a link or another special file"


def read_contents(wheel: WheelFile, copies: dict[str, Path] | None = None) -> tuple[Contents, list[str]]:
    """Read and hash every file of a wheel.

    Args:
        wheel: the wheel.
        copies: files to write out on the way, by name.

    Returns:
        what each file is, and a problem for each that cannot be read.
    """
    contents: Contents = {}
    problems = []
    for info in wheel.zip.infolist():
        copy = (copies or {}).get(info.filename)
        try:
            with copy.open("xb") if copy else contextlib.nullcontext() as sink:
                contents[info.filename] = digested(wheel.chunks(info), sink.write if sink else None)
        except DAMAGED as error:
            problems.append(f"{info.filename} {told(error)}")
    return contents, problems


def record_problems(wheel: WheelFile, contents: Contents) -> list[str]:
    """Where RECORD and the files disagree (PEP 376 and 427)."""
    own = f"{wheel.dist_info}RECORD"
    problems = [f"RECORD lists {name}, which is not there" for name in wheel.record.keys() - set(wheel.names)]
    for name, digest in contents.items():
        row = wheel.record.get(name)
        if row is None:
            problems.append(f"RECORD does not list {name}")
        elif name != own and row.hash != record_hash(digest.sha256):
            problems.append(f"{name} has {record_hash(digest.sha256)}, RECORD says {row.hash or 'nothing'}")
        elif name != own and row.size != str(digest.size):
            problems.append(f"{name} has {digest.size} bytes, RECORD says {row.size or 'nothing'}")
    return sorted(problems)


def identity_problems(wheel: WheelFile) -> list[str]:
    """Where the file's name, WHEEL and METADATA disagree about project, version and tags."""
    problems = []
    stated = frozenset(tag for value in wheel.wheel.get_all("Tag", []) for tag in parse_tag(value))
    if stated != wheel.tags:
        problems.append(f"WHEEL says {_joined(stated)}, the file's name {_joined(wheel.tags)}")
    return problems + name_problems("METADATA", wheel.metadata, wheel.distribution, wheel.version)


def name_problems(where: str, metadata: Message, project: str, version: Version) -> list[str]:
    """Where metadata and the file's name disagree about the project and its version.

    Args:
        where: what the metadata is called.
        metadata: of the distribution.
        project: the project's normalized name, by the file's name.
        version: its version, by the same.
    """
    problems = []
    name = metadata.get("Name", "")
    if canonicalize_name(name) != project:
        problems.append(f"{where} says the project is {name or 'nothing'}, the file's name {project}")
    try:
        stated: object = Version(metadata.get("Version", ""))
    except InvalidVersion as error:
        stated = error
    if stated != version:
        problems.append(f"{where} says the version is {stated}, the file's name {version}")
    return problems


def metadata_problems(metadata: Message, expression: str, texts: Iterable[str]) -> list[str]:
    """Where a distribution's metadata is not of the version that indexes take, or does not name the license.

    Args:
        metadata: of the distribution.
        expression: its license (an SPDX expression).
        texts: the names of the files with the license's texts.
    """
    problems = []
    if (version := metadata.get("Metadata-Version")) != _METADATA:
        problems.append(f"its metadata is of version {version or 'nothing'}, but {_METADATA} is what every index takes")
    if (stated := metadata.get("License-Expression")) != expression:
        problems.append(f"its metadata has the license expression {stated or 'none'}, not {expression} (PEP 639)")
    named, wanted = sorted(metadata.get_all("License-File", [])), sorted(texts)
    if named != wanted:
        problems.append(f"its metadata names the license files {', '.join(named) or 'none'}, not {', '.join(wanted)}")
    return problems


def size_problems(path: Path, project: str, catalog: Catalog) -> list[str]:
    """Whether a file of a project is larger than the index takes.

    Raises:
        CheckError: if there is no such project in a release.
    """
    if project not in catalog.size_limits:
        raise CheckError(f"{project} is no project of this release", remedy=f"check {', '.join(catalog.size_limits)}")
    size, limit = path.stat().st_size, catalog.size_limits[project]
    if size <= limit:
        return []
    remedy = f"once the index has granted more, raise size_limits.{project} in release/targets.toml and say why there"
    return [f"{size} bytes are more than the limit of {limit} for {project}; {remedy}"]


def _joined(tags: frozenset[object]) -> str:
    return ", ".join(sorted(map(str, tags))) or "nothing"
