"""Small valid executables of every format, written from their specifications: what fake runtimes are made of.

Each function gives the bytes of one complete file, some hundreds or thousands of them, whose headers say what the
arguments say; every byte is claimed by a header, so none can be cut off unnoticed. A static ELF program even runs, and
exits with 0. Nothing here uses the reader that such files are made to test.
"""

from __future__ import annotations

import hashlib
from itertools import accumulate
from struct import pack, unpack_from
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["code_directory", "elf", "fat", "macho", "pe", "speaking", "superblob"]

_ELF_MACHINES = {"i386": 3, "x86_64": 62, "aarch64": 183, "riscv64": 243}
_MACHO_MACHINES = {"x86_64": (0x01000007, 3), "aarch64": (0x0100000C, 0), "arm64e": (0x0100000C, 2)}
_PE_MACHINES = {"i386": 0x14C, "x86_64": 0x8664, "aarch64": 0xAA64}

# Programs that end at once and well, by Linux's system calls.
_EXIT = {
    "x86_64": bytes.fromhex("b83c000000 31ff 0f05"),  # mov eax, 60; xor edi, edi; syscall
    "aarch64": bytes.fromhex("a80b80d2 000080d2 010000d4"),  # mov x8, 93; mov x0, 0; svc 0
}

_ELF_BASE = 0x400000
_ELF_HEADER, _ELF_SEGMENT, _ELF_SECTION = 64, 56, 64
_MACHO_PAGE = 0x1000
_PE_ALIGNMENT = 0x200


def elf(
    machine: str = "x86_64",
    *,
    interpreter: str | None = None,
    glibc: Sequence[str] = (),
    needed: Sequence[str] = (),
    sections: bool = True,
    code: bytes | None = None,
) -> bytes:
    """A Linux program; with the machine alone it is static.

    Args:
        machine: ``x86_64``, ``aarch64``, ``i386`` or ``riscv64``; all are written as 64-bit files.
        interpreter: the dynamic linker's path.
        glibc: symbol versions it needs of ``libc.so.6``, without their ``GLIBC_``: ``2.17``, ``2.2.5``, ``PRIVATE``.
        needed: libraries; ``libc.so.6`` is added if there are symbol versions.
        sections: whether the section headers were kept.
        code: what it does, e.g. `speaking`; it ends at once and well if not told.
    """
    if glibc and "libc.so.6" not in needed:
        needed = (*needed, "libc.so.6")
    strings = _Strings()
    tags = [(1, strings.offset(name)) for name in needed]  # DT_NEEDED
    versions = _verneed([strings.offset(f"GLIBC_{name}") for name in glibc], strings)
    segments = 1 + bool(interpreter) + bool(tags)

    parts = {
        "headers": bytes(_ELF_HEADER + segments * _ELF_SEGMENT),
        ".text": code or _EXIT.get(machine, bytes(4)),
        ".interp": interpreter.encode() + b"\0" if interpreter else b"",
        ".dynstr": strings.data,
        ".gnu.version_r": versions,
        ".dynamic": bytes(16 * (len(tags) + 5)) if tags else b"",
    }
    at = _placed(parts)
    if tags:
        tags += [(5, _ELF_BASE + at[".dynstr"]), (10, len(strings.data))]  # DT_STRTAB, DT_STRSZ
        if versions:
            tags += [(0x6FFFFFFE, _ELF_BASE + at[".gnu.version_r"]), (0x6FFFFFFF, 1)]  # DT_VERNEED, DT_VERNEEDNUM
        parts[".dynamic"] = b"".join(pack("<QQ", *tag) for tag in tags).ljust(len(parts[".dynamic"]), b"\0")
    table = b""
    if sections:
        parts[".shstrtab"], table = _sections(parts, at)
        at = _placed(parts)
    body = _joined(parts, at)
    table_at = len(body) if sections else 0

    section_count = len(table) // _ELF_SECTION
    header = pack("<4sBBB9x", b"\x7fELF", 2, 1, 1)
    header += pack("<HHIQQQ", 2, _ELF_MACHINES[machine], 1, _ELF_BASE + at[".text"], _ELF_HEADER, table_at)
    header += pack("<IHHH", 0, _ELF_HEADER, _ELF_SEGMENT, segments)
    header += pack("<HHH", _ELF_SECTION, section_count, max(section_count - 1, 0))
    header += _segment(1, 0, len(body))  # PT_LOAD
    if tags:
        header += _segment(2, at[".dynamic"], len(parts[".dynamic"]))  # PT_DYNAMIC
    if interpreter:
        header += _segment(3, at[".interp"], len(parts[".interp"]))  # PT_INTERP
    return header + body[len(header) :] + table


def speaking(machine: str, said: bytes, exit_code: int = 0) -> bytes:
    """The code of a Linux program that prints something and ends, whatever it is asked.

    Args:
        machine: ``x86_64`` or ``aarch64``.
        said: at most 65535 bytes.
        exit_code: what it ends with.
    """
    if machine == "x86_64":
        code = bytes.fromhex("b801000000 bf01000000")  # mov eax, 1; mov edi, 1
        code += bytes.fromhex("488d35") + pack("<I", 19)  # lea rsi, [what follows the code]
        code += b"\xba" + pack("<I", len(said)) + bytes.fromhex("0f05")  # mov edx, its length; syscall
        return code + b"\xbf" + pack("<I", exit_code) + bytes.fromhex("b83c000000 0f05") + said
    words = [0xD2800808, 0xD2800020, 0x10000001 | 6 << 5, 0xD2800002 | len(said) << 5, 0xD4000001]  # write(1, said)
    words += [0xD2800BA8, 0xD2800000 | exit_code << 5, 0xD4000001]  # exit
    return pack("<8I", *words) + said


def macho(
    machine: str = "aarch64",
    *,
    minos: tuple[int, int] | None = (11, 0),
    signed: bool = True,
    build_version: bool = True,
    sign: Callable[[bytes], bytes] | None = None,
    text: bytes = b"",
) -> bytes:
    """A macOS program.

    Args:
        machine: ``x86_64``, ``aarch64`` or ``arm64e``.
        minos: the oldest macOS that runs it; None leaves the load command out.
        signed: whether there is a code signature.
        build_version: whether `minos` is in an LC_BUILD_VERSION, as arm64 has it, or in an LC_VERSION_MIN_MACOSX.
        sign: gives the signature of all before it, always of the same size; if missing, one without a signer is made.
        text: what fills the pages behind the first.
    """
    sign = sign or (lambda code: superblob({0: code_directory(code)}))
    end = _MACHO_PAGE + len(text)
    size = len(sign(bytes(end))) if signed else 12
    commands = [_macho_segment(b"__TEXT", 0, end), _macho_segment(b"__LINKEDIT", end, size)]
    if minos:
        version = minos[0] << 16 | minos[1] << 8
        commands.append(
            pack("<IIIIII", 0x32, 24, 1, version, version, 0)  # LC_BUILD_VERSION, of the platform macOS
            if build_version
            else pack("<IIII", 0x24, 16, version, version)  # LC_VERSION_MIN_MACOSX
        )
    if signed:
        commands.append(pack("<IIII", 0x1D, 16, end, size))  # LC_CODE_SIGNATURE
    table = b"".join(commands)
    header = pack("<IIIIIIII", 0xFEEDFACF, *_MACHO_MACHINES[machine], 2, len(commands), len(table), 0x200085, 0)
    code = (header + table).ljust(_MACHO_PAGE, b"\0") + text
    return code + (sign(code) if signed else bytes(size))


def code_directory(
    code: bytes,
    *,
    flags: int = 2,
    team: str = "",
    special: Mapping[int, bytes] | None = None,
    limit: int | None = None,
    algorithm: str = "sha256",
) -> bytes:
    """The CodeDirectory of a macOS program: the hash of each of its pages.

    Args:
        code: what lies before the signature.
        flags: 2 says that nobody signed.
        team: the developer team.
        special: what else it binds, by slot.
        limit: where the pages end, if that is to be a lie.
        algorithm: of the hashes, ``sha256`` or ``sha384``.
    """
    special = special or {}
    names = b"codex\0" + (team.encode() + b"\0" if team else b"")
    pages = [code[at : at + _MACHO_PAGE] for at in range(0, len(code), _MACHO_PAGE)]
    slots = range(max(special, default=0), 0, -1)
    size = hashlib.new(algorithm).digest_size
    hashes = [hashlib.new(algorithm, special[slot]).digest() if slot in special else bytes(size) for slot in slots]
    hashes += [hashlib.new(algorithm, page).digest() for page in pages]
    start = 88 + len(names)
    head = pack(">IIIIII", 0xFADE0C02, start + len(hashes) * size, 0x20400, flags, start + len(slots) * size, 88)
    head += pack(">III", len(slots), len(pages), len(code) if limit is None else limit)
    head += pack(">BBBBI", size, {"sha256": 2, "sha384": 4}[algorithm], 0, 12, 0)
    head += pack(">IIIQQQQ", 0, 94 if team else 0, 0, 0, 0, len(code), 1)
    return head + names + b"".join(hashes)


def superblob(blobs: Mapping[int, bytes]) -> bytes:
    """A macOS program's signature, of its blobs by slot; zero bytes fill it up to a multiple of eight."""
    offset = 12 + 8 * len(blobs)
    index = b""
    for slot, blob in blobs.items():
        index += pack(">II", slot, offset)
        offset += len(blob)
    whole = pack(">III", 0xFADE0CC0, offset, len(blobs)) + index + b"".join(blobs.values())
    return whole.ljust(-(-offset // 8) * 8, b"\0")


def fat(slices: Sequence[bytes], *, wide: bool = False) -> bytes:
    """A universal macOS program of thin ones, each at the start of a page.

    Args:
        slices: the thin programs.
        wide: whether offsets and sizes in the fat header have 64 bits.
    """
    data = pack(">II", 0xCAFEBABF if wide else 0xCAFEBABE, len(slices)).ljust(_MACHO_PAGE, b"\0")
    entries = b""
    alignment = (12, 0) if wide else (12,)  # a power of two; the wide entry ends with a reserved field
    for one in slices:
        data += bytes(-len(data) % _MACHO_PAGE)
        entries += pack(">IIQQII" if wide else ">IIIII", *unpack_from("<II", one, 4), len(data), len(one), *alignment)
        data += one
    return data[:8] + entries + data[8 + len(entries) :]


def pe(machine: str = "x86_64", *, signed: bool = False, sign: Callable[[bytes], bytes] | None = None) -> bytes:
    """A Windows program.

    Args:
        machine: ``x86_64``, ``aarch64`` or ``i386``.
        signed: whether there is a certificate table; without `sign` there is no signature in it.
        sign: gives the signature of all that Authenticode hashes, always of the same size.
    """
    wide = machine != "i386"
    code = b"\xc3".ljust(_PE_ALIGNMENT, b"\0")
    certificates = _certificates(sign(b"") if sign else bytes(8)) if signed or sign else b""
    directories = [(0, 0)] * 16
    if certificates:
        directories[4] = (_PE_ALIGNMENT + len(code), len(certificates))

    optional = pack("<HBBIIIII", 0x20B if wide else 0x10B, 14, 0, len(code), 0, 0, 0x1000, 0x1000)
    optional += pack("<QII", 0x140000000, 0x1000, _PE_ALIGNMENT) if wide else pack("<IIII", 0, 0x400000, 0x1000, 0x200)
    optional += pack("<HHHHHHIIIIHH", 6, 0, 0, 0, 6, 0, 0, 0x2000, _PE_ALIGNMENT, 0, 3, 0x8160)
    optional += pack("<QQQQII" if wide else "<IIIIII", 0x100000, 0x1000, 0x100000, 0x1000, 0, len(directories))
    optional += b"".join(pack("<II", *directory) for directory in directories)

    headers = pack("<2s58xI", b"MZ", 64)
    headers += pack("<4sHHIIIHH", b"PE\0\0", _PE_MACHINES[machine], 1, 0, 0, 0, len(optional), 0x22 if wide else 0x102)
    headers += optional
    headers += pack("<8sIIIIIIHHI", b".text", 1, 0x1000, len(code), _PE_ALIGNMENT, 0, 0, 0, 0, 0x60000020)
    whole = headers.ljust(_PE_ALIGNMENT, b"\0") + code
    if sign:
        checksum, directory = 64 + 24 + 64, 64 + 24 + (112 if wide else 96) + 4 * 8
        certificates = _certificates(sign(whole[:checksum] + whole[checksum + 4 : directory] + whole[directory + 8 :]))
    return whole + certificates


def _certificates(message: bytes) -> bytes:
    """A certificate table of one WIN_CERTIFICATE."""
    return pack("<IHH", 8 + len(message), 0x0200, 2) + message.ljust(-(-len(message) // 8) * 8, b"\0")


class _Strings:
    """A string table that grows."""

    def __init__(self) -> None:
        self.data = b"\0"

    def offset(self, text: str) -> int:
        """Where the string is from now on."""
        offset = len(self.data)
        self.data += text.encode() + b"\0"
        return offset


def _verneed(names: Sequence[int], strings: _Strings) -> bytes:
    """A table of symbol versions (Elf64_Verneed and its Elf64_Vernaux), all of libc.so.6."""
    if not names:
        return b""
    table = pack("<HHIII", 1, len(names), strings.offset("libc.so.6"), 16, 0)
    for index, name in enumerate(names, start=1):
        table += pack("<IHHII", 0, 0, index + 1, name, 16 if index < len(names) else 0)
    return table


def _segment(kind: int, offset: int, size: int) -> bytes:
    """A program header (Elf64_Phdr)."""
    address = _ELF_BASE + offset
    return pack("<IIQQQQQQ", kind, 5, offset, address, address, size, size, 0x10000 if kind == 1 else 8)


def _sections(parts: Mapping[str, bytes], at: Mapping[str, int]) -> tuple[bytes, bytes]:
    """The section names' table and the section headers (Elf64_Shdr) of the parts that are not empty."""
    kinds = {".dynstr": 3, ".gnu.version_r": 0x6FFFFFFE, ".dynamic": 6}
    present = [name for name in parts if name.startswith(".") and parts[name]]
    names = _Strings()
    headers = bytes(_ELF_SECTION)
    for name in present:
        link = present.index(".dynstr") + 1 if name in (".gnu.version_r", ".dynamic") else 0
        place = (2, _ELF_BASE + at[name], at[name], len(parts[name]))
        libraries = 1 if name == ".gnu.version_r" else 0
        entry_size = 16 if name == ".dynamic" else 0
        headers += pack("<IIQQQQIIQQ", names.offset(name), kinds.get(name, 1), *place, link, libraries, 8, entry_size)
    own_name = names.offset(".shstrtab")
    end = max(_placed({**parts, ".shstrtab": names.data}).values())
    headers += pack("<IIQQQQIIQQ", own_name, 3, 0, 0, end, len(names.data), 0, 0, 1, 0)
    return names.data, headers


def _placed(parts: Mapping[str, bytes]) -> dict[str, int]:
    """Where each part begins if all follow each other, each at a multiple of 8."""
    sizes = [-(-len(data) // 8) * 8 for data in parts.values()]
    return dict(zip(parts, accumulate(sizes, initial=0), strict=False))


def _joined(parts: Mapping[str, bytes], at: Mapping[str, int]) -> bytes:
    """The parts at their places."""
    body = b""
    for name, data in parts.items():
        body = body.ljust(at[name], b"\0") + data
    return body.ljust(-(-len(body) // 8) * 8, b"\0")


def _macho_segment(name: bytes, offset: int, size: int) -> bytes:
    """An LC_SEGMENT_64 without sections."""
    return pack("<II16sQQQQIIII", 0x19, 72, name, 0x100000000 + offset, _MACHO_PAGE, offset, size, 5, 5, 0, 0)
