"""Reading a finished wheel (PEP 427): its name, entries, RECORD and metadata. It judges nothing."""

from __future__ import annotations

import configparser
import email.parser
import errno
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import IO, TYPE_CHECKING, Any

from packaging.utils import BuildTag, InvalidWheelFilename, parse_wheel_filename

from codex_release.base.digests import CHUNK
from codex_release.base.errors import CheckError
from codex_release.runtime.archive import isal_zlib
from codex_release.wheels.record import RecordRow, parse_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from email.message import Message
    from pathlib import Path

    from packaging.tags import Tag
    from packaging.version import Version
    from typing_extensions import Self

__all__ = ["DAMAGED", "WheelFile", "read_entry_points", "read_headers", "told"]

DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    NotImplementedError,  # a method or a version that zipfile does not know
    RuntimeError,  # an entry that says it is encrypted
    ValueError,  # names that are no text
    *((isal_zlib.error,) if isal_zlib else ()),
)
"""What `zipfile` and isal raise for a zip that is no longer what was written, or that cannot be read here."""


_HEADER = struct.Struct("<4s3H4x3I2H")
"""An entry's own header but for its date: its mark, the version to read it with, flags, method, checksum, both sizes,
and how long the name and the extra field behind it are (APPNOTE 4.3.7)."""
_IN_DIRECTORY = 46
"""How long an entry of the directory is without its name, in bytes (APPNOTE 4.3.12)."""
_END = struct.Struct("<4s4H2IH")
"""The end of the directory: its mark, two numbers of disks, how many entries there are here and altogether, the
directory's size and place, and the length of a comment (APPNOTE 4.3.16)."""
_MOST_METADATA = 32 << 20
"""The largest file that is read at once, in bytes; the client's RECORD has some 20 kB."""


@dataclass
class WheelFile:
    """An open wheel.

    Attributes:
        path: where it lies.
        distribution: the project's normalized name.
        version: the project's version.
        build: its build number; empty if it has none, as it should.
        tags: every tag its name stands for.
    """

    path: Path
    distribution: str
    version: Version
    build: BuildTag
    tags: frozenset[Tag]
    zip: zipfile.ZipFile = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> WheelFile:
        """Open a wheel.

        Raises:
            CheckError: if its name is no wheel's (PEP 427; tag sets sorted, PEP 425), or it is no zip.
        """
        try:
            name, version, build, tags = parse_wheel_filename(path.name, validate_order=True)
            return cls(path, name, version, build, tags, zipfile.ZipFile(path))
        except InvalidWheelFilename as error:
            raise CheckError(f"{path} does not have a wheel's name: {error}") from error
        except DAMAGED as error:
            raise CheckError(f"{path} cannot be read as a wheel: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.zip.close()

    @cached_property
    def names(self) -> list[str]:
        """The names of all entries, in the zip's order, duplicates included."""
        return [info.orig_filename for info in self.zip.infolist()]

    @cached_property
    def dist_info(self) -> str:
        """The metadata directory, with a slash at the end.

        Raises:
            CheckError: if there is not exactly one.
        """
        found = {name.partition("/")[0] for name in self.names if ".dist-info/" in name}
        if len(found) != 1:
            raise CheckError(f"{self.path.name} has {len(found)} dist-info directories, not one")
        return f"{found.pop()}/"

    @cached_property
    def record(self) -> Mapping[str, RecordRow]:
        """What RECORD says of each file."""
        try:
            return parse_record(self.read(f"{self.dist_info}RECORD").decode("utf-8"))
        except ValueError as error:
            raise CheckError(f"RECORD of {self.path.name} cannot be read: {error}") from error

    @cached_property
    def metadata(self) -> Message:
        """The project's metadata (the METADATA file)."""
        return read_headers(self.read(f"{self.dist_info}METADATA"))

    @cached_property
    def wheel(self) -> Message:
        """The wheel's own metadata (the WHEEL file)."""
        return read_headers(self.read(f"{self.dist_info}WHEEL"))

    @property
    def has_gaps(self) -> bool:
        """Whether it holds bytes that are neither an entry nor the directory of all, which zip tools pass over.

        Those may stand between the entries, in fields that a zip has for what is not known yet, or in comments.

        Raises:
            Exception: one of `DAMAGED`.
        """
        end = directory = 0
        with self.path.open("rb") as file:
            for info in sorted(self.zip.infolist(), key=lambda each: each.header_offset):
                *_, name, extra = self._header(info, file)
                if info.header_offset != end or extra or info.extra or info.comment:
                    return True
                end += _HEADER.size + name + info.compress_size
                directory += _IN_DIRECTORY + name
            count = len(self.zip.infolist())
            file.seek(end + directory)
            return file.read(_END.size + 1) != _END.pack(b"PK\5\6", 0, 0, count, count, directory, end, 0)

    @property
    def contradictions(self) -> list[str]:
        """The entries whose own headers say otherwise than the directory: installers go by the one or by the other.

        Raises:
            Exception: one of `DAMAGED`.
        """
        with self.path.open("rb") as file:
            return [info.orig_filename for info in self.zip.infolist() if self._header(info, file)[:7] != _listed(info)]

    def chunks(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """The bytes of an entry, one piece after another, held to its size and checksum.

        What is deflated is read by isal where that is installed, in half of `zipfile`'s time.

        Raises:
            Exception: one of `DAMAGED`.
        """
        size = 0
        with self.zip.open(info) as source:  # which looks whether the entry's own header says the same
            if info.compress_type == zipfile.ZIP_DEFLATED:
                pieces = self._inflated(info)
            elif info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
                raise zipfile.BadZipFile(f"it is stored, and has {info.compress_size} bytes, not {info.file_size}")
            else:
                pieces = iter(partial(source.read, CHUNK), b"")
            for piece in pieces:
                size += len(piece)
                if size > info.file_size:
                    break
                yield piece
        if size != info.file_size:
            raise zipfile.BadZipFile(f"it is not the {info.file_size} bytes that it is said to be")

    def _inflated(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """A deflated entry, held to its checksum; `zipfile` would pass over bytes behind its end."""
        library = isal_zlib or zlib
        inflater, crc32, left = library.decompressobj(-zlib.MAX_WBITS), 0, info.compress_size
        with self.path.open("rb") as file:
            *_, name, extra = self._header(info, file)
            file.seek(name + extra, os.SEEK_CUR)
            while not inflater.eof:
                data = inflater.unconsumed_tail
                if not data:
                    data = file.read(min(left, CHUNK))
                    left -= len(data)
                if piece := inflater.decompress(data, CHUNK):
                    crc32 = library.crc32(piece, crc32)
                    yield piece
                elif not data and not inflater.eof:
                    raise EOFError("it ends too early")
        if left or inflater.unused_data:
            raise zipfile.BadZipFile("there are bytes behind its end")
        if crc32 != info.CRC:
            raise zipfile.BadZipFile(f"its checksum is not {info.CRC:08x}")

    def _header(self, info: zipfile.ZipInfo, file: IO[bytes]) -> tuple[Any, ...]:
        """An entry's own header; what is read next from the file is its name."""
        file.seek(info.header_offset)
        return _HEADER.unpack(file.read(_HEADER.size))

    def read(self, name: str) -> bytes:
        """One small file.

        Raises:
            CheckError: if it is missing or damaged.
        """
        try:
            if (size := self.zip.getinfo(name).file_size) > _MOST_METADATA:
                raise CheckError(f"{name} of {self.path.name} has {size} bytes, more than {_MOST_METADATA}")
            return self.zip.read(name)
        except KeyError:
            raise CheckError(f"{self.path.name} has no {name}") from None
        except DAMAGED as error:
            raise CheckError(f"{name} of {self.path.name} cannot be read: {error}") from error


def _listed(info: zipfile.ZipInfo) -> tuple[object, ...]:
    """What the directory says of an entry, as the entry's own header should."""
    sizes = (info.compress_size, info.file_size)
    return (b"PK\3\4", info.extract_version, info.flag_bits, info.compress_type, info.CRC, *sizes)


def told(error: Exception) -> str:
    """What one of `DAMAGED` means for what was to be read; a full disk, say, is no damage."""
    if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:  # the latter: a place before its start
        return f"cannot be read here: {error.strerror}"
    return f"is damaged: {error}"


def read_headers(content: bytes) -> Message:
    """Parse metadata in its e-mail form (PEP 566), names and values as they stand."""
    return email.parser.BytesParser().parsebytes(content)


def read_entry_points(text: str) -> dict[str, dict[str, str]]:
    """Entry points by group and name (the entry points specification).

    Raises:
        configparser.Error: if they are none.
    """
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign,assignment]  # names keep their case
    parser.read_string(text)
    return {group: dict(parser[group]) for group in parser.sections()}
