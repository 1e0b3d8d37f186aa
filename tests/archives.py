"""Archives of fake runtimes in every shape that sources serve, and archives that no honest tool writes.

A fake runtime has the files of a real one, made of the small executables of `executables`; each file is different.
The writers of tar and zip are our own, from POSIX.1 and PKZIP's APPNOTE: the standard library's refuse to lie.
"""

from __future__ import annotations

import gzip
import json
import stat
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import executables

from codex_release.facts.targets import Catalog
from codex_release.runtime import archive
from codex_release.runtime.archive import DirectorySink, stream
from codex_release.runtime.tree import Expected, stream_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codex_release.base.digests import FileDigest
    from codex_release.facts.targets import Target

__all__ = [
    "CATALOG",
    "LAYOUTS",
    "VERSION",
    "Packed",
    "Zipped",
    "bare",
    "descriptor",
    "executable",
    "gnu_long_name",
    "gzipped",
    "npm_old",
    "npm_tarball",
    "package_tar",
    "package_tar_in_directory",
    "pax",
    "runtime",
    "single_tar",
    "single_zip",
    "single_zst",
    "tar",
    "tar_entry",
    "unpack",
    "unpack_tree",
    "zip_file",
    "zstd",
]

CATALOG = Catalog.load(Path(__file__).parents[1] / "release" / "targets.toml")
VERSION = "0.169.0"
OLDER = "0.168.0"

_BLOCK = 512


def unpack(path: Path, name: str, into: Path, place: Callable[[str], str | None], **more: Any) -> dict[str, FileDigest]:
    """Extract an archive into an empty directory; see `stream`."""
    return stream(path, name, DirectorySink(into), place, **more)


def unpack_tree(path: Path, name: str, into: Path, **facts: Any) -> dict[str, FileDigest]:
    """Extract an archive as a tree into an empty directory; see `stream_tree`."""
    return stream_tree(path, name, DirectorySink(into), Expected(**facts))


@dataclass(frozen=True)
class Packed:
    """An archive.

    Attributes:
        name: its file name at its source.
        data: its bytes.
        files: the files of its runtime, by their path in the tree; the descriptor only if it is in the archive.
    """

    name: str
    data: bytes
    files: Mapping[str, bytes]


# --- Runtimes


def executable(target: Target, mark: str = "", *, newer: bool = False) -> bytes:
    """A small executable for a target.

    Args:
        target: what it is for.
        mark: text at its end, behind what its headers speak of; makes it different from others.
        newer: whether it needs a newer system than Codex itself: a glibc, or macOS 14.
    """
    loader = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1"}[target.machine]
    oldest = (10, 12) if target.machine == "x86_64" else (11, 0)
    if target.format == "mach-o":  # nothing may follow its signature
        version = (14, 0) if newer else oldest
        is_new = target.machine != "x86_64"
        return executables.macho(target.machine, minos=version, build_version=is_new, text=mark.encode())
    if target.format == "pe":
        return executables.pe(target.machine) + mark.encode()
    return (
        executables.elf(target.machine, interpreter=loader if newer else None, glibc=["2.18"] * newer) + mark.encode()
    )


def descriptor(target: Target, version: str = VERSION) -> bytes:
    """The ``codex-package.json`` of a runtime."""
    described = {
        "layoutVersion": 1,
        "version": version,
        "target": target.triple,
        "variant": "codex",
        "entrypoint": f"bin/codex{target.exe}",
        "resourcesDir": "codex-resources",
        "pathDir": "codex-path",
    }
    return json.dumps(described, indent=2).encode() + b"\n"


def runtime(target: Target, version: str = VERSION) -> dict[str, bytes]:
    """The files of a runtime in package layout, by path; the ones of the voice helper included.

    As in real ones, the aarch64 Linux ``rg`` needs glibc, and the voice helper a newer system than the rest.
    """
    exe = target.exe
    resources = {"elf": ["bwrap"], "mach-o": [], "pe": ["codex-command-runner.exe", "codex-windows-sandbox-setup.exe"]}
    programs = [
        f"bin/codex{exe}",
        f"bin/codex-code-mode-host{exe}",
        f"codex-path/rg{exe}",
        *(f"codex-resources/{name}" for name in resources[target.format]),
    ]
    glibc_only = {"codex-path/rg"} if target.triple == "aarch64-unknown-linux-musl" else set[str]()
    voice = f"codex-resources/voice/bin/codex-voice-host{exe}"
    return {
        **{path: executable(target, path, newer=path in glibc_only) for path in programs},
        voice: executable(target, voice, newer=True),
        "codex-resources/voice/manifest.json": b"{}",
        "codex-package.json": descriptor(target, version),
    }


# --- Archives as sources serve them


def package_tar(target: Target, version: str = VERSION) -> Packed:
    """GitHub's package archive."""
    files = runtime(target, version)
    directories = {f"{path.rpartition('/')[0]}/" for path in files if "/" in path}
    entries = [*(tar_entry(path, flag=b"5", mode=0o755) for path in sorted(directories)), *_plain(files)]
    return Packed(f"codex-package-{target.triple}.tar.gz", gzipped(tar(*entries)), files)


def package_tar_in_directory(target: Target, version: str = VERSION) -> Packed:
    """The package archive with everything in one directory."""
    files = runtime(target, version)
    top = f"codex-package-{target.triple}"
    entries = _plain({f"./{top}/{path}": data for path, data in files.items()})
    return Packed(f"{top}.tar.gz", gzipped(tar(tar_entry(f"./{top}", flag=b"5"), *entries)), files)


def npm_tarball(target: Target, version: str = VERSION) -> Packed:
    """The npm platform package, as it is since the package layout."""
    files = runtime(target, version)
    return Packed(f"codex-{version}-{target.npm}.tgz", _npm(target, files), files)


def npm_old(target: Target, version: str = VERSION) -> Packed:
    """The npm platform package of before the package layout: two executables, no descriptor."""
    exe = target.exe
    files = {path: data for path, data in runtime(target).items() if path in (f"bin/codex{exe}", f"codex-path/rg{exe}")}
    old_names = {f"bin/codex{exe}": f"codex/codex{exe}", f"codex-path/rg{exe}": f"path/rg{exe}"}
    packed = _npm(target, {old_names[path]: data for path, data in files.items()})
    return Packed(f"codex-{version}-{target.npm}.tgz", packed, files)


def single_tar(target: Target, version: str = VERSION) -> Packed:
    """GitHub's tar of one executable."""
    path, data = _lone(target)
    name = f"codex-{target.triple}"
    return Packed(f"{name}.tar.gz", gzipped(tar(tar_entry(name + target.exe, data, mode=0o755))), {path: data})


def single_zip(target: Target, version: str = VERSION) -> Packed:
    """GitHub's zip of one executable."""
    path, data = _lone(target)
    name = f"codex-{target.triple}{target.exe}"
    return Packed(f"{name}.zip", zip_file(Zipped(name, data)), {path: data})


def single_zst(target: Target, version: str = VERSION) -> Packed:
    """GitHub's zstd file of one executable."""
    path, data = _lone(target)
    return Packed(f"codex-{target.triple}{target.exe}.zst", zstd(data), {path: data})


def bare(target: Target, version: str = VERSION) -> Packed:
    """One executable and nothing around it."""
    path, data = _lone(target)
    return Packed(f"codex-{target.triple}{target.exe}", data, {path: data})


LAYOUTS: Mapping[str, Callable[[Target, str], Packed]] = {
    "package": package_tar,
    "package in a directory": package_tar_in_directory,
    "npm": npm_tarball,
    "old npm": npm_old,
    "single tar": single_tar,
    "single zip": single_zip,
    "single zst": single_zst,
    "bare": bare,
}
"""Every shape an archive of a target and version can have."""


# --- Writing tar


def tar(*entries: bytes, end: bytes = bytes(2 * _BLOCK)) -> bytes:
    """A tar of what `tar_entry`, `pax` and `gnu_long_name` give, and its end mark."""
    return b"".join(entries) + end


def tar_entry(
    name: str | bytes,
    data: bytes = b"",
    *,
    flag: bytes = b"0",
    size: int | bytes | None = None,
    mode: int = 0o644,
    link: str = "",
    prefix: str = "",
    magic: bytes = b"ustar\x0000",
    checksum: int | None = None,
) -> bytes:
    """A header block and its data (POSIX.1-1988, ustar).

    Args:
        name: at most 100 bytes.
        data: filled up to whole blocks.
        flag: the kind of entry: ``0`` file, ``1`` hard link, ``2`` symbolic link, ``5`` directory, …
        size: what the header claims, or the bytes of its size field; the size of `data` if not given.
        mode: permission bits.
        link: where a link leads.
        prefix: what comes before the name.
        magic: the header's format and version.
        checksum: of the header; the right one if not given.
    """
    name = name.encode() if isinstance(name, str) else name
    assert len(name) <= 100, "a longer name needs an extension header"
    claimed = len(data) if size is None else size
    header = bytearray(
        struct.pack(
            "100s8s8s8s12s12s8ss100s8s32s32s8s8s155s12x",
            name,
            b"%07o" % mode,
            b"%07o" % 0,
            b"%07o" % 0,
            b"%011o" % claimed if isinstance(claimed, int) else claimed,
            b"%011o" % 0,
            b" " * 8,
            flag,
            link.encode(),
            magic,
            b"root",
            b"root",
            b"%07o" % 0,
            b"%07o" % 0,
            prefix.encode(),
        )
    )
    header[148:156] = b"%06o\0 " % (sum(header) if checksum is None else checksum)
    return bytes(header) + data + bytes(-len(data) % _BLOCK)


def pax(records: Mapping[str, str | bytes], *, flag: bytes = b"x") -> bytes:
    """An extension header for the entry behind it, or with flag ``g`` for all (POSIX.1-2001)."""
    body = b""
    for key, value in records.items():
        record = b" %s=%s\n" % (key.encode(), value.encode() if isinstance(value, str) else value)
        length = len(record) + 1
        while len(b"%d" % length) + len(record) != length:
            length += 1
        body += b"%d" % length + record
    return tar_entry("pax", body, flag=flag)


def gnu_long_name(name: str) -> bytes:
    """GNU tar's header with a long name for the entry behind it."""
    return tar_entry("././@LongLink", name.encode() + b"\0", flag=b"L", magic=b"ustar  \0")


def gzipped(data: bytes) -> bytes:
    """A gzip file."""
    return gzip.compress(data, 1, mtime=0)


def zstd(data: bytes) -> bytes:
    """A zstd file with a checksum, as the ``zstd`` program writes it."""
    library: Any = archive.zstd
    compressed: bytes = library.compress(data, options={library.CompressionParameter.checksum_flag: 1})
    return compressed


# --- Writing zip


@dataclass(frozen=True)
class Zipped:
    """One entry of a zip; what is `None` is told truly.

    Attributes:
        name: its path.
        data: its bytes before compression.
        method: 8 for deflate, 0 for stored; anything else is only claimed.
        flags: general purpose bits; 0x1 says encrypted.
        mode: Unix file type and permission bits.
        size: the size it claims to have, in bytes.
        crc32: the checksum it claims to have.
        local_name: its path in the header before the data.
    """

    name: str
    data: bytes = b""
    method: int = 8
    flags: int = 0
    mode: int = stat.S_IFREG | 0o644
    size: int | None = None
    crc32: int | None = None
    local_name: str | None = None


def zip_file(*entries: Zipped, comment: bytes = b"") -> bytes:
    """A zip (PKZIP APPNOTE 6.3), made by Unix."""
    data, directory = bytearray(), bytearray()
    for entry in entries:
        packed = _deflated(entry.data) if entry.method == 8 else entry.data
        crc32 = zlib.crc32(entry.data) if entry.crc32 is None else entry.crc32
        size = len(entry.data) if entry.size is None else entry.size
        flags = entry.flags | 0x800  # names are UTF-8
        name = entry.name.encode()
        local_name = name if entry.local_name is None else entry.local_name.encode()
        common = struct.pack("<HHHHIII", flags, entry.method, 0, 0x21, crc32, len(packed), size)
        offset = len(data)
        data += (
            b"PK\3\4" + struct.pack("<H", 20) + common + struct.pack("<HH", len(local_name), 0) + local_name + packed
        )
        directory += b"PK\1\2" + struct.pack("<HH", 3 << 8 | 20, 20) + common
        directory += struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, entry.mode << 16, offset) + name
    counts = struct.pack("<HHHH", 0, 0, len(entries), len(entries))
    end = b"PK\5\6" + counts + struct.pack("<IIH", len(directory), len(data), len(comment)) + comment
    return bytes(data + directory + end)


def _plain(files: Mapping[str, bytes]) -> list[bytes]:
    """Files as tar entries; those with executables are marked so, as sources do."""
    return [tar_entry(path, data, mode=0o755 if "bin/" in path else 0o644) for path, data in files.items()]


def _npm(target: Target, files: Mapping[str, bytes]) -> bytes:
    """An npm tarball: the files in the vendor directory, and what npm puts beside it."""
    beside = {"package/package.json": b"{}", "package/README.md": b"# Codex"}
    vendor = {f"package/vendor/{target.triple}/{path}": data for path, data in files.items()}
    return gzipped(tar(*_plain({**vendor, **beside})))


def _lone(target: Target) -> tuple[str, bytes]:
    """Codex itself, by its path in the tree."""
    path = f"bin/codex{target.exe}"
    return path, runtime(target)[path]


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()
