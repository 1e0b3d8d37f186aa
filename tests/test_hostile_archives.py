"""Extraction: every shape of archive becomes the same tree, and no archive can do anything else.

The corpus has an archive for every rule, and each is refused for that rule's reason, whichever way it is read.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import random
import shutil
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import archives
import pytest
from archives import (
    CATALOG,
    LAYOUTS,
    VERSION,
    Zipped,
    gnu_long_name,
    gzipped,
    pax,
    tar,
    tar_entry,
    unpack,
    unpack_tree,
    zip_file,
    zstd,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_release.base.digests import FileDigest, file_digest
from codex_release.base.errors import ArchiveError, DiskError
from codex_release.facts.versions import ReleaseVersion
from codex_release.runtime import archive, tree
from codex_release.runtime.entries import Limits
from codex_release.runtime.tree import Expected, RuntimeTree, copy_tree, read_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codex_release.facts.targets import Target

    Extract = Callable[[bytes, str], dict[str, FileDigest]]

LINUX = CATALOG.target("x86_64-unknown-linux-musl")
WINDOWS = CATALOG.target("x86_64-pc-windows-msvc")
MACOS = CATALOG.target("aarch64-apple-darwin")
RELEASE = ReleaseVersion.parse(VERSION)
LAYOUT = CATALOG.layout

GiB = 1 << 30
SMALL = Limits(total_bytes=1_000)
FEW = Limits(files=50)
TIGHT = Limits(ratio_from=1 << 20)

READERS = ("isal", "standard library")


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Gzip in each of the ways it is read; the name of the library that does it."""
    if request.param == "standard library":
        monkeypatch.setattr(archive, "igzip", None)
    return str(request.param)


# --- The corpus


@dataclass(frozen=True)
class Hostile:
    """An archive that has to be refused.

    Attributes:
        data: gives its bytes.
        reason: a part of the message that only its rule has.
        limits: smaller ones, where an archive that breaks the real ones would be too large for a test.
        name: its file name.
    """

    data: Callable[[], bytes]
    reason: str
    limits: Limits | None = None
    name: str = "hostile.tar.gz"


# Names that leave their directory, or that some system takes for something else.
NAMES = {
    "parent directory": ("../canary", "leads out of its directory"),
    "parent directory inside": ("bin/../../canary", "leads out of its directory"),
    "parent directory and back": ("bin/../codex", "leads out of its directory"),
    "parent directory at the end": ("bin/..", "leads out of its directory"),
    "parent directory by backslash": ("..\\canary", "leads out of its directory"),
    "absolute path": ("/canary", "has an absolute path"),
    "absolute path by backslash": ("\\canary", "has an absolute path"),
    "drive": ("C:/canary", "has an absolute path"),
    "directory of a drive": ("c:canary", "has an absolute path"),
    "network share": ("//host/share/canary", "has an absolute path"),
    "network share by backslash": ("\\\\host\\share\\canary", "has an absolute path"),
    "device path": ("\\\\?\\C:\\canary", "has an absolute path"),
    "backslash": ("bin\\codex", "not every file system can hold"),
    "stream of NTFS": ("bin/codex:stream", "not every file system can hold"),
    "wildcard": ("bin/cod*", "not every file system can hold"),
    "quote": ('bin/"codex"', "not every file system can hold"),
    "line feed": ("bin/codex\n", "not every file system can hold"),
    "escape": ("bin/\x1b[2J", "not every file system can hold"),
    "delete": ("bin/codex\x7f", "not every file system can hold"),
    "right-to-left override": ("bin/\u202eexe.codex", "not every file system can hold"),
    "invisible character": ("bin/co\u200bdex", "not every file system can hold"),
    "empty part": ("bin//codex", "has an empty part in its path"),
    "the directory itself": (".", "is a file without a name"),
    "device": ("CON", "the name of a Windows device"),
    "device with a suffix": ("nul.txt", "the name of a Windows device"),
    "device in a directory": ("aux/codex", "the name of a Windows device"),
    "device with a space": ("bin/prn .log", "the name of a Windows device"),
    "numbered device": ("bin/Com1", "the name of a Windows device"),
    "superscript device": ("bin/lpt²", "the name of a Windows device"),
    "console": ("CONOUT$", "the name of a Windows device"),
    "trailing dot": ("bin/codex.", "in a way Windows drops"),
    "trailing space": ("bin /codex", "in a way Windows drops"),
    "leading space": (" bin/codex", "in a way Windows drops"),
    "three dots": ("bin/.../codex", "in a way Windows drops"),
    "long path": ("x/" * 300 + "codex", "has a name of 605 characters"),
    "long part": ("bin/" + "ä" * 130, "has a part of more than 255 bytes"),
}

# Names that are good one by one.
PAIRS = {
    "twice": ("bin/codex", "bin/codex", "appears twice"),
    "twice, once with a dot": ("bin/codex", "./bin/codex", "appears twice"),
    "differing in case": ("bin/codex", "bin/Codex", "only in case or Unicode form"),
    "in directories differing in case": ("bin/codex", "BIN/rg", "only in case or Unicode form"),
    "differing in Unicode form": ("bin/\xe9", "bin/e\u0301", "only in case or Unicode form"),
    "differing in compatibility form": ("bin/\ufb01", "bin/fi", "only in case or Unicode form"),
    "differing in case of two letters": ("straße", "STRASSE", "only in case or Unicode form"),
    "differing in the dot of a letter": ("\u0131", "i", "only in case or Unicode form"),
    "differing in the order of accents": ("\u03b1\u0345\u0301", "\u03b1\u03b9\u0301", "only in case or Unicode form"),
    "file as a directory": ("bin", "bin/codex", "lies below bin, which is a file"),
    "directory as a file": ("bin/codex", "bin", "is both a file and a directory"),
}

KINDS = {
    "symbolic link": (b"2", "is a symbolic link"),
    "hard link": (b"1", "is a hard link"),
    "character device": (b"3", "is a device"),
    "block device": (b"4", "is a device"),
    "named pipe": (b"6", "is a named pipe"),
    "sparse file": (b"S", "is a sparse file"),
    "contiguous file": (b"7", "unknown type"),
    "multi-volume": (b"M", "unknown type"),
    "Solaris header": (b"X", "unknown type"),
}


def tar_name(name: str) -> bytes:
    """A file of that name, which may be long."""
    return tar_entry(name, b"x") if len(name.encode()) <= 100 else pax({"path": name}) + tar_entry("x", b"x")


def hostile_tar(*entries: bytes, end: bytes | None = None) -> bytes:
    """A gzipped tar of the entries, after a good one."""
    good = tar_entry("README.md", b"# Codex")
    return gzipped(tar(good, *entries) if end is None else tar(good, *entries, end=end))


def packed_runtime() -> bytes:
    return archives.package_tar(LINUX).data


def noise(size: int) -> bytes:
    """Bytes that cannot be compressed, always the same."""
    return random.Random(size).randbytes(size)


def flipped(data: bytes, at: int) -> bytes:
    """The same bytes, one of them different."""
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


TARS_BY_NAME = {
    **{name: Hostile(partial(hostile_tar, tar_name(path)), reason) for name, (path, reason) in NAMES.items()},
    **{
        f"two files {name}": Hostile(partial(hostile_tar, tar_name(one), tar_name(two)), reason)
        for name, (one, two, reason) in PAIRS.items()
    },
    **{
        kind: Hostile(partial(hostile_tar, tar_entry("bin/codex", flag=flag, link="../canary")), reason)
        for kind, (flag, reason) in KINDS.items()
    },
}

TARS = {
    "file through a link": Hostile(
        lambda: hostile_tar(tar_entry("bin", flag=b"2", link=".."), tar_entry("bin/canary", b"x")), "is a symbolic link"
    ),
    "sparse file of pax": Hostile(
        lambda: hostile_tar(pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}), tar_entry("bin/codex", b"1\n")),
        "is a sparse file",
    ),
    "directory after a file": Hostile(
        lambda: hostile_tar(tar_entry("bin", b"x"), tar_entry("bin/", flag=b"5")), "is both a file and a directory"
    ),
    "directory below a file": Hostile(
        lambda: hostile_tar(tar_entry("bin", b"x"), tar_entry("bin/x/", flag=b"5")), "lies below bin, which is a file"
    ),
    "directory with bytes": Hostile(
        lambda: hostile_tar(tar_entry("bin/", flag=b"5", data=tar_entry("hidden"))), "is a directory, but claims 512"
    ),
    "V7 directory with bytes": Hostile(
        lambda: hostile_tar(tar_entry("bin/", flag=b"\0", data=tar_entry("hidden"))), "is a directory, but claims 512"
    ),
    "file named like a directory": Hostile(
        lambda: hostile_tar(tar_entry("bin/", b"x")), "is a file with the name of a directory"
    ),
    "file named like a directory by pax": Hostile(
        lambda: hostile_tar(pax({"path": "bin/"}), tar_entry("bin", b"x")), "is a file with the name of a directory"
    ),
    "no name": Hostile(lambda: hostile_tar(tar_entry("", b"x")), "has an empty part in its path"),
    "NUL in a name": Hostile(lambda: hostile_tar(tar_entry(b"bin/co\0dex", b"x")), "not every file system can hold"),
    "NUL in a name of pax": Hostile(
        lambda: hostile_tar(pax({"path": "bin/co\0dex"}), tar_entry("x", b"x")), "not every file system can hold"
    ),
    "name that is no text": Hostile(
        lambda: hostile_tar(tar_entry(b"bin/\xff", b"x")), "not every file system can hold"
    ),
    "name of pax that is no text": Hostile(
        lambda: hostile_tar(pax({"path": b"bin/\xff"}), tar_entry("x", b"x")), "not every file system can hold"
    ),
    "prefix that leaves": Hostile(
        lambda: hostile_tar(tar_entry("canary", b"x", prefix="../..")), "leads out of its directory"
    ),
    "path of pax that leaves": Hostile(
        lambda: hostile_tar(pax({"path": "../canary"}), tar_entry("good", b"x")), "leads out of its directory"
    ),
    "long name of GNU that leaves": Hostile(
        lambda: hostile_tar(gnu_long_name("../" * 40 + "canary"), tar_entry("good", b"x")), "leads out of its directory"
    ),
    "global path of pax": Hostile(
        lambda: hostile_tar(pax({"path": "bin/codex"}, flag=b"g"), tar_entry("good", b"x")),
        "gives all entries one path",
    ),
    "global size of pax": Hostile(
        lambda: hostile_tar(pax({"size": "1"}, flag=b"g"), tar_entry("good", b"good")), "gives all entries one path"
    ),
    "too many entries": Hostile(
        lambda: hostile_tar(*(tar_entry(f"{number}") for number in range(50))), "has more than 50 entries", FEW
    ),
    "too many directories": Hostile(
        lambda: hostile_tar(*(tar_entry("bin/", flag=b"5") for _ in range(5_000))), "has more than 5000 entries"
    ),
    "too large a file": Hostile(
        lambda: hostile_tar(tar_entry("bin/codex", size=2 * GiB + 1)), "claims 2147483649 bytes, more than 2147483648"
    ),
    "too large a file in base 256": Hostile(
        lambda: hostile_tar(tar_entry("bin/codex", size=b"\x80" + b"\xff" * 11)), "bytes, more than 2147483648"
    ),
    "too large a file of pax": Hostile(
        lambda: hostile_tar(pax({"size": "9" * 19}), tar_entry("bin/codex")), "bytes, more than 2147483648"
    ),
    "negative size in base 256": Hostile(
        lambda: hostile_tar(tar_entry("bin/codex", size=b"\xff" * 11 + b"\0")), "a header has the size"
    ),
    "negative size of pax": Hostile(
        lambda: hostile_tar(pax({"size": "-512"}), tar_entry("bin/codex")), "an extension header has the size '-512'"
    ),
    "size of pax with thousands of digits": Hostile(
        lambda: hostile_tar(pax({"size": "9" * 9_999}), tar_entry("bin/codex")), "an extension header has the size"
    ),
    "size that is no number": Hostile(
        lambda: hostile_tar(tar_entry("bin/codex", size=b"12345678")), "a header has the size"
    ),
    "too much in all": Hostile(
        lambda: hostile_tar(tar_entry("bin/codex", noise(9_000))), "extracts to more than 1000 bytes", SMALL
    ),
    "ratio bomb": Hostile(
        lambda: hostile_tar(tar_entry("bin/codex", bytes(2 << 20))), "extracts to more than 60 times its", TIGHT
    ),
    "ratio bomb in what is dropped": Hostile(
        lambda: hostile_tar(tar_entry("package/README.md", bytes(2 << 20))), "extracts to more than 60 times its", TIGHT
    ),
    "bomb behind the end mark": Hostile(
        lambda: hostile_tar(end=bytes(2 << 20)), "extracts to more than 60 times its", TIGHT
    ),
    "bomb in a header of pax": Hostile(
        lambda: hostile_tar(pax({"comment": bytes(4 << 20)}), tar_entry("good")), "an extension header claims 4194"
    ),
    "bomb in a global header of pax": Hostile(
        lambda: hostile_tar(pax({"comment": bytes(4 << 20)}, flag=b"g")), "an extension header claims 4194"
    ),
    "bomb in a long name": Hostile(
        lambda: hostile_tar(gnu_long_name("x" * (4 << 20)), tar_entry("good")), "an extension header claims 4194"
    ),
    "bomb in a header of pax, claimed only": Hostile(
        lambda: hostile_tar(tar_entry("pax", flag=b"x", size=b"\x80" + b"\xff" * 11)), "an extension header claims 3094"
    ),
    "a thousand headers of pax": Hostile(
        lambda: hostile_tar(*(pax({"comment": "x"}) for _ in range(1_000)), tar_entry("good")), "more than 8 extension"
    ),
    "a thousand global headers of pax": Hostile(
        lambda: hostile_tar(*(pax({"x": "x"}, flag=b"g") for _ in range(1_000)), tar_entry("x")),
        "more than 8 extension",
    ),
    "header of pax without its entry": Hostile(
        lambda: hostile_tar(pax({"path": "bin/codex"})), "an extension header has no entry"
    ),
    "record of pax longer than its header": Hostile(
        lambda: hostile_tar(tar_entry("pax", b"99 path=x\n", flag=b"x"), tar_entry("good")), "a record of an extension"
    ),
    "record of pax without a length": Hostile(
        lambda: hostile_tar(tar_entry("pax", b"path=x\n", flag=b"x"), tar_entry("good")), "a record of an extension"
    ),
    "record of pax of no bytes": Hostile(
        lambda: hostile_tar(tar_entry("pax", b"1 path=x\n", flag=b"x"), tar_entry("good")), "a record of an extension"
    ),
    "record of pax without a value": Hostile(
        lambda: hostile_tar(tar_entry("pax", b"7 path\n", flag=b"x"), tar_entry("good")), "has no value"
    ),
    "wrong checksum": Hostile(
        lambda: hostile_tar(tar_entry("bin/codex", b"x", checksum=0o1234)), "the checksum of a header is wrong"
    ),
    "wrong checksum of the first header": Hostile(
        lambda: gzipped(tar(tar_entry("bin/codex", b"x", checksum=0o1234))), "the checksum of a header is wrong"
    ),
    "checksum that is no number": Hostile(lambda: hostile_tar(noise(512)), "a header has the checksum"),
    "tar that ends in a file": Hostile(
        lambda: hostile_tar(tar_entry("bin/codex", size=9_999), end=b"x" * 512),
        "ends 9487 bytes before the end of an e",
    ),
    "tar that ends in a header": Hostile(
        lambda: hostile_tar(end=tar_entry("bin/codex")[:100]), "ends in the middle of a header"
    ),
    "tar that ends in a header of pax": Hostile(
        lambda: hostile_tar(end=pax({"path": "bin/codex"})[:600]), "ends in the middle of a extension header"
    ),
    "tar that ends in the last block of a file": Hostile(
        lambda: hostile_tar(end=tar_entry("bin/codex", b"x")[:600]), "ends in the middle of a block"
    ),
    "tar without an end mark": Hostile(lambda: hostile_tar(end=b""), "ends where a header should be"),
    "empty tar": Hostile(lambda: gzipped(b""), "ends where a header should be"),
    "second tar behind the first": Hostile(
        lambda: gzipped(tar(tar_entry("good")) + tar(tar_entry("bin/codex"))), "bytes behind its end mark"
    ),
    "second gzip behind the first": Hostile(
        lambda: gzipped(tar(tar_entry("good"))) + gzipped(tar(tar_entry("bin/codex"))), "bytes behind its end mark"
    ),
    "no tar but an executable": Hostile(
        lambda: gzipped(archives.executable(MACOS)), "the checksum of a header is wrong"
    ),
    "gzip cut in half": Hostile(lambda: packed_runtime()[: len(packed_runtime()) // 2], "is damaged"),
    "gzip without its last byte": Hostile(lambda: packed_runtime()[:-1], "ended before the end-of-stream marker"),
    "gzip without its checksum": Hostile(lambda: packed_runtime()[:-8], "ended before the end-of-stream marker"),
    "gzip of two bytes": Hostile(lambda: b"\x1f\x8b", "ended before the end-of-stream marker"),
    "gzip with a wrong checksum": Hostile(lambda: flipped(packed_runtime(), -8), "CRC check failed"),
    "gzip with a wrong length": Hostile(lambda: flipped(packed_runtime(), -1), "Incorrect length of data"),
    "gzip with an unknown method": Hostile(lambda: flipped(packed_runtime(), 2), "Unknown compression method"),
    "gzip with garbage behind it": Hostile(lambda: packed_runtime() + b"garbage behind it", "Not a gzipped file"),
}


def hostile_zip(*entries: Zipped) -> bytes:
    """A zip of the entries, after a good one."""
    return zip_file(Zipped("README.md", b"# Codex"), *entries)


ZIPS = {
    **{
        f"zip, {name}": Hostile(partial(hostile_zip, Zipped(path, b"x")), reason)
        for name, (path, reason) in NAMES.items()
    },
    **{
        f"zip, two files {name}": Hostile(partial(hostile_zip, Zipped(one), Zipped(two)), reason)
        for name, (one, two, reason) in PAIRS.items()
    },
    "zip, NUL in a name": Hostile(lambda: hostile_zip(Zipped("bin/codex\0.txt")), "not every file system can hold"),
    "zip, no name": Hostile(lambda: hostile_zip(Zipped("")), "has an empty part in its path"),
    "zip, symbolic link": Hostile(
        lambda: hostile_zip(Zipped("bin/codex", b"../canary", mode=stat.S_IFLNK | 0o777)), "is a symbolic link"
    ),
    "zip, symbolic link named like a directory": Hostile(
        lambda: hostile_zip(Zipped("bin/", b"../canary", mode=stat.S_IFLNK | 0o777)), "is a symbolic link"
    ),
    "zip, named pipe": Hostile(lambda: hostile_zip(Zipped("bin/codex", mode=stat.S_IFIFO | 0o644)), "is a named pipe"),
    "zip, device": Hostile(lambda: hostile_zip(Zipped("bin/codex", mode=stat.S_IFCHR | 0o644)), "is a device"),
    "zip, directory named like a file": Hostile(
        lambda: hostile_zip(Zipped("bin", mode=stat.S_IFDIR | 0o755)), "other special file"
    ),
    "zip, directory with bytes": Hostile(
        lambda: hostile_zip(Zipped("bin/", b"hidden", mode=stat.S_IFDIR | 0o755)), "is a directory, but claims 6 bytes"
    ),
    "zip, encrypted": Hostile(lambda: hostile_zip(Zipped("bin/codex", b"x", flags=0x1)), "is encrypted"),
    "zip, encrypted strongly": Hostile(lambda: hostile_zip(Zipped("bin/codex", b"x", flags=0x41)), "is encrypted"),
    "zip, unknown method": Hostile(
        lambda: hostile_zip(Zipped("bin/codex", b"x", method=99)), "is compressed by method 99, which is not read here"
    ),
    "zip, method with a large memory": Hostile(
        lambda: hostile_zip(Zipped("bin/codex", b"x", method=14)), "is compressed by method 14, which is not read here"
    ),
    "zip, two names for one entry": Hostile(
        lambda: hostile_zip(Zipped("bin/codex", b"x", local_name="../canary")), "and header b'../canary' differ"
    ),
    "zip, wrong checksum": Hostile(lambda: hostile_zip(Zipped("bin/codex", b"x", crc32=1)), "Bad CRC-32"),
    "zip, larger than it is": Hostile(
        lambda: hostile_zip(Zipped("bin/codex", b"x", size=2)), "has 1 bytes, its header says 2"
    ),
    "zip, smaller than it is": Hostile(lambda: hostile_zip(Zipped("bin/codex", b"xxxx", size=2)), "Bad CRC-32"),
    "zip, too large a file": Hostile(
        lambda: hostile_zip(Zipped("bin/codex", b"x", size=2 * GiB + 1)), "claims 2147483649 bytes"
    ),
    "zip, too many entries": Hostile(
        lambda: hostile_zip(*(Zipped(f"{number}") for number in range(50))), "has more than 50 entries", FEW
    ),
    "zip, too much in all": Hostile(
        lambda: hostile_zip(Zipped("bin/codex", noise(9_000))), "extracts to more than 1000 bytes", SMALL
    ),
    "zip, ratio bomb": Hostile(
        lambda: hostile_zip(Zipped("bin/codex", bytes(2 << 20))), "extracts to more than 60 times its", TIGHT
    ),
    "zip, a directory of millions": Hostile(
        lambda: zip_file(*(Zipped("x" * 200) for _ in range(9_000))), "its directory has 2214000 bytes, more than"
    ),
    "zip, cut short": Hostile(lambda: hostile_zip(Zipped("bin/codex", b"x"))[:-30], "is not a zip file"),
    "zip, without its last byte": Hostile(lambda: hostile_zip(Zipped("bin/codex", b"x"))[:-1], "is not a zip file"),
    "zip, garbage before it": Hostile(lambda: b"PK\3\4garbage" + hostile_zip(), "bytes before its first entry"),
    "zip, another zip before it": Hostile(lambda: zip_file(Zipped("good")) + hostile_zip(), "before its first entry"),
    "zip, garbage behind it": Hostile(lambda: hostile_zip() + b"garbage", "bytes behind its end"),
    "zip, garbage behind its comment": Hostile(
        lambda: zip_file(Zipped("good"), comment=b"comment") + b"garbage", "bytes behind its end"
    ),
    "zip, much garbage behind it": Hostile(lambda: hostile_zip() + bytes(70_000), "is not a zip file"),
    "zip, only its beginning": Hostile(lambda: b"PK\3\4", "is not a zip file"),
    "zip, directory before the file's start": Hostile(
        lambda: hostile_zip()[:-6] + struct.pack("<IH", 1 << 30, 0), "its directory does not fit into it"
    ),
}

OTHERS = {
    "empty file": Hostile(lambda: b"", "is empty"),
    "text": Hostile(lambda: b"<html>404</html>", "is neither a gzipped tar, a zip, a zstd file nor an executable"),
    "one byte": Hostile(lambda: b"\x1f", "is neither a gzipped tar, a zip, a zstd file nor an executable"),
    "tar that is not compressed": Hostile(lambda: tar(tar_entry("bin/codex")), "is neither a gzipped tar"),
    "zstd cut in half": Hostile(lambda: zstd(noise(9_000))[:4_000], "ended before the end-of-stream marker"),
    "zstd without its last byte": Hostile(lambda: zstd(noise(9_000))[:-1], "ended before the end-of-stream marker"),
    "zstd of four bytes": Hostile(lambda: zstd(b"")[:4], "ended before the end-of-stream marker"),
    "zstd with a second frame cut short": Hostile(
        lambda: zstd(noise(9_000)) + zstd(noise(9_000))[:-1], "ended before the end-of-stream marker"
    ),
    "zstd with garbage behind it": Hostile(lambda: zstd(noise(9_000)) + b"garbage", "is damaged"),
    "zstd with a wrong checksum": Hostile(lambda: flipped(zstd(noise(9_000)), -1), "checksum"),
    "zstd bomb": Hostile(lambda: zstd(bytes(2 << 20)), "extracts to more than 60 times its", TIGHT),
    "executable named like a device": Hostile(
        lambda: archives.executable(WINDOWS), "the name of a Windows device", name="con.exe"
    ),
    "executable named outwards": Hostile(
        lambda: archives.executable(LINUX), "leads out of its directory", name="../canary"
    ),
}

ONE_WAY = {**TARS_BY_NAME, **ZIPS, **OTHERS}
"""What does not depend on how gzip is read."""
CORPUS = {**TARS, **ONE_WAY}


@cache
def hostile_bytes(case: str) -> bytes:
    """An archive of the corpus, made once."""
    return CORPUS[case].data()


class Surroundings:
    """A place to extract into, and a watch over what lies around it."""

    def __init__(self, parent: Path) -> None:
        self.parent = parent / "parent"
        self.into = self.parent / "into"
        self.into.mkdir(parents=True)
        (self.parent / "canary").write_bytes(b"alive")
        (self.parent / "archives").mkdir()
        self._before: dict[str, bytes | None] = {}

    def archive(self, data: bytes) -> Path:
        """A file with that content, outside; from now on nothing outside may change."""
        path = self.parent / "archives" / "archive"
        path.write_bytes(data)
        self._before = self._outside()
        return path

    def check(self) -> None:
        """Nothing outside changed, and inside are only plain files and directories."""
        assert self._outside() == self._before
        assert all(path.is_dir() or path.is_file() for path in self.into.rglob("*"))
        assert not any(path.is_symlink() for path in self.into.rglob("*"))

    def written(self) -> dict[str, FileDigest]:
        """The files inside."""
        files = (path for path in sorted(self.into.rglob("*")) if path.is_file())
        return {path.relative_to(self.into).as_posix(): file_digest(path) for path in files}

    def _outside(self) -> dict[str, bytes | None]:
        return {
            path.relative_to(self.parent).as_posix(): path.read_bytes() if path.is_file() else None
            for path in self.parent.rglob("*")
            if self.into not in path.parents
        }


@pytest.fixture
def place(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path)


def refuse(parent: Path, case: str, *, as_tree: bool) -> None:
    """Extract an archive of the corpus and be refused for the right reason."""
    hostile = CORPUS[case]
    place = Surroundings(parent)
    path = place.archive(hostile_bytes(case))
    extract = (
        partial(unpack_tree, layout=LAYOUT, target=LINUX, version=RELEASE)
        if as_tree
        else partial(unpack, place=lambda name: name, limits=hostile.limits)
    )
    with pytest.raises(ArchiveError) as refused:
        extract(path, hostile.name, place.into)
    message = str(refused.value)
    assert hostile.reason in message
    assert hostile.name in message
    assert message.isprintable()
    place.check()
    assert not (Path(place.into.anchor) / "canary").exists()


def refuse_both_ways(parent: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be refused as an archive of files and as a runtime."""
    refuse(parent / "unpack", case, as_tree=False)
    monkeypatch.setattr(tree, "stream", partial(archive.stream, limits=CORPUS[case].limits))
    refuse(parent / "unpack_tree", case, as_tree=True)


@pytest.mark.parametrize("case", TARS)
def test_a_hostile_tar_is_refused_for_its_own_reason(
    case: str, reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_both_ways(tmp_path, case, monkeypatch)


@pytest.mark.parametrize("case", ONE_WAY)
def test_a_hostile_archive_is_refused_for_its_own_reason(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_both_ways(tmp_path, case, monkeypatch)


# --- What is no runtime of the target and version


def packed(files: dict[str, bytes], prefix: str = "") -> bytes:
    """A gzipped tar of some files."""
    return gzipped(tar(*(tar_entry(prefix + path, data) for path, data in files.items())))


def described(text: bytes) -> bytes:
    """A runtime with another descriptor."""
    return packed({**archives.runtime(LINUX), "codex-package.json": text})


OTHER_TRIPLE = "aarch64-unknown-linux-musl"
NO_RUNTIMES: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "package of another target": (
        lambda: archives.package_tar(CATALOG.target(OTHER_TRIPLE)).data,
        "is of target ",
    ),
    "package of another system": (lambda: archives.package_tar(WINDOWS).data, "it has no bin/codex"),
    "package directory of another target": (
        lambda: archives.package_tar_in_directory(CATALOG.target(OTHER_TRIPLE)).data,
        "it has no bin/codex",
    ),
    "npm package of another target": (
        lambda: archives.npm_tarball(CATALOG.target(OTHER_TRIPLE)).data,
        f"is no Codex runtime for {LINUX.triple}: it has no bin/codex",
    ),
    "old npm package of another target": (
        lambda: archives.npm_old(CATALOG.target(OTHER_TRIPLE)).data,
        "it has no bin/codex",
    ),
    "single executable of another target": (
        lambda: archives.single_tar(CATALOG.target(OTHER_TRIPLE)).data,
        "it has no bin/codex",
    ),
    "package of another version": (
        lambda: archives.package_tar(LINUX, "0.170.0-alpha.2").data,
        "is of version ",
    ),
    "npm package of another version": (
        lambda: archives.npm_tarball(LINUX, "0.168.0").data,
        "is of version ",
    ),
    "no entrypoint": (lambda: packed({"codex-package.json": archives.descriptor(LINUX)}), "it has no bin/codex"),
    "no files": (lambda: gzipped(tar()), "it has no bin/codex"),
    "descriptor that is no JSON": (
        lambda: described(b"{"),
        "codex-package.json of runtime.tar.gz is no JSON: Expecting property name",
    ),
    "descriptor that is deeper than any parser": (
        lambda: described(b"[" * 60_000),
        "codex-package.json of runtime.tar.gz is no JSON: ",  # how deep a parser goes is the interpreter's to say
    ),
    "descriptor that is too large": (
        lambda: described(b" " * 70_000 + archives.descriptor(LINUX)),
        "codex-package.json of runtime.tar.gz has more than 65536 bytes",
    ),
    "descriptor that clears the screen": (
        lambda: described(json.dumps({"target": "\x1b[2J", "version": VERSION}).encode()),
        r"is of target '\x1b[2J', not ",
    ),
    "directory in place of a descriptor": (
        lambda: packed({"bin/codex": b"x", "codex-package.json/x": b"x"}),
        "the tree of runtime.tar.gz: the entry 'codex-package.json' is both a file and a directory",
    ),
    "descriptor in another case": (
        lambda: packed({"bin/codex": b"x", "Codex-Package.json": b"x"}),
        "the tree of runtime.tar.gz: the entry 'codex-package.json' differs from Codex-Package.json only in case",
    ),
    "descriptor that is a list": (
        lambda: described(b"[]"),
        "codex-package.json of runtime.tar.gz: the whole of it is [], not a table",
    ),
    "descriptor without a version": (
        lambda: described(json.dumps({"target": LINUX.triple}).encode()),
        "codex-package.json of runtime.tar.gz: version is missing",
    ),
    "old and new layout at once": (
        lambda: packed({"bin/codex": b"new", "codex/codex": b"old"}, f"package/vendor/{LINUX.triple}/"),
        "the tree of runtime.tar.gz: the entry 'bin/codex' appears twice",
    ),
    "one path inside and outside of the package directory": (
        lambda: packed({"bin/codex": b"one", f"codex-package-{LINUX.triple}/bin/codex": b"two"}),
        "the tree of runtime.tar.gz: the entry 'bin/codex' appears twice",
    ),
    "paths that differ in case in the tree only": (
        lambda: packed({"BIN/rg": b"one", f"codex-package-{LINUX.triple}/bin/codex": b"two"}),
        "the tree of runtime.tar.gz: the entry 'bin/codex' differs from BIN only in case",
    ),
}


@pytest.mark.parametrize("case", NO_RUNTIMES)
def test_what_is_no_runtime_of_that_target_and_version_is_refused(case: str, place: Surroundings) -> None:
    data, reason = NO_RUNTIMES[case]
    path = place.archive(data())
    with pytest.raises(ArchiveError) as refused:
        unpack_tree(path, "runtime.tar.gz", place.into, layout=LAYOUT, target=LINUX, version=RELEASE)
    assert reason in str(refused.value)
    assert "runtime.tar.gz" in str(refused.value)
    place.check()


# --- What a refusal costs, and what else may go wrong


@cache
def header_bomb(flag: str) -> bytes:
    """As large as an honest archive, so that no ratio stops it: 48 MiB of header for 1 MB of noise."""
    bomb = tar_entry("pax", bytes(48 << 20), flag=flag.encode())
    return gzipped(tar(tar_entry("noise", noise(1_000_000)), bomb, tar_entry("good")))


@pytest.mark.parametrize("flag", ["x", "g", "L"])
def test_a_bomb_in_a_header_is_refused_without_eating_memory(flag: str, reader: str, place: Surroundings) -> None:
    path = place.archive(header_bomb(flag))
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match="an extension header claims 50331648 bytes"):
            unpack(path, "bomb.tar.gz", place.into, lambda name: name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20


BOMBS = {
    "tar": lambda zeros: gzipped(tar(tar_entry("codex", zeros))),
    "zip": lambda zeros: zip_file(Zipped("codex", zeros)),
    "zstd": zstd,
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_by_the_real_limits_without_eating_memory(kind: str, place: Surroundings) -> None:
    path = place.archive(BOMBS[kind](bytes(64 << 20)))
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match="extracts to more than 60 times its"):
            unpack(path, "bomb", place.into, lambda name: name, skip=lambda _: True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20


@pytest.mark.parametrize("case", ["bomb behind the end mark", "gzip cut in half", "parent directory"])
def test_a_refusal_leaves_no_open_file(case: str, place: Surroundings) -> None:
    path = place.archive(hostile_bytes(case))
    with pytest.raises(ArchiveError):
        unpack(path, "hostile", place.into, lambda name: name, limits=CORPUS[case].limits)
    path.unlink()  # which Windows refuses while it is open


class FullDisk(io.RawIOBase):
    """A file on a disk that has room for 1 000 bytes, and so takes the first of a large piece without complaint."""

    def __init__(self) -> None:
        self._room = 1_000

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        if not self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = min(len(data), self._room)
        self._room -= taken
        return taken


@pytest.mark.parametrize("layout", ["package", "single zip", "single zst", "bare"])
def test_a_full_disk_is_no_damaged_archive(layout: str, place: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    large = MACOS  # an executable of more than 4 000 bytes
    made = LAYOUTS[layout](large, VERSION)
    path = place.archive(made.data)
    really_open = Path.open

    def open_full(self: Path, mode: str = "r", buffering: int = -1, **more: Any) -> Any:
        if place.into not in self.parents or "x" not in mode:
            return really_open(self, mode, buffering, **more)
        return FullDisk() if buffering == 0 else io.BufferedWriter(FullDisk())

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(DiskError) as refused:
        unpack_tree(path, made.name, place.into, layout=LAYOUT, target=large, version=RELEASE)
    assert refused.value.what.endswith(f"cannot be written: {os.strerror(errno.ENOSPC)}")
    assert str(place.into) in str(refused.value)


def test_a_file_that_is_in_the_way_is_not_overwritten(place: Surroundings) -> None:
    path = place.archive(packed_runtime())
    (place.into / "bin").mkdir()
    (place.into / "bin" / "codex").write_bytes(b"mine")
    with pytest.raises(DiskError, match=r"bin.codex cannot be written: "):
        unpack_tree(path, "runtime.tar.gz", place.into, layout=LAYOUT, target=LINUX, version=RELEASE)
    assert (place.into / "bin" / "codex").read_bytes() == b"mine"


def test_an_archive_that_is_not_there_is_no_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"gone.tar.gz cannot be read: "):
        unpack(tmp_path / "gone", "gone.tar.gz", tmp_path, lambda name: name)


def test_zstd_without_its_package_says_what_to_do(place: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    made = archives.single_zst(LINUX)
    monkeypatch.setattr(archive, "zstd", None)
    with pytest.raises(ArchiveError, match=r"nor the package backports.zstd is there; use the \.tar\.gz or \.zip"):
        unpack(place.archive(made.data), made.name, place.into, lambda name: name)


# --- Any cut and any flipped byte

PROVEN = ("package", "npm", "single zip", "single zst")
"""The layouts whose format proves its content with a checksum."""


@cache
def proven(layout: str) -> archives.Packed:
    return LAYOUTS[layout](LINUX, VERSION)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Extract:
    """Extracts again and again, and sees to it that nothing else happens."""
    place = Surroundings(tmp_path_factory.mktemp("shared"))

    def extract(data: bytes, name: str) -> dict[str, FileDigest]:
        shutil.rmtree(place.into)
        place.into.mkdir()
        path = place.archive(data)
        try:
            found = unpack(path, name, place.into, lambda name: name)
            assert place.written() == found
            return found
        finally:
            place.check()

    return extract


@settings(max_examples=60, deadline=None)
@given(layout=st.sampled_from(PROVEN), cut=st.floats(0, 1, exclude_max=True))
def test_an_archive_that_ends_anywhere_before_its_end_is_refused(layout: str, cut: float, shared: Extract) -> None:
    made = proven(layout)
    with pytest.raises(ArchiveError):
        shared(made.data[: int(len(made.data) * cut)], made.name)


@settings(max_examples=100, deadline=None)
@given(layout=st.sampled_from(PROVEN), at=st.integers(0, 1 << 20), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_changes_nothing(layout: str, at: int, bit: int, shared: Extract) -> None:
    made = proven(layout)
    at %= len(made.data)
    data = bytearray(made.data)
    data[at] ^= 1 << bit
    try:
        found = shared(bytes(data), made.name)
    except ArchiveError:
        return
    assert found == shared(made.data, made.name)


@cache
def bare_tar() -> bytes:
    """A tar with every kind of header that is read."""
    return tar(
        tar_entry("bin/", flag=b"5"),
        tar_entry("bin/codex", b"codex" * 99),
        pax({"path": "codex-resources/" + "long/" * 30 + "name", "mtime": "1.5"}),
        tar_entry("short", b"pax"),
        pax({"comment": "global"}, flag=b"g"),
        gnu_long_name("codex-resources/" + "longer/" * 30 + "name"),
        tar_entry("short", b"GNU", magic=b"ustar  \0"),
    )


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_tar_and_no_zip_makes_anything_but_files_or_an_archive_error(data: st.DataObject, shared: Extract) -> None:
    zipped = data.draw(st.booleans())
    content = bytearray(proven("single zip").data if zipped else bare_tar())
    # Bytes of headers matter: they are the first hundreds of every block, and the end of a zip.
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.one_of(
                st.binary(max_size=3), st.sampled_from([b"\xff" * 8, b"\x80" + b"\xff" * 11, b"..", b"/", b"7777"])
            )
        )
    if not zipped and data.draw(st.booleans()):
        for at in range(0, len(content) - 511, 512):  # mend the checksums, to get past them
            if content[at + 257 : at + 262] == b"ustar":
                content[at + 148 : at + 156] = b" " * 8
                content[at + 148 : at + 156] = b"%06o\0 " % sum(content[at : at + 512])
    try:
        shared(bytes(content) if zipped else gzipped(bytes(content)), "any")
    except ArchiveError as error:
        assert "any" in str(error)  # noqa: PT017  # not every change does harm


# --- Good archives

TARGETS = CATALOG.targets


def digests(files: Mapping[str, bytes]) -> dict[str, FileDigest]:
    """What files of that content are."""
    return {path: FileDigest(len(data), hashlib.sha256(data).hexdigest()) for path, data in files.items()}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.triple)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_becomes_the_package_layout(layout: str, target: Target, place: Surroundings) -> None:
    made = LAYOUTS[layout](target, VERSION)
    path = place.archive(made.data)
    found = unpack_tree(path, made.name, place.into, layout=LAYOUT, target=target, version=RELEASE)
    place.check()

    described = json.loads((place.into / "codex-package.json").read_bytes())
    assert described == json.loads(archives.descriptor(target))
    own = {path: digest for path, digest in found.items() if path in made.files}
    assert own == digests(made.files)
    assert found.keys() == made.files.keys() | {"codex-package.json"}
    assert list(found) == sorted(found)
    assert place.written() == {path: digest for path, digest in found.items() if not LAYOUT.is_excluded(path)}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.triple)
def test_the_layouts_of_one_release_become_one_tree(target: Target, tmp_path: Path) -> None:
    found = []
    for layout in ("package", "package in a directory", "npm"):
        made = LAYOUTS[layout](target, VERSION)
        place = Surroundings(tmp_path / layout)
        path = place.archive(made.data)
        found.append(unpack_tree(path, made.name, place.into, layout=LAYOUT, target=target, version=RELEASE))
    assert found[0] == found[1] == found[2]


def test_every_way_to_read_gzip_gives_the_same_tree(reader: str, place: Surroundings) -> None:
    made = archives.npm_tarball(LINUX)
    path = place.archive(made.data)
    found = unpack_tree(path, made.name, place.into, layout=LAYOUT, target=LINUX, version=RELEASE)
    assert found == digests(made.files)
    assert place.written().keys() < found.keys()


def test_the_files_of_the_voice_helper_are_hashed_but_not_written(place: Surroundings) -> None:
    made = archives.npm_tarball(LINUX)
    path = place.archive(made.data)
    found = unpack_tree(path, made.name, place.into, layout=LAYOUT, target=LINUX, version=RELEASE)
    voice = {path for path in found if path.startswith("codex-resources/voice/")}
    assert voice == {"codex-resources/voice/bin/codex-voice-host", "codex-resources/voice/manifest.json"}
    assert all(found[path] == digest for path, digest in digests(made.files).items())
    assert not (place.into / "codex-resources" / "voice").exists()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no modes")
@pytest.mark.parametrize("mode", [0o000, 0o444, 0o777, 0o4755, 0o7777])
def test_modes_come_from_roles_whatever_the_archive_says(mode: int, place: Surroundings) -> None:
    files = archives.runtime(LINUX)
    entries = (tar_entry(name, data, mode=mode) for name, data in files.items())
    path = place.archive(gzipped(tar(*entries)))
    found = unpack_tree(path, "runtime.tar.gz", place.into, layout=LAYOUT, target=LINUX, version=RELEASE)
    shipped = {path: digest for path, digest in found.items() if not LAYOUT.is_excluded(path)}
    copy = place.parent / "copy"
    copy_tree(RuntimeTree(place.into, shipped), copy, LAYOUT)
    modes = {path: stat.S_IMODE((copy / path).stat().st_mode) for path in shipped}
    assert modes == {
        "bin/codex": 0o755,
        "bin/codex-code-mode-host": 0o755,
        "codex-path/rg": 0o755,
        "codex-resources/bwrap": 0o755,
        "codex-package.json": 0o644,
    }
    assert read_tree(copy, Expected(LAYOUT, LINUX, RELEASE)).files == shipped


FORMATS = {"ustar": tarfile.USTAR_FORMAT, "GNU": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


@pytest.mark.parametrize("kind", FORMATS)
def test_the_tars_of_a_maintained_writer_are_read_as_it_meant_them(kind: str, reader: str, place: Surroundings) -> None:
    files = {
        "short": b"x" * 1_000,
        "empty": b"",
        "block": b"x" * 512,
        "directory/" * 11 + "a path of more than 100 characters": b"long",
        "d" * 60 + "/" + "n" * 80: b"a prefix",
    }
    if kind != "ustar":
        files |= {"directory/" * 28 + "a path of more than 255 characters": b"longer", "p\xe4th": b"not ASCII"}
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz", format=FORMATS[kind], pax_headers={"comment": "x"}) as made:
        directory = tarfile.TarInfo("directory")
        directory.type = tarfile.DIRTYPE
        made.addfile(directory)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1.5 if kind == "pax" else 1
            made.addfile(info, io.BytesIO(data))
    path = place.archive(written.getvalue())
    assert unpack(path, "x.tar.gz", place.into, lambda name: name) == digests(files)
    place.check()


def test_a_size_in_base_256_is_read(place: Surroundings) -> None:
    path = place.archive(gzipped(tar(tar_entry("codex", b"12345", size=b"\x80" + (5).to_bytes(11, "big")))))
    assert unpack(path, "x.tar.gz", place.into, lambda name: name)["codex"].size == 5


def test_a_tar_of_before_posix_is_read(place: Surroundings) -> None:
    entries = [tar_entry("bin/", flag=b"\0", magic=bytes(8)), tar_entry("bin/codex", b"x", flag=b"\0", magic=bytes(8))]
    path = place.archive(gzipped(tar(*entries)))
    assert list(unpack(path, "x.tar.gz", place.into, lambda name: name)) == ["bin/codex"]


def test_zero_bytes_behind_tar_and_gzip_are_padding(reader: str, place: Surroundings) -> None:
    path = place.archive(gzipped(tar(tar_entry("codex", b"x"), end=bytes(10_240))) + bytes(512))
    assert list(unpack(path, "x.tar.gz", place.into, lambda name: name)) == ["codex"]


def test_a_gzip_of_several_members_is_one_stream(reader: str, place: Surroundings) -> None:
    data = tar(tar_entry("codex", noise(9_000)))
    path = place.archive(gzipped(data[:1_000]) + gzipped(b"") + gzipped(data[1_000:]))
    assert unpack(path, "x.tar.gz", place.into, lambda name: name)["codex"].size == 9_000


def test_a_zstd_of_several_frames_is_one_stream(place: Surroundings) -> None:
    data = archives.executable(LINUX) + noise(200_000)
    skippable = struct.pack("<II", 0x184D2A50, 4) + b"skip"
    path = place.archive(zstd(data[:70_000]) + skippable + zstd(b"") + zstd(data[70_000:]))
    found = unpack(path, "codex.zst", place.into, lambda name: name)
    assert found == digests({"codex": data})


def test_the_zips_of_a_maintained_writer_are_read_as_it_meant_them(place: Surroundings) -> None:
    files = {"bin/codex.exe": noise(3_000_000), "empty": b"", "p\xe4th": b"not ASCII", "stored": b"x"}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("bin/", b"")
        for name, data in files.items():
            made.writestr(name, data, zipfile.ZIP_STORED if name == "stored" else zipfile.ZIP_DEFLATED)
        made.comment = b"a comment"
    path = place.archive(written.getvalue())
    assert unpack(path, "x.zip", place.into, lambda name: name) == digests(files)
    place.check()


def test_what_is_dropped_is_neither_written_nor_reported(place: Surroundings) -> None:
    path = place.archive(hostile_tar(tar_entry("big", noise(3_000_000)), tar_entry("bin/codex", b"x")))
    found = unpack(path, "x.tar.gz", place.into, lambda name: name if name.startswith("bin/") else None)
    assert found.keys() == place.written().keys() == {"bin/codex"}
