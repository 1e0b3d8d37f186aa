"""What a file is: its size and sha256, and the digests that publishers state in other notations."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codex_release.base.machine import cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = [
    "CHUNK",
    "Digest",
    "FileDigest",
    "checksum_of",
    "digested",
    "file_digest",
    "file_digests",
    "parse_integrity",
    "published_digest",
]

CHUNK = 1 << 20
"""How many bytes are read and hashed at a time."""

_HEX_LENGTHS = {"sha256": 64, "sha512": 128}


@dataclass(frozen=True)
class FileDigest:
    """The bytes of one file, by size (in bytes) and sha256 (in hex)."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Digest:
    """A digest that somebody published for an archive.

    Attributes:
        algorithm: ``sha256`` or ``sha512``.
        hex: the value, in lower-case hex.
    """

    algorithm: str
    hex: str

    def __str__(self) -> str:
        """Algorithm and value, e.g. ``sha256:2c26…``."""
        return f"{self.algorithm}:{self.hex}"


def digested(chunks: Iterable[bytes], sink: Callable[[bytes], object] | None = None) -> FileDigest:
    """What bytes are that come one piece after another; each piece is handed on to `sink`."""
    sha256, size = hashlib.sha256(), 0
    for chunk in chunks:
        sha256.update(chunk)
        size += len(chunk)
        if sink:
            sink(chunk)
    return FileDigest(size, sha256.hexdigest())


def file_digest(path: Path) -> FileDigest:
    """Read a whole file and say what it is."""
    size, (sha256,) = hash_file(path, ["sha256"])
    return FileDigest(size, sha256.hexdigest())


def file_digests(paths: Iterable[Path]) -> dict[Path, FileDigest]:
    """Read many files and say what they are: on all cores, the largest first, for it takes the longest."""
    largest_first = sorted(paths, key=lambda path: -path.stat().st_size)
    with ThreadPoolExecutor(cores()) as pool:
        return dict(zip(largest_first, pool.map(file_digest, largest_first), strict=True))


def hash_file(path: Path, algorithms: Iterable[str]) -> tuple[int, list[Any]]:
    """Read a file once through several hash functions; the size and the hash objects, ready for more bytes."""
    hashes = [hashlib.new(algorithm) for algorithm in algorithms]
    size = 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            size += len(chunk)
            for each in hashes:
                each.update(chunk)
    return size, hashes


def published_digest(text: object) -> Digest | None:
    """A digest in GitHub's notation, ``sha256:<hex>``; `None` if it is absent or of another kind."""
    if not isinstance(text, str):
        return None
    algorithm, _, value = text.partition(":")
    return _digest(algorithm, value.lower())


def parse_integrity(text: object) -> Digest | None:
    """The strongest digest of a Subresource Integrity string (npm's ``dist.integrity``), `None` if none is known."""
    if not isinstance(text, str):
        return None
    found = {}
    for word in text.split():
        algorithm, _, encoded = word.partition("-")
        try:
            value = base64.b64decode(encoded.partition("?")[0], validate=True).hex()
        except (binascii.Error, ValueError):
            continue
        if digest := _digest(algorithm, value):
            found[algorithm] = digest
    return found.get("sha512") or found.get("sha256")


def checksum_of(text: str, name: str) -> Digest | None:
    """The sha256 of `name` in a checksum file (``<hex>  <name>`` a line, as sha256sum prints it)."""
    for line in text.splitlines():
        value, _, listed = line.strip().partition(" ")
        if listed.strip().removeprefix("*") == name:
            return published_digest(f"sha256:{value}")
    return None


def _digest(algorithm: str, value: str) -> Digest | None:
    length = _HEX_LENGTHS.get(algorithm)
    return Digest(algorithm, value) if length and re.fullmatch(rf"[0-9a-f]{{{length}}}", value) else None
