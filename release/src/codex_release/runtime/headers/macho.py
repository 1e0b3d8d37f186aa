"""Mach-O, the executables of macOS, thin and fat: 64-bit ones; others are refused by name.

Rules come from Apple's "OS X ABI Mach-O File Format Reference" and the structures that the system's headers
``mach-o/loader.h``, ``mach-o/fat.h`` and ``mach/machine.h`` document.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from codex_release.base.words import counted
from codex_release.runtime.headers.reader import MOST, Executable, Span, machine_name

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["code_signature", "read", "recognizes", "slices"]

_MAGIC_64 = b"\xcf\xfa\xed\xfe"
_FAT, _FAT_64 = b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"
_OTHERS = {
    b"\xce\xfa\xed\xfe": "32-bit little-endian",
    b"\xfe\xed\xfa\xce": "32-bit big-endian",
    b"\xfe\xed\xfa\xcf": "64-bit big-endian",
}
# A Java class file begins like a fat file, but has its version where that has its number of slices. No Java was ever
# older than 45, and no fat file has that many slices.
_JAVA = 45

_FAT_HEADER = Struct(">4xI")  # number of slices; a fat header is big-endian whatever its slices are
_FAT_ARCHES = {_FAT: Struct(">IIII4x"), _FAT_64: Struct(">IIQQ8x")}  # cpu type, cpu subtype, offset, size
_HEADER = Struct("<4xIIIII8x")  # mach_header_64: cpu type, cpu subtype, file type, number and size of load commands
_COMMAND = Struct("<II")  # load_command: which, size in bytes with its fields
_SEGMENT = Struct("<40xQQ")  # segment_command_64: file offset and size
_LINKEDIT = Struct("<8xII")  # linkedit_data_command: file offset and size
_VERSION_MIN = Struct("<8xI4x")  # version_min_command: version
_BUILD_VERSION = Struct("<8xII8x")  # build_version_command: platform, version

_LC_SEGMENT_64, _LC_CODE_SIGNATURE, _LC_VERSION_MIN_MACOSX, _LC_BUILD_VERSION = 0x19, 0x1D, 0x24, 0x32
_MH_EXECUTE, _MH_DYLIB, _MH_BUNDLE = 2, 6, 8
_PLATFORM_MACOS = 1

_X86_64, _ARM64 = 0x01000007, 0x0100000C
_MACHINES = {7: "i386", _X86_64: "x86_64", 12: "arm", _ARM64: "aarch64", 18: "ppc", 0x01000012: "ppc64"}
# Subtypes that not every machine of the type runs; the upper byte of a subtype holds flags.
_SPECIAL = {(_X86_64, 8): "x86_64h", (_ARM64, 2): "arm64e"}
_SUBTYPE = 0x00FFFFFF


def recognizes(head: bytes) -> bool:
    """Whether a file that begins so claims to be Mach-O; a Java class file does not."""
    magic = head[:4]
    if magic == _FAT:
        return int.from_bytes(head[4:8], "big") < _JAVA
    return magic in (_MAGIC_64, _FAT_64) or magic in _OTHERS


def read(image: Span) -> Executable:
    """The facts of a Mach-O file.

    Raises:
        InspectError: if it or a slice is damaged, truncated, not 64-bit, or neither program nor library.
    """
    read_parts = [_thin(part) for part in slices(image)]
    return Executable(
        format="mach-o",
        machines=tuple(machine for one in read_parts for machine in one.machines),
        minos=max((one.minos for one in read_parts if one.minos), default=None),
        signed=all(one.signed for one in read_parts),
    )


def slices(image: Span) -> list[Span]:
    """The slices of a fat file, each within it and for the machine that the fat header says (``mach-o/fat.h``).

    A thin file is its own only slice.

    Raises:
        InspectError: if it is damaged or truncated.
    """
    layout = _FAT_ARCHES.get(image.read(0, 4, "magic number"))
    if layout is None:
        return [image]
    count = image.unpack(_FAT_HEADER, 0, "fat header")[0]
    if not 0 < count < _JAVA:
        raise image.damage(f"its fat header has {counted(count, 'slice')}")
    parts = []
    for kind, subtype, offset, size in image.table(layout, _FAT_HEADER.size, count, "fat header"):
        machine = _machine(kind, subtype)
        part = image.part(offset, size, f"{machine} slice", name=f"{image.name} ({machine} slice)")
        own = _machine(*_header(part)[:2])
        if own != machine:
            raise part.damage(f"its own header says {own}")
        parts.append(part)
    return parts


def code_signature(image: Span) -> tuple[int, int] | None:
    """Where in a thin file or a slice its code signature is, as offset and size; `None` if it has none.

    Raises:
        InspectError: if the file is damaged or truncated.
    """
    _, _, _, count, size = _header(image)
    for command, body in _commands(image.part(_HEADER.size, size, "load commands"), count):
        if command == _LC_CODE_SIGNATURE:
            offset, length = body.unpack(_LINKEDIT, 0, "code signature")
            image.claim(offset, length, "code signature")
            return (offset, length) if length else None
    return None


def _header(image: Span) -> tuple[int, ...]:
    """The fields of the header of a thin file or a slice."""
    magic = image.read(0, 4, "magic number")
    if magic != _MAGIC_64:
        what = _OTHERS.get(magic)
        raise image.refusal(
            f"is a {what} Mach-O file, and only 64-bit little-endian ones are read"
            if what
            else f"is no Mach-O file: it begins with {magic.hex()}"
        )
    return image.unpack(_HEADER, 0, "Mach-O header")


def _thin(image: Span) -> Executable:
    """The facts of a thin file or of one slice."""
    kind, subtype, file_type, count, size = _header(image)
    if file_type not in (_MH_EXECUTE, _MH_DYLIB, _MH_BUNDLE):
        raise image.refusal(f"is a Mach-O file of type {file_type}, neither a program nor a library")
    minos: list[tuple[int, int]] = []
    signed = False
    commands = image.part(_HEADER.size, size, "load commands")
    for command, body in _commands(commands, count):
        if command == _LC_SEGMENT_64:
            offset, length = body.unpack(_SEGMENT, 0, "segment")
            image.claim(offset, length, "segment")
        elif command == _LC_CODE_SIGNATURE:
            offset, length = body.unpack(_LINKEDIT, 0, "code signature")
            image.claim(offset, length, "code signature")
            signed = length > 0
        elif command == _LC_VERSION_MIN_MACOSX:
            minos += [_version(version) for version in body.unpack(_VERSION_MIN, 0, "minimum macOS")]
        elif command == _LC_BUILD_VERSION:
            platform, version = body.unpack(_BUILD_VERSION, 0, "build version")
            minos += [_version(version)] if platform == _PLATFORM_MACOS else []
    return Executable(
        format="mach-o", machines=(_machine(kind, subtype),), minos=max(minos, default=None), signed=signed
    )


def _commands(commands: Span, count: int) -> Iterator[tuple[int, Span]]:
    """The load commands, each one's number and bytes; its size leads to the next (``mach-o/loader.h``)."""
    if count > MOST:
        raise commands.damage(f"it has {count} load commands")
    offset = 0
    for _ in range(count):
        command, size = commands.unpack(_COMMAND, offset, "load commands")
        if size < _COMMAND.size:
            raise commands.damage(f"its load command {command:#x} has {size} bytes")
        yield command, commands.part(offset, size, "load commands")
        offset += size


def _machine(kind: int, subtype: int) -> str:
    """The machine of a cpu type and subtype (``mach/machine.h``)."""
    return _SPECIAL.get((kind, subtype & _SUBTYPE)) or machine_name(kind, _MACHINES)


def _version(packed: int) -> tuple[int, int]:
    """The first two parts of a version packed as ``xxxx.yy.zz``, four hexadecimal digits and two and two."""
    return packed >> 16, packed >> 8 & 0xFF
