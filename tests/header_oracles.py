"""The maintained parsers of executables, asked the same questions as our own reader: pyelftools, macholib, pefile.

They are independent of it in code and partly in method: pyelftools finds symbol versions by sections, ours by segments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pefile
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.segments import InterpSegment
from macholib import mach_o
from macholib.MachO import MachO

from codex_release.runtime.headers import Executable

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ask"]

_MACHINES = {
    "EM_386": "i386",
    "EM_X86_64": "x86_64",
    "EM_AARCH64": "aarch64",
    mach_o.CPU_TYPE_NAMES.get(0x01000007): "x86_64",
    mach_o.CPU_TYPE_NAMES.get(0x0100000C): "aarch64",
    "IMAGE_FILE_MACHINE_I386": "i386",
    "IMAGE_FILE_MACHINE_AMD64": "x86_64",
    "IMAGE_FILE_MACHINE_ARM64": "aarch64",
}
_GLIBC_FEATURES = {"GLIBC_ABI_DT_RELR": (2, 36)}
_CERTIFICATES = pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_SECURITY"]


def ask(path: Path) -> Executable:
    """What the format's maintained parser says of a file."""
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"\x7fELF":
        return _elf(path)
    return _pe(path) if magic[:2] == b"MZ" else _macho(path)


def _elf(path: Path) -> Executable:
    with path.open("rb") as file:
        image = ELFFile(file)
        interpreters = [one.get_interp_name() for one in image.iter_segments() if isinstance(one, InterpSegment)]
        dynamics = [one for one in image.iter_segments() if isinstance(one, DynamicSegment)]
        tags = [tag for one in dynamics for tag in one.iter_tags("DT_NEEDED")]
        needed = [str(tag.needed) for tag in tags]  # type: ignore[attr-defined]  # pyelftools sets it by the tag's name
        tables = [one for one in image.iter_sections() if isinstance(one, GNUVerNeedSection)]
        asks = any(True for one in dynamics for _ in one.iter_tags("DT_VERNEED"))
        assert asks == bool(tables), f"{path} has no sections to compare its symbol versions with"
        names = [version.name for table in tables for _, versions in table.iter_versions() for version in versions]
        return Executable(
            format="elf",
            machines=(_MACHINES[image["e_machine"]],),
            static=not interpreters and not needed,
            interpreter=interpreters[0] if interpreters else None,
            glibc=max((_glibc(name) for name in names if _is_public(name)), default=None),
            needed=tuple(needed),
        )


def _is_public(version: str) -> bool:
    return version.startswith("GLIBC_") and version != "GLIBC_PRIVATE"


def _glibc(version: str) -> tuple[int, int]:
    if version in _GLIBC_FEATURES:
        return _GLIBC_FEATURES[version]
    major, minor, *_ = version.removeprefix("GLIBC_").split(".")
    return int(major), int(minor)


def _macho(path: Path) -> Executable:
    minos = []
    signed = []
    slices = MachO(str(path)).headers
    for one in slices:
        commands = [(command.cmd, fields) for command, fields, _ in one.commands]
        versions = [fields.version for number, fields in commands if number == mach_o.LC_VERSION_MIN_MACOSX]
        versions += [
            fields.minos
            for number, fields in commands
            if number == mach_o.LC_BUILD_VERSION and fields.platform == mach_o.PLATFORM_MACOS
        ]
        minos += [(int(version) >> 16, int(version) >> 8 & 0xFF) for version in versions]
        signed.append(any(number == mach_o.LC_CODE_SIGNATURE for number, _ in commands))
    return Executable(
        format="mach-o",
        machines=tuple(_MACHINES[mach_o.CPU_TYPE_NAMES[one.header.cputype]] for one in slices),
        minos=max(minos, default=None),
        signed=all(signed),
    )


def _pe(path: Path) -> Executable:
    image = pefile.PE(str(path), fast_load=True)
    try:
        return Executable(
            format="pe",
            machines=(_MACHINES[pefile.MACHINE_TYPE[image.FILE_HEADER.Machine]],),
            signed=image.OPTIONAL_HEADER.DATA_DIRECTORY[_CERTIFICATES].Size > 0,
        )
    finally:
        image.close()
