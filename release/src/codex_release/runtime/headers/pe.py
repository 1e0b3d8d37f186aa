"""PE, the executables of Windows, 32-bit and 64-bit.

Rules come from Microsoft's "PE Format" specification; a section's name in it is given where a rule is applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from codex_release.runtime.headers.reader import Executable, Span, machine_name

__all__ = ["Certificates", "certificates", "read", "recognizes"]

_DOS = Struct("<60xI")  # where the PE signature is
_COFF = Struct("<IHH12xHH")  # PE signature; machine, number of sections, size of the optional header, characteristics
_MAGIC = Struct("<H")
_COUNT = Struct("<I")
_DIRECTORY = Struct("<II")  # a data directory; the certificate table's is a file offset and a size
_SECTION = Struct("<16xII16x")  # a section header: size and file offset of its raw data

# By the optional header's magic number: where in it the number of data directories is, and where they begin.
_OPTIONAL_HEADERS = {0x10B: (92, 96), 0x20B: (108, 112)}
_CHECKSUM = 64  # where in the optional header its checksum is, in either form
_CERTIFICATES = 4  # the certificate table's place among the data directories
_SIGNATURE = int.from_bytes(b"PE\0\0", "little")
_EXECUTABLE_IMAGE = 0x0002

_MACHINES = {0x14C: "i386", 0x1C4: "arm", 0x8664: "x86_64", 0xA641: "arm64ec", 0xA64E: "arm64x", 0xAA64: "aarch64"}


@dataclass(frozen=True)
class Certificates:
    """Where a PE file has its attribute certificate table, and what in its headers changes by signing it.

    Attributes:
        offset: where the table begins in the file.
        size: its length in bytes.
        checksum: where the optional header's checksum is, four bytes.
        directory: where the data directory is that says `offset` and `size`, eight bytes.
    """

    offset: int
    size: int
    checksum: int
    directory: int


def recognizes(head: bytes) -> bool:
    """Whether a file that begins so claims to be PE (or its ancestor, a DOS program)."""
    return head.startswith(b"MZ")


def read(image: Span) -> Executable:
    """The facts of a PE file.

    Raises:
        InspectError: if it is damaged, truncated, a DOS program, or not marked as runnable.
    """
    start, machine, sections, optional_size, flags = _headers(image)
    if not flags & _EXECUTABLE_IMAGE:  # "Characteristics"
        raise image.refusal("is a PE file that its linker did not mark as executable")
    after = start + _COFF.size + optional_size
    for size, offset in image.table(_SECTION, after, sections, "section table"):  # "Section Table"
        if offset:  # else it has no bytes in the file
            image.claim(offset, size, "section")
    return Executable(format="pe", machines=(machine_name(machine, _MACHINES),), signed=certificates(image) is not None)


def certificates(image: Span) -> Certificates | None:
    """Where the attribute certificate table is, and that all of it is there ("Optional Header Data Directories").

    Returns:
        its place, `None` if there is none.

    Raises:
        InspectError: if the file is damaged or truncated.
    """
    start, _, _, optional_size, _ = _headers(image)
    at = start + _COFF.size
    optional = image.part(at, optional_size, "optional header")
    magic = optional.unpack(_MAGIC, 0, "optional header")[0]
    if magic not in _OPTIONAL_HEADERS:
        raise image.damage(f"its optional header has the magic number {magic:#x}")
    count_at, directories = _OPTIONAL_HEADERS[magic]
    if optional.unpack(_COUNT, count_at, "optional header")[0] <= _CERTIFICATES:
        return None
    directory = directories + _CERTIFICATES * _DIRECTORY.size
    offset, size = optional.unpack(_DIRECTORY, directory, "data directories")
    image.claim(offset, size, "certificate table")
    return Certificates(offset, size, at + _CHECKSUM, at + directory) if size else None


def _headers(image: Span) -> tuple[int, ...]:
    """Where the PE signature is; machine, number of sections, size of the optional header, characteristics."""
    start = image.unpack(_DOS, 0, "DOS header")[0]  # "MS-DOS Stub"
    signature, *fields = image.unpack(_COFF, start, "PE header")
    if signature != _SIGNATURE:
        raise image.refusal(f"begins like a Windows program, but has {signature:#010x} in place of a PE signature")
    return start, *fields
