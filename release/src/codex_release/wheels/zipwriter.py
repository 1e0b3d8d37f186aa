"""Writing a zip of entries that are compressed already, the same bytes on every machine.

The standard library's writer compresses as it writes, with zlib and on one core. This one takes finished deflate
streams (PKZIP APPNOTE 6.3): no data descriptors and no Zip64, which package indexes refuse or older tools cannot
read; a fixed date, fixed modes, "made by Unix" on every host.
"""

from __future__ import annotations

import hashlib
import stat
import struct
import time
from dataclasses import dataclass
from typing import IO

from codex_release.base.digests import FileDigest
from codex_release.base.errors import BuildError

__all__ = ["Compressed", "ZipWriter", "dos_time"]

STORED, DEFLATED = 0, 8
_UNIX = 3
_VERSION = 20  # deflate and directories
_UTF8 = 0x800
_ZIP_LIMIT = 0xFFFFFFFF
_ENTRY_LIMIT = 0xFFFF
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")


@dataclass(frozen=True)
class Compressed:
    """The bytes of one entry, ready to be written.

    Attributes:
        method: 0 (stored) or 8 (deflate).
        crc32: of the uncompressed bytes.
        size: of the uncompressed bytes.
        data: what goes into the zip.
    """

    method: int
    crc32: int
    size: int
    data: bytes | bytearray | memoryview


def dos_time(epoch: int) -> tuple[int, int]:
    """A moment (seconds since 1970, UTC) as the date and time words of a zip, which begin in 1980."""
    moment = time.gmtime(max(epoch, 315532800))
    return (
        (moment.tm_year - 1980) << 9 | moment.tm_mon << 5 | moment.tm_mday,
        moment.tm_hour << 11 | moment.tm_min << 5 | moment.tm_sec // 2,
    )


class ZipWriter:
    """Writes entries one after another, then the directory.

    Args:
        file: open for writing, empty.
        epoch: the date of every entry, in seconds since 1970.
    """

    def __init__(self, file: IO[bytes], epoch: int) -> None:
        self._file = file
        self._date, self._time = dos_time(epoch)
        self._offset = 0
        self._sha256 = hashlib.sha256()
        self._directory: list[bytes] = []

    def add(self, name: str, mode: int, entry: Compressed) -> None:
        """Write one file with its permission bits.

        Raises:
            BuildError: if it does not fit into a zip without Zip64.
        """
        encoded = name.encode("utf-8")
        flags = 0 if name.isascii() else _UTF8
        size = len(entry.data)
        if max(entry.size, size, self._offset + size + 1024) >= _ZIP_LIMIT or len(self._directory) >= _ENTRY_LIMIT:
            raise BuildError(
                f"{name} does not fit: a wheel may hold 65,535 files in 4 GiB",
                remedy="leave files out with a pattern in release/targets.toml, [layout] excluded",
            )
        common = (_VERSION, flags, entry.method, self._time, self._date, entry.crc32, size, entry.size, len(encoded), 0)
        attributes = (stat.S_IFREG | mode) << 16
        self._directory.append(
            _CENTRAL.pack(b"PK\x01\x02", _UNIX << 8 | _VERSION, *common, 0, 0, 0, attributes, self._offset) + encoded
        )
        self._write(_LOCAL.pack(b"PK\x03\x04", *common) + encoded)
        self._write(entry.data)

    def close(self) -> FileDigest:
        """Write the directory and say what the whole zip is; the file stays open."""
        begin = self._offset
        for entry in self._directory:
            self._write(entry)
        count = len(self._directory)
        self._write(_END.pack(b"PK\x05\x06", 0, 0, count, count, self._offset - begin, begin, 0))
        return FileDigest(self._offset, self._sha256.hexdigest())

    def _write(self, data: bytes | bytearray | memoryview) -> None:
        self._file.write(data)
        self._sha256.update(data)
        self._offset += len(data)
