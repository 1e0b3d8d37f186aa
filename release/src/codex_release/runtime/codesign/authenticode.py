"""Windows: the Authenticode digest of a PE file.

Proved is that every byte but those that signing itself writes (checksum, place of the certificates, the certificates)
is the one that was signed, that the certificate in the file signed that, and that another one beside it issued this.
Such a certificate lives three days, and whether it was good then is shown by time stamps and by roots that only Windows
knows: not proved here, so the digest is called intact, and never the signature verified.

Rules come from Microsoft's "Windows Authenticode Portable Executable Signature Format".
"""

from __future__ import annotations

import hashlib
from struct import Struct

from codex_release.base.errors import SignatureError
from codex_release.facts.signatures import DIGEST_INTACT, UNSIGNED, CodeSignature
from codex_release.runtime.codesign import cms
from codex_release.runtime.headers import Span, pe

__all__ = ["examine"]

_ENTRY = Struct("<IHH")  # WIN_CERTIFICATE: length with these fields, revision, type
_PKCS_SIGNED_DATA = [0x0200, 2]
_ALIGNMENT = 8  # an entry ends at a multiple of it, filled with zero bytes
_MOST_BYTES = 1 << 20
_WINDOW = 4 << 20
_CHECKSUM, _DIRECTORY = 4, 8  # sizes of what signing writes into the headers


def examine(image: Span) -> CodeSignature:
    """Judge the Authenticode digest of a PE file.

    Raises:
        SignatureError: if it is not the one that was signed.
        InspectError: if the file is damaged or truncated.
    """
    place = pe.certificates(image)
    if place is None:
        return CodeSignature(UNSIGNED)
    what = f"the Authenticode signature of {image.name}"
    signed = cms.read(_message(image, place), None, what)
    algorithm, expected = cms.authenticode_digest(signed, what)
    if _digest(image, place, algorithm) != expected:
        raise SignatureError(f"{what} is not valid: the file's {algorithm} is not the one that was signed")
    if not cms.is_vouched_for(signed):
        raise SignatureError(f"{what} is not valid: no certificate in it vouches for {signed.certificate.name}")
    return CodeSignature(DIGEST_INTACT, signed.certificate.name)


def _message(image: Span, place: pe.Certificates) -> bytes:
    """The CMS message in the certificate table, which is the file's end and has one entry ("WIN_CERTIFICATE")."""
    table = image.part(place.offset, place.size, "certificate table")
    length, *kind = table.unpack(_ENTRY, 0, "certificate table")
    if place.offset + place.size != image.size or not place.directory < place.offset:
        raise image.damage("its certificate table is not its end")
    if kind != _PKCS_SIGNED_DATA or not _ENTRY.size <= length <= place.size < min(length + _ALIGNMENT, _MOST_BYTES):
        raise image.damage(
            f"its certificate table of {place.size} bytes does not hold one signature, but {length} bytes of {kind}"
        )
    return table.read(_ENTRY.size, place.size - _ENTRY.size, "certificate")


def _digest(image: Span, place: pe.Certificates, algorithm: str) -> bytes:
    """The hash of all that signing does not write ("Calculating the PE Image Hash"); sections lie in their order."""
    found = hashlib.new(algorithm)
    start = 0
    for end, skipped in ((place.checksum, _CHECKSUM), (place.directory, _DIRECTORY), (place.offset, 0)):
        for at in range(start, end, _WINDOW):
            found.update(image.read(at, min(_WINDOW, end - at), "bytes"))
        start = end + skipped
    return found.digest()
