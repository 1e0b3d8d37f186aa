"""macOS: the code signature of a Mach-O file, as ``codesign --verify --strict`` reads it.

Proved is that every page of the file, and every blob that its signature binds (requirements, entitlements), has the
hash that the CodeDirectory says; that the CMS signature over the CodeDirectory is the one of the certificate within it;
and that this is a Developer ID certificate of a known team, vouched for by a known root. Both halves are needed: the
CMS alone says nothing of the pages, the pages alone nothing of who hashed them. Not proved: that the certificate is
not revoked, when it signed (the time stamp is not read), that Apple notarised the file, and what the requirements say.

Structures are those of Apple's ``cs_blobs.h``, big-endian; the certificates' extensions those of its "Developer ID
Certification Practice Statement".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING

from codex_release.base.errors import SignatureError
from codex_release.base.words import by_number
from codex_release.facts.signatures import AD_HOC, UNSIGNED, VERIFIED, CodeSignature
from codex_release.runtime.codesign import cms
from codex_release.runtime.headers import Span, macho

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from codex_release.facts.targets import CodeSigning

__all__ = ["examine"]

_SUPERBLOB = Struct(">III")  # magic, length, number of blobs
_INDEX = Struct(">II")  # slot, offset
_BLOB = Struct(">II")  # magic, length
# magic, length, version, flags; offsets of hashes and identifier; number of special slots and of pages; the end of what
# is hashed; size and kind of a hash; the page size as a power of two
_DIRECTORY = Struct(">9IBBxB4x")
_SCATTER, _TEAM = Struct(">44xI"), Struct(">48xI")  # offsets, from version 0x20100 and 0x20200 on
_LIMIT_64 = Struct(">56xQ")  # the end of what is hashed if that needs 64 bits, from version 0x20300 on

_SUPERBLOB_MAGIC, _DIRECTORY_MAGIC, _CMS_MAGIC = 0xFADE0CC0, 0xFADE0C02, 0xFADE0B01
_CODE_DIRECTORY, _ALTERNATES, _CMS = 0, range(0x1000, 0x1005), 0x10000
_SPECIAL = range(1, 12)
"""Slots of what a CodeDirectory binds by a hash: requirements 2, entitlements 5 and 7, launch constraints 8 to 11. What
1 and 3 stand for (Info.plist, a bundle's resources) lies outside of a signature; no lone executable has it."""
_HASHES = {2: ("sha256", 32), 3: ("sha256", 20), 4: ("sha384", 48)}
_HASHLIB = {"sha256": hashlib.sha256, "sha384": hashlib.sha384}  # `hashlib.new` takes half as long again
_PAGE_BITS = range(9, 21)
_MOST_BYTES = 64 << 20
"""No signature is larger; that of a file of 300 MB has 2 MB."""
_WINDOW = 4 << 20
"""How many bytes are read at a time; whole pages of any size."""

_FLAGS = {
    0x1: "host",
    0x2: "adhoc",
    0x100: "hard",
    0x200: "kill",
    0x400: "expires",
    0x800: "restrict",
    0x1000: "enforcement",
    0x2000: "library-validation",
    0x10000: "runtime",
    0x20000: "linker-signed",
}
_AD_HOC = 0x2

_CDHASHES = "1.2.840.113635.100.9.2"
"""The signed attribute with the hash of every CodeDirectory (9.1, older, has the same shortened)."""
_DEVELOPER_ID, _DEVELOPER_ID_AUTHORITY = "1.2.840.113635.100.6.1.13", "1.2.840.113635.100.6.2.6"
"""The extensions that make a certificate one of a Developer ID, and of the authority for those."""


def examine(image: Span, trust: CodeSigning) -> CodeSignature:
    """Judge the code signature of a Mach-O file, in a fat one of every slice.

    Raises:
        SignatureError: if it does not hold, or slices are signed differently.
        InspectError: if the file is damaged or truncated.
    """
    found = {_examine(part, trust) for part in macho.slices(image)}
    if len(found) > 1:
        raise SignatureError(f"the slices of {image.name} are signed differently: {'; '.join(sorted(map(str, found)))}")
    return found.pop()


@dataclass(frozen=True)
class _CodeDirectory:
    """What a CodeDirectory says.

    Attributes:
        blob: all of it.
        flags: what the signature asks of the system.
        team: the developer team; empty if it names none.
        page: the size of a page in bytes.
        algorithm: of the hashes, by `hashlib`'s name.
        size: of a hash in bytes; it may be shortened.
        special: the hashes of the special slots that are in use, by slot.
        pages: the hashes of the pages, in their order.
    """

    blob: bytes
    flags: int
    team: str
    page: int
    algorithm: str
    size: int
    special: Mapping[int, bytes]
    pages: Sequence[bytes]

    def hashed(self, data: bytes | memoryview) -> bytes:
        """The hash of some bytes, as this directory writes it."""
        return _HASHLIB[self.algorithm](data).digest()[: self.size]


def _examine(image: Span, trust: CodeSigning) -> CodeSignature:
    """Judge a thin file or a slice."""
    place = macho.code_signature(image)
    if place is None:
        return CodeSignature(UNSIGNED)
    offset, size = place
    if offset + size != image.size:
        raise image.damage("something follows its code signature")
    blobs = _blobs(image.part(offset, size, "code signature"))
    directories = [
        _code_directory(blob, offset) for slot, blob in blobs.items() if slot in {_CODE_DIRECTORY, *_ALTERNATES}
    ]
    if _CODE_DIRECTORY not in blobs:
        raise image.damage("its code signature has no CodeDirectory")
    problems = []
    for each in directories:
        problems += [*_page_problems(image, each, offset), *_slot_problems(each, blobs)]
    message, signer, first = _message(blobs), "", directories[0]
    if message:
        try:
            signer = _signer(message, directories, trust)
        except SignatureError as error:
            problems.append(str(error))
    elif not first.flags & _AD_HOC:
        problems.append("nobody signed it, though it is not marked as ad-hoc")
    if problems:
        raise SignatureError(f"the code signature of {image.name} is not valid: {'; '.join(problems)}")
    return CodeSignature(VERIFIED if message else AD_HOC, signer, first.team, tuple(_names(first.flags)))


def _blobs(signature: Span) -> dict[int, Span]:
    """The blobs of a superblob by slot, the first CodeDirectory before its alternates; zero bytes may follow."""
    magic, length, count = signature.unpack(_SUPERBLOB, 0, "code signature")
    if magic != _SUPERBLOB_MAGIC or signature.size > _MOST_BYTES:
        raise signature.damage(f"its code signature begins with {magic:#x} and has {signature.size} bytes")
    superblob = signature.part(0, length, "code signature")
    if signature.read(length, signature.size - length, "code signature").strip(b"\0"):
        raise signature.damage("something is behind the end of its code signature")
    blobs: dict[int, Span] = {}
    free = _SUPERBLOB.size + count * _INDEX.size
    index = superblob.table(_INDEX, _SUPERBLOB.size, count, "index of the code signature")
    for slot, offset in sorted(index, key=lambda entry: entry[1]):
        _, size = superblob.unpack(_BLOB, offset, f"blob {slot:#x} of the code signature")
        if offset < free or size < _BLOB.size or slot in blobs:
            raise signature.damage(f"blob {slot:#x} of its code signature begins at {offset}, where something else is")
        blobs[slot] = superblob.part(offset, size, f"blob {slot:#x} of the code signature")
        free = offset + size
    return dict(sorted(blobs.items()))


def _code_directory(blob: Span, signature: int) -> _CodeDirectory:
    """Read a CodeDirectory, and hold it to cover all of the file up to its signature."""
    what = "CodeDirectory"
    magic, _, version, flags, hashes, _, special, count, limit, size, kind, bits = blob.unpack(_DIRECTORY, 0, what)
    if magic != _DIRECTORY_MAGIC or _HASHES.get(kind, ("", 0))[1] != size or bits not in _PAGE_BITS:
        raise blob.damage(f"its {what} has magic {magic:#x}, hash {kind} of {size} bytes, pages of 2^{bits} bytes")
    if version >= 0x20100 and blob.unpack(_SCATTER, 0, what) != (0,):
        raise blob.refusal(f"has a {what} that leaves parts of the file out")
    team = blob.unpack(_TEAM, 0, what)[0] if version >= 0x20200 else 0
    limit = (version >= 0x20300 and blob.unpack(_LIMIT_64, 0, what)[0]) or limit
    if limit != signature or count != -(-limit // (1 << bits)) or special * size > hashes:
        raise blob.damage(f"its {what} has {count} hashes up to byte {limit}, its signature begins at {signature}")
    table = blob.read(hashes - special * size, (special + count) * size, "hashes")
    entries = [table[at : at + size] for at in range(0, len(table), size)]
    return _CodeDirectory(
        blob=blob.read(0, blob.size, what),
        flags=flags,
        team=blob.text(team, "team") if team else "",
        page=1 << bits,
        algorithm=_HASHES[kind][0],
        size=size,
        special={special - at: entry for at, entry in enumerate(entries[:special]) if any(entry)},
        pages=entries[special:],
    )


def _page_problems(image: Span, directory: _CodeDirectory, limit: int) -> Iterator[str]:
    """Which pages do not have their hash."""
    bad = []
    number = 0
    for start in range(0, limit, _WINDOW):
        window = memoryview(image.read(start, min(_WINDOW, limit - start), "pages"))
        for at in range(0, len(window), directory.page):
            if directory.hashed(window[at : at + directory.page]) != directory.pages[number]:
                bad.append(number)
            number += 1
    if bad:
        first = bad[0] * directory.page
        yield (
            f"{len(bad)} of {number} pages {by_number(len(bad), 'does', 'do')} not have the hash that was signed, "
            f"the first at byte {first}"
        )


def _slot_problems(directory: _CodeDirectory, blobs: Mapping[int, Span]) -> Iterator[str]:
    """Which blobs do not have their hash, have none, or are missing."""
    for slot in directory.special.keys() | (blobs.keys() - {_CODE_DIRECTORY, *_ALTERNATES, _CMS}):
        blob, expected = blobs.get(slot), directory.special.get(slot)
        if slot not in _SPECIAL:
            yield f"slot {slot:#x} is not known here"
        elif blob is None:
            yield f"what special slot {slot} stands for is not in it"
        elif directory.hashed(blob.read(0, blob.size, "blob")) != expected:
            yield f"special slot {slot} does not have the hash that was signed"


def _message(blobs: Mapping[int, Span]) -> bytes:
    """The CMS message; empty if nobody signed."""
    if _CMS not in blobs:
        return b""
    blob = blobs[_CMS]
    magic, size = blob.unpack(_BLOB, 0, "signature")
    if magic != _CMS_MAGIC:
        raise blob.damage(f"its CMS signature begins with {magic:#x}")
    return blob.read(_BLOB.size, size - _BLOB.size, "signature")


def _signer(message: bytes, directories: Sequence[_CodeDirectory], trust: CodeSigning) -> str:
    """Who signed the first CodeDirectory, and with it the others."""
    what = "its CMS signature"
    signed = cms.read(message, directories[0].blob, what)
    hashes = signed.attributes.get(_CDHASHES, b"")
    for each in directories[1:]:
        if hashlib.new(each.algorithm, each.blob).digest() not in hashes:
            raise SignatureError(f"{what} is of another alternate CodeDirectory")
    certificate, *authorities = cms.lead(signed, trust.roots, what)
    name, team = certificate.name, certificate.unit
    is_marked = _DEVELOPER_ID in certificate.extensions and certificate.signs_code
    if not (is_marked and any(_DEVELOPER_ID_AUTHORITY in each.extensions for each in authorities[:1])):
        raise SignatureError(f"{what} is of {name}, which is no Developer ID certificate")
    if team not in trust.teams or team != directories[0].team:
        raise SignatureError(
            f"{what} is of team {team or 'nobody'} ({name}), the CodeDirectory names {directories[0].team or 'none'}",
            remedy=f"if that team should sign, add it to code_signing.teams in targets.toml ({', '.join(trust.teams)})",
        )
    return name


def _names(flags: int) -> Iterator[str]:
    """The names of flags; one that has none stays a number."""
    for bit in (1 << number for number in range(32)):
        if flags & bit:
            yield _FLAGS.get(bit, f"{bit:#x}")
