"""What a build made, remembered beside its files, so that an unchanged one is recognised and not made again.

The record lies hidden in the output directory. A file counts as unchanged if its inputs are (their digest covers the
locked bytes, the template, this toolkit's own code and the settings) and its bytes still are what was written.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codex_release.base.digests import FileDigest, file_digest
from codex_release.base.paths import unsafe_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["RECORD", "Artifact", "BuildRecord", "digest_of", "fingerprint", "toolkit_fingerprint"]

RECORD = ".codex-release-build.json"
"""The name of the record in the output directory."""


@dataclass(frozen=True)
class Artifact:
    """One built file.

    Attributes:
        name: its file name.
        kind: ``wheel`` or ``sdist``.
        tag: the wheel's compressed tag set; empty for an sdist.
        target: the target triple; empty for the client.
        size: in bytes.
        sha256: in hex.
        inputs: the digest of everything it was made from.
        seconds: how long it took to make, all of it; of a reused file, what it took then.
    """

    name: str
    kind: str
    tag: str
    target: str
    size: int
    sha256: str
    inputs: str
    seconds: float

    def __post_init__(self) -> None:
        """Refuse what is no name of a file: what a record names beside the output, nobody made there."""
        if problem := unsafe_name(self.name):
            raise ValueError(f"{self.name!r} {problem}")


@dataclass(frozen=True)
class BuildRecord:
    """The files that builds into one directory made, by what was built: a target triple, or the client's project."""

    parts: Mapping[str, tuple[Artifact, ...]]

    @classmethod
    def read(cls, directory: Path) -> BuildRecord:
        """The record of a directory; an empty one if there is none, or it cannot be understood."""
        try:
            data = json.loads((directory / RECORD).read_text(encoding="utf-8"))
            return cls({part: tuple(Artifact(**each) for each in listed) for part, listed in data.items()})
        except (OSError, ValueError, TypeError, AttributeError):
            return cls({})

    def dumps(self) -> bytes:
        """The record as it lies in a directory."""
        data = {part: [asdict(each) for each in listed] for part, listed in sorted(self.parts.items())}
        return (json.dumps(data, indent=1) + "\n").encode()

    def unchanged(self, part: str, inputs: str, directory: Path) -> tuple[Artifact, ...]:
        """The files of a part, if they were made of these inputs and all of them still have their bytes."""
        found = self.parts.get(part, ())
        whole = all(each.inputs == inputs and _is(directory / each.name, each) for each in found)
        return found if found and whole else ()


def digest_of(facts: Mapping[str, Any]) -> str:
    """One digest for many facts; any difference in them makes it another."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def fingerprint(paths: Iterable[Path]) -> dict[str, str]:
    """The sha256 of every file at or below these paths, caches of Python left out."""
    found = {}
    for path in paths:
        files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
        for file in files:
            if "__pycache__" not in file.parts:
                found[file.relative_to(path.parent).as_posix()] = file_digest(file).sha256
    return found


@cache
def toolkit_fingerprint() -> dict[str, str]:
    """The digests of this toolkit's own modules: what they do decides what is built."""
    return fingerprint([Path(__file__).resolve().parent.parent])


def _is(path: Path, artifact: Artifact) -> bool:
    try:
        same_size = path.stat().st_size == artifact.size
        return same_size and file_digest(path) == FileDigest(artifact.size, artifact.sha256)
    except OSError:
        return False
