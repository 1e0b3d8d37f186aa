"""Code signing in miniature: authorities of our own, and their CMS signatures (RFC 5652), written from the rules.

Nothing here uses what such signatures are made to test. RSA makes every signature of one identity equally long, so a
file's layout does not depend on what is signed.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from dataclasses import dataclass
from struct import pack
from typing import TYPE_CHECKING

import executables
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["SIGNED", "TEAM", "Identity", "authenticode", "identity", "mach_signature", "message"]

TEAM = "TEAM123456"
SIGNED = dt.datetime(2026, 11, 13, 6, 37, 57, tzinfo=dt.timezone.utc)
"""When everything is signed, as it says."""

_DATA, _SIGNED_DATA, _SPC = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.2", "1.3.6.1.4.1.311.2.1.4"
_CONTENT_TYPE, _MESSAGE_DIGEST, _SIGNING_TIME = (f"1.2.840.113549.1.9.{number}" for number in (3, 4, 5))
_CDHASHES = "1.2.840.113635.100.9.2"
_HASHES = {"sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1", "sha384": "2.16.840.1.101.3.4.2.2"}
_RSA = "1.2.840.113549.1.1.1"
_LEAF_MARK, _AUTHORITY_MARK = "1.2.840.113635.100.6.1.13", "1.2.840.113635.100.6.2.6"


@dataclass(frozen=True)
class Identity:
    """Who signs.

    Attributes:
        key: the signer's.
        certificates: the signer's, the authority's, the root's.
    """

    key: rsa.RSAPrivateKey
    certificates: tuple[x509.Certificate, ...]

    @property
    def root(self) -> str:
        """The sha256 of the root, in hex."""
        return self.certificates[-1].fingerprint(hashes.SHA256()).hex()


@functools.cache
def identity(
    team: str = TEAM,
    *,
    expired: bool = False,
    marked: bool = True,
    codes: bool = True,
    authority: bool = True,
) -> Identity:
    """A signer like those that Apple vouches for.

    Args:
        team: the developer team.
        expired: whether the certificate was no longer valid when it signed.
        marked: whether the certificate says that it is of a Developer ID.
        codes: whether it may sign code.
        authority: whether the one that vouches for it may.
    """
    keys = [_key(number) for number in range(3)]
    names = [f"Signer ({team})", "Authority", "Root"]
    subjects = [_name(name, unit) for name, unit in zip(names, (team, "CA", "CA"), strict=True)]
    certificates = []
    for level, (key, subject) in enumerate(zip(keys, subjects, strict=True)):
        above = min(level + 1, 2)
        end = SIGNED + dt.timedelta(days=-1 if expired and not level else 365)
        builder = (
            x509.CertificateBuilder(subjects[above], subject, key.public_key(), level + 1)
            .not_valid_before(SIGNED - dt.timedelta(days=365))
            .not_valid_after(end)
            .add_extension(
                x509.BasicConstraints(ca=level == 2 or (level == 1 and authority), path_length=None), critical=True
            )
            .add_extension(_usage(signs=not level), critical=True)
        )
        if not level:
            purpose = ExtendedKeyUsageOID.CODE_SIGNING if codes else ExtendedKeyUsageOID.EMAIL_PROTECTION
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
        if level < 2 and marked:
            mark = x509.UnrecognizedExtension(ObjectIdentifier((_LEAF_MARK, _AUTHORITY_MARK)[level]), b"\x05\x00")
            builder = builder.add_extension(mark, critical=not level)
        certificates.append(builder.sign(keys[above], hashes.SHA256()))
    return Identity(keys[0], tuple(certificates))


def message(
    signer: Identity,
    content: bytes,
    *,
    kind: str = _DATA,
    within: bytes = b"",
    more: Mapping[str, bytes] | None = None,
    algorithm: str = "sha256",
    certificates: Sequence[x509.Certificate] | None = None,
) -> bytes:
    """A CMS signature.

    Args:
        signer: who signs.
        content: what is signed.
        kind: what it is, by object identifier.
        within: the same as it is encoded in the message; nothing leaves it out.
        more: further signed attributes, the values of each by its object identifier.
        algorithm: the hash.
        certificates: those in the message; the signer's by default.
    """
    attributes = {
        _CONTENT_TYPE: _oid(kind),
        _SIGNING_TIME: _der(0x17, SIGNED.strftime("%y%m%d%H%M%SZ").encode()),
        _MESSAGE_DIGEST: _der(0x04, hashlib.new(algorithm, content).digest()),
        **(more or {}),
    }
    signed = b"".join(sorted(_der(0x30, _oid(name), _der(0x31, value)) for name, value in attributes.items()))
    hashed = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}[algorithm]
    signature = signer.key.sign(_der(0x31, signed), padding.PKCS1v15(), hashed)
    hash_name = _algorithm(_HASHES[algorithm])
    leaf = signer.certificates[0]
    info = _der(
        0x30,
        _der(0x02, b"\1"),
        _der(0x30, leaf.issuer.public_bytes(), _der(0x02, leaf.serial_number.to_bytes(1, "big"))),
        hash_name,
        _der(0xA0, signed),
        _algorithm(_RSA),
        _der(0x04, signature),
    )
    inner = _der(0x30, _oid(kind), _der(0xA0, within) if within else b"")
    known = signer.certificates if certificates is None else certificates
    encoded = b"".join(each.public_bytes(serialization.Encoding.DER) for each in known)
    data = _der(0x30, _der(0x02, b"\1"), _der(0x31, hash_name), inner, _der(0xA0, encoded), _der(0x31, info))
    return _der(0x30, _oid(_SIGNED_DATA), _der(0xA0, data))


def mach_signature(
    signer: Identity | None = None,
    *,
    team: str = TEAM,
    flags: int = 0x10000,
    special: Mapping[int, bytes] | None = None,
    alternate: bool = False,
    forgets_alternate: bool = False,
    make: Callable[..., bytes] = message,
) -> Callable[[bytes], bytes]:
    """What signs a macOS program (`executables.macho`).

    Args:
        signer: who signs.
        team: the developer team that the CodeDirectory names.
        flags: what the signature asks of the system; by default the hardened runtime.
        special: further blobs, by slot.
        alternate: whether there is a second CodeDirectory, of longer hashes.
        forgets_alternate: whether the signer is not told of it.
        make: what makes the message.
    """
    signer = signer or identity()
    blobs = special or {2: pack(">III", 0xFADE0C01, 12, 0), 5: pack(">II4s", 0xFADE7171, 12, b"<x/>")}

    def sign(code: bytes) -> bytes:
        directories = {0: executables.code_directory(code, flags=flags, team=team, special=blobs)}
        if alternate:
            longer = executables.code_directory(code, flags=flags, team=team, special=blobs, algorithm="sha384")
            directories[0x1000] = longer
        told = list(zip(("sha256", "sha384"), directories.values(), strict=False))[: 1 if forgets_alternate else 2]
        listed = b"".join(
            _der(0x30, _oid(_HASHES[name]), _der(0x04, hashlib.new(name, each).digest())) for name, each in told
        )
        cms = make(signer, directories[0], more={_CDHASHES: listed})
        return executables.superblob({**directories, **blobs, 0x10000: pack(">II", 0xFADE0B01, 8 + len(cms)) + cms})

    return sign


def authenticode(
    signer: Identity | None = None, *, kind: str = _SPC, algorithm: str = "sha256"
) -> Callable[[bytes], bytes]:
    """What signs a Windows program (`executables.pe`).

    Args:
        signer: who signs.
        kind: what the content is called.
        algorithm: the hash.
    """
    signer = signer or identity()

    def sign(hashed: bytes) -> bytes:
        digest = _der(0x30, _algorithm(_HASHES[algorithm]), _der(0x04, hashlib.new(algorithm, hashed).digest()))
        content = _der(0x30, _oid("1.3.6.1.4.1.311.2.1.15")) + digest
        return message(signer, content, kind=kind, within=_der(0x30, content), algorithm=algorithm)

    return sign


@functools.cache
def _key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _name(name: str, unit: str) -> x509.Name:
    parts = {NameOID.COMMON_NAME: name, NameOID.ORGANIZATIONAL_UNIT_NAME: unit}
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts.items()])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signs,
        crl_sign=not signs,
        encipher_only=False,
        decipher_only=False,
    )


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    length = bytes([size]) if size < 0x80 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + body


def _oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    body = b""
    for number in (first * 40 + second, *rest):
        septets = [number & 0x7F]
        while number := number >> 7:
            septets.insert(0, number & 0x7F | 0x80)
        body += bytes(septets)
    return _der(0x06, body)


def _algorithm(dotted: str) -> bytes:
    return _der(0x30, _oid(dotted), b"\x05\x00")
