"""ELF, the executables of Linux: 64-bit, little-endian ones; others are refused by name.

Rules come from the System V gABI (chapters 4 "Object Files" and 5 "Program Loading and Dynamic Linking") and, for
symbol versions, from the Linux Standard Base Core ("Symbol Versioning"). Only what the loaders read is believed: the
program headers and the dynamic segment. Sections may be stripped; their table counts only as a part of the file.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import TYPE_CHECKING

from codex_release.runtime.headers.reader import MOST, Executable, Span, machine_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["read", "recognizes"]

_IDENT = Struct("<4xBB10x")  # class, byte order
# Elf64_Ehdr after e_ident: type, machine; offsets of program and section headers; size and number of either.
_HEADER = Struct("<HH12xQQ6xHHHH2x")
_SEGMENT = Struct("<I4xQQ8xQ16x")  # Elf64_Phdr: type, file offset, address, bytes in the file
_SECTION_SIZE = Struct("<Q")  # sh_size, at byte 32 of an Elf64_Shdr
_DYNAMIC = Struct("<QQ")  # Elf64_Dyn: tag, value
_VERNEED = Struct("<H6xII")  # Elf64_Verneed: revision, the way to its first name, the way to the next library
_VERNAUX = Struct("<8xII")  # Elf64_Vernaux: offset of the name, the way to the next one

_CLASS_32, _CLASS_64 = 1, 2
_LITTLE_ENDIAN, _BIG_ENDIAN = 1, 2
_ET_EXEC, _ET_DYN = 2, 3
_PT_NULL, _PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 0, 1, 2, 3
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_VERNEED = 0, 1, 5, 10, 0x6FFFFFFE

_MACHINES = {3: "i386", 21: "ppc64", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}

_GLIBC = re.compile(r"GLIBC_(\d{1,4})\.(\d{1,4})(?:\.\d{1,4})*", re.ASCII)
# A name that stands for no symbol but for a feature of the dynamic linker, by the glibc that brought it.
_GLIBC_FEATURES = {"GLIBC_ABI_DT_RELR": (2, 36)}
_GLIBC_INTERNAL = "GLIBC_PRIVATE"  # for glibc's own libraries; says nothing about its version

_Segments = dict[int, list[tuple[int, int, int]]]  # by type: file offset, address, bytes in the file


def recognizes(head: bytes) -> bool:
    """Whether a file that begins so claims to be ELF."""
    return head.startswith(b"\x7fELF")


def read(image: Span) -> Executable:
    """The facts of an ELF file.

    Raises:
        InspectError: if it is damaged, truncated, of another class or byte order, or neither program nor library.
    """
    width, order = image.unpack(_IDENT, 0, "ELF header")
    if (width, order) != (_CLASS_64, _LITTLE_ENDIAN):
        bits = {_CLASS_32: "32-bit", _CLASS_64: "64-bit"}.get(width, f"class {width}")
        endian = {_LITTLE_ENDIAN: "little-endian", _BIG_ENDIAN: "big-endian"}.get(order, f"byte order {order}")
        raise image.refusal(f"is a {bits} {endian} ELF file, and only 64-bit little-endian ones are read")
    kind, machine, segments_at, sections_at, *counts = image.unpack(_HEADER, _IDENT.size, "ELF header")
    segment_size, segment_count, section_size, section_count = counts
    if kind not in (_ET_EXEC, _ET_DYN):
        raise image.refusal(f"is an ELF file of type {kind}, neither a program nor a library")
    _claim_sections(image, sections_at, section_size, section_count)
    segments = _segments(image, segments_at, segment_size, segment_count)

    interpreter = None
    for offset, _, size in segments.get(_PT_INTERP, ())[:1]:
        interpreter = image.part(offset, size, "interpreter").text(0, "interpreter")
    needed, glibc = _dynamic(image, segments)
    return Executable(
        format="elf",
        machines=(machine_name(machine, _MACHINES),),
        static=interpreter is None and not needed,
        interpreter=interpreter,
        glibc=glibc,
        needed=needed,
    )


def _claim_sections(image: Span, offset: int, size: int, count: int) -> None:
    """The section header table ends most files, so this is what notices a file cut short (gABI, "ELF Header")."""
    if offset and not count:
        # With 0xff00 sections or more their number is in the first one's sh_size.
        count = image.unpack(_SECTION_SIZE, offset + 32, "section header table")[0]
    image.claim(offset, size * count, "section header table")


def _segments(image: Span, offset: int, size: int, count: int) -> _Segments:
    """The program headers by type, each held to what it says about the file (gABI, "Program Header")."""
    if not count or size != _SEGMENT.size:
        raise image.damage(f"it has {count} program headers of {size} bytes")
    segments: _Segments = {}
    for kind, at, address, length in image.table(_SEGMENT, offset, count, "program header table"):
        if kind != _PT_NULL:  # an unused entry, its other fields mean nothing
            image.claim(at, length, f"segment of type {kind:#x}")
            segments.setdefault(kind, []).append((at, address, length))
    return segments


def _dynamic(image: Span, segments: _Segments) -> tuple[tuple[str, ...], tuple[int, int] | None]:
    """DT_NEEDED and the largest glibc version of DT_VERNEED (gABI, "Dynamic Section")."""
    entries: dict[int, list[int]] = {}
    for offset, _, size in segments.get(_PT_DYNAMIC, ())[:1]:
        count = size // _DYNAMIC.size
        for tag, value in image.table(_DYNAMIC, offset, count, "dynamic segment"):
            if tag == _DT_NULL:
                break
            entries.setdefault(tag, []).append(value)
    if _DT_NEEDED not in entries and _DT_VERNEED not in entries:
        return (), None
    for tag in (_DT_STRTAB, _DT_STRSZ):
        if tag not in entries:
            raise image.damage(f"its dynamic segment names libraries but has no tag {tag}")
    strings = _mapped(image, segments, entries[_DT_STRTAB][0], "dynamic string table")
    strings = strings.part(0, entries[_DT_STRSZ][0], "dynamic string table")
    needed = tuple(strings.text(offset, "needed library") for offset in entries.get(_DT_NEEDED, ()))
    versions: list[tuple[int, int]] = []
    for address in entries.get(_DT_VERNEED, ())[:1]:
        table = _mapped(image, segments, address, "version table")
        versions += _glibc_versions(image, _version_names(table, strings))
    return needed, max(versions, default=None)


def _mapped(image: Span, segments: _Segments, address: int, what: str) -> Span:
    """From an address to the end of the PT_LOAD segment that holds it."""
    for offset, start, size in segments.get(_PT_LOAD, ()):
        if start <= address < start + size:
            skipped = address - start
            return image.part(offset + skipped, size - skipped, what)
    raise image.damage(f"its {what} is at address {address:#x}, which no segment holds")


def _version_names(table: Span, strings: Span) -> Iterator[str]:
    """Every version name of a DT_VERNEED table, whichever library it is asked of, weak references too (LSB).

    Like the dynamic linker this follows both chains to their zero and asks no count.
    """
    library, steps = 0, 0
    while True:
        revision, first, following = table.unpack(_VERNEED, library, "version table")
        if revision != 1:
            raise table.damage(f"its version table is of revision {revision}")
        name = library + first
        while True:
            text, next_name = table.unpack(_VERNAUX, name, "version table")
            yield strings.text(text, "version name")
            steps += 1
            if steps > MOST:
                raise table.damage(f"its version table has more than {MOST} entries")
            if not next_name:
                break
            name += next_name
        if not following:
            return
        library += following


def _glibc_versions(image: Span, names: Iterable[str]) -> list[tuple[int, int]]:
    """The glibc versions among version names; a third part, as in GLIBC_2.2.5, is dropped.

    Raises:
        InspectError: on a name of glibc that says nothing known: passing over it would promise too old a glibc.
    """
    versions = []
    for name in names:
        match = _GLIBC.fullmatch(name)
        if match:
            versions.append((int(match[1]), int(match[2])))
        elif name in _GLIBC_FEATURES:
            versions.append(_GLIBC_FEATURES[name])
        elif name.startswith("GLIBC_") and name != _GLIBC_INTERNAL:
            raise image.refusal(f"needs {name!r}, and which glibc brought that is not known here")
    return versions
